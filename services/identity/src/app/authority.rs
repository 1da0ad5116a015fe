//! What a caller may do right now, for the edge.
//!
//! A token says who calls; what that means is read here, so a change of roles, a suspension or the end
//! of a session is effective on the next call and not when the token expires. The edge keeps answers
//! for seconds and drops them when it hears that something has changed.

use auth::Permissions;
use eventstore::{CommandContext, storage};
use fault::{Code, Fault};
use ids::{SessionId, TenantId, UserId};
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::app::Identity;
use crate::rejection::Rejection;
use crate::tables::users::{self, Status};
use crate::tables::{api_keys, levels, roles, sessions};

/// Uses of a key within so many seconds are noted once.
const TOUCH_SECONDS: i64 = 60;

/// What somebody holds.
pub(crate) struct Authority {
    pub(crate) user: UserId,
    pub(crate) roles: Vec<String>,
    pub(crate) permissions: Permissions,
    pub(crate) levels: Vec<String>,
}

impl Identity {
    /// What the user of an open session holds.
    ///
    /// # Errors
    /// `session_ended` when it is not open, or the user may not sign in; `tenant_suspended`.
    pub(crate) async fn resolve_session(
        &self,
        tenant: TenantId,
        user: UserId,
        session: SessionId,
    ) -> fault::Result<Authority> {
        let now = self.clock.wall();
        let mut transaction = self.store.read(tenant).await?;
        self.let_in(&mut transaction, tenant).await?;
        let standing = sessions::standing(&mut transaction, tenant, user, session, now).await?;
        let standing = standing.ok_or(Rejection::SessionEnded)?;
        let person = users::find(&mut transaction, tenant, user).await?;
        if person.is_none_or(|person| person.status != Status::Active) {
            return Err(Rejection::SessionEnded.into());
        }
        let rests_on = (standing.methods.as_slice(), standing.impersonated);
        if self.is_too_weak(&mut transaction, tenant, user, rests_on).await? {
            return Err(Rejection::SessionEnded.into());
        }
        let authority = held(&mut transaction, tenant, user, now).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(authority)
    }

    /// What an API key opens: its scopes, as far as the owner holds them now.
    ///
    /// # Errors
    /// `token_invalid` when there is no such key, or its owner may not sign in; `token_expired`.
    pub(crate) async fn resolve_api_key(
        &self,
        context: &CommandContext,
        digest: &[u8],
        origin: Option<&str>,
    ) -> fault::Result<(Authority, Uuid)> {
        let (tenant, now) = (context.tenant, self.clock.wall());
        let mut unit = self.store.begin(context).await?;
        self.let_in(unit.connection(), tenant).await?;
        let key = api_keys::find(unit.connection(), tenant, digest).await?.ok_or_else(invalid)?;
        if now >= key.expires_at {
            return Err(Fault::new(Code::Unauthenticated, "token_expired", "The API key has expired."));
        }
        let owner = users::find(unit.connection(), tenant, key.user).await?;
        if owner.is_none_or(|owner| owner.status != Status::Active) {
            return Err(invalid());
        }
        let mut authority = held(unit.connection(), tenant, key.user, now).await?;
        let scopes = Permissions::new(key.scopes).map_err(Fault::internal)?;
        authority.permissions = authority.permissions.intersection(&scopes);
        let noted = key.last_used_at.is_some_and(|at| now.duration_since(at).as_secs() < TOUCH_SECONDS);
        if !noted {
            api_keys::touch(unit.connection(), tenant, key.id, origin, now).await?;
        }
        unit.commit().await?;
        Ok((authority, key.id))
    }
}

async fn held(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    now: Timestamp,
) -> fault::Result<Authority> {
    let (roles, permissions) = roles::held_by(on, tenant, user).await?;
    let levels = levels::held_by(on, tenant, user, now).await?;
    Ok(Authority { user, roles, permissions, levels })
}

fn invalid() -> Fault {
    Fault::new(Code::Unauthenticated, "token_invalid", "The API key is not valid.")
}
