//! Who may act as somebody else: a user, as a user who holds no more, for a reason and for a while.
//!
//! Nobody gains anything by it: what the target holds, the impersonator holds too. So it cannot be
//! used to reach somebody more powerful, nor handed on from within an impersonation.

use auth::{Caller, Permissions};
use ids::UserId;

use crate::rejection::Rejection;
use crate::rules::roles::may_change;
use crate::tables::users::Status;

/// For how long, when the impersonator does not say.
const MINUTES: u32 = 15;
const REASON_LENGTH_MAX: usize = 500;

/// Whom somebody wants to act as.
#[derive(Debug)]
pub struct Target<'a> {
    /// Who.
    pub user: UserId,
    /// Whether the target may sign in.
    pub status: Status,
    /// What the target holds.
    pub held: &'a Permissions,
}

/// For how many minutes `caller`, who holds `authority`, may act as `target`.
///
/// # Errors
/// [`Rejection::ReasonMissing`], [`Rejection::ReasonTooLong`], [`Rejection::MinutesOutOfRange`],
/// [`Rejection::ImpersonationUnfit`], [`Rejection::PrivilegeEscalation`].
pub fn check(
    caller: &Caller,
    authority: &[Permissions],
    target: &Target<'_>,
    reason: &str,
    minutes: i32,
    minutes_max: u32,
) -> Result<u32, Rejection> {
    if reason.trim().is_empty() {
        return Err(Rejection::ReasonMissing);
    }
    if reason.chars().count() > REASON_LENGTH_MAX {
        return Err(Rejection::ReasonTooLong { max: REASON_LENGTH_MAX });
    }
    let wanted = if minutes == 0 { Some(MINUTES.min(minutes_max)) } else { u32::try_from(minutes).ok() };
    let granted = wanted.filter(|wanted| (1..=minutes_max).contains(wanted));
    let granted = granted.ok_or(Rejection::MinutesOutOfRange { max: minutes_max })?;
    if caller.via.is_some() || caller.user().ok() == Some(target.user) || target.status != Status::Active {
        return Err(Rejection::ImpersonationUnfit);
    }
    for holder in authority {
        may_change(holder, target.held, &Permissions::none())?;
    }
    Ok(granted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth::{Subject, Via};
    use ids::{SessionId, TenantId};

    fn set(granted: &[&str]) -> Permissions {
        Permissions::new(granted.iter().copied()).unwrap()
    }

    #[test]
    fn the_table_of_impersonations() {
        let admin = Caller {
            subject: Subject::User(UserId::new()),
            session: Some(SessionId::new()),
            ..Caller::anonymous(TenantId::new())
        };
        let held = set(&[]);
        let customer = Target { user: UserId::new(), status: Status::Active, held: &held };
        let authority = [set(&["users.*"])];
        let ask = |caller: &Caller, target: &Target<'_>, reason: &str, minutes| {
            check(caller, &authority, target, reason, minutes, 60)
        };
        assert_eq!(ask(&admin, &customer, "ticket 42", 0), Ok(15));
        assert_eq!(ask(&admin, &customer, "ticket 42", 60), Ok(60));
        for minutes in [-1, 61] {
            assert_eq!(ask(&admin, &customer, "x", minutes), Err(Rejection::MinutesOutOfRange { max: 60 }));
        }
        assert_eq!(ask(&admin, &customer, " ", 5), Err(Rejection::ReasonMissing));
        let chained = Caller { via: Some(Via::Impersonator(UserId::new())), ..admin.clone() };
        let itself = Target { user: admin.user().unwrap(), status: Status::Active, held: &held };
        let suspended = Target { user: UserId::new(), status: Status::Suspended, held: &held };
        for (caller, target) in [(&chained, &customer), (&admin, &itself), (&admin, &suspended)] {
            assert_eq!(ask(caller, target, "x", 5), Err(Rejection::ImpersonationUnfit));
        }
        let more = set(&["payments.refund"]);
        let mighty = Target { user: UserId::new(), status: Status::Active, held: &more };
        let refusal = Rejection::PrivilegeEscalation { permission: "payments.refund".to_owned() };
        assert_eq!(ask(&admin, &mighty, "x", 5), Err(refusal));
    }
}
