//! API keys: what they look like, what they may open and for how long.
//!
//! A key reads `vbwd_<8 characters>_<43 characters>`: secret scanners can know it by its beginning,
//! people by its prefix. It opens its scopes as far as its owner holds them when it is used.

use auth::Permissions;

use crate::rejection::Rejection;
use crate::rules::roles::may_change;

/// Keys that one user may have.
pub const KEYS_MAX: usize = 50;
const NAME_LENGTH_MAX: usize = 100;
const SCOPES_MAX: usize = 50;
const DAYS: i32 = 90;
const DAYS_MAX: i32 = 365;

/// A key to be, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What people call it.
    pub name: String,
    /// What it opens.
    pub scopes: Permissions,
    /// For how long.
    pub days: i32,
}

/// A key that somebody who holds `authority` wants.
///
/// # Errors
/// When name, scopes or days are unfit, or a scope is not held.
pub fn check(
    authority: &[Permissions],
    name: &str,
    scopes: &[String],
    days: i32,
) -> Result<Wanted, Rejection> {
    let name = name.trim();
    let named = (1..=NAME_LENGTH_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if !named {
        return Err(Rejection::KeyNameUnfit);
    }
    if scopes.is_empty() || scopes.len() > SCOPES_MAX {
        return Err(Rejection::ScopesUnfit { max: SCOPES_MAX });
    }
    let scopes = Permissions::new(scopes.iter().cloned())
        .map_err(|malformed| Rejection::ScopeMalformed { scope: malformed.0 })?;
    for holder in authority {
        may_change(holder, &Permissions::none(), &scopes)?;
    }
    let days = if days == 0 { DAYS } else { days };
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Rejection::DaysOutOfRange { max: DAYS_MAX });
    }
    Ok(Wanted { name: name.to_owned(), scopes, days })
}

/// How a key begins, from random bytes: shown in lists.
#[must_use]
pub fn prefix(random: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    random.iter().take(4).fold("vbwd_".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_keys() {
        let authority = [Permissions::new(["users.*"]).unwrap()];
        let ask = |name: &str, scopes: &[&str], days| {
            let scopes: Vec<_> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            check(&authority, name, &scopes, days)
        };
        assert_eq!(ask(" ci ", &["users.read"], 0).unwrap().days, 90);
        assert_eq!(ask("ci", &["users.*"], 365).unwrap().name, "ci");
        assert_eq!(ask("", &["users.read"], 1), Err(Rejection::KeyNameUnfit));
        assert_eq!(ask("ci", &[], 1), Err(Rejection::ScopesUnfit { max: SCOPES_MAX }));
        assert_eq!(ask("ci", &["users"], 1), Err(Rejection::ScopeMalformed { scope: "users".to_owned() }));
        for days in [-1, 366] {
            assert_eq!(ask("ci", &["users.read"], days), Err(Rejection::DaysOutOfRange { max: 365 }));
        }
        for scope in ["*", "roles.read"] {
            let refused = Err(Rejection::PrivilegeEscalation { permission: scope.to_owned() });
            assert_eq!(ask("ci", &[scope], 1), refused);
        }
    }

    #[test]
    fn a_prefix_tells_keys_apart() {
        assert_eq!(prefix(&[0xab; 32]), "vbwd_abababab");
    }
}
