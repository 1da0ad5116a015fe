//! What a tenant sets about taking money: accounts at providers, rules about methods.

use std::collections::BTreeMap;
use std::time::Instant;

use eventstore::CommandContext;
use fault::Fault;
use ids::TenantId;
use sqlx::types::Json;

use super::Payments;
use crate::account::{Account, KINDS, Kind};
use crate::health::Circuit;
use crate::provider::Capabilities;
use crate::providers::Offered;
use crate::rules::Rule;
use crate::table::accounts::{self, AccountRow};

/// A provider and the tenant's account there, without secrets.
pub(crate) struct Shown {
    pub(crate) code: &'static str,
    pub(crate) kind: Option<Kind>,
    pub(crate) row: Option<AccountRow>,
    pub(crate) set_secrets: Vec<String>,
    pub(crate) circuit: Circuit,
    pub(crate) capabilities: Option<Capabilities>,
}

impl Payments {
    /// Every provider, those of all tenants first.
    pub(crate) async fn accounts(&self, tenant: TenantId) -> fault::Result<Vec<Shown>> {
        let mut transaction = self.store.read(tenant).await?;
        let mut rows = accounts::all(&mut transaction, tenant).await?;
        drop(transaction);
        let now = Instant::now();
        let shared = self.providers.shared().iter().map(|provider| Shown {
            code: provider.code(),
            kind: None,
            row: None,
            set_secrets: Vec::new(),
            circuit: self.health.circuit((provider.code(), None), now),
            capabilities: Some(provider.capabilities().clone()),
        });
        let mut shown: Vec<_> = shared.collect();
        for kind in KINDS {
            let row = rows.iter().position(|row| row.provider == kind.code).map(|nth| rows.remove(nth));
            let set_secrets = row.as_ref().map(|row| self.secrets_of(tenant, row)).transpose()?;
            let provider = self.providers.find(tenant, kind.code).await?;
            shown.push(Shown {
                code: kind.code,
                kind: Some(*kind),
                row,
                set_secrets: set_secrets.unwrap_or_default().into_keys().collect(),
                circuit: self.health.circuit((kind.code, Some(tenant)), now),
                capabilities: provider.map(|provider| provider.capabilities().clone()),
            });
        }
        Ok(shown)
    }

    /// Sets an account; secrets that are left out stay. Who changes it holds its row meanwhile.
    pub(crate) async fn put_account(
        &self,
        context: &CommandContext,
        provider: &str,
        mut account: Account,
    ) -> fault::Result<Shown> {
        let kind = Kind::find(provider).ok_or_else(|| Fault::not_found("payment_provider"))?;
        let (tenant, mut unit) = (context.tenant, self.store.begin(context).await?);
        let before = accounts::hold(unit.connection(), (tenant, provider)).await?;
        if let Some(sealed) = before {
            let mut secrets = self.open_secrets(tenant, provider, &sealed)?;
            secrets.append(&mut account.secrets);
            account.secrets = secrets;
        }
        account.secrets.retain(|_, secret| !secret.is_empty());
        kind.check(&account)?;
        let plain = serde_json::to_vec(&account.secrets).map_err(Fault::internal)?;
        let row = AccountRow {
            provider: provider.to_owned(),
            enabled: account.enabled,
            live: account.live,
            settings: Json(account.settings),
            sealed_secrets: self.seal.seal((tenant, provider), &plain)?,
            countries: account.countries,
            webhook_received_at: None,
            webhook_failed_at: None,
            webhook_failure: None,
        };
        accounts::put(unit.connection(), tenant, &row, context.at).await?;
        unit.commit().await?;
        self.providers.forget(tenant).await;
        let shown = self.accounts(tenant).await?.into_iter().find(|shown| shown.code == kind.code);
        shown.ok_or_else(|| Fault::not_found("payment_provider"))
    }

    /// Every way to pay with the tenant's rule about it.
    pub(crate) async fn method_rules(&self, tenant: TenantId) -> fault::Result<Vec<Offered>> {
        self.providers.every_method(tenant).await
    }

    /// Sets the rule about a way to pay.
    pub(crate) async fn put_rule(
        &self,
        context: &CommandContext,
        method: &str,
        rule: Rule,
    ) -> fault::Result<Offered> {
        let tenant = context.tenant;
        let known = |offers: Vec<Offered>| offers.into_iter().find(|offer| offer.method.code == method);
        let unknown = || Fault::not_found("payment_method");
        known(self.providers.every_method(tenant).await?).ok_or_else(unknown)?;
        if let Some(pointer) = rule.complaint() {
            return Err(Fault::invalid(pointer, "unfit", "The rule does not fit."));
        }
        let mut unit = self.store.begin(context).await?;
        accounts::put_rule(unit.connection(), (tenant, method), &rule, context.at).await?;
        unit.commit().await?;
        self.providers.forget(tenant).await;
        known(self.providers.every_method(tenant).await?).ok_or_else(unknown)
    }

    /// Notes when an account's webhooks last came and were last refused.
    pub(super) async fn note_webhook(&self, tenant: TenantId, provider: &str, failure: Option<&str>) {
        let note = async {
            let mut unit = self.store.begin_worker(Some(tenant)).await?;
            let now = self.clock.wall();
            accounts::note_webhook(unit.connection(), (tenant, provider), failure, now).await?;
            unit.commit().await.map(drop)
        };
        if let Err(fault) = note.await {
            tracing::warn!(provider, ?fault, "cannot note a webhook");
        }
    }

    fn secrets_of(&self, tenant: TenantId, row: &AccountRow) -> fault::Result<BTreeMap<String, String>> {
        self.open_secrets(tenant, &row.provider, &row.sealed_secrets)
    }

    fn open_secrets(
        &self,
        tenant: TenantId,
        provider: &str,
        sealed: &[u8],
    ) -> fault::Result<BTreeMap<String, String>> {
        let plain = self.seal.open((tenant, provider), sealed)?;
        serde_json::from_slice(&plain).map_err(Fault::internal)
    }
}
