//! The words in which tests speak of webhooks.

use auth::Caller;
use bus::{Outbound, canonical_json};
use contracts::vbwd::identity::v1::UserRegistered;
use contracts::vbwd::invoicing::v1::InvoicePaid;
use contracts::vbwd::notify::v1::webhook_service_client::WebhookServiceClient;
use contracts::vbwd::notify::v1::*;
use fault::Fault;
use ids::{EventId, OperationId, TenantId};
use runtime::Channel;
use tonic::{Response, Status};
use uuid::Uuid;

use crate::world::{World, eventually, holder};

fn answer<M>(outcome: Result<Response<M>, Status>) -> fault::Result<M> {
    outcome.map(Response::into_inner).map_err(Fault::from)
}

impl World {
    pub fn admin(&self) -> Caller {
        holder(self.tenant, &["notify.*"])
    }

    pub fn stranger() -> Caller {
        holder(TenantId::new(), &["notify.*"])
    }

    fn hooks(&self) -> WebhookServiceClient<Channel> {
        WebhookServiceClient::new(self.channel())
    }

    fn ask<M>(&self, message: M) -> tonic::Request<M> {
        self.request(&self.admin(), OperationId::new(), message)
    }

    pub async fn create(
        &self,
        operation: OperationId,
        message: CreateWebhookEndpointRequest,
    ) -> fault::Result<CreateWebhookEndpointResponse> {
        let request = self.request(&self.admin(), operation, message);
        answer(self.hooks().create_webhook_endpoint(request).await)
    }

    /// An endpoint, and its secret.
    pub async fn endpoint(&self, url: &str, event_types: &[&str]) -> (WebhookEndpoint, String) {
        let message = CreateWebhookEndpointRequest {
            url: url.to_owned(),
            event_types: event_types.iter().map(|name| (*name).to_owned()).collect(),
            contact_email: "ops@shop.example".to_owned(),
            ..Default::default()
        };
        let made = self.create(OperationId::new(), message).await.unwrap();
        (made.endpoint.unwrap(), made.secret)
    }

    pub async fn get_endpoint(&self, id: &str) -> WebhookEndpoint {
        let request = self.ask(GetWebhookEndpointRequest { endpoint_id: id.to_owned() });
        answer(self.hooks().get_webhook_endpoint(request).await).unwrap().endpoint.unwrap()
    }

    /// The same settings with a change; enabled.
    pub async fn update(
        &self,
        endpoint: &WebhookEndpoint,
        change: impl FnOnce(&mut UpdateWebhookEndpointRequest),
    ) -> fault::Result<WebhookEndpoint> {
        let mut message = UpdateWebhookEndpointRequest {
            endpoint_id: endpoint.endpoint_id.clone(),
            url: endpoint.url.clone(),
            description: endpoint.description.clone(),
            event_types: endpoint.event_types.clone(),
            rate_per_second: endpoint.rate_per_second,
            concurrency: endpoint.concurrency,
            contact_email: endpoint.contact_email.clone(),
            enabled: true,
        };
        change(&mut message);
        let request = self.ask(message);
        Ok(answer(self.hooks().update_webhook_endpoint(request).await)?.endpoint.unwrap())
    }

    pub async fn delete(&self, id: &str) -> fault::Result<()> {
        let request = self.ask(DeleteWebhookEndpointRequest { endpoint_id: id.to_owned() });
        answer(self.hooks().delete_webhook_endpoint(request).await).map(drop)
    }

    pub async fn rotate(&self, id: &str, overlap_seconds: i32) -> String {
        let request = self.ask(RotateWebhookSecretRequest { endpoint_id: id.to_owned(), overlap_seconds });
        answer(self.hooks().rotate_webhook_secret(request).await).unwrap().secret
    }

    pub async fn test_event(&self, id: &str, event_type: &str) -> fault::Result<String> {
        let (endpoint_id, event_type) = (id.to_owned(), event_type.to_owned());
        let request = self.ask(SendTestWebhookRequest { endpoint_id, event_type });
        Ok(answer(self.hooks().send_test_webhook(request).await)?.delivery_id)
    }

    pub async fn replay_after(&self, id: &str, after_position: i64) -> fault::Result<ReplayWebhooksResponse> {
        let request =
            self.ask(ReplayWebhooksRequest { endpoint_id: id.to_owned(), since: None, after_position });
        answer(self.hooks().replay_webhooks(request).await)
    }

    pub async fn resend(&self, operation: OperationId, id: &str) -> WebhookDelivery {
        let message = ResendWebhookDeliveryRequest { delivery_id: id.to_owned() };
        let request = self.request(&self.admin(), operation, message);
        answer(self.hooks().resend_webhook_delivery(request).await).unwrap().delivery.unwrap()
    }

    /// The newest deliveries of an endpoint.
    pub async fn deliveries(&self, id: &str) -> Vec<WebhookDelivery> {
        let message =
            ListWebhookDeliveriesRequest { endpoint_id: id.to_owned(), page_size: 200, ..Default::default() };
        answer(self.hooks().list_webhook_deliveries(self.ask(message)).await).unwrap().deliveries
    }

    pub async fn delivery(&self, id: &str) -> GetWebhookDeliveryResponse {
        let request = self.ask(GetWebhookDeliveryRequest { delivery_id: id.to_owned() });
        answer(self.hooks().get_webhook_delivery(request).await).unwrap()
    }

