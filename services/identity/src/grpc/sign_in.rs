//! `SignInService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::sign_in_service_server::SignInService;
use tonic::{Request, Response, Status};

use super::{Api, convert, place};
use crate::app::{Account, Answer};

#[tonic::async_trait]
impl SignInService for Api {
    async fn complete_log_in(
        &self,
        request: Request<proto::CompleteLogInRequest>,
    ) -> Result<Response<proto::CompleteLogInResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let user_agent = runtime::user_agent(&request).to_owned();
        let proto::CompleteLogInRequest { challenge_token, code, recovery_code } = request.into_inner();
        let place = place(&caller, &user_agent);
        let answer = Answer::given(code, recovery_code);
        let account = Account::Behind(&challenge_token);
        let work = self.0.complete_log_in(&context, place, &challenge_token, answer);
        let pair = self.0.watched(&context, place.origin, account, work).await?;
        Ok(Response::new(proto::CompleteLogInResponse { session: Some(convert::session(pair)?) }))
    }

    async fn enrol_at_log_in(
        &self,
        request: Request<proto::EnrolAtLogInRequest>,
    ) -> Result<Response<proto::EnrolAtLogInResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let token = request.into_inner().challenge_token;
        let (origin, account) = (caller.origin.as_deref(), Account::Behind(&token));
        let work = self.0.enrol_at_log_in(&context, origin, &token);
        let enrolment = self.0.watched(&context, origin, account, work).await?;
        let (secret, otpauth_uri) = (enrolment.secret, enrolment.uri);
        Ok(Response::new(proto::EnrolAtLogInResponse { secret, otpauth_uri }))
    }

    async fn confirm_at_log_in(
        &self,
        request: Request<proto::ConfirmAtLogInRequest>,
    ) -> Result<Response<proto::ConfirmAtLogInResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let user_agent = runtime::user_agent(&request).to_owned();
        let proto::ConfirmAtLogInRequest { challenge_token, code } = request.into_inner();
        let place = place(&caller, &user_agent);
        let account = Account::Behind(&challenge_token);
        let work = self.0.confirm_at_log_in(&context, place, &challenge_token, &code);
        let (pair, recovery_codes) = self.0.watched(&context, place.origin, account, work).await?;
        let session = Some(convert::session(pair)?);
        Ok(Response::new(proto::ConfirmAtLogInResponse { session, recovery_codes }))
    }
}
