//! Opening invoices: gapless numbers without a queue of transactions.
//!
//! The number comes from one row per series and year, which stays locked until the commit. One
//! transaction per invoice would therefore wait for one flush to disk each. So invoices that are
//! opened at the same time share a transaction: whoever has the turn opens everything that waits,
//! and while its commit is under way the next batch gathers. Nothing is spawned: a caller that gets
//! the turn does the work of all, and one that is cancelled in the middle leaves the others to
//! start again, which is harmless because an invoice is opened once by its id.
//!
//! A number exists if and only if its invoice does: both are in one transaction, and a batch in
//! which an invoice turns out to exist already is rolled back and opened without it.

mod batch;

use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use eventstore::{CommandContext, EventStore, Loaded};
use ids::{InvoiceId, TenantId, UserId};
use invoicing_domain::{Invoice, Priced, StartPayment};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kernel::Position;
use tokio::sync::oneshot;

use batch::Batch;

/// Most invoices of one transaction.
const BATCH_MAX: usize = 64;

/// An invoice that is to be opened, complete but for its number.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub id: InvoiceId,
    pub user_id: UserId,
    pub priced: Priced,
    pub due_at: Timestamp,
    /// The first attempt to pay; none when nothing is due.
    pub payment: Option<StartPayment>,
    /// Tells a repeated request from another one.
    pub request_hash: [u8; 32],
    pub context: CommandContext,
}

/// What became of a draft.
#[derive(Debug, Clone)]
pub(crate) enum Opening {
    /// It is open now.
    Opened(Box<Loaded<Invoice>>, Position),
    /// An invoice with its id exists already.
    Exists,
}

/// Opens invoices, those of the same moment together.
pub(crate) struct Opener {
    store: EventStore,
    series: String,
    check_after: SignedDuration,
    desks: DashMap<(TenantId, i16), Arc<Desk>>,
}

/// Where drafts of one tenant and year wait for their numbers.
#[derive(Default)]
struct Desk {
    waiting: Mutex<Vec<Job>>,
    turn: tokio::sync::Mutex<()>,
}

struct Job {
    draft: Arc<Draft>,
    answer: oneshot::Sender<fault::Result<Opening>>,
}

impl Opener {
    pub(crate) fn new(store: EventStore, series: String, check_after: SignedDuration) -> Self {
        Self { store, series, check_after, desks: DashMap::new() }
    }

    /// Opens one invoice.
    pub(crate) async fn open(&self, draft: Draft) -> fault::Result<Opening> {
        let year = draft.context.at.to_zoned(TimeZone::UTC).year();
        let desk = self.desk(draft.context.tenant, year);
        let draft = Arc::new(draft);
        loop {
            let (answer, mut answered) = oneshot::channel();
            desk.put(Job { draft: Arc::clone(&draft), answer });
            tokio::select! {
                biased;
                outcome = &mut answered => if let Ok(outcome) = outcome { return outcome },
                turn = desk.turn.lock() => {
                    let outcome = self.serve(&desk, year, &mut answered).await;
                    drop(turn);
                    if let Some(outcome) = outcome { return outcome }
                }
            }
            // Whoever had the turn was cancelled with our draft in hand; it goes back to the desk.
        }
    }

    /// Opens what waits, batch by batch, until our own is answered.
    async fn serve(
        &self,
        desk: &Desk,
        year: i16,
        ours: &mut oneshot::Receiver<fault::Result<Opening>>,
    ) -> Option<fault::Result<Opening>> {
        loop {
            match ours.try_recv() {
                Ok(outcome) => return Some(outcome),
                Err(oneshot::error::TryRecvError::Closed) => return None,
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let jobs = desk.take(BATCH_MAX);
            let drafts: Vec<_> = jobs.iter().map(|job| Arc::clone(&job.draft)).collect();
            let batch =
                Batch { store: &self.store, series: &self.series, year, check_after: self.check_after };
            let outcomes = batch.open(&drafts).await;
            for (job, outcome) in jobs.into_iter().zip(outcomes) {
                // Nobody waits for the answer of a cancelled request.
                let _ = job.answer.send(outcome);
            }
        }
    }

    fn desk(&self, tenant: TenantId, year: i16) -> Arc<Desk> {
        Arc::clone(&self.desks.entry((tenant, year)).or_default())
    }
}

impl Desk {
    fn put(&self, job: Job) {
        self.waiting().push(job);
    }

    fn take(&self, max: usize) -> Vec<Job> {
        let mut waiting = self.waiting();
        // Nobody waits for these any more; opened hours later they would surprise their customers.
        waiting.retain(|job| !job.answer.is_closed());
        let count = waiting.len().min(max);
        waiting.drain(..count).collect()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Job>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
