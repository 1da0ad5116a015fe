//! `FederationService` and `IdentityProviderService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::federation_service_server::FederationService;
use contracts::vbwd::identity::v1::identity_provider_service_server::IdentityProviderService;
use secrecy::SecretString;
use tonic::{Request, Response, Status};

use super::{Api, convert, place, timestamp};
use crate::app::{Account, Arrival, Cause, LogIn, Wanted};
use crate::tables::providers::{Linked, Provider};

#[tonic::async_trait]
impl FederationService for Api {
    async fn list_sign_in_providers(
        &self,
        request: Request<proto::ListSignInProvidersRequest>,
    ) -> Result<Response<proto::ListSignInProvidersResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let all = self.0.list_providers(caller.tenant).await?;
        let enabled = all.into_iter().filter(|provider| provider.enabled);
        let providers = enabled
            .map(|provider| proto::SignInProvider { provider: provider.provider, name: provider.name })
            .collect();
        Ok(Response::new(proto::ListSignInProvidersResponse { providers }))
    }

    async fn begin_federated_log_in(
        &self,
        request: Request<proto::BeginFederatedLogInRequest>,
    ) -> Result<Response<proto::BeginFederatedLogInResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let work = self.0.begin_federated(&context, &request.get_ref().provider, None);
        let departure = self.0.watched(&context, caller.origin.as_deref(), Account::Unnamed, work).await?;
        let (authorization_url, attempt_token) = (departure.url, departure.attempt_token);
        Ok(Response::new(proto::BeginFederatedLogInResponse { authorization_url, attempt_token }))
    }

    async fn complete_federated_log_in(
        &self,
        request: Request<proto::CompleteFederatedLogInRequest>,
    ) -> Result<Response<proto::CompleteFederatedLogInResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let user_agent = runtime::user_agent(&request).to_owned();
        let message = request.into_inner();
        let place = place(&caller, &user_agent);
        let arrival = Arrival {
            provider: &message.provider,
            state: &message.state,
            code: &message.code,
            iss: &message.iss,
            attempt_token: &message.attempt_token,
        };
        let work = self.0.complete_federated(&context, place, &arrival);
        let (session, challenge) =
            match self.0.watched(&context, place.origin, Account::Unnamed, work).await? {
                LogIn::Opened(pair) => (Some(convert::session(pair)?), None),
                LogIn::Pending(pending) => (None, Some(convert::challenge(pending)?)),
            };
        Ok(Response::new(proto::CompleteFederatedLogInResponse { session, challenge }))
    }

    async fn list_linked_identities(
        &self,
        request: Request<proto::ListLinkedIdentitiesRequest>,
    ) -> Result<Response<proto::ListLinkedIdentitiesResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let identities = self.0.linked_identities(&caller).await?.into_iter().map(linked).collect();
        Ok(Response::new(proto::ListLinkedIdentitiesResponse { identities }))
    }

    async fn begin_link_identity(
        &self,
        request: Request<proto::BeginLinkIdentityRequest>,
    ) -> Result<Response<proto::BeginLinkIdentityResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::BeginLinkIdentityRequest { provider, password } = request.into_inner();
        let password = SecretString::from(password);
        let departure = self.0.begin_link(&caller, &context, &provider, password).await?;
        let (authorization_url, attempt_token) = (departure.url, departure.attempt_token);
        Ok(Response::new(proto::BeginLinkIdentityResponse { authorization_url, attempt_token }))
    }

    async fn complete_link_identity(
        &self,
        request: Request<proto::CompleteLinkIdentityRequest>,
    ) -> Result<Response<proto::CompleteLinkIdentityResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let arrival = Arrival {
            provider: &message.provider,
            state: &message.state,
            code: &message.code,
            iss: &message.iss,
            attempt_token: &message.attempt_token,
        };
        let identity = Some(linked(self.0.complete_link(&caller, &context, &arrival).await?));
        Ok(Response::new(proto::CompleteLinkIdentityResponse { identity }))
    }

    async fn unlink_identity(
        &self,
        request: Request<proto::UnlinkIdentityRequest>,
    ) -> Result<Response<proto::UnlinkIdentityResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        self.0.unlink(&caller, &context, &request.get_ref().provider).await?;
        Ok(Response::new(proto::UnlinkIdentityResponse {}))
    }
}

#[tonic::async_trait]
impl IdentityProviderService for Api {
    async fn list_identity_providers(
        &self,
        request: Request<proto::ListIdentityProvidersRequest>,
    ) -> Result<Response<proto::ListIdentityProvidersResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let providers = self.0.list_providers(caller.tenant).await?.into_iter().map(told).collect();
        Ok(Response::new(proto::ListIdentityProvidersResponse { providers }))
    }

    async fn put_identity_provider(
        &self,
        request: Request<proto::PutIdentityProviderRequest>,
    ) -> Result<Response<proto::PutIdentityProviderResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let provider = Provider {
            provider: message.provider,
            name: message.name,
            issuer: message.issuer,
            client_id: message.client_id,
            sealed_secret: None,
            scopes: message.scopes,
            enabled: message.enabled,
            registers: message.registers,
        };
        let cause = Cause { caller: &caller, context: &context };
        let wanted = Wanted { provider, client_secret: message.client_secret };
        let provider = Some(told(self.0.put_provider(&cause, wanted).await?));
        Ok(Response::new(proto::PutIdentityProviderResponse { provider }))
    }

    async fn delete_identity_provider(
        &self,
        request: Request<proto::DeleteIdentityProviderRequest>,
    ) -> Result<Response<proto::DeleteIdentityProviderResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let cause = Cause { caller: &caller, context: &context };
        self.0.delete_provider(&cause, &request.get_ref().provider).await?;
        Ok(Response::new(proto::DeleteIdentityProviderResponse {}))
    }
}

fn linked(linked: Linked) -> proto::LinkedIdentity {
    proto::LinkedIdentity {
        provider: linked.provider,
        email: linked.email,
        linked_at: Some(timestamp(linked.linked_at)),
        last_used_at: linked.last_used_at.map(timestamp),
    }
}

fn told(provider: Provider) -> proto::IdentityProvider {
    proto::IdentityProvider {
        provider: provider.provider,
        name: provider.name,
        issuer: provider.issuer,
        client_id: provider.client_id,
        has_client_secret: provider.sealed_secret.is_some(),
        scopes: provider.scopes,
        enabled: provider.enabled,
        registers: provider.registers,
    }
}
