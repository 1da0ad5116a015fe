//! `SecondFactorService` and `SecondFactorPolicyService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::second_factor_policy_service_server::SecondFactorPolicyService;
use contracts::vbwd::identity::v1::second_factor_service_server::SecondFactorService;
use secrecy::SecretString;
use tonic::{Request, Response, Status};

use super::{Api, convert, timestamp};
use crate::app::{Answer, Cause};

#[tonic::async_trait]
impl SecondFactorService for Api {
    async fn get_second_factors(
        &self,
        request: Request<proto::GetSecondFactorsRequest>,
    ) -> Result<Response<proto::GetSecondFactorsResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let overview = self.0.second_factors(&caller).await?;
        let count = |count| i32::try_from(count).unwrap_or(i32::MAX);
        Ok(Response::new(proto::GetSecondFactorsResponse {
            totp_confirmed_at: overview.totp_confirmed_at.map(timestamp),
            recovery_codes_left: count(overview.factors.recovery_codes),
            passkeys: count(overview.factors.passkeys),
            required: overview.required,
        }))
    }

    async fn enrol_totp(
        &self,
        request: Request<proto::EnrolTotpRequest>,
    ) -> Result<Response<proto::EnrolTotpResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let password = SecretString::from(request.into_inner().password);
        let enrolment = self.0.enrol_totp(&caller, &context, password).await?;
        let (secret, otpauth_uri) = (enrolment.secret, enrolment.uri);
        Ok(Response::new(proto::EnrolTotpResponse { secret, otpauth_uri }))
    }

    async fn confirm_totp(
        &self,
        request: Request<proto::ConfirmTotpRequest>,
    ) -> Result<Response<proto::ConfirmTotpResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let recovery_codes = self.0.confirm_totp(&caller, &context, &request.get_ref().code).await?;
        Ok(Response::new(proto::ConfirmTotpResponse { recovery_codes }))
    }

    async fn disable_totp(
        &self,
        request: Request<proto::DisableTotpRequest>,
    ) -> Result<Response<proto::DisableTotpResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::DisableTotpRequest { password, code, recovery_code } = request.into_inner();
        let (password, answer) = (SecretString::from(password), Answer::given(code, recovery_code));
        self.0.disable_totp(&caller, &context, password, answer).await?;
        Ok(Response::new(proto::DisableTotpResponse {}))
    }

    async fn regenerate_recovery_codes(
        &self,
        request: Request<proto::RegenerateRecoveryCodesRequest>,
    ) -> Result<Response<proto::RegenerateRecoveryCodesResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::RegenerateRecoveryCodesRequest { password, code, recovery_code } = request.into_inner();
        let (password, answer) = (SecretString::from(password), Answer::given(code, recovery_code));
        let recovery_codes = self.0.regenerate_codes(&caller, &context, password, answer).await?;
        Ok(Response::new(proto::RegenerateRecoveryCodesResponse { recovery_codes }))
    }

    async fn step_up(
        &self,
        request: Request<proto::StepUpRequest>,
    ) -> Result<Response<proto::StepUpResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::StepUpRequest { password, code, recovery_code } = request.into_inner();
        let (password, answer) = (SecretString::from(password), Answer::given(code, recovery_code));
        let methods = self.0.step_up(&caller, &context, password, answer).await?;
        Ok(Response::new(proto::StepUpResponse { methods }))
    }

    async fn begin_passkey_step_up(
        &self,
        request: Request<proto::BeginPasskeyStepUpRequest>,
    ) -> Result<Response<proto::BeginPasskeyStepUpResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let begun = self.0.begin_passkey_step_up(&caller, &context).await?;
        let (ceremony_token, options_json) = (begun.token, begun.options);
        Ok(Response::new(proto::BeginPasskeyStepUpResponse { ceremony_token, options_json }))
    }

    async fn complete_passkey_step_up(
        &self,
        request: Request<proto::CompletePasskeyStepUpRequest>,
    ) -> Result<Response<proto::CompletePasskeyStepUpResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let answer = (message.ceremony_token.as_str(), message.credential_json.as_str());
        let methods = self.0.complete_passkey_step_up(&caller, &context, answer).await?;
        Ok(Response::new(proto::CompletePasskeyStepUpResponse { methods }))
    }
}

#[tonic::async_trait]
impl SecondFactorPolicyService for Api {
    async fn get_second_factor_policy(
        &self,
        request: Request<proto::GetSecondFactorPolicyRequest>,
    ) -> Result<Response<proto::GetSecondFactorPolicyResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let required_of = self.0.second_factor_policy(caller.tenant).await?.as_str().to_owned();
        Ok(Response::new(proto::GetSecondFactorPolicyResponse { required_of }))
    }

    async fn set_second_factor_policy(
        &self,
        request: Request<proto::SetSecondFactorPolicyRequest>,
    ) -> Result<Response<proto::SetSecondFactorPolicyResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let cause = Cause { caller: &caller, context: &context };
        let set = self.0.set_second_factor_policy(&cause, &request.get_ref().required_of).await?;
        let required_of = set.as_str().to_owned();
        Ok(Response::new(proto::SetSecondFactorPolicyResponse { required_of }))
    }

    async fn reset_user_second_factor(
        &self,
        request: Request<proto::ResetUserSecondFactorRequest>,
    ) -> Result<Response<proto::ResetUserSecondFactorResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let (cause, id) = (Cause { caller: &caller, context: &context }, convert::user_id(&message.user_id)?);
        self.0.reset_second_factor(&cause, id, &message.reason).await?;
        Ok(Response::new(proto::ResetUserSecondFactorResponse {}))
    }
}
