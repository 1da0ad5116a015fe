//! The audit trail: looked through, exported, verified, and added to by sister services and plugins.

use auth::Caller;
use eventstore::{CommandContext, body_hash, storage};
use ids::TenantId;
use serde_json::{Value, json};

use contracts::vbwd::identity::v1::{AppendAuditEntryRequest, AppendAuditEntryResponse};

use crate::app::Identity;
use crate::app::user::{Cause, find};
use crate::audit::{self, Action, Filter, Verdict};
use crate::grpc::audit_entry;
use crate::rejection::Rejection;
use crate::rules::chain::{Entry, Link};
use crate::rules::export::{Format, Part};
use crate::rules::extension;
use crate::tables::tenants;

/// Entries of one part of an export.
const EXPORTED_ENTRIES_MAX: usize = 5_000;
/// Once a part is so long, it ends.
const EXPORTED_BYTES: usize = 4 * 1024 * 1024;
const READ_AT_A_TIME: i64 = 500;
/// Entries that a sister service hands over at once.
const TAKEN_OVER_MAX: usize = 1_000;
/// The kind of users that programs sign in as.
const SERVICE: &str = "service";
/// What plugins write says so.
const PLUGIN: &str = "plugin";

impl Identity {
    /// At most `limit` audit entries that fit, newest first, behind `before`.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn list_audit_entries(
        &self,
        tenant: TenantId,
        filter: &Filter,
        before: Option<i64>,
        limit: i64,
    ) -> fault::Result<Vec<Link>> {
        let mut transaction = self.store.read(tenant).await?;
        let mut page = audit::page(&mut transaction, tenant, filter, before, limit).await?;
        self.open_entries(&mut transaction, tenant, &mut page).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(page)
    }

    /// One part of an export, behind `after`; that it was made is an entry of its own, which the
    /// transaction adds last.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn export_audit_entries(
        &self,
        cause: &Cause<'_>,
        filter: &Filter,
        format: Format,
        after: Option<i64>,
    ) -> fault::Result<Part> {
        let (tenant, mut part) = (cause.context.tenant, Part::new(format));
        let mut unit = self.store.begin(cause.context).await?;
        let mut behind = after;
        while !part.is_full(EXPORTED_ENTRIES_MAX, EXPORTED_BYTES) {
            let on = unit.connection();
            let mut links = audit::oldest_first(on, tenant, filter, behind, READ_AT_A_TIME).await?;
            self.open_entries(on, tenant, &mut links).await?;
            let last = i64::try_from(links.len()).unwrap_or_default() < READ_AT_A_TIME;
            behind = links.last().map_or(behind, |link| Some(link.sequence));
            for link in &links {
                part.add(link);
            }
            if last {
                part.complete = true;
                break;
            }
        }
        let after = json!({ "entries": part.entries, "last": behind, "filter": described(filter) });
        let action = Action {
            name: "audit.export",
            target: "audit".to_owned(),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before: None,
            after: Some(after),
        };
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(part)
    }

    /// Every tenant there is or was.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn tenants(&self) -> fault::Result<Vec<TenantId>> {
        let mut unit = self.store.begin_worker(None).await?;
        let all = tenants::all(unit.connection()).await?;
        unit.rollback().await?;
        Ok(all)
    }

    /// Checks the audit chain of a tenant; a broken one is a verdict.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn inspect_audit(&self, tenant: TenantId) -> fault::Result<Verdict> {
        let mut transaction = self.store.read(tenant).await?;
        let verdict = audit::verify(&mut transaction, tenant).await;
        transaction.rollback().await.map_err(storage)?;
        verdict
    }

    /// Checks the audit chain of a tenant; answers its length.
    ///
    /// # Errors
    /// `audit_chain_broken` with the place.
    pub async fn verify_audit(&self, tenant: TenantId) -> fault::Result<i64> {
        Ok(self.inspect_audit(tenant).await?.sound()?.entries)
    }

    /// Takes over what a sister service has recorded; answers how many entries were new.
    ///
    /// # Errors
    /// Too many at once, or faults of the database.
    pub(crate) async fn take_over(
        &self,
        context: &CommandContext,
        entries: Vec<Entry>,
    ) -> fault::Result<i32> {
        if entries.len() > TAKEN_OVER_MAX {
            return Err(Rejection::EntriesTooMany { max: TAKEN_OVER_MAX }.into());
        }
        let mut unit = self.store.begin(context).await?;
        let added = audit::take_over(unit.connection(), context.tenant, entries).await?;
        unit.commit().await?;
        Ok(added)
    }

    /// Adds an entry of a plugin, which signs in as a service account.
    ///
    /// # Errors
    /// `service_account_required`; an unfit entry; `operation_id_reused`.
    pub(crate) async fn append_entry(
        &self,
        cause: &Cause<'_>,
        message: AppendAuditEntryRequest,
    ) -> fault::Result<AppendAuditEntryResponse> {
        extension::check(&message.action, &message.target)?;
        let before = extension::state("/before_json", &message.before_json)?;
        let after = extension::state("/after_json", &message.after_json)?;
        let (tenant, hash) = (cause.context.tenant, body_hash("AppendAuditEntry", &message));
        let mut unit = self.store.begin(cause.context).await?;
        if let Some(answer) = unit.claim(&hash).await? {
            return Ok(answer);
        }
        let user = find(unit.connection(), tenant, cause.caller.user()?).await?;
        if user.kind != SERVICE {
            return Err(Rejection::ServiceAccountRequired.into());
        }
        let entry = self.plugin_entry(cause.caller, cause.context, message, (before, after))?;
        let link = audit::append(unit.connection(), tenant, entry).await?;
        let answer = AppendAuditEntryResponse { entry: Some(audit_entry(link)) };
        unit.remember(&hash, &answer).await?;
        unit.commit().await?;
        Ok(answer)
    }

    fn plugin_entry(
        &self,
        caller: &Caller,
        context: &CommandContext,
        message: AppendAuditEntryRequest,
        (before, after): (Option<Value>, Option<Value>),
    ) -> fault::Result<Entry> {
        let action = Action {
            name: "",
            target: message.target,
            origin: caller.origin.as_deref(),
            at: self.clock.wall(),
            before,
            after,
        };
        let entry = audit::entry(context, action)?;
        Ok(Entry { action: message.action, source: PLUGIN.to_owned(), ..entry })
    }
}

fn described(filter: &Filter) -> Value {
    json!({
        "actor": filter.actor,
        "action": filter.action,
        "target": filter.target,
        "source": filter.source,
        "since": filter.since,
        "until": filter.until,
    })
}
