//! Endpoints, deliveries and their attempts as messages, and back.

use contracts::vbwd::notify::v1 as proto;
use fault::Fault;
use runtime::audit;

use crate::grpc::convert::{stored, time};
use crate::webhooks::{Attempt, Delivery, Endpoint, Settings, Start};

pub(super) fn start(message: &proto::ReplayWebhooksRequest) -> fault::Result<Start> {
    match (message.since, message.after_position) {
        (Some(since), 0) => Ok(Start::Since(time(since, "/since")?)),
        (None, position) if position >= 0 => Ok(Start::After(position)),
        _ => Err(Fault::invalid("/after_position", "ambiguous", "Name a time or a position, not both.")),
    }
}

pub(super) fn created(message: proto::CreateWebhookEndpointRequest) -> Settings {
    Settings {
        url: message.url,
        description: message.description,
        event_types: message.event_types,
        rate_per_second: message.rate_per_second,
        concurrency: message.concurrency,
        contact_email: message.contact_email,
    }
}

pub(super) fn updated(message: proto::UpdateWebhookEndpointRequest) -> Settings {
    Settings {
        url: message.url,
        description: message.description,
        event_types: message.event_types,
        rate_per_second: message.rate_per_second,
        concurrency: message.concurrency,
        contact_email: message.contact_email,
    }
}

/// What the audit trail keeps of an endpoint.
pub(super) fn shown(endpoint: &proto::WebhookEndpoint) -> Option<serde_json::Value> {
    audit::state("vbwd.notify.v1.WebhookEndpoint", endpoint)
}

pub(super) fn endpoint(row: Endpoint) -> proto::WebhookEndpoint {
    proto::WebhookEndpoint {
        endpoint_id: row.endpoint_id.to_string(),
        url: row.url,
        description: row.description,
        event_types: row.event_types,
        enabled: row.enabled,
        disabled_reason: row.disabled_reason,
        rate_per_second: row.rate_per_second,
        concurrency: row.concurrency,
        contact_email: row.contact_email,
        created_at: Some(stored(row.created_at)),
        failing_since: row.failing_since.map(stored),
        waiting: row.waiting,
        previous_secret_expires_at: row.previous_secret_expires_at.map(stored),
    }
}

pub(super) fn delivery(row: Delivery) -> proto::WebhookDelivery {
    let ended = row.ended_at.is_some();
    proto::WebhookDelivery {
        delivery_id: row.delivery_id.to_string(),
        endpoint_id: row.endpoint_id.to_string(),
        message_id: format!("msg_{}", row.event_id),
        event_type: row.event_type,
        status: row.status,
        attempts: row.attempts,
        last_status: row.last_status,
        last_error: row.last_error,
        created_at: Some(stored(row.created_at)),
        next_attempt_at: if ended { None } else { Some(stored(row.due_at)) },
        ended_at: row.ended_at.map(stored),
        origin: row.origin,
    }
}

pub(super) fn attempt(row: Attempt) -> proto::WebhookAttempt {
    proto::WebhookAttempt {
        attempt: row.attempt,
        at: Some(stored(row.at)),
        duration_ms: row.duration_ms,
        url: row.url,
        request_headers: row.request_headers.0.into_iter().collect(),
        status: row.status,
        response_headers: row.response_headers.0.into_iter().collect(),
        response_body: row.response_body,
        error: row.error,
    }
}
