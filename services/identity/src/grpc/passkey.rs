//! `PasskeyService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::passkey_service_server::PasskeyService;
use secrecy::SecretString;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Api, convert, place, timestamp};
use crate::app::{Account, Answer};
use crate::rejection::Rejection;
use crate::tables::passkeys::Passkey;

#[tonic::async_trait]
impl PasskeyService for Api {
    async fn list_passkeys(
        &self,
        request: Request<proto::ListPasskeysRequest>,
    ) -> Result<Response<proto::ListPasskeysResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let passkeys = self.0.list_passkeys(&caller).await?.into_iter().map(told).collect();
        Ok(Response::new(proto::ListPasskeysResponse { passkeys }))
    }

    async fn begin_passkey_registration(
        &self,
        request: Request<proto::BeginPasskeyRegistrationRequest>,
    ) -> Result<Response<proto::BeginPasskeyRegistrationResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let password = SecretString::from(request.into_inner().password);
        let begun = self.0.begin_passkey(&caller, &context, password).await?;
        let (ceremony_token, options_json) = (begun.token, begun.options);
        Ok(Response::new(proto::BeginPasskeyRegistrationResponse { ceremony_token, options_json }))
    }

    async fn complete_passkey_registration(
        &self,
        request: Request<proto::CompletePasskeyRegistrationRequest>,
    ) -> Result<Response<proto::CompletePasskeyRegistrationResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let answer = (message.ceremony_token.as_str(), message.credential_json.as_str());
        let (kept, recovery_codes) =
            self.0.complete_passkey(&caller, &context, answer, &message.name).await?;
        let passkey = Some(told(kept));
        Ok(Response::new(proto::CompletePasskeyRegistrationResponse { passkey, recovery_codes }))
    }

    async fn rename_passkey(
        &self,
        request: Request<proto::RenamePasskeyRequest>,
    ) -> Result<Response<proto::RenamePasskeyResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let id = passkey_id(&message.passkey_id)?;
        let passkey = Some(told(self.0.rename_passkey(&caller, &context, id, &message.name).await?));
        Ok(Response::new(proto::RenamePasskeyResponse { passkey }))
    }

    async fn remove_passkey(
        &self,
        request: Request<proto::RemovePasskeyRequest>,
    ) -> Result<Response<proto::RemovePasskeyResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let id = passkey_id(&message.passkey_id)?;
        let password = SecretString::from(message.password);
        let answer = Answer::given(message.code, message.recovery_code);
        self.0.remove_passkey(&caller, &context, id, password, answer).await?;
        Ok(Response::new(proto::RemovePasskeyResponse {}))
    }

    async fn begin_passkey_log_in(
        &self,
        request: Request<proto::BeginPasskeyLogInRequest>,
    ) -> Result<Response<proto::BeginPasskeyLogInResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let challenge = request.into_inner().challenge_token;
        let (origin, account) = (caller.origin.as_deref(), Account::Behind(&challenge));
        let work = self.0.begin_passkey_log_in(&context, origin, &challenge);
        let begun = self.0.watched(&context, origin, account, work).await?;
        let (ceremony_token, options_json) = (begun.token, begun.options);
        Ok(Response::new(proto::BeginPasskeyLogInResponse { ceremony_token, options_json }))
    }

    async fn complete_passkey_log_in(
        &self,
        request: Request<proto::CompletePasskeyLogInRequest>,
    ) -> Result<Response<proto::CompletePasskeyLogInResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let user_agent = runtime::user_agent(&request).to_owned();
        let message = request.into_inner();
        let place = place(&caller, &user_agent);
        let answer = (message.ceremony_token.as_str(), message.credential_json.as_str());
        let account = Account::Behind(&message.challenge_token);
        let work = self.0.complete_passkey_log_in(&context, place, answer, &message.challenge_token);
        let pair = self.0.watched(&context, place.origin, account, work).await?;
        Ok(Response::new(proto::CompletePasskeyLogInResponse { session: Some(convert::session(pair)?) }))
    }
}

/// A malformed id names nothing, so it is told like an unknown one.
fn passkey_id(text: &str) -> fault::Result<Uuid> {
    Uuid::try_parse(text).map_err(|_| Rejection::PasskeyUnknown.into())
}

fn told(passkey: Passkey) -> proto::Passkey {
    proto::Passkey {
        passkey_id: passkey.id.to_string(),
        name: passkey.name,
        created_at: Some(timestamp(passkey.created_at)),
        last_used_at: passkey.last_used_at.map(timestamp),
    }
}
