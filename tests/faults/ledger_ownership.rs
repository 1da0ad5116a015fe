//! Two wallet processes on one database: the owner of a partition is killed, paused, moved away from
//! and drained while clients post through both.
//!
//! Clients insist: an operation that was not acknowledged is sent again under its id, to the other
//! process. So in the end every operation must be in the books exactly once.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use auth::{AssertionKeys, Caller};
use contracts::vbwd::wallet::v1::ledger_service_client::LedgerServiceClient;
use contracts::vbwd::wallet::v1::*;
use fleet::config::Config;
use futures::future::join_all;
use ids::{OperationId, TenantId, UserId};
use kernel::{Clock as _, SystemClock};
use secrecy::SecretString;
use testkit::{Nats, TestDatabase};
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Request, Status};
use wallet::partitions::Partitions;

use crate::harness::eventually;
use crate::harness::fleet::{SECRET, config, free_address};
use crate::harness::processes::variables;

const LEASE: Duration = Duration::from_millis(2_000);
/// What a takeover may take beyond the lease, in a debug build on a busy machine.
const A_LITTLE: Duration = Duration::from_millis(5_000);
const PATIENCE: Duration = Duration::from_secs(20);

/// A database with a wallet, whose processes come and go.
struct World {
    database: TestDatabase,
    _nats: Nats,
    config: Config,
}

/// One process that serves the wallet.
struct Replica {
    child: Child,
    ledger: LedgerServiceClient<Channel>,
    admin: SocketAddr,
}

/// A tenant with an issuance account and one customer.
struct Tenant {
    id: TenantId,
    issuance: String,
    customer: String,
}

impl World {
    async fn new() -> Self {
        let database = testkit::databases(fleet::command::migrate::migrations()).await;
        let nats = testkit::nats();
        let config = config(&database, &nats);
        Self { database, _nats: nats, config }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vbwd"));
        command.env_clear().envs(variables(&self.config));
        command
    }

    /// A process named `owner`; ready when every partition is served by somebody.
    async fn replica(&self, owner: &str) -> Replica {
        self.replica_with(owner, &[]).await
    }

    /// A process named `owner` with settings of its own.
    async fn replica_with(&self, owner: &str, settings: &[(&str, &str)]) -> Replica {
        let (listen, admin) = (free_address(), free_address());
        let mut command = self.command();
        command.args(["serve", "wallet"]).env("VBWD_WALLET_OWNER", owner);
        command.env("VBWD_SERVICES_WALLET_LISTEN", listen.to_string());
        command.env("VBWD_ADMIN_LISTEN", admin.to_string());
        command.env("VBWD_WALLET_LEASE_MILLISECONDS", LEASE.as_millis().to_string());
        let outlasts_a_takeover = (LEASE + 2 * A_LITTLE).as_millis().to_string();
        command.env("VBWD_WALLET_SERVICE_WAIT_MILLISECONDS", outlasts_a_takeover);
        command.envs(settings.iter().copied());
        let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("vbwd runs");
        let channel = Channel::from_shared(format!("http://{listen}")).unwrap().connect_lazy();
        let replica = Replica { child, ledger: LedgerServiceClient::new(channel), admin };
        replica.wait_until_ready().await;
        replica
    }

    /// Runs `vbwd ledger partitions …` and answers what it says; it must succeed.
    async fn partitions(&self, arguments: &[&str]) -> String {
        let mut command = self.command();
        command.args(["ledger", "partitions"]).args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Present owners by partition.
    async fn owners(&self) -> Vec<String> {
        let found = Partitions::new(self.database.pool("wallet")).look().await.unwrap();
        found.iter().map(|found| found.present_owner().unwrap_or("nobody").to_owned()).collect()
    }

    /// Waits until `owner` has everything; answers how long that took.
    async fn owned_by(&self, owner: &str) -> Duration {
        let began = Instant::now();
        eventually(&format!("{owner} owns everything"), LEASE + A_LITTLE, || async {
            (self.owners().await == [owner; 4]).then_some(())
        })
        .await;
        began.elapsed()
    }

    /// Asserts that `operations` operations are in the journal and in the entries, each once, and
    /// that no row was appended under a lease that was over.
    async fn audit(&self, operations: u64) {
        let all = self.database.superuser("wallet");
        eventually("the entries are projected", PATIENCE, || async {
            let behind = "SELECT count(*) FROM ledger_progress WHERE projected < \
                (SELECT max(sequence) FROM journal WHERE journal.partition = ledger_progress.partition)";
            let behind: i64 = sqlx::query_scalar(behind).fetch_one(&all).await.unwrap();
            (behind == 0).then_some(())
        })
        .await;
        let number =
            async |query: &'static str| -> i64 { sqlx::query_scalar(query).fetch_one(&all).await.unwrap() };
        let recorded =
            number("SELECT coalesce(sum(operations)::bigint, 0) FROM ledger_operation_chunks").await;
        let derived = number("SELECT count(*) FROM ledger_operations").await;
        let entries = number("SELECT coalesce(sum(entries), 0) FROM ledger_entries").await;
        let stale = number(
            "SELECT count(*) FROM (SELECT epoch < lag(epoch) OVER (PARTITION BY partition ORDER BY sequence) \
             AS stale FROM journal) AS rows WHERE stale",
        )
        .await;
        let operations = i64::try_from(operations).unwrap();
        assert_eq!((recorded + derived, entries, stale), (operations, operations * 2, 0));
    }
}

impl Replica {
    async fn wait_until_ready(&self) {
        let address = format!("http://{}/ready", self.admin);
        eventually("the wallet is ready", Duration::from_secs(30), || async {
            reqwest::get(&address).await.ok()?.status().is_success().then_some(())
        })
        .await;
    }

