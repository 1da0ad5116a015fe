//! Roles: the built-in ones, and who may hand out what.
//!
//! The built-in roles are part of the program, not rows: a release that adds an rpc with a new
//! permission gives it to the right roles of every tenant at once. Nobody hands out a permission
//! they do not hold, and nobody takes one from somebody who holds more than they do.

use auth::{PLATFORM_TENANT, Permissions};
use ids::TenantId;

use crate::rejection::Rejection;

/// A role that ships with the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// What it grants.
    pub permissions: &'static [&'static str],
}

/// The role that holds everything; every tenant keeps at least one active user with it.
pub const OWNER: &str = "owner";
/// The role of everybody who registers.
pub const CUSTOMER: &str = "customer";

/// The built-in roles. An rpc with a new permission also needs its place here (a test says so).
pub const BUILT_IN: [BuiltIn; 5] = [
    BuiltIn { name: OWNER, permissions: &["*"] },
    BuiltIn {
        name: "admin",
        permissions: &[
            "access_levels.*",
            "audit.*",
            "invoices.*",
            "ledger.*",
            "meters.*",
            "notify.*",
            "payments.*",
            "plans.*",
            "roles.*",
            "security.*",
            "routing.*",
            "service_accounts.*",
            "tenant.*",
            "token_bundles.*",
            "users.*",
        ],
    },
    BuiltIn {
        name: "support",
        permissions: &[
            "invoices.read",
            "ledger.read",
            "meters.read",
            "notify.read",
            "plans.read",
            "roles.read",
            "tenant.read",
            "token_bundles.read",
            "users.read",
        ],
    },
    BuiltIn { name: "editor", permissions: &["cms.*", "media.*"] },
    BuiltIn { name: CUSTOMER, permissions: &[] },
];

const NAME_LENGTH_MAX: usize = 64;
const PERMISSIONS_MAX: usize = 100;
/// What a user may do travels in every access token, and tokens travel in headers; so there is a
/// bound on the characters of one role and of everything that one user holds.
const ROLE_CHARACTERS_MAX: usize = 2_000;
const USER_CHARACTERS_MAX: usize = 4_000;
const ROLES_MAX: usize = 10;

/// The role of those who operate the installation. It exists in the platform's tenant only.
pub const OPERATOR: BuiltIn = BuiltIn { name: "platform_operator", permissions: &["platform.*"] };

/// The built-in role with this name, as every tenant has it.
#[must_use]
pub fn built_in(name: &str) -> Option<BuiltIn> {
    BUILT_IN.into_iter().find(|role| role.name == name)
}

/// The built-in role with this name in this tenant.
#[must_use]
pub fn built_in_at(tenant: TenantId, name: &str) -> Option<BuiltIn> {
    let operates = tenant == PLATFORM_TENANT && name == OPERATOR.name;
    if operates { Some(OPERATOR) } else { built_in(name) }
}

/// Whether a role, or an access level, may be called this.
///
/// # Errors
/// [`Rejection::RoleNameUnfit`].
pub fn check_name(name: &str) -> Result<(), Rejection> {
    let character = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let fits = name.len() <= NAME_LENGTH_MAX && starts_well && name.bytes().all(character);
    if fits { Ok(()) } else { Err(Rejection::RoleNameUnfit) }
}

/// What a new or changed role of the tenant grants.
///
/// # Errors
/// When the name is unfit or built in, or a permission is malformed.
pub fn check_role(name: &str, permissions: &[String]) -> Result<Permissions, Rejection> {
    check_name(name)?;
    if built_in(name).is_some() || name == OPERATOR.name {
        return Err(Rejection::RoleBuiltIn { name: name.to_owned() });
    }
    let characters: usize = permissions.iter().map(String::len).sum();
    if permissions.len() > PERMISSIONS_MAX || characters > ROLE_CHARACTERS_MAX {
        return Err(Rejection::PermissionsTooMany { max: PERMISSIONS_MAX });
    }
    Permissions::new(permissions.iter().cloned())
        .map_err(|malformed| Rejection::PermissionMalformed { permission: malformed.0 })
}

/// Whether one user may hold these roles, which grant this together.
///
/// # Errors
/// [`Rejection::RolesTooMany`] when it would not fit into an access token.
pub fn check_held(names: &[String], granted: &Permissions) -> Result<(), Rejection> {
    let characters: usize = granted.iter().map(str::len).sum();
    let fits = names.len() <= ROLES_MAX && characters <= USER_CHARACTERS_MAX;
    if fits { Ok(()) } else { Err(Rejection::RolesTooMany { max: ROLES_MAX }) }
}

