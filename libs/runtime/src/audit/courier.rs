//! Hands notes over to identity, for as long as it takes.
//!
//! Replicas may hand over the same note at the same time: identity takes it once. While identity is
//! away, notes wait in their table.

use std::collections::BTreeMap;
use std::time::Duration;

use auth::Caller;
use contracts::vbwd::identity::v1::audit_service_client::AuditServiceClient;
use contracts::vbwd::identity::v1::{RecordActionsRequest, RecordedAction};
use fault::Fault;
use ids::{EventId, TenantId};
use tokio::time::sleep;

use super::Trail;
use super::outbox::Noted;
use crate::{Drain, Peer};

/// How often notes of other replicas, and abandoned ones, are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(2);
const UNKNOWN: &str = "unknown";

pub(super) async fn run(trail: Trail, identity: Option<Peer>, drain: Drain) -> fault::Result<()> {
    let Some(identity) = identity else {
        tracing::warn!(service = trail.store.service(), "this fleet has no identity; audit notes wait");
        drain.cancelled().await;
        return Ok(());
    };
    while !drain.is_cancelled() {
        match hand_over(&trail, &identity).await {
            Ok(true) => {}
            Ok(false) => {
                let news = async {
                    tokio::select! { () = trail.settled.notified() => {}, () = sleep(LOOK_EVERY) => {} }
                };
                drain.run_until_cancelled(news).await;
            }
            Err(fault) => {
                tracing::warn!(service = trail.store.service(), ?fault, "audit notes wait");
                drain.run_until_cancelled(sleep(PAUSE)).await;
            }
        }
    }
    Ok(())
}

/// Hands over what waits; answers whether there was anything. A tenant whose notes are not taken
/// does not keep those of others back.
async fn hand_over(trail: &Trail, identity: &Peer) -> fault::Result<bool> {
    let waiting = trail.waiting().await?;
    let mut by_tenant: BTreeMap<TenantId, Vec<&Noted>> = BTreeMap::new();
    for noted in &waiting {
        by_tenant.entry(noted.tenant()).or_default().push(noted);
    }
    let mut failure = None;
    for (tenant, notes) in by_tenant {
        match record(trail, identity, tenant, &notes).await {
            Ok(()) => trail.handed_over(&notes).await?,
            Err(fault) => failure = Some(fault),
        }
    }
    failure.map_or(Ok(!waiting.is_empty()), Err)
}

async fn record(trail: &Trail, identity: &Peer, tenant: TenantId, notes: &[&Noted]) -> fault::Result<()> {
    let message = RecordActionsRequest { actions: notes.iter().map(|noted| recorded(noted)).collect() };
    let caller = Caller::service(trail.store.service(), tenant);
    let request = identity.request_as(&caller, message)?;
    let answer = AuditServiceClient::new(identity.channel()).record_actions(request).await;
    answer.map(drop).map_err(Fault::from)
}

/// How it ended may become known later, as an entry of its own.
fn recorded(noted: &Noted) -> RecordedAction {
    let at = noted.at.to_jiff();
    let outcome = noted.outcome.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    let entry = noted.entry_id;
    let entry = if outcome == UNKNOWN {
        EventId::derived(&["audit", &entry.to_string(), UNKNOWN]).as_uuid()
    } else {
        entry
    };
    RecordedAction {
        entry_id: entry.to_string(),
        at: Some(prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }),
        actor: noted.actor.clone(),
        action: noted.action.clone(),
        target: noted.target.clone(),
        origin_address: noted.origin_address.clone(),
        trace_id: noted.trace_id.clone(),
        operation_id: noted.operation().to_string(),
        outcome,
        before_json: noted.before_json.clone(),
        after_json: noted.after_json.clone(),
    }
}
