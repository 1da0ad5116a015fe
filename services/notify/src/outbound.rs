//! What of the stored facts is published, and as which message. The match is exhaustive, so a new
//! fact must be decided on here.

use bus::Outbound;
use contracts::vbwd::notify::v1 as proto;
use eventstore::unknown_event;
use kernel::{DomainEvent as _, StoredEvent};

use crate::NAME;
use crate::events::NotifyEvent;
use crate::grpc::timestamp;

/// The published form of a stored fact.
///
/// # Errors
/// A fact that this program cannot read.
pub fn publish(stored: &StoredEvent) -> fault::Result<Vec<Outbound>> {
    let event = stored.decode::<NotifyEvent>().map_err(unknown_event)?;
    let at = Some(timestamp(stored.metadata.at));
    let name = event.name();
    let published = match event {
        NotifyEvent::MailFailed(event) => {
            let message = proto::MailFailed {
                mail_id: event.mail.to_string(),
                template: event.template,
                user_id: event.user.map(|user| user.to_string()).unwrap_or_default(),
                at,
                reason: event.reason,
            };
            Outbound::of(stored, NAME, "mail", name, ("vbwd.notify.v1.MailFailed", &message))
        }
        NotifyEvent::EndpointDisabled(event) => {
            let (endpoint_id, url, reason) = (event.endpoint.to_string(), event.url, event.reason);
            let message = proto::WebhookEndpointDisabled { endpoint_id, url, reason, at };
            let schema = "vbwd.notify.v1.WebhookEndpointDisabled";
            Outbound::of(stored, NAME, "webhook_endpoint", name, (schema, &message))
        }
        NotifyEvent::NotificationCreated(event) => {
            let (notification_id, user_id) = (event.notification.to_string(), event.user.to_string());
            let message =
                proto::NotificationCreated { notification_id, user_id, template: event.template, at };
            let schema = "vbwd.notify.v1.NotificationCreated";
            Outbound::of(stored, NAME, "notification", name, (schema, &message))
        }
    };
    Ok(vec![published?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::samples::one_of_each;
    use ids::{EventId, OperationId, TenantId};
    use kernel::{Metadata, Position};
    use uuid::Uuid;

    #[test]
    fn every_fact_is_published_under_its_own_name() {
        for event in one_of_each() {
            let stored = StoredEvent {
                event_id: EventId::new(),
                tenant: TenantId::new(),
                kind: "mail".to_owned(),
                stream: Uuid::now_v7(),
                revision: 1,
                position: Position::START,
                name: event.name().to_owned(),
                version: event.version(),
                payload: event.payload(),
                metadata: Metadata {
                    actor: "service:notify".to_owned(),
                    operation_id: OperationId::new(),
                    correlation_id: Uuid::now_v7(),
                    causation_id: None,
                    traceparent: None,
                    at: jiff::Timestamp::UNIX_EPOCH,
                },
            };
            let published = publish(&stored).unwrap();
            assert_eq!(published.len(), 1);
            assert_eq!(published[0].event, event.name());
        }
    }
}
