//! How many webhooks per second one process delivers, from rows in the queue to ends in the log,
//! on a real PostgreSQL, to receivers in this process that answer at once.
//!
//! `cargo bench -p notify -- [deliveries] [endpoints]`
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot run has nothing to say")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{Caller, Permissions};
use bus::Bus;
use contracts::vbwd::notify::v1::CreateWebhookEndpointRequest;
use contracts::vbwd::notify::v1::webhook_service_client::WebhookServiceClient;
use ids::TenantId;
use kernel::SystemClock;
use notify::{Config, WebhookConfig};
use runtime::{Directory, Drain, Environment, Platform};
use secrecy::SecretString;
use sqlx::PgPool;

const SECRET: &str = "a-fleet-secret-for-benches-that-is-long-enough-0123456789";
const QUEUE: [&str; 2] = [
    "INSERT INTO webhook_messages (tenant_id, event_id, position, event_type, body, at) \
     SELECT $1, gen_random_uuid(), nextval('webhook_positions'), 'invoice.paid', repeat('x', 500), now() \
     FROM generate_series(1, $2)",
    "INSERT INTO webhook_deliveries (delivery_id, tenant_id, endpoint_id, event_id, event_type, origin, \
     position, status, due_at, created_at) \
     SELECT gen_random_uuid(), $1, e.endpoint_id, m.event_id, m.event_type, 'event', m.position, 'waiting', \
       now(), now() \
     FROM (SELECT event_id, event_type, position, row_number() OVER () AS n FROM webhook_messages) m \
     JOIN (SELECT endpoint_id, row_number() OVER () AS n, count(*) OVER () AS all FROM webhook_endpoints) e \
       ON m.n % e.all = e.n - 1 WHERE $2::bigint > 0",
];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse::<i64>().ok());
    let (deliveries, endpoints) = (arguments.next().unwrap_or(20_000), arguments.next().unwrap_or(20));
    let database = testkit::database(notify::NAME, notify::migrations()).await;
    let nats = testkit::nats();
    let tenant = TenantId::new();
    let platform = platform(&database, &nats.url()).await;
    let base = receiver();
    for number in 0..endpoints {
        create(&platform, tenant, format!("{base}/{number}")).await;
    }
    let pool = database.superuser(notify::NAME);
    for statement in QUEUE {
        sqlx::query(statement).bind(tenant.as_uuid()).bind(deliveries).execute(&pool).await.unwrap();
    }
    sqlx::query("ANALYZE").execute(&pool).await.unwrap();
    let began = Instant::now();
    sqlx::query("UPDATE webhook_lanes SET look_at = now()").execute(&pool).await.unwrap();
    while ended(&pool).await < deliveries {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "a count for people")]
    let rate = deliveries as f64 / took;
    println!("notify.webhooks: {deliveries} deliveries to {endpoints} endpoints in {took:.2} s: {rate:.0}/s");
    platform.tasks.drain().cancel();
}

async fn platform(database: &testkit::TestDatabase, nats: &str) -> Platform {
    let bus = Bus::connect(nats, "").await.unwrap();
    bus.ensure_stream().await.unwrap();
    let platform = Platform::new(
        Environment::Test,
        Arc::new(SystemClock),
        SecretString::from(SECRET.to_owned()),
        database.config().clone(),
        bus,
        Directory::new([notify::NAME, "identity"], []).unwrap(),
        Drain::new(),
    )
    .unwrap();
    let allowed_networks = vec!["127.0.0.0/8".to_owned()];
    let webhooks = WebhookConfig { allow_http: true, allowed_networks, ..WebhookConfig::default() };
    let config = Config { webhooks, ..Config::default() };
    platform.install(notify::service(&platform, config).await.unwrap());
    platform
}

async fn create(platform: &Platform, tenant: TenantId, url: String) {
    let peer = platform.peer("gateway", notify::NAME).unwrap();
    let permissions = Permissions::new(["notify.*"]).unwrap();
    let admin = Caller { permissions, ..Caller::service("gateway", tenant) };
    let message = CreateWebhookEndpointRequest { url, concurrency: 16, ..Default::default() };
    let request = peer.request_as(&admin, message).unwrap();
    WebhookServiceClient::new(peer.channel()).create_webhook_endpoint(request).await.unwrap();
}

async fn ended(pool: &PgPool) -> i64 {
    let query = "SELECT count(*) FROM webhook_deliveries WHERE status = 'succeeded'";
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(&stream));
        }
    });
    base
}

fn serve(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().ok()?;
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        (&*stream).write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
    }
}