    /// Waits until so many deliveries of an endpoint have ended so.
    pub async fn settled(&self, endpoint: &str, status: &str, count: i64) {
        let endpoint: Uuid = endpoint.parse().unwrap();
        let query = "SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = $1 AND status = $2";
        eventually(status, || async {
            let found: i64 = sqlx::query_scalar(query)
                .bind(endpoint)
                .bind(status)
                .fetch_one(&self.superuser)
                .await
                .unwrap();
            found == count
        })
        .await;
    }

    /// Rows as fan-out makes them, many at once.
    pub async fn queue_many(&self, endpoint: &str, count: i64) {
        let (tenant, endpoint): (Uuid, Uuid) = (self.tenant.as_uuid(), endpoint.parse().unwrap());
        for statement in [
            "INSERT INTO webhook_messages (tenant_id, event_id, position, event_type, body, at) \
             SELECT $1, gen_random_uuid(), nextval('webhook_positions'), 'queued.many', '{\"sequence\":1}', now() \
             FROM generate_series(1, $3) WHERE $2::uuid IS NOT NULL",
            "INSERT INTO webhook_deliveries (delivery_id, tenant_id, endpoint_id, event_id, event_type, origin, \
             position, status, due_at, created_at) \
             SELECT gen_random_uuid(), $1, $2, m.event_id, m.event_type, 'event', m.position, 'waiting', now(), now() \
             FROM webhook_messages m WHERE m.event_type = 'queued.many' AND NOT EXISTS \
             (SELECT FROM webhook_deliveries d WHERE d.event_id = m.event_id) LIMIT $3",
            "UPDATE webhook_lanes SET look_at = now() WHERE endpoint_id = $2 AND $1::uuid IS NOT NULL AND $3::bigint > 0",
        ] {
            let queue = sqlx::query(statement).bind(tenant).bind(endpoint).bind(count);
            queue.execute(&self.superuser).await.unwrap();
        }
    }

    pub async fn publish_invoice_paid(&self, number: &str) -> EventId {
        let message = InvoicePaid { number: number.to_owned(), ..InvoicePaid::default() };
        let schema = "vbwd.invoicing.v1.InvoicePaid";
        self.publish(("invoicing", "invoice", "invoice.paid"), number, (schema, &message)).await
    }

    pub async fn publish_registered(&self) -> EventId {
        let message = UserRegistered { user_id: "u".to_owned(), at: None };
        let schema = "vbwd.identity.v1.UserRegistered";
        self.publish(("identity", "user", "user.registered"), "u", (schema, &message)).await
    }

    /// Publishes an event as another service does.
    pub async fn publish(
        &self,
        noun: (&'static str, &'static str, &str),
        subject_id: &str,
        content: (&'static str, &impl prost::Message),
    ) -> EventId {
        self.publish_as(EventId::new(), noun, subject_id, content).await
    }

    pub async fn publish_as(
        &self,
        event_id: EventId,
        (service, aggregate, event): (&'static str, &'static str, &str),
        subject_id: &str,
        (data_schema, message): (&'static str, &impl prost::Message),
    ) -> EventId {
        let outbound = Outbound {
            tenant: self.tenant,
            service,
            aggregate,
            event: event.to_owned(),
            event_id,
            subject_id: subject_id.to_owned(),
            sequence: "1".to_owned(),
            at: "2026-11-23T12:00:00Z".parse().unwrap(),
            correlation_id: Uuid::now_v7(),
            causation_id: None,
            traceparent: None,
            data: canonical_json(data_schema, message).unwrap(),
            data_schema,
        };
        let client = self.platform.bus().client().clone();
        client.publish(outbound.subject(), outbound.cloud_event().to_string().into()).await.unwrap();
        client.flush().await.unwrap();
        event_id
    }

    /// Every rpc that names something, by somebody of another tenant.
    #[allow(clippy::needless_update, reason = "some messages have only the id")]
    pub async fn pry(&self, stranger: &Caller, endpoint: &str, delivery: &str) -> Vec<Fault> {
        let (endpoint_id, delivery_id) = (endpoint.to_owned(), delivery.to_owned());
        let mut hooks = self.hooks();
        macro_rules! pry {
            ($($rpc:ident $message:ident { $($field:ident : $value:expr),* }),+ $(,)?) => {
                vec![$({
                    let message = $message { $($field: $value.clone(),)* ..Default::default() };
                    let request = self.request(stranger, OperationId::new(), message);
                    answer(hooks.$rpc(request).await).map(drop).unwrap_err()
                }),+]
            };
        }
        let url = "http://127.0.0.1:9/".to_owned();
        pry![
            get_webhook_endpoint GetWebhookEndpointRequest { endpoint_id: endpoint_id },
            update_webhook_endpoint UpdateWebhookEndpointRequest { endpoint_id: endpoint_id, url: url },
            delete_webhook_endpoint DeleteWebhookEndpointRequest { endpoint_id: endpoint_id },
            get_webhook_secret GetWebhookSecretRequest { endpoint_id: endpoint_id },
            rotate_webhook_secret RotateWebhookSecretRequest { endpoint_id: endpoint_id },
            send_test_webhook SendTestWebhookRequest { endpoint_id: endpoint_id },
            replay_webhooks ReplayWebhooksRequest { endpoint_id: endpoint_id },
            list_webhook_deliveries ListWebhookDeliveriesRequest { endpoint_id: endpoint_id },
            get_webhook_delivery GetWebhookDeliveryRequest { delivery_id: delivery_id },
            resend_webhook_delivery ResendWebhookDeliveryRequest { delivery_id: delivery_id },
        ]
    }
}
