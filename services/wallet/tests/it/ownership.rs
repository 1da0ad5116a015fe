//! Two replicas on one database: any of them answers for every tenant, also while partitions move.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auth::{AssertionKeys, Caller};
use contracts::vbwd::wallet::v1::ledger_service_client::LedgerServiceClient;
use contracts::vbwd::wallet::v1::*;
use fault::Fault;
use futures::future::join_all;
use ids::{OperationId, TenantId, UserId};
use kernel::{Clock as _, SystemClock};
use runtime::{Directory, Drain, Environment, OnError, Platform};
use secrecy::SecretString;
use tonic::Request;
use tonic::transport::Channel;
use wallet::partitions::{Moved, Partitions};

const SECRET: &str = "a fleet secret of more than thirty-two characters";
const PATIENCE: Duration = Duration::from_secs(20);

struct Fleet {
    database: testkit::TestDatabase,
    nats: testkit::Nats,
    partitions: Partitions,
}

/// A replica of the wallet that answers on a port of its own.
struct Replica {
    platform: Platform,
    ledger: LedgerServiceClient<Channel>,
}

/// A tenant with an issuance account and one customer.
struct Tenant {
    id: TenantId,
    issuance: String,
    customer: String,
}

impl Fleet {
    async fn new() -> Self {
        let database = testkit::database(wallet::NAME, wallet::migrations()).await;
        let partitions = Partitions::new(database.pool(wallet::NAME));
        Self { database, nats: testkit::nats(), partitions }
    }

    async fn replica(&self, owner: &str) -> Replica {
        let bus = bus::Bus::connect(&self.nats.url(), "").await.unwrap();
        let secret = SecretString::from(SECRET.to_owned());
        let directory = Directory::new([wallet::NAME], []).unwrap();
        let (database, clock) = (self.database.config().clone(), Arc::new(SystemClock));
        let platform =
            Platform::new(Environment::Test, clock, secret, database, bus, directory, Drain::new()).unwrap();
        let listen = testkit::free_address();
        let config = wallet::Config {
            owner: owner.to_owned(),
            address: format!("http://{listen}"),
            lease_milliseconds: 1_500,
            ..wallet::Config::default()
        };
        let service = wallet::service(&platform, config).await.unwrap();
        let (routes, guard) = (service.routes.clone(), platform.guard());
        platform.tasks.supervise("wallet.grpc", OnError::Stop, move |drain| {
            runtime::serve_grpc(wallet::NAME, listen, routes.clone(), guard.clone(), drain)
        });
        platform.install(service);
        listening(listen).await;
        let channel = Channel::from_shared(format!("http://{listen}")).unwrap().connect_lazy();
        Replica { platform, ledger: LedgerServiceClient::new(channel) }
    }

    async fn owners(&self) -> Vec<String> {
        let found = self.partitions.look().await.unwrap();
        found.iter().map(|found| found.present_owner().unwrap_or("nobody").to_owned()).collect()
    }

