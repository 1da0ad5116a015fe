//! `AuthorityService`, `AccessLevelService`, `ApiKeyService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::access_level_service_server::AccessLevelService;
use contracts::vbwd::identity::v1::api_key_service_server::ApiKeyService;
use contracts::vbwd::identity::v1::authority_service_server::AuthorityService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Api, convert, profile, timestamp};
use crate::app::{Authority, Cause, KeyWish};
use crate::rejection::Rejection;
use crate::tables::api_keys::ApiKey;
use crate::tables::levels::AccessLevel;

fn authority(held: Authority) -> proto::Authority {
    proto::Authority {
        user_id: held.user.to_string(),
        roles: held.roles,
        permissions: held.permissions.iter().map(str::to_owned).collect(),
        levels: held.levels,
    }
}

fn level(level: AccessLevel) -> proto::AccessLevel {
    proto::AccessLevel { level: level.level, name: level.name, rank: level.rank, plans: level.plans }
}

fn key(key: ApiKey) -> proto::ApiKey {
    proto::ApiKey {
        key_id: key.id.to_string(),
        name: key.name,
        prefix: key.prefix,
        scopes: key.scopes,
        created_at: Some(timestamp(key.created_at)),
        expires_at: Some(timestamp(key.expires_at)),
        last_used_at: key.last_used_at.map(timestamp),
        last_origin_address: key.last_origin.unwrap_or_default(),
    }
}

/// A malformed id names nothing, so it is told like an unknown one.
fn key_id(text: &str) -> fault::Result<Uuid> {
    Uuid::try_parse(text).map_err(|_| Rejection::KeyUnknown.into())
}

#[tonic::async_trait]
impl AuthorityService for Api {
    async fn resolve_session(
        &self,
        request: Request<proto::ResolveSessionRequest>,
    ) -> Result<Response<proto::ResolveSessionResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let message = request.get_ref();
        let (user, session) =
            (convert::user_id(&message.user_id)?, convert::session_id(&message.session_id)?);
        let held = self.0.resolve_session(caller.tenant, user, session).await?;
        Ok(Response::new(proto::ResolveSessionResponse { authority: Some(authority(held)) }))
    }

    async fn resolve_api_key(
        &self,
        request: Request<proto::ResolveApiKeyRequest>,
    ) -> Result<Response<proto::ResolveApiKeyResponse>, Status> {
        let (_, context) = self.context(&request)?;
        let message = request.get_ref();
        let origin = Some(message.origin_address.as_str()).filter(|text| !text.is_empty());
        let (held, key) = self.0.resolve_api_key(&context, &message.key_digest, origin).await?;
        let key_id = key.to_string();
        Ok(Response::new(proto::ResolveApiKeyResponse { authority: Some(authority(held)), key_id }))
    }
}

#[tonic::async_trait]
impl AccessLevelService for Api {
    async fn list_access_levels(
        &self,
        request: Request<proto::ListAccessLevelsRequest>,
    ) -> Result<Response<proto::ListAccessLevelsResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let levels = self.0.list_levels(caller.tenant).await?.into_iter().map(level).collect();
        Ok(Response::new(proto::ListAccessLevelsResponse { levels }))
    }

    async fn put_access_level(
        &self,
        request: Request<proto::PutAccessLevelRequest>,
    ) -> Result<Response<proto::PutAccessLevelResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::PutAccessLevelRequest { level: word, name, rank, plans } = request.into_inner();
        let wanted = AccessLevel { level: word, name, rank, plans };
        let put = self.0.put_level(&Cause { caller: &caller, context: &context }, wanted).await?;
        Ok(Response::new(proto::PutAccessLevelResponse { level: Some(level(put)) }))
    }

    async fn delete_access_level(
        &self,
        request: Request<proto::DeleteAccessLevelRequest>,
    ) -> Result<Response<proto::DeleteAccessLevelResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let cause = Cause { caller: &caller, context: &context };
        self.0.delete_level(&cause, &request.get_ref().level).await?;
        Ok(Response::new(proto::DeleteAccessLevelResponse {}))
    }

    async fn set_user_access_levels(
        &self,
        request: Request<proto::SetUserAccessLevelsRequest>,
    ) -> Result<Response<proto::SetUserAccessLevelsResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let (cause, id) = (Cause { caller: &caller, context: &context }, convert::user_id(&message.user_id)?);
        let until = message.expires_at.map(convert::instant).transpose()?;
        let levels = self.0.give_levels(&cause, id, message.levels, until).await?;
        Ok(Response::new(proto::SetUserAccessLevelsResponse { levels }))
    }

    async fn set_user_plans(
        &self,
        request: Request<proto::SetUserPlansRequest>,
    ) -> Result<Response<proto::SetUserPlansResponse>, Status> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let id = convert::user_id(&message.user_id)?;
        let levels = self.0.set_plans(&context, id, message.plans).await?;
        Ok(Response::new(proto::SetUserPlansResponse { levels }))
    }
}

