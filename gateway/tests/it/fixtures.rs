//! A fleet of fakes behind a real edge, and short ways to ask it.

use std::net::SocketAddr;
use std::sync::Arc;

use auth::{AccessTokenIssuer, Caller, Permissions, Subject};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use contracts::vbwd::identity::v1::auth_service_server::AuthServiceServer;
use contracts::vbwd::identity::v1::routing_service_server::RoutingServiceServer;
use contracts::vbwd::identity::v1::tenant_service_server::TenantServiceServer;
use contracts::vbwd::invoicing::v1::checkout_service_server::CheckoutServiceServer;
use contracts::vbwd::notify::v1::notification_service_server::NotificationServiceServer;
use contracts::vbwd::payments::v1::webhook_service_server::WebhookServiceServer;
use contracts::vbwd::wallet::v1::token_bundle_service_server::TokenBundleServiceServer;
use contracts::vbwd::wallet::v1::wallet_service_server::WalletServiceServer;
use gateway::Config;
use http::{HeaderMap, Request, StatusCode};
use ids::{SessionId, TenantId, UserId};
use jiff::Timestamp;
use kernel::{Clock as _, FixedClock};
use runtime::config::{Database, Secret};
use runtime::{Directory, Drain, Environment, Platform, Service};
use secrecy::SecretString;
use serde_json::Value;
use tonic::service::Routes;
use tower::ServiceExt as _;

use crate::fakes::{Fake, Seen};

/// The edge with everything behind it.
pub struct Fleet {
    pub router: Router,
    pub seen: Arc<Seen>,
    pub clock: Arc<FixedClock>,
    pub tenant: TenantId,
    pub other_tenant: TenantId,
    pub issuer: AccessTokenIssuer,
    pub drain: Drain,
}

/// A received answer.
#[derive(Debug)]
pub struct Received {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Status and code of a problem.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status.as_u16());
        (self.status.as_u16(), document["code"].as_str().unwrap().to_owned())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// A database that does not answer.
pub fn no_database() -> Database {
    Database { url: Secret::from("postgres://nobody@127.0.0.1:1/none"), ..Database::default() }
}

/// Limits that no test meets by accident.
pub fn config() -> Config {
    let mut config = Config::default();
    let rates = &mut config.rates;
    for rate in
        [&mut rates.read, &mut rates.write, &mut rates.login, &mut rates.registration, &mut rates.reset]
    {
        (rate.per_minute, rate.burst) = (100_000, 10_000);
    }
    config.idempotency.store_timeout_ms = 300;
    config.heartbeat_seconds = 1;
    config
}

pub async fn fleet() -> Fleet {
    fleet_with(config(), no_database()).await
}

/// A fleet with `payments` at an address where nobody listens when `config` trusts nobody there.
pub async fn fleet_with(config: Config, database: Database) -> Fleet {
    fleet_of(
        config,
        database,
        &["identity", "wallet", "invoicing", "subscription", "payments", "notify"],
        vec![],
    )
    .await
}

pub async fn fleet_of(
    config: Config,
    database: Database,
    local: &[&'static str],
    remote: Vec<(String, String)>,
) -> Fleet {
    let clock = Arc::new(FixedClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let secret = SecretString::from("0123456789abcdef0123456789abcdef".to_owned());
    let bus = bus::Bus::connect("nats://127.0.0.1:1", "").await.unwrap();
    let directory = Directory::new(local.iter().copied(), remote).unwrap();
    let drain = Drain::new();
    let stop = drain.clone();
    let platform =
        Platform::new(Environment::Test, clock.clone(), secret, database, bus, directory, drain).unwrap();
    let seen = Arc::new(Seen::default());
    for name in local {
        platform.install(service(name, &Fake(Arc::clone(&seen))));
    }
    let issuer = AccessTokenIssuer::new("k1", &[1; 32]).unwrap();
    let (tenant, other_tenant) = (TenantId::new(), TenantId::new());
    *seen.keys.lock().unwrap() = vec![issuer.jwk()];
    *seen.hosts.lock().unwrap() = vec![("a.test".to_owned(), tenant), ("b.test".to_owned(), other_tenant)];
    let edge =
        gateway::edge_with(&platform, config, crate::sockets::conversations(), crate::uploads::sinks())
            .await
            .unwrap();
    for role in edge.roles {
        role.start("gateway", &platform.tasks);
    }
    Fleet { router: edge.router, seen, clock, tenant, other_tenant, issuer, drain: stop }
}

fn service(name: &'static str, fake: &Fake) -> Service {
    let routes = match name {
        "identity" => Routes::new(TenantServiceServer::new(fake.clone()))
            .add_service(AuthServiceServer::new(fake.clone()))
            .add_service(RoutingServiceServer::new(fake.clone())),
        "notify" => Routes::new(NotificationServiceServer::new(fake.clone())),
        "wallet" => Routes::new(WalletServiceServer::new(fake.clone()))
            .add_service(TokenBundleServiceServer::new(fake.clone())),
        "invoicing" => Routes::new(CheckoutServiceServer::new(fake.clone())),
        _ => Routes::new(WebhookServiceServer::new(fake.clone())),
    };
    Service { name, routes, roles: Vec::new() }
}

impl Fleet {
    pub fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    /// A signed-in user of the tenant with these permissions.
    pub fn user(&self, permissions: &[&str]) -> Caller {
        Caller {
            subject: Subject::User(UserId::new()),
            session: Some(SessionId::new()),
            permissions: Permissions::new(permissions.iter().copied()).unwrap(),
            ..Caller::anonymous(self.tenant)
        }
    }

    /// An access token of `caller`, good for five minutes.
    pub fn token(&self, caller: &Caller) -> String {
        self.issuer.issue(caller, self.now(), 300).unwrap()
    }

    /// A request on the tenant's host.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let peer = ConnectInfo(SocketAddr::from(([203, 0, 113, 7], 4711)));
        Request::builder().method(method).uri(path).header("host", "a.test").extension(peer)
    }

    pub async fn send(&self, request: Request<Body>) -> Received {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Received { status: parts.status, headers: parts.headers, body }
    }

    /// A GET by nobody.
    pub async fn get(&self, path: &str) -> Received {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    /// A GET with this token.
    pub async fn get_as(&self, token: &str, path: &str) -> Received {
        let request = self.request("GET", path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A POST of JSON with this token.
    pub async fn post_as(&self, token: &str, path: &str, body: &Value) -> Received {
        let request = self.request("POST", path).header("authorization", format!("Bearer {token}"));
        let request = request.header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A checkout with this token and key.
    pub async fn checkout(&self, token: &str, key: Option<&str>, body: &Value) -> Received {
        let mut request = self
            .request("POST", "/api/v1/checkout")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }
}
