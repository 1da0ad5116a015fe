//! Typed identifiers.
//!
//! Every noun that has an identity has its own type here, so that a tenant id can never be passed
//! where a user id is meant. New ids are UUIDv7 (RFC 9562): they sort by creation time, which keeps
//! index pages warm. Ids that follow from facts (the operation behind an idempotency key, the
//! delivery of a line) are UUIDv5: the same facts give the same id on every replica and retry.
//!
//! When you add an id, also add it to the test at the end.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct InvalidId;

/// Namespace of all ids that are derived from facts.
const DERIVED: Uuid = Uuid::from_u128(0x7662_7764_0000_5000_8000_6465_7269_7665);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id (UUIDv7); later ids sort after earlier ones.
            #[must_use]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id that follows from `facts` (UUIDv5): the same facts give the same id.
            #[must_use]
            pub fn derived(facts: &[&str]) -> Self {
                Self(derive(facts))
            }

            /// The id with this value.
            #[must_use]
            pub const fn from_uuid(value: Uuid) -> Self {
                Self(value)
            }

            /// The plain value, for storage.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }
    };
}

id!(
    /// One merchant with its own users, catalogue, books and hosts.
    TenantId
);
id!(
    /// A person who can sign in to one tenant.
    UserId
);
id!(
    /// One log-in and the family of refresh tokens that follow from it.
    SessionId
);
id!(
    /// One request to change something, however often it is sent.
    OperationId
);
id!(
    /// One stored or published event.
    EventId
);
id!(
    /// A ledger account.
    AccountId
);
id!(
    /// A token bundle on sale.
    BundleId
);
id!(
    /// An invoice.
    InvoiceId
);
id!(
    /// A line of an invoice; the key of its hold and of its delivery.
    LineId
);
id!(
    /// A payment.
    PaymentId
);
id!(
    /// A refund of a payment.
    RefundId
);
id!(
    /// A saved way to pay of a customer.
    PaymentMethodId
);
id!(
    /// A way to pay that is being saved.
    SetupId
);
id!(
    /// A plan on sale, whatever its version.
    PlanId
);
id!(
    /// A price of a plan version.
    PriceId
);
id!(
    /// A subscription of a customer.
    SubscriptionId
);
id!(
    /// An add-on on sale.
    AddOnId
);
id!(
    /// A mail in the queue.
    MailId
);
id!(
    /// A notification shown to a user.
    NotificationId
);
id!(
    /// A webhook endpoint, delivery or inbox entry.
    WebhookId
);

/// Joins the facts with their lengths, so that `["ab", "c"]` and `["a", "bc"]` differ.
fn derive(facts: &[&str]) -> Uuid {
    let mut name = String::new();
    for fact in facts {
        name.push_str(&fact.len().to_string());
        name.push(':');
        name.push_str(fact);
    }
    Uuid::new_v5(&DERIVED, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ids_sort_by_creation() {
        let first = InvoiceId::new();
        let second = InvoiceId::new();
        assert!(first < second);
    }

    #[test]
    fn the_same_facts_give_the_same_id() {
        assert_eq!(OperationId::derived(&["a", "b"]), OperationId::derived(&["a", "b"]));
        assert_ne!(OperationId::derived(&["ab", "c"]), OperationId::derived(&["a", "bc"]));
    }

    #[test]
    fn text_round_trip_and_refusal() {
        let id = TenantId::new();
        assert_eq!(id.to_string().parse::<TenantId>(), Ok(id));
        assert_eq!("42".parse::<TenantId>(), Err(InvalidId));
    }
}
