//! The desk of a partition: whoever brings something sits down, decides what waits, and leaves.
//!
//! There is one seat, so there is one writer at a time, though not always the same thread. Who finds
//! the seat taken goes on: what he brought was put down before he looked, and who sits there looks
//! once more after rising. So nobody waits for the seat, a call is decided by the task that brings it
//! whenever the desk is free, and no thread must be woken for it.

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use super::mailbox::{Mailbox, NotTaken};
use super::settling::Settled;
use super::work::Work;
use super::writer::{Ended, PartitionWriter, Rest};

/// So many operations take a millisecond or more.
const MANY: usize = 1_024;

/// Where the work of one partition is decided.
pub(crate) struct Desk {
    mailbox: Arc<Mailbox>,
    news: Mutex<News>,
    seat: Mutex<Option<Seat>>,
}

/// What happened beside the work.
#[derive(Default)]
struct News {
    settled: Option<Settled>,
    time_passed: bool,
    closed: bool,
}

struct Seat {
    writer: PartitionWriter,
    say_ended: oneshot::Sender<Result<(), Ended>>,
}

impl Desk {
    /// The desk of `writer`, and where it is told once the writer has ended.
    pub(crate) fn new(writer: PartitionWriter) -> (Self, oneshot::Receiver<Result<(), Ended>>) {
        let (say_ended, ended) = oneshot::channel();
        let mailbox = Arc::clone(&writer.mailbox);
        let seat = Mutex::new(Some(Seat { writer, say_ended }));
        (Self { mailbox, news: Mutex::default(), seat }, ended)
    }

    /// Brings work; it is decided when this returns, unless somebody else is about to.
    pub(crate) fn put(&self, work: Work) -> Result<(), NotTaken> {
        self.mailbox.put(work)?;
        self.work();
        Ok(())
    }

    /// The append that was on its way has ended.
    pub(crate) fn settled(&self, outcome: Settled) {
        self.news().settled = Some(outcome);
        self.work();
    }

    /// Something may be due by now.
    pub(crate) fn time_passed(&self) {
        self.news().time_passed = true;
        self.work();
    }

    /// Takes no more work; the writer ends when everything is answered.
    pub(crate) fn close(&self) {
        self.mailbox.close();
        self.news().closed = true;
        self.work();
    }

    fn work(&self) {
        loop {
            let Some(mut seat) = self.sit_down() else { return };
            let rest = self.work_seated(&mut seat);
            drop(seat);
            // Whoever put something down and found the seat taken did so before it was left, or
            // finds it free: one of both sees what the other did.
            fence(Ordering::SeqCst);
            match rest {
                Rest::Idle if self.mailbox.operations() > 0 => {}
                Rest::Idle | Rest::Full if self.news().is_something() => {}
                Rest::Idle | Rest::Full | Rest::Over => return,
            }
        }
    }

