//! What can be asked of the ledger.
//!
//! Commands carry everything the rules need: ids, amounts, and where the request came from. The
//! origin is shared by all commands of one call, so a call of 8 192 operations names its actor once.

use std::sync::Arc;

use ids::{AccountId, OperationId, TenantId};
use smallvec::SmallVec;

use crate::{AccountTerms, Origin};

/// Most linked postings of one operation.
pub const POSTINGS_MAX: usize = 32;
/// Most characters of a reference.
pub const REFERENCE_LENGTH_MAX: usize = 200;
/// Most characters of a reason.
pub const REASON_LENGTH_MAX: usize = 40;

/// Who asks, for whom, when. Shared by the commands of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Whose ledger.
    pub tenant: TenantId,
    /// The tenant's time in milliseconds since 1970; what entries show.
    pub at_ms: i64,
    /// Who acted, and what it belongs to.
    pub origin: Arc<Origin>,
}

/// Opens an account; opening it again with the same terms changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAccount {
    /// What is agreed.
    pub terms: AccountTerms,
}

/// Moves `amount` units from `debit` to `credit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// The account that gives.
    pub debit: AccountId,
    /// The account that takes.
    pub credit: AccountId,
    /// Above zero, in the asset's smallest unit.
    pub amount: i64,
}

/// Posts linked legs, all or nothing, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The same id with the same body gets the first answer.
    pub operation: OperationId,
    /// 1 to [`POSTINGS_MAX`].
    pub legs: SmallVec<[Leg; 1]>,
    /// Why, a stable word.
    pub reason: Arc<str>,
    /// What it belongs to; may be empty.
    pub reference: String,
}
