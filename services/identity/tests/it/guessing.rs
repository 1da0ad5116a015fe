//! Guessing passwords, and finding out who is a customer.

use std::time::{Duration, Instant};

use futures::future::join_all;
use identity::config::Hashing;

use crate::fixtures::{OWNER, PASSWORD, World, refused, world, world_with};
use identity::Config;

const WRONG: &str = "not the password";

async fn fail(world: &World, email: &str, times: usize) {
    for _ in 0..times {
        assert_eq!(refused(world.log_in(email, WRONG).await), "credentials_invalid");
    }
}

async fn locked_for(world: &World, email: &str, password: &str) -> String {
    let fault = world.log_in(email, password).await.unwrap_err();
    assert_eq!((fault.reason(), fault.code().http_status()), ("account_locked", 429));
    fault.facts().find(|(name, _)| *name == "retry_after_seconds").unwrap().1.to_owned()
}

#[tokio::test]
async fn five_failures_lock_and_every_lock_is_twice_as_long() {
    let world = world().await;
    for seconds in [60, 120, 240] {
        fail(&world, OWNER, 5).await;
        assert_eq!(locked_for(&world, OWNER, WRONG).await, seconds.to_string());
        world.pass(seconds - 1);
        assert_eq!(locked_for(&world, OWNER, PASSWORD).await, "1", "the right password does not help");
        world.pass(1);
    }
    assert!(world.log_in(OWNER, PASSWORD).await.is_ok());
    fail(&world, OWNER, 5).await;
    assert_eq!(locked_for(&world, OWNER, WRONG).await, "60", "a right password forgets");
}

#[tokio::test]
async fn an_unknown_address_is_locked_just_the_same() {
    let world = world().await;
    fail(&world, "nobody@example.com", 5).await;
    assert_eq!(locked_for(&world, "Nobody@example.com", WRONG).await, "60");
    assert!(world.log_in(OWNER, PASSWORD).await.is_ok(), "others are not touched");
    let kept = world
        .count("SELECT count(*) FROM login_guards WHERE encode(address_digest, 'escape') LIKE '%nobody%'");
    assert_eq!(kept.await, 0, "an address is kept as a keyed digest only");
    let unnamed = "SELECT count(*) FROM events WHERE name = 'login.locked' AND payload->>'user' IS NULL";
    assert_eq!(world.count(unnamed).await, 1);
}

#[tokio::test]
async fn locks_of_one_tenant_do_not_reach_another() {
    let world = world().await;
    fail(&world, "owner@two.example", 5).await;
    assert!(world.log_in_at(world.other, "owner@two.example", PASSWORD).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_guesses_at_once_are_worth_five() {
    let world = world().await;
    let outcomes = join_all((0..100).map(|_| world.log_in(OWNER, WRONG))).await;
    let reasons: Vec<_> = outcomes.into_iter().map(refused).collect();
    assert_eq!(reasons.iter().filter(|reason| *reason == "credentials_invalid").count(), 5);
    assert_eq!(reasons.iter().filter(|reason| *reason == "account_locked").count(), 95);
    assert_eq!(world.count("SELECT count(*) FROM events WHERE name = 'login.failed'").await, 5);
    assert_eq!(world.count("SELECT count(*) FROM events WHERE name = 'login.locked'").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM audit_entries WHERE action = 'login.locked'").await, 1);
}

/// The right password is sent when the first of many wrong ones has failed and the others are waiting
/// for their turn at the hash, so the address is locked while it waits behind them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_password_behind_many_guesses_comes_too_late() {
    let hashing = Hashing { memory_kib: 16 * 1024, passes: 4, parallel: 1, ..Hashing::default() };
    let world = world_with(Config { hashing, ..Config::default() }).await;
    let guesses = join_all((0..20).map(|_| world.log_in(OWNER, WRONG)));
    let right = async {
        while world.count("SELECT count(*) FROM login_guards").await == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.log_in(OWNER, PASSWORD).await
    };
    let (_, right) = tokio::join!(guesses, right);
    assert_eq!(refused(right), "account_locked");
    assert_eq!(world.count("SELECT count(*) FROM sessions").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_log_ins_does_not_keep_others_waiting() {
    let hashing = Hashing { memory_kib: 16 * 1024, passes: 4, parallel: 1, ..Hashing::default() };
    let world = world_with(Config { hashing, ..Config::default() }).await;
    let owner = world.signed_in(OWNER).await;
    let storm = join_all((0..40).map(|_| world.log_in(OWNER, PASSWORD)));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.me(&owner).await
    };
    tokio::select! {
        _ = storm => panic!("the storm was over first"),
        me = meanwhile => assert!(me.is_ok()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_right_passwords_locks_nobody() {
    let world = world().await;
    let outcomes = join_all((0..100).map(|_| world.log_in(OWNER, PASSWORD))).await;
    assert!(outcomes.iter().all(Result::is_ok));
}

#[tokio::test]
async fn suspension_is_told_after_the_right_password_only() {
    let world = world().await;
    let ann = world.user("ann@example.com", "customer").await;
    let session = world.log_in("ann@example.com", PASSWORD).await.unwrap();
    let owner = world.signed_in(OWNER).await;
    assert_eq!(world.suspend(&owner, ann).await.unwrap().status, "suspended");
    assert_eq!(refused(world.log_in("ann@example.com", WRONG).await), "credentials_invalid");
    assert_eq!(refused(world.log_in("ann@example.com", PASSWORD).await), "account_suspended");
    assert_eq!(refused(world.refresh(&session.refresh_token).await), "session_ended");
    assert_eq!(world.activate(&owner, ann).await.unwrap().status, "active");
    assert!(world.log_in("ann@example.com", PASSWORD).await.is_ok());
    assert_eq!(refused(world.refresh(&session.refresh_token).await), "session_ended", "it stays ended");
}

/// Medians of interleaved calls; the margin is wide because other tests share the cores. Without the
/// decoy an unknown address would answer in a fraction of the time.
#[tokio::test]
async fn the_time_of_an_answer_does_not_tell_who_is_a_customer() {
    let hashing = Hashing { memory_kib: 16 * 1024, passes: 2, parallel: 1, ..Hashing::default() };
    let world = world_with(Config { hashing, ..Config::default() }).await;
    let (mut known, mut unknown, mut taken, mut fresh) = (vec![], vec![], vec![], vec![]);
    for round in 0..4 {
        known.push(timed(world.log_in(OWNER, WRONG)).await);
        unknown.push(timed(world.log_in("nobody@example.com", WRONG)).await);
        taken.push(timed(world.register(OWNER, PASSWORD)).await);
        fresh.push(timed(world.register(&format!("new-{round}@example.com"), PASSWORD)).await);
    }
    assert!(alike(&mut known, &mut unknown), "log-in: {known:?} {unknown:?}");
    assert!(alike(&mut taken, &mut fresh), "registration: {taken:?} {fresh:?}");
}

async fn timed<T>(call: impl Future<Output = T>) -> Duration {
    let started = Instant::now();
    call.await;
    started.elapsed()
}

fn alike(one: &mut [Duration], other: &mut [Duration]) -> bool {
    one.sort_unstable();
    other.sort_unstable();
    let (one, other) = (one[one.len() / 2].as_secs_f64(), other[other.len() / 2].as_secs_f64());
    one < 3.0 * other && other < 3.0 * one
}
