//! `WebhookService`.
//!
//! Answers with a secret are remembered without it: a repeated call reads it from where it is
//! sealed.

mod convert;
mod steps;

use contracts::vbwd::notify::v1 as proto;
use contracts::vbwd::notify::v1::webhook_service_server::WebhookService;
use eventstore::{body_hash, storage};
use fault::Fault;
use jiff::SignedDuration;
use runtime::audit;
use tonic::{Request, Response, Status};

use super::Rpcs;
use super::convert::{page, webhook_id};
use crate::webhooks::{Filter, Log, event_types};
use convert::{attempt, delivery, endpoint, shown, start, updated};
use steps::finish;

const OVERLAP_SECONDS_MAX: i32 = 30 * 24 * 60 * 60;
const ENDPOINT: &str = "webhook_endpoint";
const DELIVERY: &str = "webhook_delivery";

type Answer<M> = Result<Response<M>, Status>;

#[tonic::async_trait]
impl WebhookService for Rpcs {
    async fn list_webhook_endpoints(
        &self,
        request: Request<proto::ListWebhookEndpointsRequest>,
    ) -> Answer<proto::ListWebhookEndpointsResponse> {
        let (caller, _) = self.context(&request)?;
        let page = page(request.get_ref().page_size, &request.get_ref().cursor)?;
        let mut reading = self.store.read(caller.tenant).await?;
        let asked = (page.before, page.fetched());
        let mut found = self.endpoints.page(&mut reading, caller.tenant, asked, self.clock.wall()).await?;
        reading.rollback().await.map_err(storage)?;
        let next_cursor = page.cut(&mut found, |last| last.endpoint_id);
        let endpoints = found.into_iter().map(endpoint).collect();
        Ok(Response::new(proto::ListWebhookEndpointsResponse { endpoints, next_cursor }))
    }

    async fn get_webhook_endpoint(
        &self,
        request: Request<proto::GetWebhookEndpointRequest>,
    ) -> Answer<proto::GetWebhookEndpointResponse> {
        let (caller, _) = self.context(&request)?;
        let id = webhook_id(&request.get_ref().endpoint_id, ENDPOINT)?;
        let mut reading = self.store.read(caller.tenant).await?;
        let found = self.endpoints.get(&mut reading, caller.tenant, id, self.clock.wall()).await?;
        reading.rollback().await.map_err(storage)?;
        Ok(Response::new(proto::GetWebhookEndpointResponse { endpoint: Some(endpoint(found)) }))
    }

    async fn create_webhook_endpoint(
        &self,
        request: Request<proto::CreateWebhookEndpointRequest>,
    ) -> Answer<proto::CreateWebhookEndpointResponse> {
        let (_, context) = self.context(&request)?;
        Ok(Response::new(self.create_endpoint(&context, request.into_inner()).await?))
    }