    async fn owned_by(&self, owners: [&str; 4]) {
        let waiting = async {
            while self.owners().await != owners {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the partitions have these owners");
    }
}

impl Replica {
    async fn post(&self, tenant: &Tenant, amount: i64) -> Result<String, Fault> {
        let posting = Posting {
            debit_account_id: tenant.issuance.clone(),
            credit_account_id: tenant.customer.clone(),
            amount,
        };
        let request = PostRequest {
            operation_id: OperationId::new().to_string(),
            postings: vec![posting],
            reason: "adjustment".to_owned(),
            ..PostRequest::default()
        };
        let answer = self.ledger.clone().post(call(tenant.id, request)).await?;
        Ok(answer.into_inner().position)
    }

    /// Posts one token per message of a stream, the next when the one before is answered.
    async fn stream(&self, tenant: &Tenant, messages: usize) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let stream = futures::stream::unfold(receiver, |mut receiver| async move {
            Some((receiver.recv().await?, receiver))
        });
        let answers = self.ledger.clone().post_stream(call(tenant.id, stream)).await.unwrap();
        let mut answers = answers.into_inner();
        for _ in 0..messages {
            let halves =
                |id: &str| <[u64; 2]>::from(id.parse::<uuid::Uuid>().unwrap().as_u64_pair()).to_vec();
            let batch = PostBatchRequest {
                operation_ids: halves(&OperationId::new().to_string()),
                debit_account_ids: halves(&tenant.issuance),
                credit_account_ids: halves(&tenant.customer),
                amounts: vec![1],
                reason: "adjustment".to_owned(),
                reference: String::new(),
            };
            sender.send(batch).unwrap();
            assert_eq!(answers.message().await.unwrap().unwrap().done, 1);
        }
        drop(sender);
        assert!(answers.message().await.unwrap().is_none(), "the stream ends in order");
    }

    async fn balance(&self, tenant: &Tenant) -> i64 {
        let asked = GetBalanceRequest { account_id: tenant.customer.clone(), ..GetBalanceRequest::default() };
        let answer = self.ledger.clone().get_balance(call(tenant.id, asked)).await.unwrap();
        answer.into_inner().balance.unwrap().posted
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
}

fn call<M>(tenant: TenantId, message: M) -> Request<M> {
    let keys = AssertionKeys::from_secret(&SecretString::from(SECRET.to_owned())).unwrap();
    let assertion = keys.sign("gateway", &Caller::service("test", tenant), SystemClock.wall()).unwrap();
    let mut request = Request::new(message);
    request.metadata_mut().insert(auth::METADATA_KEY, assertion.parse().unwrap());
    request
}

async fn listening(address: SocketAddr) {
    while tokio::net::TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_replica_answers_for_every_tenant() {
    let fleet = Fleet::new().await;
    let a = fleet.replica("a").await;
    fleet.owned_by(["a"; 4]).await;
    let b = fleet.replica("b").await;
    let tenants = join_all((0..12).map(|_| b.tenant())).await;
    for partition in [0, 1] {
        assert_eq!(fleet.partitions.move_to(partition, "b", PATIENCE).await.unwrap(), Moved::Now);
    }
    fleet.owned_by(["b", "b", "a", "a"]).await;
    assert_eq!(fleet.partitions.move_to(0, "b", PATIENCE).await.unwrap(), Moved::Before);
    for tenant in &tenants {
        let position = a.post(tenant, 3).await.unwrap();
        b.post(tenant, 4).await.unwrap();
        a.stream(tenant, 2).await;
        b.stream(tenant, 2).await;
        assert_eq!((a.balance(tenant).await, b.balance(tenant).await), (11, 11));
        let asked = ListEntriesRequest {
            account_id: tenant.customer.clone(),
            min_position: position,
            ..ListEntriesRequest::default()
        };
        let page = b.ledger.clone().list_entries(call(tenant.id, asked)).await.unwrap().into_inner();
        assert!(page.entries.iter().any(|entry| entry.amount == 3));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_move_and_drain_under_load_without_a_failed_call() {
    let fleet = Fleet::new().await;
    let a = fleet.replica("a").await;
    fleet.owned_by(["a"; 4]).await;
    let b = fleet.replica("b").await;
    let tenants = join_all((0..8).map(|_| b.tenant())).await;
    let over = AtomicBool::new(false);
    let client = |tenant| {
        let (a, b, over) = (&a, &b, &over);
        async move {
            let mut posted = 0;
            while !over.load(Ordering::Relaxed) {
                a.post(tenant, 1).await.unwrap();
                b.post(tenant, 1).await.unwrap();
                posted += 2;
            }
            posted
        }
    };
    let steering = async {
        for partition in [0, 2] {
            fleet.partitions.move_to(partition, "b", PATIENCE).await.unwrap();
        }
        for (drained, other) in [("b", "a"), ("a", "b")] {
            fleet.partitions.drain(drained, PATIENCE).await.unwrap();
            assert_eq!(fleet.owners().await, [other; 4]);
            fleet.partitions.undrain(drained).await.unwrap();
        }
        over.store(true, Ordering::Relaxed);
    };
    let (posted, ()) = tokio::join!(join_all(tenants.iter().map(client)), steering);
    assert_eq!(fleet.owners().await, ["b"; 4]);
    for (tenant, posted) in tenants.iter().zip(&posted) {
        assert_eq!(a.balance(tenant).await, *posted);
    }
    println!("{} operations while ten partitions moved", posted.iter().sum::<i64>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_moved_is_said_in_a_sentence() {
    let fleet = Fleet::new().await;
    let a = fleet.replica("a").await;
    fleet.owned_by(["a"; 4]).await;
    let short = Duration::from_millis(300);
    let reason = |outcome: Result<Moved, Fault>| outcome.unwrap_err().reason().to_owned();
    assert_eq!(reason(fleet.partitions.move_to(0, "nobody", short).await), "owner_not_found");
    assert_eq!(reason(fleet.partitions.move_to(9, "a", short).await), "partition_not_found");
    assert_eq!(fleet.partitions.drain("a", short).await.unwrap_err().reason(), "nobody_else");
    let b = fleet.replica("b").await;
    b.tenant().await; // it is up
    b.platform.tasks.drain().cancel();
    assert!(b.platform.tasks.finished(PATIENCE).await);
    assert_eq!(reason(fleet.partitions.move_to(0, "b", short).await), "owner_takes_nothing");
    a.tenant().await;
    assert_eq!(fleet.owners().await, ["a"; 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_heir_that_dies_on_the_way_leaves_the_partition_where_it_was() {
    let fleet = Fleet::new().await;
    let a = fleet.replica("a").await;
    fleet.owned_by(["a"; 4]).await;
    let ghost = journal::Holder { owner: "ghost".to_owned(), address: String::new() };
    let placement = wallet::journal(&wallet::Store::new(fleet.database.pool(wallet::NAME))).placement();
    placement.check_in(&ghost, PATIENCE, &[]).await.unwrap(); // says that it is alive, and no more
    let refused = fleet.partitions.move_to(0, "ghost", Duration::from_millis(900)).await.unwrap_err();
    assert_eq!(refused.reason(), "partition_not_moved");
    assert_eq!(fleet.owners().await, ["a"; 4]);
    a.tenant().await;
}
