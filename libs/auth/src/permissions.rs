//! Permissions: `resource.action`, `resource.*`, `*`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The resource of operators of the installation. No wildcard of a tenant's role covers it: it is granted
/// by name, `platform.read` or `platform.*`, to users of the platform's own tenant.
pub const PLATFORM: &str = "platform";

/// A set of granted permissions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(BTreeSet<String>);

/// A text that is no permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPermission(pub String);

impl std::fmt::Display for InvalidPermission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not a permission: {}", self.0)
    }
}

impl std::error::Error for InvalidPermission {}

impl Permissions {
    /// Nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self(BTreeSet::from(["*".to_owned()]))
    }

    /// The set of these permissions.
    ///
    /// # Errors
    /// [`InvalidPermission`] with the first text that is not `resource.action`, `resource.*` or `*`,
    /// in lower case letters, digits and underscores.
    pub fn new<T: Into<String>>(granted: impl IntoIterator<Item = T>) -> Result<Self, InvalidPermission> {
        granted.into_iter().map(|text| checked(text.into())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `permission` (without wildcard) is granted.
    #[must_use]
    pub fn allows(&self, permission: &str) -> bool {
        let resource = permission.split_once('.').map_or(permission, |(resource, _)| resource);
        let everything = resource != PLATFORM;
        self.0.iter().any(|granted| {
            (everything && granted == "*")
                || granted == permission
                || granted.strip_suffix(".*") == Some(resource)
        })
    }

    /// Whether everything that `other` grants is granted here too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|granted| self.covers_one(granted))
    }

    fn covers_one(&self, granted: &str) -> bool {
        match granted {
            "*" => self.0.contains("*"),
            wildcard if wildcard.ends_with(".*") => {
                let everything = wildcard.strip_suffix(".*") != Some(PLATFORM);
                (everything && self.0.contains("*")) || self.0.contains(wildcard)
            }
            permission => self.allows(permission),
        }
    }

    /// What is granted within a tenant: all of it but what operators of the installation may.
    #[must_use]
    pub fn without_platform(self) -> Self {
        let ours =
            |granted: &String| granted.split_once('.').is_none_or(|(resource, _)| resource != PLATFORM);
        Self(self.0.into_iter().filter(ours).collect())
    }

    /// What both grant.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// What is granted by this set and by `other`.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let ours = self.0.iter().filter(|granted| other.covers_one(granted));
        let theirs = other.0.iter().filter(|granted| self.covers_one(granted));
        Self(ours.chain(theirs).cloned().collect())
    }

    /// Which of the granted texts grants `permission`: the path that answers "why".
    #[must_use]
    pub fn grant_of(&self, permission: &str) -> Option<&str> {
        let grants = |text: &&String| Self(BTreeSet::from([(*text).clone()])).allows(permission);
        self.0.iter().find(grants).map(String::as_str)
    }

    /// The granted permissions, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

fn checked(text: String) -> Result<String, InvalidPermission> {
    let word = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let valid = match text.split_once('.') {
        None => text == "*",
        Some((resource, action)) => word(resource) && (action == "*" || word(action)),
    };
    if valid { Ok(text) } else { Err(InvalidPermission(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(granted: &[&str]) -> Permissions {
        Permissions::new(granted.iter().copied()).unwrap()
    }

    #[test]
    fn the_star_of_a_tenant_does_not_reach_the_platform() {
        let owner = Permissions::all();
        assert!(!owner.allows("platform.tenants") && !owner.covers(&set(&["platform.*"])));
        assert!(!owner.covers(&set(&["platform.read"])) && owner.grant_of("platform.read").is_none());
        let operator = set(&["*", "platform.*"]);
        assert!(operator.allows("platform.tenants") && operator.covers(&set(&["platform.read"])));
        assert_eq!(owner.intersection(&set(&["platform.*"])), Permissions::none());
        assert_eq!(operator.without_platform(), owner);
    }

    #[test]
    fn wildcards_grant_what_they_name() {
        let rows = [
            (&["users.read"][..], "users.read", true),
            (&["users.read"], "users.write", false),
            (&["users.*"], "users.write", true),
            (&["users.*"], "users_x.write", false),
            (&["*"], "anything.at_all", true),
            (&[], "users.read", false),
        ];
        for (granted, asked, expected) in rows {
            assert_eq!(set(granted).allows(asked), expected, "{granted:?} {asked}");
        }
    }

    #[test]
    fn nobody_covers_more_than_they_hold() {
        assert!(set(&["users.*"]).covers(&set(&["users.read", "users.*"])));
        assert!(!set(&["users.read"]).covers(&set(&["users.*"])));
        assert!(!set(&["users.*", "roles.*"]).covers(&set(&["*"])));
        assert!(set(&["*"]).covers(&set(&["*", "users.*"])));
    }

    #[test]
    fn an_intersection_grants_what_both_grant() {
        let rows: [(&[&str], &[&str], &[&str]); 5] = [
            (&["*"], &["users.read", "roles.*"], &["roles.*", "users.read"]),
            (&["users.*"], &["users.read", "roles.read"], &["users.read"]),
            (&["users.*", "a.b"], &["*"], &["a.b", "users.*"]),
            (&["users.read"], &["users.*"], &["users.read"]),
            (&["users.read"], &["roles.read"], &[]),
        ];
        for (one, other, both) in rows {
            assert_eq!(set(one).intersection(&set(other)), set(both));
            assert_eq!(set(other).intersection(&set(one)), set(both));
        }
    }

    #[test]
    fn the_grant_behind_a_permission_is_named() {
        assert_eq!(set(&["users.*"]).grant_of("users.read"), Some("users.*"));
        assert_eq!(set(&["users.*"]).grant_of("roles.read"), None);
    }

    #[test]
    fn malformed_permissions_are_refused() {
        for text in ["", "users", "users.", ".read", "*.read", "Users.read", "users.re ad", "a.b.c"] {
            assert!(Permissions::new([text]).is_err(), "{text}");
        }
    }
}
