//! `SourceService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::source_service_server::SourceService;
use jiff::Timestamp;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Api, convert, timestamp};
use crate::app::Cause;
use crate::rejection::Rejection;
use crate::rules::velocity::Policy;
use crate::tables::sources::Blocked;

#[tonic::async_trait]
impl SourceService for Api {
    async fn list_blocked_sources(
        &self,
        request: Request<proto::ListBlockedSourcesRequest>,
    ) -> Result<Response<proto::ListBlockedSourcesResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let message = request.into_inner();
        let page = convert::page::<Uuid>(message.page_size, &message.cursor)?;
        let asked = (page.before, page.fetched());
        let mut found = self.0.blocked_sources(caller.tenant, &message.address, asked).await?;
        let next_cursor = page.cut(&mut found, |last| last.block);
        let sources = found.into_iter().map(told).collect();
        Ok(Response::new(proto::ListBlockedSourcesResponse { sources, next_cursor }))
    }

    async fn block_source(
        &self,
        request: Request<proto::BlockSourceRequest>,
    ) -> Result<Response<proto::BlockSourceResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::BlockSourceRequest { network, reason, until } = request.into_inner();
        let until = until.and_then(|until| Timestamp::new(until.seconds, until.nanos).ok());
        let cause = Cause { caller: &caller, context: &context };
        let source = Some(told(self.0.block_source(&cause, &network, &reason, until).await?));
        Ok(Response::new(proto::BlockSourceResponse { source }))
    }

    async fn lift_source(
        &self,
        request: Request<proto::LiftSourceRequest>,
    ) -> Result<Response<proto::LiftSourceResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let block = Uuid::try_parse(&request.get_ref().block_id);
        let block = block.map_err(|_| fault::Fault::from(Rejection::BlockUnknown))?;
        self.0.lift_source(&Cause { caller: &caller, context: &context }, block).await?;
        Ok(Response::new(proto::LiftSourceResponse {}))
    }

    async fn get_source_policy(
        &self,
        request: Request<proto::GetSourcePolicyRequest>,
    ) -> Result<Response<proto::GetSourcePolicyResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let policy = Some(shown(self.0.source_policy(caller.tenant).await?));
        Ok(Response::new(proto::GetSourcePolicyResponse { policy }))
    }

    async fn set_source_policy(
        &self,
        request: Request<proto::SetSourcePolicyRequest>,
    ) -> Result<Response<proto::SetSourcePolicyResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let wanted = heard(request.into_inner().policy.unwrap_or_default());
        let cause = Cause { caller: &caller, context: &context };
        let policy = Some(shown(self.0.set_source_policy(&cause, wanted).await?));
        Ok(Response::new(proto::SetSourcePolicyResponse { policy }))
    }
}

fn told(blocked: Blocked) -> proto::BlockedSource {
    proto::BlockedSource {
        block_id: blocked.block.to_string(),
        network: blocked.network,
        why: blocked.why,
        reason: blocked.reason,
        blocked_by: blocked.by,
        blocked_at: Some(timestamp(blocked.at)),
        until: Some(timestamp(blocked.until)),
        blocks: blocked.blocks.cast_signed(),
    }
}

fn shown(policy: Policy) -> proto::SourcePolicy {
    proto::SourcePolicy {
        enabled: policy.enabled,
        window_seconds: policy.window_seconds.cast_signed(),
        accounts_max: policy.accounts_max.cast_signed(),
        failures_max: policy.failures_max.cast_signed(),
        second_factors_max: policy.second_factors_max.cast_signed(),
        requests_max: policy.requests_max.cast_signed(),
        first_block_seconds: policy.first_block_seconds.cast_signed(),
        block_seconds_max: policy.block_seconds_max.cast_signed(),
        forget_after_seconds: policy.forget_after_seconds.cast_signed(),
        allowed_networks: policy.allowed_networks,
    }
}

/// Negative figures become zero, which is out of range of every one.
fn heard(policy: proto::SourcePolicy) -> Policy {
    let figure = |figure: i32| u32::try_from(figure).unwrap_or_default();
    Policy {
        enabled: policy.enabled,
        window_seconds: figure(policy.window_seconds),
        accounts_max: figure(policy.accounts_max),
        failures_max: figure(policy.failures_max),
        second_factors_max: figure(policy.second_factors_max),
        requests_max: figure(policy.requests_max),
        first_block_seconds: figure(policy.first_block_seconds),
        block_seconds_max: figure(policy.block_seconds_max),
        forget_after_seconds: figure(policy.forget_after_seconds),
        allowed_networks: policy.allowed_networks,
    }
}
