//! What the history says about a person, sealed so that erasing the person takes it away.
//!
//! Sealed values stand in facts and in the audit trail, which nobody may alter. They are opened for
//! readers as long as the person's key exists; afterwards they read `{"erased":true}`.

use ids::{TenantId, UserId};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::app::Identity;
use crate::rules::chain::Link;
use crate::secrets::PersonKey;
use crate::tables::persons;

const SEALED: &str = "sealed";
const OF: &str = "of";

impl Identity {
    /// The key of a person, made on first use; none for an erased one.
    async fn person_key(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        user: UserId,
    ) -> fault::Result<Option<PersonKey>> {
        let known = match persons::find(on, tenant, user).await? {
            Some(known) => Some(known),
            None => {
                let fresh = self.secrets.new_person_key(tenant, user)?;
                persons::keep(on, tenant, user, &fresh).await?
            }
        };
        known.map(|sealed| self.secrets.person_key(tenant, user, &sealed)).transpose()
    }

    /// Gives a new user a key.
    pub(super) async fn make_person_key(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        user: UserId,
    ) -> fault::Result<()> {
        let fresh = self.secrets.new_person_key(tenant, user)?;
        persons::keep(on, tenant, user, &fresh).await.map(|_| ())
    }

    /// `plain`, sealed with the key of the person; none for an erased one.
    pub(super) async fn seal_for(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        user: UserId,
        plain: &str,
    ) -> fault::Result<Option<String>> {
        let key = self.person_key(on, tenant, user).await?;
        key.map(|key| key.seal(plain)).transpose()
    }

    /// `plain` as it may stand in the audit trail.
    pub(super) async fn seal_state(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        user: UserId,
        plain: &Value,
    ) -> fault::Result<Value> {
        let sealed = self.seal_for(on, tenant, user, &plain.to_string()).await?;
        Ok(sealed.map_or_else(|| json!({ "erased": true }), |sealed| json!({ SEALED: sealed, OF: user })))
    }

    /// Opens what is sealed in audit entries, for a reader who may see them.
    pub(super) async fn open_entries(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        links: &mut [Link],
    ) -> fault::Result<()> {
        for link in links {
            for text in [&mut link.entry.before_json, &mut link.entry.after_json] {
                if let Some(opened) = self.open_state(on, tenant, text).await? {
                    *text = opened;
                }
            }
        }
        Ok(())
    }

    async fn open_state(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        text: &str,
    ) -> fault::Result<Option<String>> {
        let Ok(Value::Object(state)) = serde_json::from_str(text) else { return Ok(None) };
        let person = state.get(OF).and_then(Value::as_str).and_then(|user| user.parse::<UserId>().ok());
        let (Some(sealed), Some(user)) = (state.get(SEALED).and_then(Value::as_str), person) else {
            return Ok(None);
        };
        let Some(key) = persons::find(on, tenant, user).await? else {
            return Ok(Some(json!({ "erased": true }).to_string()));
        };
        self.secrets.person_key(tenant, user, &key)?.open(sealed).map(Some)
    }
}
