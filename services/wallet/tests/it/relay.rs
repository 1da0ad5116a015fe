//! What is published: every customer entry once, in order, with its owner.

use std::time::Duration;

use bus::OutboxSource as _;
use wallet::LedgerOutbox;
use wallet_domain::samples::{a_post, a_request, customer, issuance, tenant, user};

use crate::reads::world;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customer_entries_are_published_and_system_entries_are_not() {
    let world = world().await;
    world.process.open_customers(2).await;
    let posts = [a_post(1, issuance(), customer(1), 100), a_post(2, customer(1), customer(2), 30)];
    for post in posts {
        world.process.ledger.execute(a_request(), post).await.unwrap().unwrap();
    }
    let mut outbox =
        LedgerOutbox::new(world.process.ledger.clone(), world.journal.clone(), world.store.clone());
    assert!(outbox.lead().await.unwrap());
    let mut events = Vec::new();
    let mut cursor = outbox.saved_cursor().await.unwrap();
    while events.len() < 3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        for (at, found) in outbox.after(&cursor, 500).await.unwrap() {
            cursor = at;
            events.extend(found);
        }
    }
    let seen: Vec<_> =
        events.iter().map(|event| (event.event.as_str(), event.data["amount"].as_str().unwrap())).collect();
    assert_eq!(seen, [("tokens.credited", "100"), ("tokens.spent", "30"), ("tokens.credited", "30")]);
    assert_eq!(events[0].data["userId"], user(1).to_string());
    assert_eq!(events[0].subject(), format!("evt.{}.wallet.tokens.credited.v1", tenant()));
    assert_eq!(events[0].correlation_id.as_bytes(), &[7; 16]);
    outbox.save_cursor(&cursor).await.unwrap();
    assert_eq!(outbox.saved_cursor().await.unwrap(), cursor);
    assert_eq!(outbox.after(&cursor, 500).await.unwrap(), []);
    let again = outbox.after("", 500).await.unwrap();
    let ids = |events: &[bus::Outbound]| events.iter().map(|event| event.event_id).collect::<Vec<_>>();
    let again: Vec<_> = again.into_iter().flat_map(|(_, events)| events).collect();
    assert_eq!(ids(&again), ids(&events), "published again, the events keep their ids");
}
