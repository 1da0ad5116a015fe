//! Timers: in the tenant's time, on any number of replicas, never twice.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventstore::EventStore;
use fault::Fault;
use ids::TenantId;
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, SystemClock};
use projection::timers::{Timer, TimerHandler, cancel, complete, run_timers, schedule};
use serde_json::json;
use tokio::time::sleep;

use crate::fixtures::{World, context, new_uuid, until};

const FIRINGS: &str = "SELECT count(*) FROM firings";

/// One tenant lives in its own time.
struct TestClock(TenantId, Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self, tenant: TenantId) -> Timestamp {
        if tenant == self.0 { *self.1.lock().unwrap() } else { SystemClock.wall() }
    }

    fn wall(&self) -> Timestamp {
        SystemClock.wall()
    }
}

struct Fire {
    store: EventStore,
    flaky: Arc<AtomicU32>,
}

impl TimerHandler for Fire {
    fn name(&self) -> &'static str {
        "fire"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["ring"]
    }

    async fn fire(&self, timer: &Timer) -> fault::Result<()> {
        if self.flaky.load(Ordering::SeqCst) > 0 {
            self.flaky.fetch_sub(1, Ordering::SeqCst);
            return Err(Fault::unavailable("flaky", "not now"));
        }
        let mut unit = self.store.begin(&context(timer.tenant)).await?;
        if complete(unit.connection(), timer).await? {
            sqlx::query("INSERT INTO firings (timer) VALUES ($1)")
                .bind(timer.id)
                .execute(unit.connection())
                .await
                .map_err(eventstore::storage)?;
        }
        unit.commit().await.map(drop)
    }
}

fn fire(store: EventStore) -> Fire {
    Fire { store, flaky: Arc::default() }
}

fn ring(tenant: TenantId, due_at: Timestamp) -> Timer {
    Timer::new(tenant, "ring", new_uuid(), due_at, json!({}))
}

async fn set(world: &World, timer: &Timer) {
    let mut unit = world.store().begin(&context(timer.tenant)).await.unwrap();
    schedule(unit.connection(), timer).await.unwrap();
    unit.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_replicas_fire_each_timer_once() {
    let mut world = World::new().await;
    let past = SystemClock.wall() - SignedDuration::from_secs(1);
    for _ in 0..3 {
        let tenant = TenantId::new();
        for _ in 0..40 {
            set(&world, &ring(tenant, past)).await;
        }
    }
    for _ in 0..4 {
        let store = world.database.replica();
        let handler = fire(store.clone());
        world.run(run_timers(store, Arc::new(SystemClock), handler, world.drain.clone()));
    }
    until(|| async { world.count(FIRINGS).await >= 120 }).await;
    sleep(Duration::from_millis(300)).await;
    world.stop().await;
    assert_eq!(world.count(FIRINGS).await, 120);
    assert_eq!(world.count("SELECT count(DISTINCT timer) FROM firings").await, 120);
    assert_eq!(world.count("SELECT count(*) FROM timers").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn due_is_judged_by_the_tenants_clock() {
    let mut world = World::new().await;
    let (traveller, other) = (TenantId::new(), TenantId::new());
    let start = SystemClock.wall();
    let clock = Arc::new(TestClock(traveller, Mutex::new(start)));
    let in_a_month = start + SignedDuration::from_hours(720);
    set(&world, &ring(traveller, in_a_month)).await;
    set(&world, &ring(other, in_a_month)).await;
    world.run(run_timers(world.store(), clock.clone(), fire(world.store()), world.drain.clone()));
    sleep(Duration::from_millis(1_200)).await;
    assert_eq!(world.count(FIRINGS).await, 0);
    *clock.1.lock().unwrap() = in_a_month;
    until(|| async { world.count(FIRINGS).await == 1 }).await;
    world.stop().await;
    assert_eq!(world.count("SELECT count(*) FROM timers").await, 1, "the other tenant's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_timer_fires_again_and_a_cancelled_one_never() {
    let mut world = World::new().await;
    let (tenant, now) = (TenantId::new(), SystemClock.wall());
    let (kept, dropped) = (ring(tenant, now), ring(tenant, now));
    set(&world, &kept).await;
    set(&world, &dropped).await;
    let mut unit = world.store().begin(&context(tenant)).await.unwrap();
    assert_eq!(cancel(unit.connection(), tenant, "ring", dropped.subject).await.unwrap(), 1);
    unit.commit().await.unwrap();
    let handler = Fire { store: world.store(), flaky: Arc::new(AtomicU32::new(1)) };
    world.run(run_timers(world.store(), Arc::new(SystemClock), handler, world.drain.clone()));
    until(|| async { world.count(FIRINGS).await == 1 }).await;
    world.stop().await;
    assert_eq!(world.count("SELECT count(*) FROM timers").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_of_a_kind_that_nobody_here_handles_is_left_alone() {
    let mut world = World::new().await;
    let other = Timer::new(TenantId::new(), "knock", new_uuid(), SystemClock.wall(), json!({}));
    set(&world, &other).await;
    world.run(run_timers(world.store(), Arc::new(SystemClock), fire(world.store()), world.drain.clone()));
    sleep(Duration::from_millis(800)).await;
    world.stop().await;
    assert_eq!(world.count("SELECT count(*) FROM timers WHERE attempts = 0").await, 1);
}
