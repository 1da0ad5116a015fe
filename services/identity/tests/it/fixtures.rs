//! A running identity with two tenants, and its callers.

use std::sync::Arc;

use auth::{AccessTokens, AssertionKeys, Caller, Jwk, Subject};
use contracts::vbwd::identity::v1::audit_service_client::AuditServiceClient;
use contracts::vbwd::identity::v1::auth_service_client::AuthServiceClient;
use contracts::vbwd::identity::v1::role_service_client::RoleServiceClient;
use contracts::vbwd::identity::v1::tenant_service_client::TenantServiceClient;
use contracts::vbwd::identity::v1::user_service_client::UserServiceClient;
use contracts::vbwd::identity::v1::*;
use fault::Fault;
use identity::config::Hashing;
use identity::{Config, NewTenant, NewUser, Provisioner};
use ids::{TenantId, UserId};
use jiff::SignedDuration;
use kernel::{Clock, FixedClock};
use runtime::config::Database;
use runtime::{Channel, Directory, Drain, Environment, Platform};
use secrecy::SecretString;
use testkit::{Nats, TestDatabase};

use crate::mailbox::Mailbox;
use tonic::{Request, Response, Status};

pub const SECRET: &str = "a fleet secret of more than thirty-two characters";
pub const PASSWORD: &str = "correct horse battery";
pub const OWNER: &str = "owner@one.example";

pub struct World {
    pub tenant: TenantId,
    pub other: TenantId,
    pub owner: UserId,
    pub clock: Arc<FixedClock>,
    pub database: TestDatabase,
    pub nats: Nats,
    pub platform: Platform,
    pub config: Config,
    pub mailbox: Mailbox,
}

/// Figures that make a hash cheap: what is tested is not its strength.
pub fn quick() -> Config {
    let hashing = Hashing { memory_kib: 64, passes: 1, wait_seconds_max: 60, ..Hashing::default() };
    Config { hashing, ..Config::default() }
}

pub async fn world() -> World {
    world_with(quick()).await
}

