//! `AuthService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::auth_service_server::AuthService;
use eventstore::body_hash;
use secrecy::SecretString;
use tonic::{Request, Response, Status};

use super::{Api, convert, place, profile};
use crate::app::{Account, LogIn, NewAccount};

#[tonic::async_trait]
impl AuthService for Api {
    async fn register(
        &self,
        request: Request<proto::RegisterRequest>,
    ) -> Result<Response<proto::RegisterResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let body = body_hash("identity.Register", &message);
        let account = NewAccount {
            email: &message.email,
            password: SecretString::from(message.password),
            display_name: &message.display_name,
            roles: &[],
        };
        let origin = caller.origin.as_deref();
        let work = self.0.register(&context, origin, account, &body);
        Ok(Response::new(self.0.watched_request(&context, origin, work).await?))
    }

    async fn log_in(
        &self,
        request: Request<proto::LogInRequest>,
    ) -> Result<Response<proto::LogInResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let user_agent = runtime::user_agent(&request).to_owned();
        let proto::LogInRequest { email, password } = request.into_inner();
        let password = SecretString::from(password);
        let place = place(&caller, &user_agent);
        let account = Account::Address(&email);
        let work = self.0.log_in(&context, place, &email, password);
        let answer = match self.0.watched(&context, place.origin, account, work).await? {
            LogIn::Opened(pair) => {
                proto::LogInResponse { session: Some(convert::session(pair)?), challenge: None }
            }
            LogIn::Pending(pending) => {
                proto::LogInResponse { session: None, challenge: Some(convert::challenge(pending)?) }
            }
        };
        Ok(Response::new(answer))
    }

    async fn refresh(
        &self,
        request: Request<proto::RefreshRequest>,
    ) -> Result<Response<proto::RefreshResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let token = request.into_inner().refresh_token;
        let pair = self.0.refresh(&context, place(&caller, ""), &token).await?;
        Ok(Response::new(proto::RefreshResponse { session: Some(convert::session(pair)?) }))
    }

    async fn log_out(
        &self,
        request: Request<proto::LogOutRequest>,
    ) -> Result<Response<proto::LogOutResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        self.0.log_out(&caller, &context, request.into_inner().all_sessions).await?;
        Ok(Response::new(proto::LogOutResponse {}))
    }

    async fn get_me(
        &self,
        request: Request<proto::GetMeRequest>,
    ) -> Result<Response<proto::GetMeResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        Ok(Response::new(profile::me(self.0.me(&caller).await?)))
    }

    async fn get_jwks(
        &self,
        _: Request<proto::GetJwksRequest>,
    ) -> Result<Response<proto::GetJwksResponse>, Status> {
        let keys = self.0.keys.present(self.0.clock.wall()).await?;
        let keys = keys.published().iter().map(convert::web_key).collect();
        Ok(Response::new(proto::GetJwksResponse { keys }))
    }

    async fn rotate_signing_key(
        &self,
        request: Request<proto::RotateSigningKeyRequest>,
    ) -> Result<Response<proto::RotateSigningKeyResponse>, Status> {
        let (_, context) = self.context(&request)?;
        let key_id = self.0.keys.rotate(&context.actor, self.0.clock.wall()).await?;
        Ok(Response::new(proto::RotateSigningKeyResponse { key_id }))
    }
}
