//! The edge while what stands behind it is away: the right codes, at once, and recovery without a
//! restart. And the edge itself as several replicas, and under clients that mean no good.

use std::time::{Duration, Instant};

use fleet::roles::Role;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::customer::order;
use crate::harness::{Customer, Fleet, eventually, fleet::free_address};

const BALANCE: &str = "/api/v1/wallet/balance";
/// No answer of the edge may take longer than this while a dependency is away.
const PATIENCE: Duration = Duration::from_secs(6);
/// What a routing rule may take to be followed everywhere.
const FOLLOWED: Duration = Duration::from_secs(2);

fn redirect(path: &str) -> Value {
    json!({"spec": {
        "name": path, "enabled": true, "path_prefix": path, "action": "ROUTING_ACTION_REDIRECT",
        "target": "/elsewhere", "redirect_status": 302,
    }})
}

async fn is_followed(customer: &Customer, path: &str) -> Duration {
    let started = Instant::now();
    eventually("the rule is followed", FOLLOWED, || async {
        (customer.get(path).await.status == 302).then_some(())
    })
    .await;
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_broker_the_edge_answers_and_rules_are_still_followed() {
    let mut fleet = Fleet::in_process().await;
    let (customer, admin) = (Customer::new(&fleet).await, Customer::admin(&fleet).await);
    fleet.nats.kill_9().unwrap();
    for path in ["/api/v1/me", BALANCE, "/api/v1/token-bundles"] {
        customer.get(path).await.ok();
    }
    admin.post("/api/v1/admin/routing/rules", redirect("/nats-down")).await.ok();
    println!("without notices a rule is followed after {:?}", is_followed(&customer, "/nats-down").await);
    fleet.nats.start_again().unwrap();
    admin.post("/api/v1/admin/routing/rules", redirect("/nats-up")).await.ok();
    is_followed(&customer, "/nats-up").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_away_for_twenty_seconds() {
    let mut fleet = Fleet::on_its_own_database().await;
    let (customer, admin) = (Customer::new(&fleet).await, Customer::admin(&fleet).await);
    admin.post("/api/v1/admin/routing/rules", redirect("/moved")).await.ok();
    is_followed(&customer, "/moved").await;
    let (bundle, _) = customer.bundle("500").await;
    fleet.postgres.as_mut().expect("a server of its own").kill_9().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let mut refused = 0;
    while Instant::now() < until {
        let started = Instant::now();
        let answers = [
            customer.get("/api/v1/invoices").await,
            customer
                .post_once(
                    "/api/v1/checkout",
                    &uuid::Uuid::now_v7().to_string(),
                    order(&bundle, "sandbox_card"),
                )
                .await,
            Customer::stranger(&fleet)
                .post("/api/v1/auth/login", json!({"email": "a@b.example", "password": "x"}))
                .await,
        ];
        for answer in answers {
            assert!(matches!(answer.status.as_u16(), 503 | 504), "{} {}", answer.status, answer.body);
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            refused += 1;
        }
        assert!(started.elapsed() < 3 * PATIENCE, "{:?}", started.elapsed());
        assert_eq!(customer.get("/moved").await.status, 302, "known rules go on");
        assert!(customer.get("/api/v1/openapi.json").await.status.is_success());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("{refused} requests were refused with 503 or 504 while the database was away");
    fleet.postgres.as_mut().expect("a server of its own").start_again().unwrap();
    let started = Instant::now();
    eventually("the fleet answers again", Duration::from_secs(20), || async {
        customer.get("/api/v1/invoices").await.status.is_success().then_some(())
    })
    .await;
    println!("answered again {:?} after the database", started.elapsed());
    customer.buy_patiently(&bundle).await;
    customer.wait_for_tokens(500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_service_is_killed_and_the_others_go_on() {
    let mut fleet = Fleet::of_processes().await;
    let customer = Customer::new(&fleet).await;
    customer.get(BALANCE).await.ok();
    fleet.processes().kill_9(Role::Wallet);
    let mut slowest = Duration::ZERO;
    for _ in 0..40 {
        let started = Instant::now();
        let answer = customer.get(BALANCE).await;
        slowest = slowest.max(started.elapsed());
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
        customer.get("/api/v1/me").await.ok();
        customer.get("/api/v1/invoices").await.ok();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("a dead service is refused after at most {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    fleet.processes().launch(Role::Wallet);
    fleet.processes().wait_until_ready(Role::Wallet).await;
    let started = Instant::now();
    eventually("the wallet answers again", Duration::from_secs(20), || async {
        customer.get(BALANCE).await.status.is_success().then_some(())
    })
    .await;
    println!("answered again {:?} after it was ready", started.elapsed());
}

/// Two gateways: one in a process of its own, one in this process, in front of the same services.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_follow_the_same_rules_and_share_idempotency_keys() {
    let fleet = Fleet::of_processes().await;
    let mut config = fleet.config.clone();
    (config.gateway.listen, config.admin.listen) = (free_address(), free_address());
    let second =
        Box::pin(fleet::start::start(config.clone(), &[Role::Gateway])).await.expect("a second gateway");
    let (customer, admin) = (Customer::new(&fleet).await, Customer::admin(&fleet).await);
    let elsewhere = Customer { base: format!("http://{}", config.gateway.listen), ..customer.clone() };

    let mut slowest = Duration::ZERO;
    for round in 0..5 {
        let path = format!("/moved-{round}");
        admin.post("/api/v1/admin/routing/rules", redirect(&path)).await.ok();
        slowest = slowest.max(is_followed(&elsewhere, &path).await);
    }
    println!("a rule is followed by the other gateway after at most {slowest:?}");

    let (bundle, _) = customer.bundle("500").await;
    let key = uuid::Uuid::now_v7().to_string();
    let body = order(&bundle, "sandbox_card");
    let both = [&customer, &elsewhere];
    let answers =
        join_all((0..40).map(|nth| both[nth % 2].post_once("/api/v1/checkout", &key, body.clone()))).await;
    let mut made = Vec::new();
    for answer in &answers {
        match answer.status.as_u16() {
            201 => made.push(answer.body["invoice"]["invoice_id"].clone()),
            _ => answer.refused(409, "idempotency_in_flight"),
        }
    }
    assert!(!made.is_empty());
    assert!(made.iter().all(|id| *id == made[0]), "one key, one invoice: {made:?}");
    for gateway in both {
        let again = gateway.post_once("/api/v1/checkout", &key, body.clone()).await;
        assert_eq!(
            (again.status.as_u16(), &again.headers["idempotent-replayed"]),
            (201, &"true".parse().unwrap())
        );
        assert_eq!(again.body["invoice"]["invoice_id"], made[0]);
        let other = gateway.post_once("/api/v1/checkout", &key, order(&bundle, "sandbox_sepa")).await;
        other.refused(422, "idempotency_key_reused");
    }
    let invoices = customer.get("/api/v1/invoices").await.ok();
    assert_eq!(invoices["invoices"].as_array().unwrap().len(), 1, "{invoices}");
    second.platform.tasks.drain().cancel();
}

/// Clients that open connections and send a byte now and then, beside clients that want something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_and_huge_requests_do_not_keep_others_from_being_served() {
    let fleet = Fleet::in_process().await;
    let address = fleet.base.trim_start_matches("http://").to_owned();
    let mut slow = join_all((0..300).map(|_| TcpStream::connect(address.clone()))).await;
    for _ in 0..3 {
        for stream in slow.iter_mut().flatten() {
            stream.write_all(b"GET /api/v1/me HT").await.unwrap();
        }
        let customer = Customer::stranger(&fleet);
        let started = Instant::now();
        customer.get("/api/v1/token-bundles").await.ok();
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let rows = [
        (format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(30_000)), "431"),
        (format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(5_000)), "431"),
        (format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(80_000)), "414"),
        ("POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n".to_owned(), "413"),
        ("GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), ""),
        ("NONSENSE\r\n\r\n".to_owned(), "400"),
    ];
    for (request, status) in rows {
        let answer = raw(&address, request.as_bytes()).await;
        let line = answer.lines().next().unwrap_or_default();
        println!("{:?}… {line}", &request[..20.min(request.len())]);
        assert!(line.contains(status) && !line.contains(" 5"), "{line} instead of {status}");
    }
    let deep = format!("{{\"email\": {}", "[".repeat(10_000));
    let nested = Customer::stranger(&fleet);
    let request = nested
        .request(reqwest::Method::POST, "/api/v1/auth/login")
        .header("content-type", "application/json");
    nested.send(request.body(deep)).await.refused(400, "json_too_deep");
}

/// What comes back before the other end closes or is silent.
async fn raw(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other end may close before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}
