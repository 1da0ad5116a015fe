//! `TokenBundleService`: the catalogue of token bundles.

use contracts::vbwd::wallet::v1 as proto;
use contracts::vbwd::wallet::v1::token_bundle_service_server::TokenBundleService;
use eventstore::body_hash;
use fault::Fault;
use ids::BundleId;
use tonic::{Request, Response, Status};

use super::Api;
use super::convert::{bundle_body, bundle_message, id};
use crate::bundles::Bundle;

#[tonic::async_trait]
impl TokenBundleService for Api {
    async fn list_token_bundles(
        &self,
        call: Request<proto::ListTokenBundlesRequest>,
    ) -> Result<Response<proto::ListTokenBundlesResponse>, Status> {
        let caller = auth::caller(&call)?;
        let bundles = self.0.catalogue.list(caller.tenant).await?;
        let bundles = bundles.iter().filter(|bundle| bundle.body.active).map(bundle_message).collect();
        Ok(Response::new(proto::ListTokenBundlesResponse { bundles }))
    }

    async fn get_token_bundle(
        &self,
        call: Request<proto::GetTokenBundleRequest>,
    ) -> Result<Response<proto::GetTokenBundleResponse>, Status> {
        let caller = auth::caller(&call)?;
        let bundle: BundleId = id(&call.get_ref().bundle_id, "/bundle_id")?;
        let found = self.0.catalogue.find(caller.tenant, bundle).await?;
        let active = found.filter(|bundle| bundle.body.active).ok_or_else(|| Fault::not_found("bundle"))?;
        Ok(Response::new(proto::GetTokenBundleResponse { bundle: Some(bundle_message(&active)) }))
    }

    async fn list_all_token_bundles(
        &self,
        call: Request<proto::ListAllTokenBundlesRequest>,
    ) -> Result<Response<proto::ListAllTokenBundlesResponse>, Status> {
        let caller = auth::caller(&call)?;
        let bundles = self.0.catalogue.list_now(caller.tenant).await?;
        let bundles = bundles.iter().map(bundle_message).collect();
        Ok(Response::new(proto::ListAllTokenBundlesResponse { bundles }))
    }

    async fn create_token_bundle(
        &self,
        call: Request<proto::CreateTokenBundleRequest>,
    ) -> Result<Response<proto::CreateTokenBundleResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let message = call.into_inner();
        let hash = body_hash("/vbwd.wallet.v1.TokenBundleService/CreateTokenBundle", &message);
        let answer = self.0.catalogue.create(&context, &hash, bundle_body(message)?).await?;
        Ok(Response::new(answer))
    }

    async fn update_token_bundle(
        &self,
        call: Request<proto::UpdateTokenBundleRequest>,
    ) -> Result<Response<proto::UpdateTokenBundleResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let message = call.into_inner();
        let (bundle_id, revision) = (id(&message.bundle_id, "/bundle_id")?, message.revision);
        let body = bundle_body(proto::CreateTokenBundleRequest {
            name: message.name,
            description: message.description,
            tokens: message.tokens,
            prices: message.prices,
            active: message.active,
            sort_order: message.sort_order,
        })?;
        let updated = self.0.catalogue.update(&context, Bundle { id: bundle_id, body, revision }).await?;
        Ok(Response::new(proto::UpdateTokenBundleResponse { bundle: Some(bundle_message(&updated)) }))
    }

    async fn delete_token_bundle(
        &self,
        call: Request<proto::DeleteTokenBundleRequest>,
    ) -> Result<Response<proto::DeleteTokenBundleResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let bundle: BundleId = id(&call.get_ref().bundle_id, "/bundle_id")?;
        self.0.catalogue.delete(&context, bundle).await?;
        Ok(Response::new(proto::DeleteTokenBundleResponse {}))
    }
}
