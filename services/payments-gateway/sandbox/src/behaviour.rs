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
pub const METHODS: [&str; 11] = [
    "sandbox_card",
    "sandbox_card_3ds",
    "sandbox_declined",
    "sandbox_pending",
    "sandbox_webhook_delayed",
    "sandbox_webhook_duplicated",
    "sandbox_webhook_reordered",
    "sandbox_by_amount",
    "sandbox_bank_debit",
    "sandbox_insufficient_funds",
    "sandbox_stolen_card",
];

/// What a payment with this method and amount does; `None` for an unknown method.
#[must_use]
pub fn behaviour(method: &str, amount: i64) -> Option<Behaviour> {
    let captured = |manner| Behaviour { status: Status::Captured, failure_code: None, manner };
    let refused =
        |code| Behaviour { status: Status::Failed, failure_code: Some(code), manner: Manner::Prompt };
    let declined = refused("card_declined");
    let with = |status| Behaviour { status, ..captured(Manner::Prompt) };
    Some(match method {
        "sandbox_card" => captured(Manner::Prompt),
        "sandbox_card_3ds" => with(Status::RequiresAction),
        "sandbox_declined" => declined,
        "sandbox_pending" => with(Status::Authorized),
        "sandbox_bank_debit" => with(Status::Processing),
        "sandbox_insufficient_funds" => refused("insufficient_funds"),
        "sandbox_stolen_card" => refused("stolen_card"),
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

/// What saving a method does: cards that are declined when they are charged can be saved, as in life.
#[must_use]
pub fn saving(method: &str) -> Option<Behaviour> {
    let charged = behaviour(method, 0)?;
    let status = match charged.status {
        Status::RequiresAction => Status::RequiresAction,
        Status::Failed if method == "sandbox_declined" => Status::Failed,
        _ => Status::Saved,
    };
    let failure_code = charged.failure_code.filter(|_| status == Status::Failed);
    Some(Behaviour { status, failure_code, manner: charged.manner })
}

/// What charging a saved method does: nobody is there to confirm.
#[must_use]
pub fn charging(method: &str, amount: i64, off_session: bool) -> Option<Behaviour> {
    let present = behaviour(method, amount)?;
    if off_session && present.status == Status::RequiresAction {
        let failure_code = Some("authentication_required");
        return Some(Behaviour { status: Status::Failed, failure_code, ..present });
    }
    Some(present)
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
    fn a_card_that_has_no_money_can_be_saved_and_not_charged() {
        assert_eq!(saving("sandbox_insufficient_funds").unwrap().status, Status::Saved);
        assert_eq!(saving("sandbox_declined").unwrap().status, Status::Failed);
        assert_eq!(saving("sandbox_card_3ds").unwrap().status, Status::RequiresAction);
        let away = charging("sandbox_card_3ds", 1000, true).unwrap();
        assert_eq!(away.failure_code, Some("authentication_required"));
        assert_eq!(charging("sandbox_card_3ds", 1000, false).unwrap().status, Status::RequiresAction);
    }

    #[test]
    fn amounts_choose_only_where_that_is_asked_for() {
        assert_eq!(behaviour("sandbox_card", 1002).unwrap().status, Status::Captured);
        assert_eq!(behaviour("sandbox_by_amount", 1002).unwrap().status, Status::Failed);
        assert_eq!(behaviour("sandbox_by_amount", 1007).unwrap().manner, Manner::Duplicated);
    }
}
