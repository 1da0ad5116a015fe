//! From the newest snapshot and the rows behind it to the state after the last durable batch.

use bytes::Bytes;
use journal::{Chain, ChainBroken, Journal, JournalError, Row};
use wallet_domain::{Batch, Broken, CorruptBatch, CorruptSnapshot, PartitionState, decode_snapshot};

/// Rows read at a time: a few megabytes of full batches, on their way while those before are replayed.
const PAGE: u32 = 8;

/// A partition's state and the end of its chain.
pub(crate) struct Recovered {
    pub(crate) state: PartitionState,
    pub(crate) chain: Chain,
    /// Batches replayed behind the snapshot.
    pub(crate) replayed: u64,
}

/// Why a partition cannot be recovered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the journal did not answer")]
    Journal(#[from] JournalError),
    #[error("the journal's chain is broken")]
    Chain(#[from] ChainBroken),
    #[error("a batch cannot be read")]
    Batch(#[from] CorruptBatch),
    #[error("the snapshot cannot be read")]
    Snapshot(#[from] CorruptSnapshot),
    #[error("the batches do not follow from the state")]
    Broken(#[from] Broken),
}

/// Recovers a partition. Every row's hash and every recorded balance is checked on the way.
pub(crate) async fn recover<J: Journal>(journal: &J, partition: u16) -> Result<Recovered, Failed> {
    let mut recovered = from_snapshot(journal, partition).await?;
    catch_up(journal, partition, &mut recovered).await?;
    Ok(recovered)
}

/// Replays what has been appended since, reading the next rows meanwhile. After an error the state is
/// not to be used any more.
pub(crate) async fn catch_up<J: Journal>(
    journal: &J,
    partition: u16,
    recovered: &mut Recovered,
) -> Result<(), Failed> {
    let mut rows = journal.read(partition, recovered.chain.sequence(), PAGE).await?;
    while let Some(last) = rows.last().map(|row| row.sequence) {
        let (next, replayed) =
            futures::join!(journal.read(partition, last, PAGE), async { recovered.replay(&rows) });
        replayed?;
        rows = next?;
    }
    Ok(())
}

impl Recovered {
    fn replay(&mut self, rows: &[Row]) -> Result<(), Failed> {
        for row in rows {
            self.chain.follow(row)?;
            self.state.apply(row.sequence, &Batch::from_payload(&row.payload)?)?;
            self.replayed += 1;
        }
        Ok(())
    }
}

async fn from_snapshot<J: Journal>(journal: &J, partition: u16) -> Result<Recovered, Failed> {
    let nothing =
        || Recovered { state: PartitionState::default(), chain: Chain::start(partition), replayed: 0 };
    let Some(snapshot) = journal.latest_snapshot(partition).await? else { return Ok(nothing()) };
    let state = match decode_snapshot(Bytes::from(snapshot.payload)) {
        Ok(state) => state,
        Err(foreign) if foreign.is_foreign() => {
            tracing::warn!(partition, %foreign, "the snapshot is another program's; the whole journal is read");
            return Ok(nothing());
        }
        Err(corrupt) => return Err(corrupt.into()),
    };
    let row = journal.read(partition, snapshot.sequence.saturating_sub(1), 1).await?;
    let belongs =
        row.first().is_some_and(|row| (row.sequence, row.hash) == (snapshot.sequence, snapshot.hash));
    if !belongs || state.sequence() != snapshot.sequence {
        let detail = format!("snapshot {} of partition {partition} has no row", snapshot.sequence);
        return Err(JournalError::Corrupt(detail).into());
    }
    let chain = Chain::behind(partition, snapshot.sequence, snapshot.hash);
    Ok(Recovered { state, chain, replayed: 0 })
}