#[tonic::async_trait]
impl ApiKeyService for Api {
    async fn list_api_keys(
        &self,
        request: Request<proto::ListApiKeysRequest>,
    ) -> Result<Response<proto::ListApiKeysResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let keys = self.0.list_own_keys(&caller).await?.into_iter().map(key).collect();
        Ok(Response::new(proto::ListApiKeysResponse { keys }))
    }

    async fn create_api_key(
        &self,
        request: Request<proto::CreateApiKeyRequest>,
    ) -> Result<Response<proto::CreateApiKeyResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let wish = KeyWish { name: &message.name, scopes: &message.scopes, days: message.expires_in_days };
        let (made, secret) = self.0.create_own_key(&caller, &context, &wish).await?;
        Ok(Response::new(proto::CreateApiKeyResponse { key: Some(key(made)), secret }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<proto::RevokeApiKeyRequest>,
    ) -> Result<Response<proto::RevokeApiKeyResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        self.0.revoke_own_key(&caller, &context, key_id(&request.get_ref().key_id)?).await?;
        Ok(Response::new(proto::RevokeApiKeyResponse {}))
    }

    async fn create_service_account(
        &self,
        request: Request<proto::CreateServiceAccountRequest>,
    ) -> Result<Response<proto::CreateServiceAccountResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::CreateServiceAccountRequest { name, roles } = request.into_inner();
        let cause = Cause { caller: &caller, context: &context };
        let made = self.0.create_service_account(&cause, &name, roles).await?;
        Ok(Response::new(proto::CreateServiceAccountResponse { user: Some(profile::profile(made)) }))
    }

    async fn list_service_account_keys(
        &self,
        request: Request<proto::ListServiceAccountKeysRequest>,
    ) -> Result<Response<proto::ListServiceAccountKeysResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let id = convert::user_id(&request.get_ref().user_id)?;
        let keys = self.0.list_service_keys(caller.tenant, id).await?.into_iter().map(key).collect();
        Ok(Response::new(proto::ListServiceAccountKeysResponse { keys }))
    }

    async fn create_service_account_key(
        &self,
        request: Request<proto::CreateServiceAccountKeyRequest>,
    ) -> Result<Response<proto::CreateServiceAccountKeyResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let (cause, id) = (Cause { caller: &caller, context: &context }, convert::user_id(&message.user_id)?);
        let wish = KeyWish { name: &message.name, scopes: &message.scopes, days: message.expires_in_days };
        let (made, secret) = self.0.create_service_key(&cause, id, &wish).await?;
        Ok(Response::new(proto::CreateServiceAccountKeyResponse { key: Some(key(made)), secret }))
    }

    async fn revoke_service_account_key(
        &self,
        request: Request<proto::RevokeServiceAccountKeyRequest>,
    ) -> Result<Response<proto::RevokeServiceAccountKeyResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let (cause, id) = (Cause { caller: &caller, context: &context }, convert::user_id(&message.user_id)?);
        self.0.revoke_service_key(&cause, id, key_id(&message.key_id)?).await?;
        Ok(Response::new(proto::RevokeServiceAccountKeyResponse {}))
    }
}
