//! A received CloudEvent.

use fault::{Code, Fault};
use ids::{EventId, TenantId};
use jiff::Timestamp;
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::from_canonical_json;
use crate::outbound::SCHEME;

/// CloudEvents 1.0 with our extensions; also the form in which dead letters keep it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CloudEvent {
    /// Version of the envelope.
    pub specversion: String,
    /// Identity, by which duplicates are known.
    pub id: EventId,
    /// Who published it: `/vbwd/invoicing`.
    pub source: String,
    /// What happened: `invoice.paid`.
    pub r#type: String,
    /// Id of the noun it happened to; order is kept within it.
    pub subject: String,
    /// When it happened.
    pub time: Timestamp,
    /// Media type of the data.
    pub datacontenttype: String,
    /// `proto:` and the full name of the message.
    pub dataschema: String,
    /// Whose it is.
    #[serde(rename = "tenantid")]
    pub tenant: TenantId,
    /// Shared by everything that follows from one outside request.
    #[serde(rename = "correlationid")]
    pub correlation_id: Uuid,
    /// The event or operation that led to it.
    #[serde(rename = "causationid", default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    /// Sorts events of one source.
    pub sequence: String,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Canonical JSON of the message.
    pub data: Value,
}

impl CloudEvent {
    /// Reads the structured JSON form.
    ///
    /// # Errors
    /// It is no event of ours.
    pub fn parse(bytes: &[u8]) -> fault::Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| malformed().with_source(error))
    }

    /// Full name of the message in `data`: `vbwd.invoicing.v1.InvoicePaid`.
    #[must_use]
    pub fn data_schema(&self) -> &str {
        self.dataschema.strip_prefix(SCHEME).unwrap_or(&self.dataschema)
    }

    /// The message.
    ///
    /// # Errors
    /// `M` is not what was published, or its JSON does not fit.
    pub fn data<M: Message + Default>(&self) -> fault::Result<M> {
        from_canonical_json(self.data_schema(), &self.data)
    }
}

fn malformed() -> Fault {
    Fault::new(Code::InvalidInput, "event_malformed", "This is not an event of ours.")
}

#[cfg(test)]
mod tests {
    use contracts::vbwd::payments::v1::PaymentCaptured;
    use serde_json::json;

    use super::*;
    use crate::{Outbound, canonical_json};

    fn captured() -> Outbound {
        let message = PaymentCaptured { payment_id: "p-1".to_owned(), ..PaymentCaptured::default() };
        let schema = "vbwd.payments.v1.PaymentCaptured";
        Outbound {
            tenant: TenantId::new(),
            service: "payments",
            aggregate: "payment",
            event: "payment.captured".to_owned(),
            event_id: EventId::new(),
            subject_id: "p-1".to_owned(),
            sequence: "7".to_owned(),
            at: "2026-11-23T10:00:00Z".parse().unwrap(),
            correlation_id: Uuid::nil(),
            causation_id: None,
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            data: canonical_json(schema, &message).unwrap(),
            data_schema: schema,
        }
    }

    #[test]
    fn what_is_published_can_be_read() {
        let outbound = captured();
        let event = CloudEvent::parse(outbound.cloud_event().to_string().as_bytes()).unwrap();
        assert_eq!((event.id, event.tenant), (outbound.event_id, outbound.tenant));
        assert_eq!(event.traceparent, outbound.traceparent);
        assert_eq!(event.data::<PaymentCaptured>().unwrap().payment_id, "p-1");
    }

    #[test]
    fn the_envelope_has_what_cloud_events_demand() {
        let json = captured().cloud_event();
        for (attribute, value) in [
            ("specversion", "1.0"),
            ("source", "/vbwd/payments"),
            ("type", "payment.captured"),
            ("time", "2026-11-23T10:00:00Z"),
            ("dataschema", "proto:vbwd.payments.v1.PaymentCaptured"),
        ] {
            assert_eq!(json[attribute], json!(value), "{attribute}");
        }
    }

    #[test]
    fn the_subject_names_tenant_service_noun_verb_and_version() {
        let outbound = captured();
        let expected = format!("evt.{}.payments.payment.captured.v1", outbound.tenant);
        assert_eq!(outbound.subject(), expected);
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let fault = CloudEvent::parse(b"{\"specversion\":\"1.0\"}").unwrap_err();
        assert_eq!(fault.reason(), "event_malformed");
    }
}
