//! The documented behaviours: what a method code does, and for `sandbox_by_amount` the last two
//! digits of the amount. Amounts choose nothing for the other methods, because they come from a
//! catalogue and from taxes, where a price that ends in 02 must not be declined by accident.
//!
//! When you add a behaviour, also add it to the table in the service's README.

use crate::payment::Status;

/// What a payment does from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// The status it begins with.
    pub status: Status,
    /// Why it is declined, if it is.
    pub failure_code: Option<&'static str>,
    /// How its webhooks arrive.
    pub manner: Manner,
}

/// How webhooks arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Once, at once.
    Prompt,
    /// Once, five seconds late.
    Delayed,
    /// Three times, at the same time.
    Duplicated,
    /// Followed by an older report, as if that had been overtaken.
    Reordered,
}

/// Every method the sandbox knows.
pub const METHODS: [&str; 8] = [
    "sandbox_card",
    "sandbox_card_3ds",
    "sandbox_declined",
    "sandbox_pending",
    "sandbox_webhook_delayed",
    "sandbox_webhook_duplicated",
    "sandbox_webhook_reordered",
    "sandbox_by_amount",
];

/// What a payment with this method and amount does; `None` for an unknown method.
#[must_use]
pub fn behaviour(method: &str, amount: i64) -> Option<Behaviour> {
    let captured = |manner| Behaviour { status: Status::Captured, failure_code: None, manner };
    let declined =
        Behaviour { status: Status::Failed, failure_code: Some("card_declined"), manner: Manner::Prompt };
    let with = |status| Behaviour { status, ..captured(Manner::Prompt) };
    Some(match method {
        "sandbox_card" => captured(Manner::Prompt),
        "sandbox_card_3ds" => with(Status::RequiresAction),
        "sandbox_declined" => declined,
        "sandbox_pending" => with(Status::Authorized),
        "sandbox_webhook_delayed" => captured(Manner::Delayed),
        "sandbox_webhook_duplicated" => captured(Manner::Duplicated),
        "sandbox_webhook_reordered" => captured(Manner::Reordered),
        "sandbox_by_amount" => match amount % 100 {
            2 => declined,
            3 => with(Status::RequiresAction),
            4 => with(Status::Authorized),
            5 => captured(Manner::Delayed),
            7 => captured(Manner::Duplicated),
            9 => captured(Manner::Reordered),
            _ => captured(Manner::Prompt),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_method_has_a_behaviour_and_no_other() {
        for method in METHODS {
            assert!(behaviour(method, 1000).is_some(), "{method}");
        }
        assert_eq!(behaviour("card", 1000), None);
    }

    #[test]
    fn amounts_choose_only_where_that_is_asked_for() {
        assert_eq!(behaviour("sandbox_card", 1002).unwrap().status, Status::Captured);
        assert_eq!(behaviour("sandbox_by_amount", 1002).unwrap().status, Status::Failed);
        assert_eq!(behaviour("sandbox_by_amount", 1007).unwrap().manner, Manner::Duplicated);
    }
}
