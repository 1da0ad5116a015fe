//! What takes more than a step: an endpoint with its secret, a replay, an answer that is remembered.

use contracts::vbwd::notify::v1 as proto;
use eventstore::{CommandContext, UnitOfWork, body_hash};
use fault::Fault;
use ids::WebhookId;
use runtime::audit;
use tonic::Response;

use super::Answer;
use super::ENDPOINT;
use super::convert::{created, endpoint, shown};
use crate::grpc::Rpcs;
use crate::grpc::convert::webhook_id;
use crate::webhooks::Start;

impl Rpcs {
    pub(super) async fn create_endpoint(
        &self,
        context: &CommandContext,
        message: proto::CreateWebhookEndpointRequest,
    ) -> fault::Result<proto::CreateWebhookEndpointResponse> {
        let (hash, now) = (body_hash("CreateWebhookEndpoint", &message), self.clock.wall());
        let mut unit = self.store.begin(context).await?;
        if let Some(earlier) = unit.claim::<proto::CreateWebhookEndpointResponse>(&hash).await? {
            let known = earlier.endpoint.as_ref().map(|endpoint| endpoint.endpoint_id.clone());
            let id = webhook_id(&known.unwrap_or_default(), ENDPOINT)?;
            let secret = self.endpoints.secret(unit.connection(), context.tenant, id).await?;
            return Ok(proto::CreateWebhookEndpointResponse { secret: secret.text(), ..earlier });
        }
        let settings = created(message);
        let (id, secret) = self.endpoints.create(unit.connection(), context.tenant, &settings, now).await?;
        let found = self.endpoints.get(unit.connection(), context.tenant, id, now).await?;
        let made = endpoint(found);
        audit::acted_on(format!("endpoint/{}", made.endpoint_id));
        audit::changed(None, shown(&made));
        let (endpoint, blank) = (Some(made), String::new());
        let mut answer = proto::CreateWebhookEndpointResponse { endpoint, secret: blank };
        unit.remember(&hash, &answer).await?;
        unit.commit().await?;
        answer.secret = secret.text();
        Ok(answer)
    }

    pub(super) async fn begin_replay(
        &self,
        unit: &mut UnitOfWork,
        context: &CommandContext,
        id: WebhookId,
        start: Start,
    ) -> fault::Result<proto::ReplayWebhooksResponse> {
        let now = self.clock.wall();
        let found = self.endpoints.get(unit.connection(), context.tenant, id, now).await?;
        if !found.enabled {
            return Err(Fault::rejected("webhook_endpoint_disabled", "Enable the endpoint first."));
        }
        let begun = start.begin(unit.connection(), context.tenant, (id, &found.event_types), now).await?;
        Ok(proto::ReplayWebhooksResponse {
            replay_id: begun.replay.to_string(),
            deliveries: begun.deliveries,
        })
    }
}

pub(super) async fn finish<M: prost::Message>(mut unit: UnitOfWork, hash: &[u8; 32], answer: M) -> Answer<M> {
    unit.remember(hash, &answer).await?;
    unit.commit().await?;
    Ok(Response::new(answer))
}
