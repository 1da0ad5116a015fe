//! Ids of operations with the batches they were recorded in, as a row of `ledger_operation_chunks`
//! keeps them.
//!
//! Only ids that say their own time (UUIDv7) are kept so: those that were made within a second lie
//! together, so that looking one up reads a few rows. Ids that were derived from facts are spread over
//! everything and have a row each in `ledger_operations`.

use prost::Message;
use uuid::Uuid;

/// Rows stay below the size at which `PostgreSQL` would store them apart.
pub(crate) const IDS_MAX: usize = 112;

/// Ids in their order, each as its difference to the one before.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct IdChunk {
    /// Upper halves, less the one before.
    #[prost(uint64, repeated, tag = "1")]
    steps: Vec<u64>,
    /// Lower halves.
    #[prost(fixed64, repeated, tag = "2")]
    lows: Vec<u64>,
    /// Batches, less the earliest.
    #[prost(uint64, repeated, tag = "3")]
    batches: Vec<u64>,
    /// The earliest batch.
    #[prost(uint64, tag = "4")]
    earliest: u64,
}

/// The slot of the ids that were made at the same time as this one, if it says when that was.
pub(crate) fn slot(id: Uuid) -> Option<i64> {
    let (high, low) = id.as_u64_pair();
    let says_time = high >> 12 & 0xf == 7 && low >> 62 == 2;
    says_time.then(|| i64::try_from(high >> 26).unwrap_or_default())
}

impl IdChunk {
    /// A chunk of ids in their order.
    pub(crate) fn of(ids: impl Iterator<Item = (Uuid, u64)> + Clone) -> Self {
        let earliest = ids.clone().map(|(_, sequence)| sequence).min().unwrap_or_default();
        let (mut chunk, mut before) = (Self { earliest, ..Self::default() }, 0);
        for (id, sequence) in ids {
            let (high, low) = id.as_u64_pair();
            chunk.steps.push(high.wrapping_sub(before));
            chunk.lows.push(low);
            chunk.batches.push(sequence.wrapping_sub(earliest));
            before = high;
        }
        chunk
    }

    /// The ids, each with its batch.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (Uuid, u64)> {
        let highs = self.steps.iter().scan(0_u64, |high, step| {
            *high = high.wrapping_add(*step);
            Some(*high)
        });
        let batches = self.batches.iter().map(|more| self.earliest.wrapping_add(*more));
        let ids = highs.zip(&self.lows).map(|(high, low)| Uuid::from_u64_pair(high, *low));
        ids.zip(batches)
    }

    /// The batch of an id, if it is here.
    pub(crate) fn find(&self, id: Uuid) -> Option<u64> {
        self.ids().find(|(other, _)| *other == id).map(|(_, sequence)| sequence)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_chunk_gives_back_what_was_put_in(mut ids: Vec<(u128, u64)>) {
            ids.sort_unstable();
            let ids: Vec<_> = ids.into_iter().map(|(id, batch)| (Uuid::from_u128(id), batch)).collect();
            let bytes = IdChunk::of(ids.iter().copied()).encode_to_vec();
            let chunk = IdChunk::decode(bytes.as_slice()).unwrap();
            prop_assert_eq!(chunk.ids().collect::<Vec<_>>(), ids);
        }

        #[test]
        fn bytes_that_are_no_chunk_do_not_panic(bytes: Vec<u8>) {
            if let Ok(chunk) = IdChunk::decode(bytes.as_slice()) {
                let _ = chunk.ids().count();
            }
        }
    }

    #[test]
    fn ids_of_the_same_second_have_the_same_slot_and_derived_ids_have_none() {
        let at = |milliseconds: u64| Uuid::from_u64_pair(milliseconds << 16 | 0x7abc, 2 << 62 | 5);
        assert_eq!(slot(at(10 * 1_024)), Some(10));
        assert_eq!(slot(at(11 * 1_024 - 1)), Some(10));
        assert_eq!(slot(at(11 * 1_024)), Some(11));
        assert_eq!(slot(Uuid::new_v5(&Uuid::nil(), b"a line")), None);
        assert_eq!(slot(Uuid::from_u64_pair(0x4abc, 2 << 62 | 5)), None);
    }

    #[test]
    fn a_full_chunk_stays_in_its_row() {
        let ids = (0..IDS_MAX as u64).map(|nth| (Uuid::from_u64_pair(nth << 20, u64::MAX), nth));
        assert!(IdChunk::of(ids).encode_to_vec().len() < 1_800);
    }
}