    async fn update_webhook_endpoint(
        &self,
        request: Request<proto::UpdateWebhookEndpointRequest>,
    ) -> Answer<proto::UpdateWebhookEndpointResponse> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let (id, enabled) = (webhook_id(&message.endpoint_id, ENDPOINT)?, message.enabled);
        let (settings, now) = (updated(message), self.clock.wall());
        let mut unit = self.store.begin(&context).await?;
        let before = self.endpoints.get(unit.connection(), context.tenant, id, now).await?;
        self.endpoints.update(unit.connection(), context.tenant, id, (&settings, enabled), now).await?;
        let after = endpoint(self.endpoints.get(unit.connection(), context.tenant, id, now).await?);
        audit::changed(shown(&endpoint(before)), shown(&after));
        unit.commit().await?;
        Ok(Response::new(proto::UpdateWebhookEndpointResponse { endpoint: Some(after) }))
    }

    async fn delete_webhook_endpoint(
        &self,
        request: Request<proto::DeleteWebhookEndpointRequest>,
    ) -> Answer<proto::DeleteWebhookEndpointResponse> {
        let (_, context) = self.context(&request)?;
        let id = webhook_id(&request.get_ref().endpoint_id, ENDPOINT)?;
        let mut unit = self.store.begin(&context).await?;
        let now = self.clock.wall();
        let before = self.endpoints.get(unit.connection(), context.tenant, id, now).await?;
        audit::changed(shown(&endpoint(before)), None);
        self.endpoints.delete(unit.connection(), context.tenant, id).await?;
        unit.commit().await?;
        Ok(Response::new(proto::DeleteWebhookEndpointResponse {}))
    }

    async fn get_webhook_secret(
        &self,
        request: Request<proto::GetWebhookSecretRequest>,
    ) -> Answer<proto::GetWebhookSecretResponse> {
        let (caller, _) = self.context(&request)?;
        let id = webhook_id(&request.get_ref().endpoint_id, ENDPOINT)?;
        let mut reading = self.store.read(caller.tenant).await?;
        let secret = self.endpoints.secret(&mut reading, caller.tenant, id).await?.text();
        reading.rollback().await.map_err(storage)?;
        Ok(Response::new(proto::GetWebhookSecretResponse { secret }))
    }

    async fn rotate_webhook_secret(
        &self,
        request: Request<proto::RotateWebhookSecretRequest>,
    ) -> Answer<proto::RotateWebhookSecretResponse> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let (id, hash) =
            (webhook_id(&message.endpoint_id, ENDPOINT)?, body_hash("RotateWebhookSecret", &message));
        if !(0..=OVERLAP_SECONDS_MAX).contains(&message.overlap_seconds) {
            let text = "The overlap is at most thirty days.";
            return Err(Fault::invalid("/overlap_seconds", "out_of_range", text).into());
        }
        let mut unit = self.store.begin(&context).await?;
        let blank = proto::RotateWebhookSecretResponse::default();
        let overlap = SignedDuration::from_secs(i64::from(message.overlap_seconds));
        let secret = match unit.claim::<proto::RotateWebhookSecretResponse>(&hash).await? {
            Some(_) => self.endpoints.secret(unit.connection(), context.tenant, id).await?,
            None => {
                let now = self.clock.wall();
                self.endpoints.rotate(unit.connection(), context.tenant, id, overlap, now).await?
            }
        };
        unit.remember(&hash, &blank).await?;
        unit.commit().await?;
        Ok(Response::new(proto::RotateWebhookSecretResponse { secret: secret.text() }))
    }

    async fn send_test_webhook(
        &self,
        request: Request<proto::SendTestWebhookRequest>,
    ) -> Answer<proto::SendTestWebhookResponse> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let (id, hash) =
            (webhook_id(&message.endpoint_id, ENDPOINT)?, body_hash("SendTestWebhook", &message));
        let mut unit = self.store.begin(&context).await?;
        if let Some(answer) = unit.claim(&hash).await? {
            return Ok(Response::new(answer));
        }
        let now = self.clock.wall();
        self.endpoints.get(unit.connection(), context.tenant, id, now).await?;
        let delivery = Log(context.tenant).test(unit.connection(), id, &message.event_type, now).await?;
        let answer = proto::SendTestWebhookResponse { delivery_id: delivery.to_string() };
        finish(unit, &hash, answer).await
    }

    async fn replay_webhooks(
        &self,
        request: Request<proto::ReplayWebhooksRequest>,
    ) -> Answer<proto::ReplayWebhooksResponse> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let (id, hash) = (webhook_id(&message.endpoint_id, ENDPOINT)?, body_hash("ReplayWebhooks", &message));
        let start = start(&message)?;
        let mut unit = self.store.begin(&context).await?;
        if let Some(answer) = unit.claim(&hash).await? {
            return Ok(Response::new(answer));
        }
        let answer = self.begin_replay(&mut unit, &context, id, start).await?;
        finish(unit, &hash, answer).await
    }

    async fn list_webhook_deliveries(
        &self,
        request: Request<proto::ListWebhookDeliveriesRequest>,
    ) -> Answer<proto::ListWebhookDeliveriesResponse> {
        let (caller, _) = self.context(&request)?;
        let message = request.into_inner();
        if !matches!(message.status.as_str(), "" | "waiting" | "succeeded" | "failed") {
            return Err(Fault::invalid("/status", "unknown", "There is no such status.").into());
        }
        let endpoint = webhook_id(&message.endpoint_id, ENDPOINT)?;
        let page = page(message.page_size, &message.cursor)?;
        let filter = Filter {
            endpoint,
            status: &message.status,
            event_type: &message.event_type,
            before: page.before,
            limit: page.fetched(),
        };
        let mut reading = self.store.read(caller.tenant).await?;
        self.endpoints.get(&mut reading, caller.tenant, endpoint, self.clock.wall()).await?;
        let mut found = Log(caller.tenant).page(&mut reading, &filter).await?;
        reading.rollback().await.map_err(storage)?;
        let next_cursor = page.cut(&mut found, |last| last.delivery_id);
        let deliveries = found.into_iter().map(delivery).collect();
        Ok(Response::new(proto::ListWebhookDeliveriesResponse { deliveries, next_cursor }))
    }

    async fn get_webhook_delivery(
        &self,
        request: Request<proto::GetWebhookDeliveryRequest>,
    ) -> Answer<proto::GetWebhookDeliveryResponse> {
        let (caller, _) = self.context(&request)?;
        let (id, log) = (webhook_id(&request.get_ref().delivery_id, DELIVERY)?, Log(caller.tenant));
        let mut reading = self.store.read(caller.tenant).await?;
        let found = log.delivery(&mut reading, id).await?;
        let (request_body, attempts) = log.exchanges(&mut reading, &found).await?;
        reading.rollback().await.map_err(storage)?;
        let attempts = attempts.into_iter().map(attempt).collect();
        let delivery = Some(delivery(found));
        Ok(Response::new(proto::GetWebhookDeliveryResponse { delivery, request_body, attempts }))
    }

    async fn resend_webhook_delivery(
        &self,
        request: Request<proto::ResendWebhookDeliveryRequest>,
    ) -> Answer<proto::ResendWebhookDeliveryResponse> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let (id, hash) =
            (webhook_id(&message.delivery_id, DELIVERY)?, body_hash("ResendWebhookDelivery", &message));
        let mut unit = self.store.begin(&context).await?;
        if let Some(answer) = unit.claim(&hash).await? {
            return Ok(Response::new(answer));
        }
        let log = Log(context.tenant);
        let old = log.delivery(unit.connection(), id).await?;
        let new = log.resend(unit.connection(), &old, self.clock.wall()).await?;
        let new = log.delivery(unit.connection(), new).await?;
        finish(unit, &hash, proto::ResendWebhookDeliveryResponse { delivery: Some(delivery(new)) }).await
    }

    async fn list_webhook_event_types(
        &self,
        request: Request<proto::ListWebhookEventTypesRequest>,
    ) -> Answer<proto::ListWebhookEventTypesResponse> {
        self.context(&request)?;
        let event_types = event_types().iter().map(|known| proto::WebhookEventType {
            name: known.name.clone(),
            meaning: known.meaning.clone(),
            data_schema: known.schema.clone(),
            example_json: known.example.to_string(),
        });
        Ok(Response::new(proto::ListWebhookEventTypesResponse { event_types: event_types.collect() }))
    }
}
