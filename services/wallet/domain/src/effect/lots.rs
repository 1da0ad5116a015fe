//! What becomes of lots: opened by a grant or by units that travel, joined by units on the same terms,
//! spent, held and given back.

use prost::Message;
use uuid::Uuid;

use crate::LotTerms;

/// Terms of a lot as stored.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct StoredTerms {
    /// Where its units come from.
    #[prost(string, tag = "1")]
    pub source: String,
    /// Lower is spent first.
    #[prost(uint32, tag = "2")]
    pub priority: u32,
    /// The tenant's time, milliseconds since 1970.
    #[prost(int64, optional, tag = "3")]
    pub expires_at_ms: Option<i64>,
    /// The recurring grant, 0 for none.
    #[prost(fixed64, tag = "4")]
    pub series: u64,
}

/// A lot was opened; its id is that of the operation and its place in it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct LotOpened {
    /// Number of the account.
    #[prost(uint32, tag = "1")]
    pub account: u32,
    /// Number of the lot, used anew when a lot is empty.
    #[prost(uint32, tag = "2")]
    pub lot: u32,
    /// The lot's id, upper half.
    #[prost(fixed64, tag = "3")]
    pub id_high: u64,
    /// Lower half.
    #[prost(fixed64, tag = "4")]
    pub id_low: u64,
    /// Its units.
    #[prost(int64, tag = "5")]
    pub amount: i64,
    /// On which terms.
    #[prost(message, optional, tag = "6")]
    pub terms: Option<StoredTerms>,
    /// The leg by which they came, from 0.
    #[prost(uint32, tag = "7")]
    pub leg: u32,
}

/// A lot changed; empty ones are gone.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct LotMoved {
    /// Number of the account.
    #[prost(uint32, tag = "1")]
    pub account: u32,
    /// Number of the lot.
    #[prost(uint32, tag = "2")]
    pub lot: u32,
    /// The lot's id, upper half.
    #[prost(fixed64, tag = "3")]
    pub id_high: u64,
    /// Lower half.
    #[prost(fixed64, tag = "4")]
    pub id_low: u64,
    /// Units that left the lot, 0 when some were only held or given back.
    #[prost(int64, tag = "5")]
    pub left: i64,
    /// What can be spent afterwards.
    #[prost(int64, tag = "6")]
    pub free: i64,
    /// What is held afterwards.
    #[prost(int64, tag = "7")]
    pub held: i64,
    /// The terms, when units left.
    #[prost(message, optional, tag = "8")]
    pub terms: Option<StoredTerms>,
    /// The leg with which they left, from 0.
    #[prost(uint32, tag = "9")]
    pub leg: u32,
}

/// Units joined a lot that has their terms.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct LotJoined {
    /// Number of the account.
    #[prost(uint32, tag = "1")]
    pub account: u32,
    /// Number of the lot.
    #[prost(uint32, tag = "2")]
    pub lot: u32,
    /// The lot's id, upper half.
    #[prost(fixed64, tag = "3")]
    pub id_high: u64,
    /// Lower half.
    #[prost(fixed64, tag = "4")]
    pub id_low: u64,
    /// Units that came.
    #[prost(int64, tag = "5")]
    pub amount: i64,
    /// What can be spent afterwards.
    #[prost(int64, tag = "6")]
    pub free: i64,
    /// What is set aside, then as before.
    #[prost(int64, tag = "7")]
    pub held: i64,
    /// The leg by which they came, from 0.
    #[prost(uint32, tag = "8")]
    pub leg: u32,
}

impl LotOpened {
    /// The lot's id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        Uuid::from_u64_pair(self.id_high, self.id_low)
    }
}

impl LotMoved {
    /// The lot's id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        Uuid::from_u64_pair(self.id_high, self.id_low)
    }
}

impl LotJoined {
    /// The lot's id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        Uuid::from_u64_pair(self.id_high, self.id_low)
    }
}

impl From<&LotTerms> for StoredTerms {
    fn from(terms: &LotTerms) -> Self {
        Self {
            source: terms.source.to_string(),
            priority: terms.priority.into(),
            expires_at_ms: terms.expires_at_ms,
            series: terms.series,
        }
    }
}

impl StoredTerms {
    /// The terms; none if they cannot have been written by this program.
    #[must_use]
    pub fn read(&self) -> Option<LotTerms> {
        Some(LotTerms {
            source: self.source.as_str().into(),
            priority: u8::try_from(self.priority).ok()?,
            expires_at_ms: self.expires_at_ms,
            series: self.series,
        })
    }
}
