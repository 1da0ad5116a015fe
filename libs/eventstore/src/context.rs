//! Who asks for what, when, and because of what: the facts that travel with a command.

use ids::{OperationId, TenantId};
use jiff::Timestamp;
use kernel::Metadata;
use uuid::Uuid;

/// The circumstances of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandContext {
    /// Whose data it is about.
    pub tenant: TenantId,
    /// Who acts: `user:<id>`, `service:<name>`.
    pub actor: String,
    /// The request; the key of its idempotency record.
    pub operation_id: OperationId,
    /// Shared by everything that follows from one outside request.
    pub correlation_id: Uuid,
    /// The event that led to it, if one did.
    pub causation_id: Option<Uuid>,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
    /// The tenant's time of the decision.
    pub at: Timestamp,
}

impl CommandContext {
    /// What is stored beside each event.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        Metadata {
            actor: self.actor.clone(),
            operation_id: self.operation_id,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            traceparent: self.traceparent.clone(),
            at: self.at,
        }
    }
}
