//! Services that are dead: their callers are told at once, their neighbours go on, and nobody has to
//! restart anything when they come back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::fixtures::{config, fleet_of, no_database};

const BALANCE: &str = "/api/v1/wallet/balance";
const BUNDLES: &str = "/api/v1/token-bundles";

#[tokio::test]
async fn a_dead_service_answers_503_at_once_and_its_neighbours_go_on() {
    let local = &["identity", "invoicing", "payments", "notify"];
    let remote = vec![("wallet".to_owned(), "http://127.0.0.1:1".to_owned())];
    let fleet = fleet_of(config(), no_database(), local, remote).await;
    let token = fleet.token(&fleet.user(&[]));
    let mut codes = Vec::new();
    for _ in 0..8 {
        let started = Instant::now();
        let refused = fleet.get_as(&token, BALANCE).await;
        assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("retry-after"), "1");
        codes.push(refused.problem().1);
        assert_eq!(fleet.get_as(&token, "/api/v1/me").await.status, 200, "the neighbour goes on");
    }
    assert_eq!(codes.first().unwrap(), "service_unreachable");
    assert_eq!(codes.last().unwrap(), "service_unavailable", "{codes:?}");
}

/// A service that takes connections and never answers.
#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "a server beside its clients")]
async fn a_service_that_hangs_is_given_up_after_the_time_of_its_class() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hanging.local_addr().unwrap();
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(hanging.accept().await.unwrap());
        }
    });
    let mut config = config();
    config.rates.read.timeout_ms = 300;
    let local = &["identity", "invoicing", "payments", "notify"];
    let fleet =
        fleet_of(config, no_database(), local, vec![("wallet".to_owned(), format!("http://{address}"))])
            .await;
    let fleet = Arc::new(fleet);
    let started = Instant::now();
    let first = fleet.get(BUNDLES).await;
    assert_eq!(first.problem(), (504, "call_timeout".to_owned()));
    assert!(started.elapsed() < Duration::from_millis(900));
    for _ in 0..4 {
        fleet.get(BUNDLES).await;
    }
    let started = Instant::now();
    assert_eq!(fleet.get(BUNDLES).await.problem(), (503, "service_unavailable".to_owned()));
    assert!(started.elapsed() < Duration::from_millis(100), "nobody waits any more");
    held.abort();
}
