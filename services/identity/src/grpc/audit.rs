//! `AuditService`.

use auth::Subject;
use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::audit_service_server::AuditService;
use fault::Fault;
use jiff::Timestamp;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Api, convert};
use crate::app::Cause;
use crate::audit::Filter;
use crate::rules::chain::{Broken, Entry};
use crate::rules::export::{Format, hex};

#[tonic::async_trait]
impl AuditService for Api {
    async fn list_audit_entries(
        &self,
        request: Request<proto::ListAuditEntriesRequest>,
    ) -> Result<Response<proto::ListAuditEntriesResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let message = request.into_inner();
        let page = convert::page(message.page_size, &message.cursor)?;
        let filter = listed(message)?;
        let found = self.0.list_audit_entries(caller.tenant, &filter, page.before, page.fetched()).await;
        let mut links = found?;
        let next_cursor = page.cut(&mut links, |last| last.sequence);
        let entries = links.into_iter().map(convert::audit_entry).collect();
        Ok(Response::new(proto::ListAuditEntriesResponse { entries, next_cursor }))
    }

    async fn export_audit_entries(
        &self,
        request: Request<proto::ExportAuditEntriesRequest>,
    ) -> Result<Response<proto::ExportAuditEntriesResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let behind = convert::page(0, &message.cursor)?.before;
        let format = Format::named(&message.format)
            .ok_or_else(|| Fault::invalid("/format", "unknown", "`ndjson` or `csv`."))?;
        let cause = Cause { caller: &caller, context: &context };
        let part = self.0.export_audit_entries(&cause, &exported(message)?, format, behind).await?;
        let following = part.last.filter(|_| !part.complete);
        Ok(Response::new(proto::ExportAuditEntriesResponse {
            content_type: format.content_type().to_owned(),
            content: part.content,
            entries: i32::try_from(part.entries).unwrap_or(i32::MAX),
            next_cursor: following.map(|last| convert::cursor(&last)).unwrap_or_default(),
        }))
    }

    async fn verify_audit_trail(
        &self,
        request: Request<proto::VerifyAuditTrailRequest>,
    ) -> Result<Response<proto::VerifyAuditTrailResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let verdict = self.0.inspect_audit(caller.tenant).await?;
        Ok(Response::new(proto::VerifyAuditTrailResponse {
            intact: verdict.broken.is_none(),
            entries: verdict.entries,
            broken_at: match verdict.broken {
                None => 0,
                Some(Broken::At(place)) => place,
                Some(Broken::End) => verdict.entries + 1,
            },
            head_hash: verdict.broken.map_or_else(|| hex(&verdict.head), |_| String::new()),
        }))
    }

    async fn append_audit_entry(
        &self,
        request: Request<proto::AppendAuditEntryRequest>,
    ) -> Result<Response<proto::AppendAuditEntryResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let cause = Cause { caller: &caller, context: &context };
        Ok(Response::new(self.0.append_entry(&cause, request.into_inner()).await?))
    }

    async fn record_actions(
        &self,
        request: Request<proto::RecordActionsRequest>,
    ) -> Result<Response<proto::RecordActionsResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let Subject::Service(source) = &caller.subject else {
            return Err(Fault::internal("somebody else than a service got past the guard").into());
        };
        let entries = request.into_inner().actions.into_iter().map(|action| recorded(source, action));
        let added = self.0.take_over(&context, entries.collect::<fault::Result<_>>()?).await?;
        Ok(Response::new(proto::RecordActionsResponse { added }))
    }
}

/// What a sister service has recorded; to the microsecond, as the table keeps it.
fn recorded(source: &str, action: proto::RecordedAction) -> fault::Result<Entry> {
    let malformed = |pointer: &str| Fault::invalid(pointer, "malformed", "This cannot be recorded.");
    let at = action.at.ok_or_else(|| malformed("/actions/at"))?;
    let at = Timestamp::new(at.seconds, at.nanos).map_err(|_| malformed("/actions/at"))?;
    Ok(Entry {
        entry_id: Uuid::try_parse(&action.entry_id).map_err(|_| malformed("/actions/entry_id"))?,
        at: Timestamp::from_microsecond(at.as_microsecond()).map_err(Fault::internal)?,
        actor: action.actor,
        action: action.action,
        target: action.target,
        origin_address: action.origin_address,
        trace_id: action.trace_id,
        before_json: action.before_json,
        after_json: action.after_json,
        source: source.to_owned(),
        operation_id: action.operation_id,
        outcome: action.outcome,
    })
}

fn listed(message: proto::ListAuditEntriesRequest) -> fault::Result<Filter> {
    let proto::ListAuditEntriesRequest { actor, action, target, source, since, until, query, .. } = message;
    filter([actor, action, target, source, query], since, until)
}

fn exported(message: proto::ExportAuditEntriesRequest) -> fault::Result<Filter> {
    let proto::ExportAuditEntriesRequest { actor, action, target, source, since, until, query, .. } = message;
    filter([actor, action, target, source, query], since, until)
}

fn filter(
    words: [String; 5],
    since: Option<prost_types::Timestamp>,
    until: Option<prost_types::Timestamp>,
) -> fault::Result<Filter> {
    let [actor, action, target, source, query] = words.map(|word| Some(word).filter(|word| !word.is_empty()));
    let instant = |at: Option<prost_types::Timestamp>, pointer: &'static str| {
        let malformed = |_| Fault::invalid(pointer, "malformed", "This is no instant.");
        at.map(|at| Timestamp::new(at.seconds, at.nanos)).transpose().map_err(malformed)
    };
    let (since, until) = (instant(since, "/since")?, instant(until, "/until")?);
    Ok(Filter { actor, action, target, source, since, until, query })
}
