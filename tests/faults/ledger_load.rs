//! A wallet process under load, and the audit afterwards.
//!
//! Clients insist: what was not answered is sent again under its id until it is. So in the end
//! everything that was acknowledged must be in the journal exactly once and nothing that was refused,
//! and the proof library must find nothing wrong. The load is what the ledger is made for: batches,
//! single posts, holds that are captured or released.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
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
use serde_json::Value;
use testkit::{Nats, TestDatabase};
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use wallet::Store;
use wallet::proof::{Report, Source, export_lines, verify_database};

use crate::harness::eventually;
use crate::harness::fleet::{SECRET, config, free_address};
use crate::harness::processes::variables;

/// Until the service must have recovered by itself.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// An answer that takes longer counts as none.
const CALL: Duration = Duration::from_secs(8);
/// Posts of one batch; the last of them asks for more than there is.
const BATCH: usize = 40;

/// One wallet process with its database.
pub struct Wallet {
    pub database: TestDatabase,
    _nats: Nats,
    config: Config,
    listen: SocketAddr,
    child: Option<Child>,
    ledger: LedgerServiceClient<Channel>,
}

/// The migrations that a wallet process needs.
pub fn migrations() -> Vec<(&'static str, sqlx::migrate::Migrator)> {
    fleet::command::migrate::migrations()
}

impl Wallet {
    /// A process that reaches its database as `change` says.
    pub async fn on(database: TestDatabase, change: impl FnOnce(&mut Config)) -> Self {
        let nats = testkit::nats();
        let mut config = config(&database, &nats);
        change(&mut config);
        let listen = free_address();
        let channel = Channel::from_shared(format!("http://{listen}")).unwrap().connect_lazy();
        let ledger = LedgerServiceClient::new(channel);
        let mut wallet = Self { database, _nats: nats, config, listen, child: None, ledger };
        wallet.start().await;
        wallet
    }