    fn sit_down(&self) -> Option<MutexGuard<'_, Option<Seat>>> {
        fence(Ordering::SeqCst);
        match self.seat.try_lock() {
            Ok(seat) => Some(seat),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Poisoned(poisoned)) => {
                self.seat.clear_poison();
                leave(&mut poisoned.into_inner(), Err(Ended::Panicked));
                None
            }
        }
    }

    fn work_seated(&self, seat: &mut Option<Seat>) -> Rest {
        let Some(Seat { writer, .. }) = seat else { return Rest::Over };
        let news = std::mem::take(&mut *self.news());
        let is_much = self.mailbox.operations() >= MANY || writer.rounds.is_much_to_launch(MANY);
        let worked = if is_much { heavily(|| news.work(writer)) } else { news.work(writer) };
        match worked {
            Ok(Rest::Over) => leave(seat, Ok(())),
            Ok(rest) => return rest,
            Err(ended) => leave(seat, Err(ended)),
        }
        Rest::Over
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl News {
    const fn is_something(&self) -> bool {
        self.settled.is_some() || self.time_passed || self.closed
    }

    fn work(self, writer: &mut PartitionWriter) -> Result<Rest, Ended> {
        if let Some(outcome) = self.settled {
            writer.settle(outcome)?;
        }
        if self.time_passed {
            writer.expire()?;
        }
        writer.work()
    }
}

/// The writer has ended: who still waits learns that there is no answer.
fn leave(seat: &mut Option<Seat>, outcome: Result<(), Ended>) {
    if let Some(Seat { writer, say_ended }) = seat.take() {
        writer.abandon();
        let _ = say_ended.send(outcome); // who served it may be gone
    }
}

/// Does what takes milliseconds, without keeping other tasks from a runtime's worker.
fn heavily<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::{Duration, Instant};

    use journal::Chain;
    use kernel::SystemClock;
    use tokio::sync::mpsc;
    use wallet_domain::{Answer, OpenAccount, PartitionState, Writer, samples};

    use super::*;
    use crate::engine::Validity;
    use crate::engine::rounds::{Append, Limits, Rounds};
    use crate::engine::work::{Decided, Lost, Reading, Ruled};

    type Said = oneshot::Receiver<Result<(), Ended>>;

    fn a_desk() -> (Desk, mpsc::Receiver<Append>, Said) {
        let limits = Limits { batch_operations: 8, snapshot_operations: 50, snapshot_batches: 50 };
        let (appends, sealed) = mpsc::channel(1);
        let (desk, ended) = Desk::new(PartitionWriter {
            rounds: Rounds::new(Writer::new(PartitionState::default(), 1_000), Chain::start(0), 1, limits),
            mailbox: Arc::new(Mailbox::new(10_000)),
            appends,
            validity: Validity::granted(Instant::now(), Duration::from_secs(60)),
            clock: Arc::new(SystemClock),
        });
        (desk, sealed, ended)
    }

    fn open(desk: &Desk, number: u32) -> oneshot::Receiver<Decided<Ruled>> {
        let (reply, answer) = oneshot::channel();
        let command = OpenAccount { terms: samples::a_customer(number) };
        desk.put(Work::Open { request: samples::a_request(), command, reply }).unwrap();
        answer
    }

    fn read(desk: &Desk, look: fn(&PartitionState) -> u64) {
        let (reply, _) = oneshot::channel();
        let _ = desk.put(Work::Read(Box::new(Reading { look, reply })));
    }

    #[test]
    fn what_many_bring_at_once_is_decided_once_and_answered() {
        let (desk, mut sealed, ended) = a_desk();
        let opened: Vec<Answer> = std::thread::scope(|scope| {
            scope.spawn(|| {
                while sealed.blocking_recv().is_some() {
                    desk.settled(Settled::Durable);
                }
            });
            let desk = &desk;
            let bring =
                |first: u32| (first..first + 200).map(|number| open(desk, number)).collect::<Vec<_>>();
            let callers: Vec<_> = (0..8).map(|caller| scope.spawn(move || bring(caller * 200))).collect();
            let answers = callers.into_iter().flat_map(|caller| caller.join().unwrap());
            let opened = answers.map(|answer| answer.blocking_recv().unwrap().unwrap().unwrap()).collect();
            desk.close();
            opened
        });
        assert_eq!(opened.len(), 1_600);
        assert_eq!(opened.iter().filter(|answer| !answer.repeated).count(), 1_600);
        assert!(matches!(ended.blocking_recv(), Ok(Ok(()))));
    }

    #[test]
    fn who_waits_when_the_append_is_lost_learns_it_and_nothing_more_is_taken() {
        let (desk, _sealed, ended) = a_desk();
        let waiting = open(&desk, 1);
        desk.settled(Settled::Unknown);
        assert!(matches!(waiting.blocking_recv(), Ok(Err(Lost::OutcomeUnknown))));
        assert!(matches!(ended.blocking_recv(), Ok(Err(Ended::Unsettled))));
        let (reply, _) = oneshot::channel();
        let late = Work::Read(Box::new(Reading { look: PartitionState::sequence, reply }));
        assert_eq!(desk.put(late), Err(NotTaken::Closed));
    }

    #[test]
    fn a_panic_at_the_desk_ends_the_partition_and_is_told() {
        let (desk, _sealed, ended) = a_desk();
        let waiting = open(&desk, 1);
        let panicked = catch_unwind(AssertUnwindSafe(|| read(&desk, |_| panic!("at the desk"))));
        assert!(panicked.is_err());
        desk.time_passed();
        assert!(matches!(waiting.blocking_recv(), Ok(Err(Lost::OutcomeUnknown))));
        assert!(matches!(ended.blocking_recv(), Ok(Err(Ended::Panicked))));
    }

    #[test]
    fn a_closed_desk_answers_what_it_had_before_it_ends() {
        let (desk, mut sealed, mut ended) = a_desk();
        let waiting = open(&desk, 1);
        desk.close();
        assert!(ended.try_recv().is_err());
        sealed.try_recv().unwrap();
        desk.settled(Settled::Durable);
        assert!(waiting.blocking_recv().unwrap().unwrap().is_ok());
        assert!(matches!(ended.blocking_recv(), Ok(Ok(()))));
    }
}
