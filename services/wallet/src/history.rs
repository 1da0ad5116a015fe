//! The past of the ledger, for reading: statements, balances as of a time, operations, lots.
//!
//! All of it follows from the journal. Tables say where something is; what it was is read from the
//! entries' chunks or from the journal's own batch.

pub(crate) mod chunk;
pub(crate) mod id_chunk;
mod lots;
mod operations;
mod statements;

use tokio::time::{Duration, Instant, timeout};

use fault::{Code, Fault};
use ids::TenantId;
use journal::AnyJournal;

use crate::engine::Ledger;
use crate::position::Position;
use crate::store::Store;
pub use chunk::StoredEntry;
pub(crate) use lots::{LotPage, MovementRow};
pub use operations::Found;
pub use statements::{EntryLine, Filter, Page, PageRequest};

const POLL: Duration = Duration::from_millis(20);

/// Reads the past.
#[derive(Clone)]
pub struct History {
    store: Store,
    ledger: Ledger,
    journal: AnyJournal,
}

impl History {
    /// The past of this ledger.
    #[must_use]
    pub const fn new(store: Store, ledger: Ledger, journal: AnyJournal) -> Self {
        Self { store, ledger, journal }
    }

    /// Waits until the tables include what `min_position` names; empty names nothing.
    async fn reach(&self, tenant: TenantId, min_position: &str) -> fault::Result<()> {
        match position(&self.ledger, tenant, min_position)? {
            Some(position) => self.reach_position(position).await,
            None => Ok(()),
        }
    }

    /// Waits until the tables include `position`: woken when this process projects the partition,
    /// else by looking at the cursor.
    async fn reach_position(&self, position: Position) -> fault::Result<()> {
        let mut projected = self.ledger.projected(position.partition)?.subscribe();
        let deadline = Instant::now() + self.ledger.config().position_wait();
        let mut pause = POLL;
        while *projected.borrow_and_update() < position.sequence {
            if self.projected(position.partition).await? >= position.sequence {
                break;
            }
            if Instant::now() >= deadline {
                return Err(not_reached(position));
            }
            self.ledger.want_projected(position.partition);
            let _ = timeout(pause, projected.changed()).await;
            pause = (pause * 2).min(POLL * 16);
        }
        Ok(())
    }

    /// The last batch of a partition that is in the tables.
    async fn projected(&self, partition: u16) -> fault::Result<u64> {
        self.store.projected(partition).await
    }
}

fn not_reached(position: Position) -> Fault {
    Fault::new(Code::Timeout, "position_not_reached", "The entries are not there yet; try again.")
        .with_fact("position", position)
}

/// A position that a caller of this tenant may name.
pub(crate) fn position(ledger: &Ledger, tenant: TenantId, text: &str) -> fault::Result<Option<Position>> {
    if text.is_empty() {
        return Ok(None);
    }
    let malformed = || Fault::invalid("/min_position", "malformed", "This is no position of the ledger.");
    let position: Position = text.parse().map_err(|_| malformed())?;
    if position.partition == ledger.partition_of(tenant) { Ok(Some(position)) } else { Err(malformed()) }
}
