//! Requests that are encoded once and get fresh operation ids each time they are sent, so that the
//! client costs next to nothing.

use bytes::{Bytes, BytesMut};
use contracts::vbwd::wallet::v1 as proto;
use uuid::Uuid;

use crate::grpc::{PREFIX_BYTES, framed};

/// Key and length of the operation id of a `PostRequest`.
const POST_ID_AT: usize = PREFIX_BYTES + 2;
const UUID_TEXT: usize = 36;

/// A fast generator of no cryptographic worth (splitmix64); it begins differently in every run.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// Seeded from the time.
    pub fn new() -> Self {
        let (high, low) = Uuid::now_v7().as_u64_pair();
        Self(high ^ low.rotate_left(17))
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    #[allow(clippy::cast_possible_truncation, reason = "below `end`")]
    pub const fn below(&mut self, end: usize) -> usize {
        ((self.next() as u128 * end as u128) >> 64) as usize
    }

    /// Two different numbers below `end`.
    pub const fn pair_below(&mut self, end: usize) -> (usize, usize) {
        let (one, other) = (self.below(end), self.below(end - 1));
        (one, if other >= one { other + 1 } else { other })
    }

    /// A UUIDv7 of the millisecond `now_ms`.
    const fn id(&mut self, now_ms: u64) -> (u64, u64) {
        let (some, more) = (self.next(), self.next());
        (now_ms << 16 | 0x7000 | some >> 52, 0x8000_0000_0000_0000 | more >> 2)
    }
}

/// Milliseconds since 1970, as a UUIDv7 says them.
fn now_ms() -> u64 {
    Uuid::now_v7().as_u64_pair().0 >> 16
}

/// A debit and a credit account, and how much.
pub type Move = (Uuid, Uuid, i64);

/// A `PostBatchRequest` without its ids.
pub struct Batch {
    framed: Vec<u8>,
    ids_at: usize,
    /// Posts in it.
    pub posts: usize,
}

impl Batch {
    /// Encodes the moves.
    pub fn new(moves: &[Move]) -> anyhow::Result<Self> {
        let halves = |id: Uuid| <[u64; 2]>::from(id.as_u64_pair());
        let message = proto::PostBatchRequest {
            operation_ids: vec![0; moves.len() * 2],
            debit_account_ids: moves.iter().flat_map(|(debit, ..)| halves(*debit)).collect(),
            credit_account_ids: moves.iter().flat_map(|(_, credit, _)| halves(*credit)).collect(),
            amounts: moves.iter().map(|(.., amount)| *amount).collect(),
            reason: "bench".to_owned(),
            reference: String::new(),
        };
        // The ids are the first field: a key of one byte and the length of the column come before.
        let ids_at = PREFIX_BYTES + 1 + prost::length_delimiter_len(moves.len() * 16);
        Ok(Self { framed: framed(&message)?, ids_at, posts: moves.len() })
    }

    /// The message with ids of this moment.
    pub fn with_ids(&self, random: &mut Random) -> Bytes {
        let (now, mut bytes) = (now_ms(), BytesMut::from(self.framed.as_slice()));
        let ids = bytes.get_mut(self.ids_at..self.ids_at + self.posts * 16).unwrap_or_default();
        for id in ids.chunks_exact_mut(16) {
            let (high, low) = random.id(now);
            id[..8].copy_from_slice(&high.to_le_bytes());
            id[8..].copy_from_slice(&low.to_le_bytes());
        }
        bytes.freeze()
    }
}

/// A `PostRequest` of one posting without its id.
pub struct Post(Vec<u8>);

impl Post {
    /// Encodes the move.
    pub fn new((debit, credit, amount): Move) -> anyhow::Result<Self> {
        let posting = proto::Posting {
            debit_account_id: debit.to_string(),
            credit_account_id: credit.to_string(),
            amount,
        };
        let message = proto::PostRequest {
            operation_id: Uuid::nil().to_string(),
            postings: vec![posting],
            reason: "bench".to_owned(),
            ..proto::PostRequest::default()
        };
        framed(&message).map(Self)
    }

    /// The message with an id of this moment.
    pub fn with_id(&self, random: &mut Random) -> Bytes {
        let (high, low) = random.id(now_ms());
        let mut bytes = BytesMut::from(self.0.as_slice());
        let id = bytes.get_mut(POST_ID_AT..POST_ID_AT + UUID_TEXT).unwrap_or_default();
        Uuid::from_u64_pair(high, low).hyphenated().encode_lower(id);
        bytes.freeze()
    }
}

/// A fresh operation id.
pub fn fresh_id(random: &mut Random) -> Uuid {
    let (high, low) = random.id(now_ms());
    Uuid::from_u64_pair(high, low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    fn a_move() -> Move {
        (Uuid::from_u128(1), Uuid::from_u128(2), 3)
    }

    #[test]
    fn ids_land_in_their_column() {
        for posts in [1, 8, 2_048, 8_190] {
            let bytes = Batch::new(&vec![a_move(); posts]).unwrap().with_ids(&mut Random::new());
            let message = proto::PostBatchRequest::decode(&bytes[PREFIX_BYTES..]).unwrap();
            let [high, low] = message.operation_ids[..2] else { panic!("no id") };
            assert_eq!(Uuid::from_u64_pair(high, low).get_version_num(), 7);
            assert_eq!(message.operation_ids.len(), posts * 2);
            assert_eq!(message.debit_account_ids[..2], [0, 1]);
            assert_eq!(message.amounts, vec![3; posts]);
        }
    }

    #[test]
    fn an_id_lands_in_its_field() {
        let bytes = Post::new(a_move()).unwrap().with_id(&mut Random::new());
        let message = proto::PostRequest::decode(&bytes[PREFIX_BYTES..]).unwrap();
        let id: Uuid = message.operation_id.parse().unwrap();
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!(message.postings[0].credit_account_id, Uuid::from_u128(2).to_string());
    }

    #[test]
    fn pairs_are_never_the_same_account_twice() {
        let mut random = Random::new();
        for _ in 0..1_000 {
            let (one, other) = random.pair_below(2);
            assert_eq!(one + other, 1);
        }
    }
}