/// Whether somebody who holds `holder` may change what somebody else holds from `before` to `after`.
///
/// # Errors
/// [`Rejection::PrivilegeEscalation`] with the first permission that the holder lacks.
pub fn may_change(holder: &Permissions, before: &Permissions, after: &Permissions) -> Result<(), Rejection> {
    let lacking = before.iter().chain(after.iter()).find(|permission| {
        let single = Permissions::new([*permission]).unwrap_or_else(|_| Permissions::all());
        !holder.covers(&single)
    });
    match lacking {
        Some(permission) => Err(Rejection::PrivilegeEscalation { permission: permission.to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Access;

    fn set(granted: &[&str]) -> Permissions {
        Permissions::new(granted.iter().copied()).unwrap()
    }

    fn texts(permissions: &[&str]) -> Vec<String> {
        permissions.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_admin_may_do_whatever_an_rpc_asks_for() {
        let admin = set(built_in("admin").unwrap().permissions);
        for rpc in contracts::methods() {
            if let Some(Access::Permission(permission)) = &rpc.access
                && !permission.starts_with("platform.")
            {
                assert!(admin.allows(permission), "{permission} of {} is in no built-in role", rpc.path);
            }
        }
    }

    #[test]
    fn built_in_roles_are_well_formed_and_support_changes_nothing() {
        for role in BUILT_IN {
            assert!(Permissions::new(role.permissions.iter().copied()).is_ok(), "{}", role.name);
        }
        let support = built_in("support").unwrap();
        assert!(support.permissions.iter().all(|permission| permission.ends_with(".read")));
    }

    #[test]
    fn the_table_of_role_names() {
        for name in ["a", "shop-clerk", "auditor_2"] {
            assert!(check_role(name, &[]).is_ok(), "{name}");
        }
        let long = "a".repeat(65);
        for name in ["", "Admin", "1a", "-a", "a b", "a.b", "ä", &long] {
            assert_eq!(check_role(name, &[]), Err(Rejection::RoleNameUnfit), "{name}");
        }
        for role in BUILT_IN {
            let refused = Rejection::RoleBuiltIn { name: role.name.to_owned() };
            assert_eq!(check_role(role.name, &[]), Err(refused));
        }
        let refused = Rejection::PermissionMalformed { permission: "users".to_owned() };
        assert_eq!(check_role("clerk", &texts(&["users.read", "users"])), Err(refused));
        let many = vec!["users.read".to_owned(); PERMISSIONS_MAX + 1];
        assert!(matches!(check_role("clerk", &many), Err(Rejection::PermissionsTooMany { .. })));
        let long = vec![format!("users.{}", "a".repeat(2_000))];
        assert!(matches!(check_role("clerk", &long), Err(Rejection::PermissionsTooMany { .. })));
    }

    #[test]
    fn what_a_user_holds_fits_into_a_token() {
        let names = |count: usize| (0..count).map(|number| format!("role-{number}")).collect::<Vec<_>>();
        assert_eq!(check_held(&names(ROLES_MAX), &set(&["*"])), Ok(()));
        assert!(check_held(&names(ROLES_MAX + 1), &set(&["*"])).is_err());
        let wide: Vec<_> = (0..80).map(|number| format!("resource_{number}.{}", "a".repeat(50))).collect();
        assert!(check_held(&names(1), &Permissions::new(wide).unwrap()).is_err());
    }

    #[test]
    fn nobody_hands_out_or_takes_what_they_do_not_hold() {
        let rows = [
            (&["users.*"][..], &[][..], &["users.read"][..], None),
            (&["users.*"], &["users.read"], &[], None),
            (&["users.*"], &[], &["users.*"], None),
            (&["users.read"], &[], &["users.*"], Some("users.*")),
            (&["users.*"], &[], &["*"], Some("*")),
            (&["users.*"], &["*"], &[], Some("*")),
            (&["users.*"], &["ledger.read"], &["users.read"], Some("ledger.read")),
            (&["*"], &["*"], &["*", "ledger.post"], None),
        ];
        for (holder, before, after, lacking) in rows {
            let answer = may_change(&set(holder), &set(before), &set(after));
            let expected = lacking
                .map(|permission| Rejection::PrivilegeEscalation { permission: permission.to_owned() });
            assert_eq!(answer.err(), expected, "{holder:?}: {before:?} to {after:?}");
        }
    }
}
