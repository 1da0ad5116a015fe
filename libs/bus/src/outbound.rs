//! An event as it is published: what the mapper of a service fills in, and what goes on the wire.

use ids::{EventId, TenantId};
use jiff::Timestamp;
use kernel::StoredEvent;
use prost::Message;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::canonical_json;

/// One event to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbound {
    /// Whose it is.
    pub tenant: TenantId,
    /// Who publishes: `invoicing`.
    pub service: &'static str,
    /// The noun: `invoice`.
    pub aggregate: &'static str,
    /// The event: `invoice.paid`.
    pub event: String,
    /// Its identity, by which duplicates are known.
    pub event_id: EventId,
    /// The noun's id; order is kept within it.
    pub subject_id: String,
    /// Sorts events of one source.
    pub sequence: String,
    /// When it happened.
    pub at: Timestamp,
    /// Shared by everything that follows from one outside request.
    pub correlation_id: Uuid,
    /// The event or operation that led to it.
    pub causation_id: Option<Uuid>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Canonical JSON of the message.
    pub data: Value,
    /// Full name of the message: `vbwd.invoicing.v1.InvoicePaid`.
    pub data_schema: &'static str,
}

impl Outbound {
    /// The published form of a stored event, identified by the stored event's id. A second
    /// published event of the same stored one needs an `event_id` of its own.
    ///
    /// # Errors
    /// `data_schema` is not the name of `message`: a bug.
    pub fn of<M: Message>(
        stored: &StoredEvent,
        service: &'static str,
        aggregate: &'static str,
        event: &str,
        (data_schema, message): (&'static str, &M),
    ) -> fault::Result<Self> {
        Ok(Self {
            tenant: stored.tenant,
            service,
            aggregate,
            event: event.to_owned(),
            event_id: stored.event_id,
            subject_id: stored.stream.to_string(),
            sequence: stored.position.to_string(),
            at: stored.metadata.at,
            correlation_id: stored.metadata.correlation_id,
            causation_id: stored.metadata.causation_id,
            traceparent: stored.metadata.traceparent.clone(),
            data: canonical_json(data_schema, message)?,
            data_schema,
        })
    }

    /// `evt.<tenant>.<service>.<aggregate>.<event>.<version>`.
    #[must_use]
    pub fn subject(&self) -> String {
        let last = self.event.rsplit('.').next().unwrap_or(&self.event);
        let Self { tenant, service, aggregate, .. } = self;
        format!("evt.{tenant}.{service}.{aggregate}.{last}.{}", self.version())
    }

    /// The CloudEvent, structured mode.
    #[must_use]
    pub fn cloud_event(&self) -> Value {
        let mut event = Map::new();
        let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
        put("specversion", json!("1.0"));
        put("id", json!(self.event_id));
        put("source", json!(format!("/vbwd/{}", self.service)));
        put("type", json!(self.event));
        put("subject", json!(self.subject_id));
        put("time", json!(self.at));
        put("datacontenttype", json!("application/json"));
        put("dataschema", json!(format!("{SCHEME}{}", self.data_schema)));
        put("tenantid", json!(self.tenant));
        put("correlationid", json!(self.correlation_id));
        put("sequence", json!(self.sequence));
        if let Some(causation) = self.causation_id {
            put("causationid", json!(causation));
        }
        if let Some(traceparent) = &self.traceparent {
            put("traceparent", json!(traceparent));
        }
        put("data", self.data.clone());
        Value::Object(event)
    }

    /// The version in the message's package: `v1`.
    fn version(&self) -> &str {
        self.data_schema.rsplit('.').nth(1).unwrap_or("v1")
    }
}

/// `dataschema` is an absolute URI; ours names the message in `proto/`.
pub(crate) const SCHEME: &str = "proto:";
