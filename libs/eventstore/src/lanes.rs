//! Working on many keys at once, in order within each key.
//!
//! Work for a key waits while earlier work of the same key runs; different keys run side by side,
//! at most `width` of them. It spawns nothing: the futures run inside whoever awaits [`Lanes::next`],
//! which suits work that mostly waits for the database.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

/// A keyed queue with bounded concurrency.
pub struct Lanes<'a, K, W, O> {
    width: usize,
    start: Box<dyn Fn(W) -> BoxFuture<'a, O> + Send + Sync + 'a>,
    waiting: HashMap<K, VecDeque<W>>,
    ready: VecDeque<(K, W)>,
    running: FuturesUnordered<BoxFuture<'a, (K, O)>>,
    held: usize,
}

impl<'a, K, W, O> Lanes<'a, K, W, O>
where
    K: Hash + Eq + Clone + Send + 'a,
    W: Send,
    O: Send + 'a,
{
    /// Lanes that do work by `start`, at most `width` (at least one) at a time.
    pub fn new(width: usize, start: impl Fn(W) -> BoxFuture<'a, O> + Send + Sync + 'a) -> Self {
        Self {
            width: width.max(1),
            start: Box::new(start),
            waiting: HashMap::new(),
            ready: VecDeque::new(),
            running: FuturesUnordered::new(),
            held: 0,
        }
    }

    /// Takes work behind everything that was pushed for `key` before.
    pub fn push(&mut self, key: K, work: W) {
        self.held += 1;
        if let Some(queue) = self.waiting.get_mut(&key) {
            queue.push_back(work);
        } else {
            self.waiting.insert(key.clone(), VecDeque::new());
            self.ready.push_back((key, work));
        }
    }

    /// How much work has not been answered yet, running or waiting.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.held
    }

    /// Whether all work has been answered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Works until something is done and answers it; `None` when there is nothing to do. Dropping
    /// the future loses nothing.
    pub async fn next(&mut self) -> Option<O> {
        self.fill();
        let (key, outcome) = self.running.next().await?;
        self.held -= 1;
        match self.waiting.get_mut(&key).and_then(VecDeque::pop_front) {
            Some(work) => self.ready.push_back((key, work)),
            None => drop(self.waiting.remove(&key)),
        }
        self.fill();
        Some(outcome)
    }

    /// Forgets work that has not been started; what runs goes on.
    pub fn forget_waiting(&mut self) {
        self.ready.clear();
        self.waiting.values_mut().for_each(VecDeque::clear);
        self.held = self.running.len();
    }

    fn fill(&mut self) {
        while self.running.len() < self.width {
            let Some((key, work)) = self.ready.pop_front() else { return };
            let work = (self.start)(work);
            self.running.push(Box::pin(async move { (key, work.await) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keys_run_side_by_side_and_each_keeps_its_order() {
        let log = Mutex::new(Vec::new());
        let mut lanes = Lanes::new(8, |(key, step, wait): (char, u32, u64)| {
            let log = &log;
            async move {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                log.lock().unwrap().push((key, step));
            }
            .boxed()
        });
        for (key, step, wait) in [('a', 1, 90), ('a', 2, 1), ('b', 1, 10), ('b', 2, 10)] {
            lanes.push(key, (key, step, wait));
        }
        while lanes.next().await.is_some() {}
        assert!(lanes.is_empty());
        assert_eq!(*log.lock().unwrap(), [('b', 1), ('b', 2), ('a', 1), ('a', 2)]);
    }

    #[tokio::test]
    async fn a_lane_is_free_again_when_its_work_is_done() {
        let mut lanes = Lanes::new(1, |work: u8| async move { work }.boxed());
        for work in 0..3 {
            lanes.push((), work);
        }
        assert_eq!((lanes.next().await, lanes.len()), (Some(0), 2));
        lanes.forget_waiting();
        lanes.push((), 9);
        while lanes.next().await.is_some_and(|work| work != 9) {}
        assert!(lanes.next().await.is_none());
    }
}
