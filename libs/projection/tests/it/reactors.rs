//! Reactions: in order within a stream, side by side between streams, never forgotten.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fault::Fault;
use kernel::{Position, StoredEvent};
use projection::{Reactor, replay, run_reactor};
use tokio::time::sleep;
use uuid::Uuid;

use crate::fixtures::{Paid, PaymentEvent, World, new_uuid, until};

#[derive(Clone, Default)]
struct Diary {
    entries: Arc<Mutex<Vec<(Uuid, i64)>>>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    refuses: Option<i64>,
    flaky: Arc<AtomicU32>,
    /// How often it fails internally before it works.
    broken: Arc<AtomicU32>,
    pause: Duration,
}

impl Diary {
    fn len(&self) -> usize {
        self.entries.lock().unwrap().len()
    }

    fn by_stream(&self) -> HashMap<Uuid, Vec<i64>> {
        let mut streams: HashMap<Uuid, Vec<i64>> = HashMap::new();
        for (stream, number) in self.entries.lock().unwrap().iter() {
            streams.entry(*stream).or_default().push(*number);
        }
        streams
    }
}

impl Reactor for Diary {
    fn name(&self) -> &'static str {
        "diary"
    }

    async fn react(&self, event: &StoredEvent) -> fault::Result<()> {
        let PaymentEvent::Paid(Paid { number }) = event.decode().map_err(eventstore::unknown_event)?;
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        sleep(self.pause).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if self.flaky.load(Ordering::SeqCst) > 0 {
            self.flaky.fetch_sub(1, Ordering::SeqCst);
            return Err(Fault::unavailable("flaky", "not now"));
        }
        if self.broken.load(Ordering::SeqCst) > 0 {
            self.broken.fetch_sub(1, Ordering::SeqCst);
            return Err(Fault::internal("a bug, or only bad luck"));
        }
        if self.refuses == Some(number) {
            return Err(Fault::rejected("refused", "No."));
        }
        self.entries.lock().unwrap().push((event.stream, number));
        Ok(())
    }
}

async fn cursor(world: &World) -> Position {
    world.store().cursor("reactor:diary").await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_run_side_by_side_and_each_in_its_order() {
    let mut world = World::new().await;
    let nouns: Vec<_> = (0..20).map(|_| new_uuid()).collect();
    world.pay(&nouns, 1_000).await;
    let diary = Diary { pause: Duration::from_millis(2), ..Diary::default() };
    let started = Instant::now();
    world.run(run_reactor(world.store(), diary.clone(), world.drain.clone()));
    until(|| async { diary.len() == 1_000 }).await;
    println!("reactor: {:.0} events/s", 1_000.0 / started.elapsed().as_secs_f64());
    let last = world.store().events_after(Position::START, 2_000).await.unwrap().pop().unwrap().position;
    until(|| async { cursor(&world).await == last }).await;
    world.stop().await;
    assert!(diary.by_stream().values().all(|numbers| numbers.len() == 50 && numbers.is_sorted()));
    let most = diary.most_at_once.load(Ordering::SeqCst);
    assert!((8..=16).contains(&most), "{most} at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_event_is_reacted_to_at_once() {
    let mut world = World::new().await;
    let diary = Diary::default();
    world.run(run_reactor(world.store(), diary.clone(), world.drain.clone()));
    world.pay(&[new_uuid()], 1).await;
    until(|| async { diary.len() == 1 }).await;
    sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    world.pay(&[new_uuid()], 1).await;
    until(|| async { diary.len() == 2 }).await;
    println!("reaction after {:?}", started.elapsed());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cursor_waits_for_the_slowest_stream() {
    let mut world = World::new().await;
    let (slow, quick) = (new_uuid(), new_uuid());
    world.pay(&[slow, quick], 200).await;
    let diary = Diary { flaky: Arc::new(AtomicU32::new(u32::MAX)), ..Diary::default() };
    world.run(run_reactor(world.store(), diary.clone(), world.drain.clone()));
    until(|| async { diary.flaky.load(Ordering::SeqCst) < u32::MAX - 3 }).await;
    assert_eq!(cursor(&world).await, Position::START);
    world.stop().await;
    let healthy = Diary::default();
    world.run(run_reactor(world.store(), healthy.clone(), world.drain.clone()));
    until(|| async { healthy.len() == 200 }).await;
    world.stop().await;
    assert!(healthy.by_stream().values().all(|numbers| numbers.is_sorted()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_stop_everything_behind_the_cursor_is_asked_again() {
    let mut world = World::new().await;
    let nouns: Vec<_> = (0..10).map(|_| new_uuid()).collect();
    world.pay(&nouns, 600).await;
    let diary = Diary { pause: Duration::from_millis(3), ..Diary::default() };
    for some in [50, 200] {
        world.run(run_reactor(world.store(), diary.clone(), world.drain.clone()));
        until(|| async { diary.len() >= some }).await;
        world.stop().await;
    }
    world.run(run_reactor(world.store(), diary.clone(), world.drain.clone()));
    let complete = || {
        let mut numbers: Vec<i64> = diary.entries.lock().unwrap().iter().map(|(_, number)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len() == 600
    };
    until(|| async { complete() }).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permanent_fault_is_buried_and_can_be_replayed() {
    let mut world = World::new().await;
    world.pay(&[new_uuid(), new_uuid()], 20).await;
    let stubborn = Diary { refuses: Some(7), flaky: Arc::new(AtomicU32::new(3)), ..Diary::default() };
    world.run(run_reactor(world.store(), stubborn.clone(), world.drain.clone()));
    until(|| async { stubborn.len() == 19 }).await;
    world.stop().await;
    let mut worker = world.store().begin_worker(None).await.unwrap();
    let letters = eventstore::open_dead_letters(worker.connection(), Some("diary"), 5).await.unwrap();
    worker.rollback().await.unwrap();
    assert_eq!(letters.len(), 1);
    let mild = Diary::default();
    assert!(replay(&world.store(), &stubborn, letters[0].id).await.is_err());
    assert!(replay(&world.store(), &mild, letters[0].id).await.unwrap());
    assert!(!replay(&world.store(), &mild, letters[0].id).await.unwrap());
    assert_eq!(mild.entries.lock().unwrap()[0].1, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_internal_fault_gets_five_attempts_and_a_refusal_one() {
    let mut world = World::new().await;
    world.pay(&[new_uuid()], 4).await;
    // The first event uses up five, the second succeeds at its fifth attempt.
    let diary = Diary { refuses: Some(3), broken: Arc::new(AtomicU32::new(9)), ..Diary::default() };
    world.run(run_reactor(world.store(), diary.clone(), world.drain.clone()));
    until(|| async { diary.len() == 2 }).await;
    world.stop().await;
    let numbers: Vec<i64> = diary.entries.lock().unwrap().iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [2, 4]);
    let mut worker = world.store().begin_worker(None).await.unwrap();
    let letters = eventstore::open_dead_letters(worker.connection(), Some("diary"), 5).await.unwrap();
    worker.rollback().await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.attempts).collect::<Vec<_>>(), [5, 1]);
}
