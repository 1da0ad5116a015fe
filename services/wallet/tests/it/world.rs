//! The wallet's rpcs with the guard in front and everything behind it running.

use std::sync::Arc;

use auth::{AssertionKeys, Caller, Permissions, Subject};
use contracts::vbwd::money::v1::Money;
use contracts::vbwd::wallet::v1::ledger_service_client::LedgerServiceClient;
use contracts::vbwd::wallet::v1::token_bundle_service_client::TokenBundleServiceClient;
use contracts::vbwd::wallet::v1::*;
use fault::Fault;
use ids::{OperationId, TenantId, UserId};
use kernel::{Clock as _, SystemClock};
use runtime::{Channel, Directory, Drain, Environment, Platform};
use secrecy::SecretString;
use tonic::Request;

const SECRET: &str = "a fleet secret of more than thirty-two characters";

pub struct World {
    pub platform: Platform,
    pub tenant: TenantId,
    pub user: UserId,
    _database: testkit::TestDatabase,
    pub nats: testkit::Nats,
}

/// The wallet served in this process, with its projections and its relay.
pub async fn world() -> World {
    world_of(wallet::Config::default()).await
}

pub async fn world_of(config: wallet::Config) -> World {
    let database = testkit::database(wallet::NAME, wallet::migrations()).await;
    let nats = testkit::nats();
    let bus = bus::Bus::connect(&nats.url(), "").await.unwrap();
    let secret = SecretString::from(SECRET.to_owned());
    let directory = Directory::new([wallet::NAME], []).unwrap();
    let settings = database.config().clone();
    let platform = Platform::new(
        Environment::Test,
        Arc::new(SystemClock),
        secret,
        settings,
        bus,
        directory,
        Drain::new(),
    )
    .unwrap();
    platform.install(wallet::service(&platform, config).await.unwrap());
    World { platform, tenant: TenantId::new(), user: UserId::new(), _database: database, nats }
}

impl World {
    pub fn channel(&self) -> Channel {
        self.platform.peer("gateway", wallet::NAME).unwrap().channel()
    }

    pub fn customer(&self) -> Caller {
        Caller { subject: Subject::User(self.user), ..Caller::anonymous(self.tenant) }
    }

    pub fn admin(&self) -> Caller {
        Caller { permissions: Permissions::all(), subject: Subject::User(UserId::new()), ..self.customer() }
    }

    pub fn call<M>(&self, caller: &Caller, message: M) -> Request<M> {
        let keys = AssertionKeys::from_secret(&SecretString::from(SECRET.to_owned())).unwrap();
        let assertion = keys.sign("gateway", caller, SystemClock.wall()).unwrap();
        let mut request = Request::new(message);
        request.metadata_mut().insert(auth::METADATA_KEY, assertion.parse().unwrap());
        request
    }

    pub fn invoicing<M>(&self, message: M) -> Request<M> {
        self.call(&Caller::service("invoicing", self.tenant), message)
    }

    pub async fn bundle(&self) -> TokenBundle {
        let request = CreateTokenBundleRequest {
            name: "500 tokens".to_owned(),
            description: String::new(),
            tokens: 500,
            prices: vec![Money { minor: 899, currency: "EUR".to_owned() }],
            active: true,
            sort_order: 1,
        };
        let mut client = TokenBundleServiceClient::new(self.channel());
        client
            .create_token_bundle(self.call(&self.admin(), request))
            .await
            .unwrap()
            .into_inner()
            .bundle
            .unwrap()
    }

    pub async fn open(&self, kind: AccountKind, owner: Option<UserId>) -> Account {
        let request = OpenAccountRequest {
            account_id: String::new(),
            kind: kind as i32,
            asset: "TOKEN".to_owned(),
            owner_user_id: owner.map(|owner| owner.to_string()).unwrap_or_default(),
        };
        let mut client = LedgerServiceClient::new(self.channel());
        client.open_account(self.call(&self.admin(), request)).await.unwrap().into_inner().account.unwrap()
    }

    pub fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel())
    }

    /// A call of an administrator.
    pub fn admin_call<M>(&self, message: M) -> Request<M> {
        self.call(&self.admin(), message)
    }

    /// The user's token account, issuance and revenue, with so many tokens outside of lots.
    pub async fn accounts(&self, tokens: i64) -> Accounts {
        let issuance = self.open(AccountKind::Issuance, None).await.account_id;
        let revenue = self.open(AccountKind::Revenue, None).await.account_id;
        let customer = self.open(AccountKind::Customer, Some(self.user)).await.account_id;
        let accounts = Accounts { issuance, revenue, customer };
        if tokens > 0 {
            self.post(&accounts.issuance, &accounts.customer, tokens).await.unwrap();
        }
        accounts
    }

    pub async fn post(&self, debit: &str, credit: &str, amount: i64) -> Result<PostResponse, Fault> {
        let posting =
            Posting { debit_account_id: debit.to_owned(), credit_account_id: credit.to_owned(), amount };
        let request = PostRequest {
            operation_id: OperationId::new().to_string(),
            postings: vec![posting],
            reason: "adjustment".to_owned(),
            ..PostRequest::default()
        };
        Ok(self.ledger().post(self.admin_call(request)).await?.into_inner())
    }

    pub async fn balance(&self, account: &str) -> Balance {
        let asked = GetBalanceRequest { account_id: account.to_owned(), ..GetBalanceRequest::default() };
        self.ledger().get_balance(self.admin_call(asked)).await.unwrap().into_inner().balance.unwrap()
    }

    /// Posted, held and available.
    pub async fn figures(&self, account: &str) -> (i64, i64, i64) {
        let balance = self.balance(account).await;
        (balance.posted, balance.held, balance.available)
    }
}

/// Ids of accounts.
pub struct Accounts {
    pub issuance: String,
    pub revenue: String,
    pub customer: String,
}

pub fn new_id() -> String {
    OperationId::new().to_string()
}

/// So many milliseconds from now.
pub fn in_milliseconds(milliseconds: i64) -> Option<prost_types::Timestamp> {
    let at = SystemClock.wall() + jiff::SignedDuration::from_millis(milliseconds);
    Some(prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() })
}

/// The reason of a refusal.
pub fn reason<T: std::fmt::Debug>(refused: Result<T, tonic::Status>) -> String {
    Fault::from(refused.unwrap_err()).reason().to_owned()
}

/// The code of the first wrong part of a refused request.
pub fn violation<T: std::fmt::Debug>(refused: Result<T, tonic::Status>) -> String {
    Fault::from(refused.unwrap_err()).violations()[0].code.clone()
}
