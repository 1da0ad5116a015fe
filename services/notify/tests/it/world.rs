//! A running service with everything around it, and the words in which the tests speak.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use auth::{Caller, Permissions, Subject};
use bus::Bus;
use contracts::vbwd::notify::v1::mail_service_client::MailServiceClient;
use contracts::vbwd::notify::v1::*;
use fault::Fault;
use ids::{OperationId, TenantId, UserId};
use kernel::SystemClock;
use notify::{Config, MailConfig, WebhookConfig};
use runtime::config::Secret;
use runtime::{Channel, Directory, Drain, Environment, Platform};
use secrecy::SecretString;
use sqlx::PgPool;
use testkit::{Nats, TestDatabase};

use crate::people::People;
use testkit::Sink;

const SECRET: &str = "a-fleet-secret-for-tests-that-is-long-enough-0123456789";

pub struct World {
    pub platform: Platform,
    pub tenant: TenantId,
    pub sink: Sink,
    pub people: People,
    pub config: Config,
    /// Sees every row, for assertions.
    pub superuser: PgPool,
    pub database: Arc<TestDatabase>,
    pub nats: Arc<Nats>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.platform.tasks.drain().cancel();
    }
}

pub async fn world() -> World {
    world_with(|_| {}).await
}

pub async fn world_with(change: impl FnOnce(&mut Config)) -> World {
    let database = Arc::new(testkit::database(notify::NAME, notify::migrations()).await);
    let (nats, sink, people) = (Arc::new(testkit::nats()), Sink::start(), People::default());
    let mail = MailConfig {
        smtp_url: Secret::from(sink.url.as_str()),
        from_address: "no-reply@shop.example".to_owned(),
        from_name: "Shop".to_owned(),
        first_pause_seconds: 0,
        pause_seconds_max: 0,
        timeout_seconds: 5,
        attempts_max: 4,
        ..MailConfig::default()
    };
    let webhooks = WebhookConfig {
        allow_http: true,
        allowed_networks: vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()],
        first_pause_seconds: 0,
        pause_seconds_max: 0,
        ..WebhookConfig::default()
    };
    let mut config = Config { mail, webhooks, ..Config::default() };
    change(&mut config);
    let platform = platform(&database, &nats, &people, &config).await;
    let superuser = database.superuser(notify::NAME);
    World { platform, tenant: TenantId::new(), sink, people, config, superuser, database, nats }
}

async fn platform(database: &TestDatabase, nats: &Nats, people: &People, config: &Config) -> Platform {
    let directory = Directory::new([notify::NAME, "identity"], []).unwrap();
    let bus = Bus::connect(&nats.url(), "").await.unwrap();
    bus.ensure_stream().await.unwrap();
    let platform = Platform::new(
        Environment::Test,
        Arc::new(SystemClock),
        SecretString::from(SECRET.to_owned()),
        database.config().clone(),
        bus,
        directory,
        Drain::new(),
    );
    let platform = platform.unwrap();
    platform.install(people.service());
    platform.install(notify::service(&platform, config.clone()).await.unwrap());
    platform
}

pub fn user(tenant: TenantId) -> Caller {
    Caller { subject: Subject::User(UserId::new()), ..Caller::anonymous(tenant) }
}

pub fn signed_in(tenant: TenantId, user: UserId) -> Caller {
    Caller { subject: Subject::User(user), ..Caller::anonymous(tenant) }
}

pub fn holder(tenant: TenantId, permissions: &[&str]) -> Caller {
    Caller { permissions: Permissions::new(permissions.iter().copied()).unwrap(), ..user(tenant) }
}

/// A mail with a link to `recipient`.
pub fn verification(recipient: &str) -> EnqueueMailRequest {
    let link = ("link".to_owned(), "https://shop.example/verify?token=secret-token".to_owned());
    EnqueueMailRequest {
        template: "identity.verify_email".to_owned(),
        recipient: recipient.to_owned(),
        variables: [link].into(),
        ..EnqueueMailRequest::default()
    }
}

/// Waits until it is so, at most twenty seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    for _ in 0..800 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never came: {what}");
}

impl World {
    /// The same service once more, as another process would run it.
    pub async fn replica(&self) -> Platform {
        self.replica_with(&self.config).await
    }

    pub async fn replica_with(&self, config: &Config) -> Platform {
        platform(&self.database, &self.nats, &self.people, config).await
    }

    /// The same world, served by a process with another configuration.
    pub async fn at(&self, config: Config) -> World {
        let platform = self.replica_with(&config).await;
        let (database, nats) = (Arc::clone(&self.database), Arc::clone(&self.nats));
        let (sink, people, superuser) = (self.sink.clone(), self.people.clone(), self.superuser.clone());
        World { platform, tenant: self.tenant, sink, people, config, superuser, database, nats }
    }

    pub fn channel(&self) -> Channel {
        self.platform.peer("gateway", notify::NAME).unwrap().channel()
    }

    pub fn request<M>(&self, caller: &Caller, operation: OperationId, message: M) -> tonic::Request<M> {
        let peer = self.platform.peer("gateway", notify::NAME).unwrap();
        let mut request = peer.request_as(caller, message).unwrap();
        request.metadata_mut().insert(runtime::OPERATION_ID, operation.to_string().parse().unwrap());
        request
    }

    pub async fn enqueue(&self, operation: OperationId, mail: EnqueueMailRequest) -> fault::Result<String> {
        let request = self.request(&Caller::service("identity", self.tenant), operation, mail);
        let answer = MailServiceClient::new(self.channel()).enqueue_mail(request).await;
        Ok(answer.map_err(Fault::from)?.into_inner().mail_id)
    }

    /// Status, attempts and last error of a mail.
    pub async fn mail(&self, id: &str) -> (String, i32, String) {
        sqlx::query_as("SELECT status, attempts, last_error FROM mails WHERE mail_id = $1")
            .bind(id.parse::<uuid::Uuid>().unwrap())
            .fetch_one(&self.superuser)
            .await
            .unwrap()
    }

    pub async fn wait_for_mail(&self, id: &str, status: &str) {
        eventually(status, || async { self.mail(id).await.0 == status }).await;
    }

    /// What the log of attempts says, in order.
    pub async fn attempts(&self, id: &str) -> Vec<String> {
        sqlx::query_scalar("SELECT outcome FROM mail_attempts WHERE mail_id = $1 ORDER BY attempt")
            .bind(id.parse::<uuid::Uuid>().unwrap())
            .fetch_all(&self.superuser)
            .await
            .unwrap()
    }

    pub async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&self.superuser).await.unwrap()
    }

    /// The same with a text at the end.
    pub async fn count_where(&self, statement: &str, text: &str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("{statement} $1"));
        sqlx::query_scalar(query).bind(text).fetch_one(&self.superuser).await.unwrap()
    }
}
