//! What a browser brought back from a provider, and whom it stands for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::CommandContext;
use ids::{SessionId, TenantId};
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;

use super::{Arrival, sealed_for};
use crate::app::{Identity, decode_token, provider};
use crate::federation::{Person, Returned};
use crate::rejection::Rejection;
use crate::rules::federation::Expected;
use crate::secrets::token_digest;
use crate::tables::providers::{self, Provider};

impl Identity {
    /// The person that the browser's answer stands for.
    pub(super) async fn person_of(
        &self,
        context: &CommandContext,
        arrival: &Arrival<'_>,
        session: Option<SessionId>,
    ) -> fault::Result<(Provider, Person)> {
        let (tenant, now) = (context.tenant, self.clock.wall());
        let state = decode_token(arrival.state).ok_or(Rejection::SignInInvalid)?;
        let mut unit = self.store.begin(context).await?;
        let attempt =
            providers::take_attempt(unit.connection(), tenant, arrival.provider, &token_digest(&state))
                .await?;
        let redirect_uri = self.redirect_uri(&mut unit, arrival.provider).await?;
        unit.commit().await?;
        let attempt = attempt.ok_or(Rejection::SignInInvalid)?;
        let token = decode_token(arrival.attempt_token).ok_or(Rejection::SignInInvalid)?;
        let same_browser = bool::from(token_digest(&token).ct_eq(&attempt.attempt_digest));
        if !same_browser || now >= attempt.expires_at || attempt.session != session {
            return Err(Rejection::SignInInvalid.into());
        }
        let provider = self.usable_provider(tenant, arrival.provider).await?;
        let known = self.outside.provider(&provider.issuer).await?;
        let named = known.discovery.authorization_response_iss_parameter_supported || !arrival.iss.is_empty();
        if named && arrival.iss != provider.issuer {
            return Err(Rejection::SignInInvalid.into());
        }
        let sealed = self.secrets.open(&sealed_for(tenant, &provider.provider), &attempt.sealed)?;
        let halves = sealed.split_at_checked(32).ok_or(Rejection::SignInInvalid)?;
        let [nonce, verifier] = [halves.0, halves.1].map(|half| URL_SAFE_NO_PAD.encode(half));
        let secret = self.secret_at(tenant, &provider)?;
        let expected = Expected { issuer: &provider.issuer, client_id: &provider.client_id, nonce: &nonce };
        let returned = Returned {
            code: arrival.code,
            redirect_uri: &redirect_uri,
            verifier: &verifier,
            expected,
            client_secret: secret.as_ref(),
        };
        let person = self.outside.exchange(&known, &returned, now).await?;
        Ok((provider, person))
    }

    pub(super) fn secret_at(
        &self,
        tenant: TenantId,
        provider: &Provider,
    ) -> fault::Result<Option<SecretString>> {
        let Some(sealed) = &provider.sealed_secret else { return Ok(None) };
        let secret = self.secrets.open(&provider::context(tenant, &provider.provider), sealed)?;
        String::from_utf8(secret).map(|text| Some(SecretString::from(text))).map_err(fault::Fault::internal)
    }
}