    /// Sends a signal by its name.
    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    async fn tenant(&self) -> Tenant {
        let id = TenantId::new();
        let issuance = self.open(id, AccountKind::Issuance, String::new()).await;
        let customer = self.open(id, AccountKind::Customer, UserId::new().to_string()).await;
        Tenant { id, issuance, customer }
    }

    async fn open(&self, tenant: TenantId, kind: AccountKind, owner_user_id: String) -> String {
        let request = OpenAccountRequest {
            kind: kind as i32,
            asset: "TOKEN".to_owned(),
            owner_user_id,
            ..OpenAccountRequest::default()
        };
        let answer = self.ledger.clone().open_account(call(tenant, request)).await.unwrap();
        answer.into_inner().account.unwrap().account_id
    }

    /// Posts one token; a process that says nothing for long has not acknowledged.
    async fn post(&self, tenant: &Tenant, operation: OperationId) -> Result<(), Status> {
        let posting = Posting {
            debit_account_id: tenant.issuance.clone(),
            credit_account_id: tenant.customer.clone(),
            amount: 1,
        };
        let request = PostRequest {
            operation_id: operation.to_string(),
            postings: vec![posting],
            reason: "adjustment".to_owned(),
            ..PostRequest::default()
        };
        let mut ledger = self.ledger.clone();
        let answer = timeout(PATIENCE, ledger.post(call(tenant.id, request))).await;
        answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer")))?;
        Ok(())
    }

