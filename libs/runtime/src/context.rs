//! From a verified request to the context of a command.

use std::sync::Arc;

use auth::Caller;
use eventstore::CommandContext;
use ids::OperationId;
use kernel::Clock;
use uuid::Uuid;

use crate::trace;

/// Metadata key of the operation id: the same however often the request is sent.
pub const OPERATION_ID: &str = "vbwd-operation-id";
/// Metadata key of the correlation id: shared by everything that follows from one outside request.
pub const CORRELATION_ID: &str = "vbwd-correlation-id";

/// Metadata key of the client's `User-Agent`, which the edge passes on to those who keep it.
pub const USER_AGENT: &str = "vbwd-user-agent";

/// What the client said it is; empty when it did not.
#[must_use]
pub fn user_agent<T>(request: &tonic::Request<T>) -> &str {
    text(request, USER_AGENT).unwrap_or_default()
}

/// Who calls, and the context in which a command of theirs runs.
///
/// # Errors
/// `Unauthenticated` when the request did not pass the guard; `InvalidInput` when an id in the
/// metadata is malformed.
pub fn context<T>(
    request: &tonic::Request<T>,
    clock: &dyn Clock,
) -> fault::Result<(Arc<Caller>, CommandContext)> {
    let caller = auth::caller(request)?;
    let operation_id = match text(request, OPERATION_ID) {
        Some(id) => id.parse().map_err(|_| malformed(OPERATION_ID))?,
        None => OperationId::new(),
    };
    let correlation_id = match text(request, CORRELATION_ID) {
        Some(id) => Uuid::try_parse(id).map_err(|_| malformed(CORRELATION_ID))?,
        None => operation_id.as_uuid(),
    };
    let context = CommandContext {
        tenant: caller.tenant,
        actor: caller.actor(),
        operation_id,
        correlation_id,
        causation_id: None,
        traceparent: trace::current().map(|trace| trace.to_string()),
        at: clock.now(caller.tenant),
    };
    Ok((caller, context))
}

/// The id of an operation that follows from `context`'s: the same facts give the same operation on
/// every retry.
#[must_use]
pub fn operation(context: &CommandContext, facts: &[&str]) -> OperationId {
    let parent = context.operation_id.to_string();
    let mut all = vec![parent.as_str()];
    all.extend_from_slice(facts);
    OperationId::derived(&all)
}

fn text<'a, T>(request: &'a tonic::Request<T>, key: &str) -> Option<&'a str> {
    request.metadata().get(key).and_then(|value| value.to_str().ok())
}

fn malformed(key: &str) -> fault::Fault {
    fault::Fault::invalid(format!("/metadata/{key}"), "malformed", "An id in the metadata is malformed.")
}