pub async fn world_with(config: Config) -> World {
    let database = testkit::database(identity::NAME, identity::migrations()).await;
    let clock = Arc::new(FixedClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let nats = testkit::nats();
    let platform = platform(database.config(), &nats, &clock, SECRET).await;
    let people = Provisioner::new(&platform, config.clone()).unwrap();
    let tenant = people.tenant(shop("one")).await.unwrap();
    let other = people.tenant(shop("two")).await.unwrap();
    let owner = people.user(tenant, person(OWNER, "owner")).await.unwrap();
    people.user(other, person("owner@two.example", "owner")).await.unwrap();
    let mailbox = Mailbox::default();
    platform.install(mailbox.service());
    platform.install(identity::service(&platform, config.clone()).await.unwrap());
    World { tenant, other, owner, clock, database, nats, platform, config, mailbox }
}

pub async fn platform(database: &Database, nats: &Nats, clock: &Arc<FixedClock>, secret: &str) -> Platform {
    let bus = bus::Bus::connect(&nats.url(), "").await.unwrap();
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let directory = Directory::new([identity::NAME, "notify"], []).unwrap();
    let secret = SecretString::from(secret.to_owned());
    Platform::new(Environment::Test, clock, secret, database.clone(), bus, directory, Drain::new()).unwrap()
}

pub fn shop(slug: &'static str) -> NewTenant<'static> {
    let hosts: &[&str] = match slug {
        "one" => &["one.example"],
        "two" => &["two.example"],
        _ => &[],
    };
    NewTenant { slug, name: slug, default_currency: "EUR", locale: "en", hosts }
}

fn person<'a>(email: &'a str, role: &'a str) -> NewUser<'a> {
    let roles = match role {
        "owner" => &["owner"][..],
        "admin" => &["admin"],
        "support" => &["support"],
        _ => &["customer"],
    };
    NewUser { email, password: PASSWORD, display_name: "Somebody", roles }
}

impl World {
    pub fn pass(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    pub async fn user(&self, email: &str, role: &str) -> UserId {
        let people = Provisioner::new(&self.platform, self.config.clone()).unwrap();
        people.user(self.tenant, person(email, role)).await.unwrap()
    }

    pub fn channel(&self) -> Channel {
        self.platform.peer("gateway", identity::NAME).unwrap().channel()
    }

    /// A call as the gateway makes it. Keys are made anew: their cache lives by the real clock.
    pub fn call<M>(&self, caller: &Caller, message: M) -> Request<M> {
        let keys = AssertionKeys::from_secret(&SecretString::from(SECRET.to_owned())).unwrap();
        let assertion = keys.sign("gateway", caller, self.clock.wall()).unwrap();
        let mut request = Request::new(message);
        request.metadata_mut().insert(auth::METADATA_KEY, assertion.parse().unwrap());
        request
    }

    pub fn nobody(&self) -> Caller {
        nobody(self.tenant)
    }

    pub async fn jwks(&self) -> Vec<Jwk> {
        let request = self.call(&self.nobody(), GetJwksRequest {});
        let keys = AuthServiceClient::new(self.channel()).get_jwks(request).await.unwrap().into_inner().keys;
        keys.into_iter().map(|key| Jwk { kid: key.kid, x: key.x }).collect()
    }

    /// Who a session's access token says is calling, verified as the gateway does.
    pub async fn caller(&self, session: &Session) -> Caller {
        let tokens = AccessTokens::from_jwks(&self.jwks().await).unwrap();
        let caller = tokens.verify(&session.access_token, self.tenant, self.clock.wall()).unwrap();
        Caller { origin: Some("192.0.2.7".to_owned()), ..caller }
    }

    pub async fn signed_in(&self, email: &str) -> Caller {
        let session = self.log_in(email, PASSWORD).await.unwrap();
        self.caller(&session).await
    }

    pub async fn register(&self, email: &str, password: &str) -> fault::Result<RegisterResponse> {
        let (email, password) = (email.to_owned(), password.to_owned());
        let message = RegisterRequest { email, password, display_name: "Somebody".to_owned() };
        let request = self.call(&self.nobody(), message);
        answer(AuthServiceClient::new(self.channel()).register(request).await)
    }

    pub async fn log_in(&self, email: &str, password: &str) -> fault::Result<Session> {
        self.log_in_at(self.tenant, email, password).await
    }

    pub async fn log_in_at(&self, tenant: TenantId, email: &str, password: &str) -> fault::Result<Session> {
        self.log_in_from(&nobody(tenant), "", email, password).await
    }

    pub async fn log_in_from(
        &self,
        caller: &Caller,
        device: &str,
        email: &str,
        password: &str,
    ) -> fault::Result<Session> {
        let message = LogInRequest { email: email.to_owned(), password: password.to_owned() };
        let mut request = self.call(caller, message);
        request.metadata_mut().insert(runtime::USER_AGENT, device.parse().unwrap());
        let answered = answer(AuthServiceClient::new(self.channel()).log_in(request).await)?;
        Ok(answered.session.unwrap())
    }

    /// A log-in that is expected to ask for a second factor.
    pub async fn challenged(&self, email: &str) -> LogInChallenge {
        let message = LogInRequest { email: email.to_owned(), password: PASSWORD.to_owned() };
        let request = self.call(&self.nobody(), message);
        let answered = answer(AuthServiceClient::new(self.channel()).log_in(request).await).unwrap();
        assert!(answered.session.is_none());
        answered.challenge.unwrap()
    }

    pub async fn refresh(&self, token: &str) -> fault::Result<Session> {
        self.refresh_at(self.tenant, token).await
    }

    pub async fn refresh_at(&self, tenant: TenantId, token: &str) -> fault::Result<Session> {
        let request = self.call(&nobody(tenant), RefreshRequest { refresh_token: token.to_owned() });
        let answered = answer(AuthServiceClient::new(self.channel()).refresh(request).await)?;
        Ok(answered.session.unwrap())
    }

    pub async fn log_out(&self, caller: &Caller, all_sessions: bool) -> fault::Result<()> {
        let request = self.call(caller, LogOutRequest { all_sessions });
        answer(AuthServiceClient::new(self.channel()).log_out(request).await).map(|_| ())
    }

    pub async fn me(&self, caller: &Caller) -> fault::Result<GetMeResponse> {
        let request = self.call(caller, GetMeRequest {});
        answer(AuthServiceClient::new(self.channel()).get_me(request).await)
    }

    pub async fn resolve(&self, host: &str) -> fault::Result<ResolveTenantResponse> {
        let gateway = Caller::service("gateway", TenantId::new());
        let request = self.call(&gateway, ResolveTenantRequest { host: host.to_owned() });
        answer(TenantServiceClient::new(self.channel()).resolve_tenant(request).await)
    }

    pub async fn suspend(&self, caller: &Caller, user: UserId) -> fault::Result<User> {
        let message = SuspendUserRequest { user_id: user.to_string(), reason: "chargeback".to_owned() };
        let request = self.call(caller, message);
        let answered = answer(UserServiceClient::new(self.channel()).suspend_user(request).await)?;
        Ok(answered.user.unwrap())
    }

    pub async fn activate(&self, caller: &Caller, user: UserId) -> fault::Result<User> {
        let request = self.call(caller, ActivateUserRequest { user_id: user.to_string() });
        let answered = answer(UserServiceClient::new(self.channel()).activate_user(request).await)?;
        Ok(answered.user.unwrap())
    }

    pub async fn set_roles(&self, caller: &Caller, user: UserId, roles: &[&str]) -> fault::Result<User> {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let request = self.call(caller, SetUserRolesRequest { user_id: user.to_string(), roles });
        let answered = answer(UserServiceClient::new(self.channel()).set_user_roles(request).await)?;
        Ok(answered.user.unwrap())
    }

    pub async fn users(&self, caller: &Caller, page_size: i32, cursor: &str) -> ListUsersResponse {
        let request = self.call(
            caller,
            ListUsersRequest { page_size, cursor: cursor.to_owned(), ..ListUsersRequest::default() },
        );
        answer(UserServiceClient::new(self.channel()).list_users(request).await).unwrap()
    }

    pub async fn put_role(&self, caller: &Caller, name: &str, permissions: &[&str]) -> fault::Result<Role> {
        let permissions = permissions.iter().map(|text| (*text).to_owned()).collect();
        let request = self.call(caller, PutRoleRequest { name: name.to_owned(), permissions });
        let answered = answer(RoleServiceClient::new(self.channel()).put_role(request).await)?;
        Ok(answered.role.unwrap())
    }

    pub async fn roles(&self, caller: &Caller) -> Vec<Role> {
        let request = self.call(caller, ListRolesRequest {});
        answer(RoleServiceClient::new(self.channel()).list_roles(request).await).unwrap().roles
    }

    pub async fn audit(&self, caller: &Caller, page_size: i32, cursor: &str) -> ListAuditEntriesResponse {
        let request = self.call(
            caller,
            ListAuditEntriesRequest { page_size, cursor: cursor.to_owned(), ..Default::default() },
        );
        answer(AuditServiceClient::new(self.channel()).list_audit_entries(request).await).unwrap()
    }

    /// One number, seen with a superuser's eyes.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.database.superuser(identity::NAME)).await.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.platform.tasks.drain().cancel();
    }
}

pub fn nobody(tenant: TenantId) -> Caller {
    Caller { origin: Some("192.0.2.7".to_owned()), ..Caller::anonymous(tenant) }
}

pub fn user_of(caller: &Caller) -> UserId {
    match caller.subject {
        Subject::User(user) => user,
        _ => panic!("no user"),
    }
}

pub fn answer<M>(outcome: Result<Response<M>, Status>) -> fault::Result<M> {
    outcome.map(Response::into_inner).map_err(Fault::from)
}

/// The reason of a refusal.
#[track_caller]
pub fn refused<T>(outcome: fault::Result<T>) -> String {
    match outcome {
        Ok(_) => panic!("expected a refusal"),
        Err(fault) => fault.reason().to_owned(),
    }
}
