//! Who is calling, and whether they may.
//!
//! Two tokens, two jobs. The **access token** is what a client carries: signed by identity,
//! verified at the edge with identity's public keys ([`AccessTokens`]). The **assertion** is what
//! every call inside the fleet carries: it says on whose behalf the call is made, is signed by the
//! gateway or the calling service and lives for a minute ([`AssertionKeys`]); services verify it
//! themselves and trust nothing else. There is one permission check, [`permit`], used at the edge
//! and again in every service.

mod access_token;
mod assertion;
mod caller;
mod key;
mod permissions;

pub use access_token::{AccessTokenClaims, AccessTokenIssuer, AccessTokens, ActingParty, Jwk};
pub use assertion::{AssertionKeys, METADATA_KEY};
pub use caller::{Caller, Subject, Via, caller};
pub use key::derive_secret;
pub use permissions::{InvalidPermission, PLATFORM, Permissions};

use contracts::Access;
use fault::{Code, Fault};
use ids::TenantId;
use uuid::Uuid;

/// The tenant whose users operate the installation; made by its bootstrap, and by nothing else.
pub const PLATFORM_TENANT: TenantId =
    TenantId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));

/// Rpcs for operators answer on the platform's own tenant only, whatever a caller holds elsewhere.
fn is_elsewhere(caller: &Caller, permission: &str) -> bool {
    let resource = permission.split_once('.').map_or(permission, |(resource, _)| resource);
    resource == PLATFORM && caller.tenant != PLATFORM_TENANT
}

/// Whether `caller` may call an rpc with this access option.
///
/// # Errors
/// `Unauthenticated` when nobody is signed in and somebody must be; `Forbidden` otherwise. An rpc
/// without an access option is forbidden to everybody.
pub fn permit(caller: &Caller, access: Option<&Access>) -> fault::Result<()> {
    match access {
        Some(Access::Public) => Ok(()),
        Some(Access::Internal) if caller.is_service() => Ok(()),
        Some(Access::Authenticated) if !caller.is_anonymous() => Ok(()),
        Some(Access::Permission(name)) if caller.permissions.allows(name) && !is_elsewhere(caller, name) => {
            Ok(())
        }
        Some(Access::Permission(name)) if !caller.is_anonymous() => {
            Err(Fault::new(Code::Forbidden, "permission_denied", "You do not have the permission for this.")
                .with_fact("permission", name))
        }
        Some(Access::Authenticated | Access::Permission(_)) => {
            Err(Fault::new(Code::Unauthenticated, "authentication_required", "Sign in first."))
        }
        Some(Access::Internal) | None => {
            Err(Fault::new(Code::Forbidden, "not_callable", "This cannot be called from outside."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ids::UserId;

    fn user(permissions: &[&str]) -> Caller {
        let mut caller = Caller::anonymous(TenantId::new());
        caller.subject = Subject::User(UserId::new());
        caller.permissions = Permissions::new(permissions.iter().copied()).unwrap();
        caller
    }

    fn needs(permission: &str) -> Access {
        Access::Permission(permission.to_owned())
    }

    #[test]
    fn the_access_table() {
        let nobody = Caller::anonymous(TenantId::new());
        let service = Caller::service("invoicing", TenantId::new());
        let operator = Caller { tenant: PLATFORM_TENANT, ..user(&["platform.*"]) };
        let rows = [
            (&nobody, Some(Access::Public), None),
            (&nobody, Some(Access::Authenticated), Some("authentication_required")),
            (&nobody, Some(needs("users.read")), Some("authentication_required")),
            (&nobody, Some(Access::Internal), Some("not_callable")),
            (&nobody, None, Some("not_callable")),
            (&user(&[]), Some(Access::Authenticated), None),
            (&user(&[]), Some(needs("users.read")), Some("permission_denied")),
            (&user(&["users.*"]), Some(needs("users.read")), None),
            (&user(&["*"]), Some(Access::Internal), Some("not_callable")),
            (&user(&["*"]), None, Some("not_callable")),
            (&service, Some(Access::Internal), None),
            (&service, Some(needs("payments.refund")), None),
            (&user(&["*"]), Some(needs("platform.tenants")), Some("permission_denied")),
            (&user(&["platform.*"]), Some(needs("platform.tenants")), Some("permission_denied")),
            (&operator, Some(needs("platform.tenants")), None),
            (&service, Some(needs("platform.tenants")), Some("permission_denied")),
        ];
        for (caller, access, refused) in rows {
            let answer = permit(caller, access.as_ref());
            let reason = answer.as_ref().err().map(Fault::reason);
            assert_eq!(reason, refused, "{} {access:?}", caller.subject);
        }
    }
}
