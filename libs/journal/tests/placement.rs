//! Wishes beside the leases: heirs, promises, drains.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use journal::conformance::{holder, lease};
use journal::{Claim, Journal as _, Placement, PostgresJournal, Wish};
use sqlx::migrate::Migrator;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(150);

struct World {
    _database: testkit::TestDatabase,
    journal: PostgresJournal,
    placement: Placement,
}

async fn world() -> World {
    let migrations = Migrator::new(std::path::Path::new("../../migrations/wallet")).await.unwrap();
    let database = testkit::database("wallet", migrations).await;
    let options = (*database.pool("wallet").connect_options()).clone();
    let journal = PostgresJournal::new(options, "vbwd_wallet_worker");
    World { _database: database, placement: journal.placement(), journal }
}

impl World {
    async fn check_in(&self, owner: &str, ready: &[u16]) -> Vec<(u16, Wish)> {
        self.placement.check_in(&holder(owner), LONG, ready).await.unwrap()
    }

    async fn is_granted(&self, partition: u16, owner: &str) -> bool {
        let claim = self.journal.acquire(partition, &holder(owner), LONG).await.unwrap();
        matches!(claim, Claim::Granted(_))
    }
}

#[tokio::test]
async fn an_owner_leaves_when_its_heir_is_ready_and_nobody_comes_between() {
    let world = world().await;
    lease(&world.journal, 3, "a").await;
    assert_eq!(world.check_in("a", &[]).await, []);
    assert!(world.placement.want(3, "b", LONG).await.unwrap());
    assert_eq!(world.check_in("a", &[]).await, [(3, Wish::LeaveLater)]);
    assert_eq!(world.check_in("b", &[]).await, [(3, Wish::Inherit)]);
    let held = lease(&world.journal, 3, "a").await; // an heir that is not ready keeps nobody out
    assert_eq!(world.check_in("b", &[3]).await, [(3, Wish::Inherit)]);
    assert_eq!(world.check_in("a", &[]).await, [(3, Wish::Leave)]);
    world.journal.release(held).await.unwrap();
    for other in ["a", "c"] {
        assert!(!world.is_granted(3, other).await, "{other} must wait for the heir");
    }
    assert!(world.is_granted(3, "b").await);
}

#[tokio::test]
async fn an_heir_that_died_blocks_nobody_for_long() {
    let world = world().await;
    let held = lease(&world.journal, 0, "a").await;
    world.placement.want(0, "b", LONG).await.unwrap();
    world.placement.check_in(&holder("b"), SHORT, &[0]).await.unwrap();
    world.journal.release(held).await.unwrap();
    assert!(!world.is_granted(0, "a").await);
    tokio::time::sleep(SHORT * 2).await;
    assert!(world.is_granted(0, "a").await);
}

#[tokio::test]
async fn who_has_inherited_is_not_wanted_any_more() {
    let world = world().await;
    let held = lease(&world.journal, 0, "a").await;
    world.placement.want(0, "b", LONG).await.unwrap();
    world.check_in("b", &[0]).await;
    world.journal.release(held).await.unwrap();
    assert!(world.is_granted(0, "b").await);
    assert_eq!((world.check_in("a", &[]).await, world.check_in("b", &[]).await), (vec![], vec![]));
}

#[tokio::test]
async fn a_drained_owner_names_heirs_and_takes_nothing() {
    let world = world().await;
    for partition in 0..4 {
        lease(&world.journal, partition, "a").await;
    }
    for owner in ["a", "b", "c"] {
        world.check_in(owner, &[]).await;
    }
    assert!(world.placement.set_drained("a", true).await.unwrap());
    assert_eq!(world.check_in("a", &[]).await.len(), 4);
    let inherited = [world.check_in("b", &[]).await, world.check_in("c", &[]).await];
    assert_eq!(inherited.map(|wishes| wishes.len()), [2, 2]);
    assert!(!world.is_granted(9, "a").await, "nothing new");
    assert!(world.is_granted(0, "a").await, "what it has it may keep until the heir is ready");
    assert!(world.placement.set_drained("a", false).await.unwrap());
    assert!(world.is_granted(9, "a").await);
    assert!(!world.placement.set_drained("nobody", true).await.unwrap());
}

#[tokio::test]
async fn who_is_about_to_stop_names_heirs_and_is_named_by_nobody() {
    let world = world().await;
    lease(&world.journal, 0, "a").await;
    lease(&world.journal, 1, "b").await;
    for owner in ["a", "b", "c"] {
        world.check_in(owner, &[]).await;
    }
    assert_eq!(world.placement.prepare_to_stop("a").await.unwrap(), [(0, Wish::LeaveLater)]);
    assert_eq!(world.placement.prepare_to_stop("b").await.unwrap(), [(1, Wish::LeaveLater)]);
    world.placement.prepare_to_stop("a").await.unwrap(); // b was its heir
    assert_eq!(world.check_in("c", &[]).await.len(), 2, "the only one who stays inherits both");
}

#[tokio::test]
async fn a_drained_heir_inherits_nothing() {
    let world = world().await;
    lease(&world.journal, 0, "a").await;
    world.check_in("b", &[]).await;
    world.placement.want(0, "b", LONG).await.unwrap();
    world.placement.set_drained("b", true).await.unwrap();
    assert_eq!(world.check_in("b", &[0]).await, []);
}

#[tokio::test]
async fn a_replica_that_checks_out_is_not_alive() {
    let world = world().await;
    world.check_in("a", &[]).await;
    world.check_in("b", &[]).await;
    world.placement.check_out("a").await.unwrap();
    let seen = world.placement.replicas().await.unwrap();
    let seen: Vec<_> = seen.iter().map(|replica| (replica.owner.as_str(), replica.alive)).collect();
    assert_eq!(seen, [("a", false), ("b", true)]);
}