    /// The program, configured for this wallet.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vbwd"));
        command.env_clear().envs(variables(&self.config));
        command
    }

    /// Starts the process and waits until it is ready.
    pub async fn start(&mut self) {
        let admin = free_address();
        let mut command = self.command();
        command.args(["serve", "wallet"]);
        command.env("VBWD_SERVICES_WALLET_LISTEN", self.listen.to_string());
        command.env("VBWD_ADMIN_LISTEN", admin.to_string());
        command.env("VBWD_WALLET_LEASE_MILLISECONDS", "1000");
        command.env("VBWD_WALLET_SNAPSHOT_BATCHES", "5");
        let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("vbwd runs");
        self.child = Some(child);
        eventually("the wallet is ready", PATIENCE, || async move {
            let answer = reqwest::get(format!("http://{admin}/ready")).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Ends the process as a crash does.
    pub fn kill_9(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// A client that knows the way and nothing of the process's life.
    pub fn client(&self) -> Client {
        Client { ledger: self.ledger.clone(), tenant: TenantId::new() }
    }

    /// A client with a connection of its own.
    pub fn another_client(&self, tenant: TenantId) -> Client {
        let channel = Channel::from_shared(format!("http://{}", self.listen)).unwrap().connect_lazy();
        Client { ledger: LedgerServiceClient::new(channel), tenant }
    }

    /// Asserts that the ledger is sound while it is being served, and that the journal holds what was
    /// acknowledged, each operation once, and nothing else.
    pub async fn audit(&self, load: &Load) -> Report {
        let store = Store::new(runtime::database::pool(self.database.config(), "wallet").unwrap());
        let journal = wallet::chosen_journal(&self.config.wallet, &store).unwrap();
        let mut text = Vec::new();
        export_lines(&journal, 0..4, 1, &mut text).await.unwrap();
        let mut times = HashMap::<String, u32>::new();
        for line in String::from_utf8(text).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if line["type"] == "operation" {
                *times.entry(line["operation_id"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        let (done, refused) = load.compare(&times);
        self.wait_until_projected().await;
        let source = Source { store: &store, journal: &journal };
        let report = verify_database(&source, None, &[], i64::MAX).await.unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.operations(), done as u64);
        println!("{done} operations each once, {refused} refused, {} calls failed", load.failed());
        report
    }

    async fn wait_until_projected(&self) {
        let all = self.database.superuser("wallet");
        eventually("the tables have come to the end", PATIENCE, || async {
            let behind = "SELECT count(*) FROM (SELECT partition, max(sequence) AS last FROM journal GROUP BY partition) \
                AS ends LEFT JOIN ledger_progress USING (partition) WHERE coalesce(projected, 0) < last";
            let behind: i64 = sqlx::query_scalar(behind).fetch_one(&all).await.ok()?;
            (behind == 0).then_some(())
        })
        .await;
    }
}

impl Drop for Wallet {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A tenant's view of the ledger.
pub struct Client {
    pub ledger: LedgerServiceClient<Channel>,
    pub tenant: TenantId,
}

/// A tenant's accounts.
pub struct Accounts {
    pub issuance: String,
    pub customer: String,
    pub revenue: String,
}

impl Client {
    pub fn call<M>(&self, message: M) -> Request<M> {
        let keys = AssertionKeys::from_secret(&SecretString::from(SECRET.to_owned())).unwrap();
        let caller = Caller::service("test", self.tenant);
        let assertion = keys.sign("gateway", &caller, SystemClock.wall()).unwrap();
        let mut request = Request::new(message);
        request.metadata_mut().insert(auth::METADATA_KEY, assertion.parse().unwrap());
        request
    }

    async fn open(&self, kind: AccountKind) -> String {
        let is_customer = kind == AccountKind::Customer;
        let request = OpenAccountRequest {
            kind: kind as i32,
            asset: "TOKEN".to_owned(),
            owner_user_id: if is_customer { UserId::new().to_string() } else { String::new() },
            ..OpenAccountRequest::default()
        };
        let answer = self.ledger.clone().open_account(self.call(request)).await.unwrap();
        answer.into_inner().account.unwrap().account_id
    }

    pub async fn accounts(&self) -> Accounts {
        Accounts {
            issuance: self.open(AccountKind::Issuance).await,
            customer: self.open(AccountKind::Customer).await,
            revenue: self.open(AccountKind::Revenue).await,
        }
    }

    pub fn post(&self, operation: OperationId, from: &str, to: &str, amount: i64) -> PostRequest {
        let posting = Posting { debit_account_id: from.to_owned(), credit_account_id: to.to_owned(), amount };
        PostRequest {
            operation_id: operation.to_string(),
            postings: vec![posting],
            reason: "adjustment".to_owned(),
            ..PostRequest::default()
        }
    }
}

/// What the clients of a test did.
#[derive(Default)]
pub struct Load {
    over: AtomicBool,
    failed: AtomicU64,
    acknowledged: Mutex<HashSet<String>>,
    refused: Mutex<HashSet<String>>,
}

impl Load {
    /// How many calls were not answered.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until so many more operations are acknowledged.
    pub async fn more(&self, count: usize) -> Duration {
        let (began, goal) = (Instant::now(), self.count() + count);
        eventually("operations are acknowledged", PATIENCE, || async {
            (self.count() >= goal).then_some(())
        })
        .await;
        began.elapsed()
    }

    /// Waits until so many more calls have failed.
    pub async fn more_failures(&self, count: u64) {
        let goal = self.failed() + count;
        eventually("calls fail", PATIENCE, || async { (self.failed() >= goal).then_some(()) }).await;
    }

    /// Asserts that what was acknowledged is there once, and nothing else; answers how many operations
    /// were done and refused.
    fn compare(&self, times: &HashMap<String, u32>) -> (usize, usize) {
        let (acknowledged, refused) = (self.acknowledged.lock().unwrap(), self.refused.lock().unwrap());
        let lost: Vec<_> = acknowledged.iter().filter(|id| times.get(*id) != Some(&1)).collect();
        assert!(lost.is_empty(), "{} operations are not there once: {:?}", lost.len(), lost.first());
        let done: Vec<_> = refused.iter().filter(|id| times.contains_key(*id)).collect();
        assert!(done.is_empty(), "{} refused operations are there: {:?}", done.len(), done.first());
        assert_eq!(times.len(), acknowledged.len(), "nobody asked for more");
        (acknowledged.len(), refused.len())
    }

    pub fn note(&self, operation: String, is_done: bool) {
        let all = if is_done { &self.acknowledged } else { &self.refused };
        all.lock().unwrap().insert(operation);
    }

    /// Clients that work until the load is over.
    pub async fn clients(&self, wallet: &[Client]) {
        join_all(wallet.iter().map(|client| self.client(client))).await;
    }

    async fn client(&self, client: &Client) {
        let accounts = client.accounts().await;
        let mut round = 0;
        while !self.over.load(Ordering::Relaxed) {
            round += 1;
            self.unary(client, &accounts.issuance, &accounts.customer, 100).await;
            self.unary(client, &accounts.customer, &accounts.revenue, i64::MAX / 2).await;
            self.batch(client, &accounts).await;
            self.hold(client, &accounts, round % 3 == 0).await;
        }
    }

    async fn unary(&self, client: &Client, from: &str, to: &str, amount: i64) {
        let operation = OperationId::new();
        let request = client.post(operation, from, to, amount);
        let answer =
            self.insist(client, &request, |mut ledger, request| async move {
                ledger.post(request).await.map(drop)
            })
            .await;
        self.note(operation.to_string(), answer.is_ok());
    }

    async fn batch(&self, client: &Client, accounts: &Accounts) {
        let mut request = PostBatchRequest {
            reason: "adjustment".to_owned(),
            reference: "r".repeat(150),
            ..PostBatchRequest::default()
        };
        let halves = |id: &str| {
            let (high, low) = id.parse::<uuid::Uuid>().unwrap().as_u64_pair();
            [high, low]
        };
        let ids: Vec<_> = (0..BATCH).map(|_| OperationId::new().to_string()).collect();
        for (place, id) in ids.iter().enumerate() {
            let is_too_much = place + 1 == BATCH;
            let (from, to) = match place % 2 {
                0 => (&accounts.issuance, &accounts.customer),
                _ => (&accounts.customer, &accounts.revenue),
            };
            request.operation_ids.extend(halves(id));
            request.debit_account_ids.extend(halves(from));
            request.credit_account_ids.extend(halves(to));
            request.amounts.push(if is_too_much { i64::MAX / 2 } else { 1 });
        }
        let answer = self
            .insist(client, &request, |mut ledger, request| async move {
                ledger.post_batch(request).await.map(tonic::Response::into_inner)
            })
            .await;
        let refused: HashSet<_> = answer.unwrap().refused.iter().map(|post| post.place as usize).collect();
        assert_eq!(refused, HashSet::from([BATCH - 1]), "only what is too much is refused");
        ids.into_iter().enumerate().for_each(|(place, id)| self.note(id, !refused.contains(&place)));
    }

    async fn hold(&self, client: &Client, accounts: &Accounts, is_released: bool) {
        let (hold, end) = (OperationId::new().to_string(), OperationId::new().to_string());
        let request = HoldRequest {
            operation_id: hold.clone(),
            account_id: accounts.customer.clone(),
            credit_account_id: accounts.revenue.clone(),
            amount: 7,
            reason: "usage".to_owned(),
            ..HoldRequest::default()
        };
        let held = self.insist(client, &request, |mut ledger, request| async move {
            ledger.hold(request).await.map(drop)
        });
        held.await.unwrap();
        self.note(hold.clone(), true);
        if is_released {
            let request = ReleaseRequest {
                operation_id: end.clone(),
                hold_id: hold,
                reason: "usage".to_owned(),
                ..ReleaseRequest::default()
            };
            let released = self.insist(client, &request, |mut ledger, request| async move {
                ledger.release(request).await.map(drop)
            });
            released.await.unwrap();
        } else {
            let request = CaptureRequest {
                operation_id: end.clone(),
                hold_id: hold,
                amount: 4,
                release_rest: true,
                reason: "usage".to_owned(),
                ..CaptureRequest::default()
            };
            let captured = self.insist(client, &request, |mut ledger, request| async move {
                ledger.capture(request).await.map(drop)
            });
            captured.await.unwrap();
        }
        self.note(end, true);
    }

    /// Sends a request until it is answered; a refusal by a rule is an answer.
    async fn insist<M: Clone, T, F>(
        &self,
        client: &Client,
        message: &M,
        send: impl Fn(LedgerServiceClient<Channel>, Request<M>) -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let call = client.call(message.clone());
            let answer = timeout(CALL, send(client.ledger.clone(), call)).await;
            match answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer"))) {
                Ok(answer) => return Ok(answer),
                Err(status) if is_final(&status) => return Err(status),
                Err(status) => {
                    assert!(Instant::now() < deadline, "no answer within {PATIENCE:?}: {status:?}")
                }
            }
            self.failed.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Whether a status says that the operation was refused; everything else leaves it open.
fn is_final(status: &Status) -> bool {
    assert!(
        !matches!(status.code(), Code::InvalidArgument | Code::PermissionDenied | Code::Unauthenticated),
        "{status:?}"
    );
    status.code() == Code::FailedPrecondition
}