    async fn balance(&self, tenant: &Tenant) -> Result<u64, Status> {
        let asked = GetBalanceRequest { account_id: tenant.customer.clone(), ..GetBalanceRequest::default() };
        let answer = self.ledger.clone().get_balance(call(tenant.id, asked)).await?;
        Ok(u64::try_from(answer.into_inner().balance.unwrap().posted).unwrap())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn call<M>(tenant: TenantId, message: M) -> Request<M> {
    let keys = AssertionKeys::from_secret(&SecretString::from(SECRET.to_owned())).unwrap();
    let assertion = keys.sign("gateway", &Caller::service("test", tenant), SystemClock.wall()).unwrap();
    let mut request = Request::new(message);
    request.metadata_mut().insert(auth::METADATA_KEY, assertion.parse().unwrap());
    request
}

/// What the clients of a test did.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    acknowledged: AtomicU64,
    /// Calls that failed at the first process they were sent to, or at the second.
    failed: [AtomicU64; 2],
}

impl Load {
    /// Posts for a tenant until the load is over: every operation to `doors[0]` first, and then to
    /// each in turn until it is acknowledged.
    async fn client(&self, tenant: &Tenant, doors: [&Replica; 2]) -> u64 {
        let mut posted = 0;
        while !self.over.load(Ordering::Relaxed) {
            let operation = OperationId::new();
            let mut door = 0;
            while doors[door].post(tenant, operation).await.is_err() {
                self.failed[door].fetch_add(1, Ordering::Relaxed);
                door = 1 - door;
                sleep(Duration::from_millis(20)).await;
            }
            posted += 1;
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        posted
    }

    fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn failed(&self) -> [u64; 2] {
        [0, 1].map(|door| self.failed[door].load(Ordering::Relaxed))
    }

    /// Waits until so many more operations are acknowledged; answers how long that took.
    async fn more(&self, count: u64) -> Duration {
        let (began, goal) = (Instant::now(), self.acknowledged.load(Ordering::Relaxed) + count);
        eventually("operations are acknowledged", PATIENCE, || async {
            (self.acknowledged.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await;
        began.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_is_killed_and_calls_through_the_other_never_fail() {
    let world = World::new().await;
    let owner = world.replica("owner").await;
    let other = world.replica("other").await;
    world.owned_by("owner").await;
    for partition in ["0", "1"] {
        let said = world.partitions(&["move", partition, "--to", "other"]).await;
        assert_eq!(said, format!("partition {partition} is served by other now\n"));
    }
    let tenants = join_all((0..8).map(|_| owner.tenant())).await;
    for tenant in &tenants {
        for replica in [&owner, &other] {
            replica.post(tenant, OperationId::new()).await.unwrap();
            assert!(replica.balance(tenant).await.unwrap() > 0);
        }
    }
    let load = Load::default();
    let clients = join_all(tenants.iter().map(|tenant| load.client(tenant, [&other, &other])));
    let killing = async {
        load.more(50).await;
        owner.signal("KILL");
        let taken_over = world.owned_by("other").await;
        load.more(50).await;
        load.end();
        println!("taken over within {taken_over:?} of a lease of {LEASE:?}");
    };
    let (posted, ()) = tokio::join!(clients, killing);
    assert_eq!(load.failed(), [0, 0], "the forwarder waits for the takeover");
    for (tenant, posted) in tenants.iter().zip(&posted) {
        assert_eq!(other.balance(tenant).await.unwrap(), posted + 2);
    }
    world.audit(posted.iter().sum::<u64>() + 16).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_was_paused_appends_nothing_and_answers_nothing_stale() {
    let world = World::new().await;
    let paused = world.replica("paused").await;
    world.owned_by("paused").await;
    let other = world.replica("other").await;
    let tenants = join_all((0..6).map(|_| other.tenant())).await;
    let load = Load::default();
    let clients = tenants
        .iter()
        .flat_map(|tenant| [load.client(tenant, [&paused, &other]), load.client(tenant, [&other, &paused])]);
    let pausing = async {
        load.more(50).await;
        paused.signal("STOP");
        world.owned_by("other").await;
        load.more(30).await;
        // What was acknowledged before a read is sent must be in its answer.
        let before = join_all(tenants.iter().map(|tenant| other.balance(tenant))).await;
        let reads = join_all(tenants.iter().map(|tenant| paused.balance(tenant)));
        let waking = async {
            sleep(Duration::from_millis(500)).await; // the reads lie in the sockets of the paused one
            paused.signal("CONT");
        };
        let (reads, ()) = tokio::join!(reads, waking);
        let mut answered = 0;
        for (read, before) in reads.into_iter().zip(before) {
            let Ok(read) = read else { continue };
            assert!(read >= before.unwrap(), "a stale read");
            answered += 1;
        }
        load.more(50).await;
        load.end();
        println!("{answered} of {} reads at the paused process were answered", tenants.len());
    };
    let (posted, ()) = tokio::join!(join_all(clients), pausing);
    println!(
        "{} operations; calls that failed at the first door: {:?}",
        posted.iter().sum::<u64>(),
        load.failed()
    );
    for (tenant, posted) in tenants.iter().zip(posted.chunks(2)) {
        for replica in [&paused, &other] {
            assert_eq!(replica.balance(tenant).await.unwrap(), posted.iter().sum::<u64>());
        }
    }
    world.audit(posted.iter().sum()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_moved_and_drained_without_a_failed_call() {
    let world = World::new().await;
    let first = world.replica("first").await;
    let second = world.replica("second").await;
    let tenants = join_all((0..6).map(|_| second.tenant())).await;
    let load = Load::default();
    let clients = tenants
        .iter()
        .flat_map(|tenant| [load.client(tenant, [&first, &second]), load.client(tenant, [&second, &first])]);
    let steering = async {
        load.more(20).await;
        world.partitions(&["move", "2", "--to", "second"]).await;
        world.partitions(&["move", "2", "--to", "first"]).await;
        let said = world.partitions(&["drain", "first"]).await;
        assert_eq!(said, "first gave 4 partitions away and takes none until `undrain`\n");
        world.owned_by("second").await;
        load.more(20).await;
        world.partitions(&["undrain", "first"]).await;
        world.partitions(&["move", "0", "--to", "first"]).await;
        load.more(20).await;
        load.end();
    };
    let (posted, ()) = tokio::join!(join_all(clients), steering);
    assert_eq!(load.failed(), [0, 0]);
    let table = world.partitions(&[]).await;
    let owners = ["first", "second", "second", "second"];
    for ((number, owner), line) in (0..).zip(owners).zip(table.lines().skip(1)) {
        assert!(line.starts_with(&format!("{number}          {owner}")), "{table}");
    }
    let look: serde_json::Value = serde_json::from_str(&world.partitions(&["--json"]).await).unwrap();
    assert_eq!(
        (&look["partitions"][0]["owner"], &look["owners"][1]["alive"]),
        (&"first".into(), &true.into())
    );
    world.audit(posted.iter().sum()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_is_told_to_stop_and_calls_through_the_other_never_fail() {
    // Without notice the other recovers afterwards; within a time of notice the partitions are
    // handed over while the owner still answers.
    for notice in ["0", "4"] {
        let world = World::new().await;
        let mut owner = world.replica_with("owner", &[("VBWD_DRAIN_NOTICE_SECONDS", notice)]).await;
        let other = world.replica("other").await;
        let tenants = join_all((0..4).map(|_| other.tenant())).await;
        let load = Load::default();
        let clients = join_all(tenants.iter().map(|tenant| load.client(tenant, [&other, &other])));
        let stopping = async {
            load.more(30).await;
            owner.signal("TERM");
            let handed_over = world.owned_by("other").await;
            let is_running = owner.child.try_wait().unwrap().is_none();
            println!(
                "notice {notice} s: handed over after {handed_over:?}, the owner still runs: {is_running}"
            );
            load.more(30).await;
            load.end();
        };
        let (posted, ()) = tokio::join!(clients, stopping);
        assert_eq!(load.failed(), [0, 0], "with {notice} s of notice");
        world.audit(posted.iter().sum()).await;
    }
}
