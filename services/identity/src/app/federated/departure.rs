//! Sending a browser to a provider: what names the log-in, and what stays behind in the browser.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{SessionId, TenantId};
use sha2::{Digest as _, Sha256};

use super::{Departure, sealed_for};
use crate::app::{Identity, encode_token, later};
use crate::rejection::Rejection;
use crate::rules::federation::ATTEMPT_LIFE_SECONDS;
use crate::secrets::{random, token_digest};
use crate::tables::providers::{self, Attempt, Provider};
use crate::tables::tenants;

impl Identity {
    /// Begins a log-in.
    ///
    /// # Errors
    /// `identity_provider_not_found`, `provider_unavailable`, `provider_untrusted`.
    pub(crate) async fn begin_federated(
        &self,
        context: &CommandContext,
        provider: &str,
        session: Option<SessionId>,
    ) -> fault::Result<Departure> {
        let provider = self.usable_provider(context.tenant, provider).await?;
        let known = self.outside.provider(&provider.issuer).await?;
        let (tenant, now) = (context.tenant, self.clock.wall());
        let [state, token, nonce, verifier] = [random::<32>()?, random()?, random()?, random()?];
        let sealed = [nonce, verifier].concat();
        let attempt = Attempt {
            attempt_digest: token_digest(&token).to_vec(),
            sealed: self.secrets.seal(&sealed_for(tenant, &provider.provider), &sealed)?,
            session,
            expires_at: later(now, ATTEMPT_LIFE_SECONDS),
        };
        let mut unit = self.store.begin(context).await?;
        let digest = token_digest(&state);
        providers::insert_attempt(unit.connection(), tenant, &provider.provider, &digest, &attempt, now)
            .await?;
        let redirect_uri = self.redirect_uri(&mut unit, &provider.provider).await?;
        unit.commit().await?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(encode_token(&verifier).as_bytes()));
        let scopes = format!("openid {}", provider.scopes.join(" "));
        let mut url =
            url::Url::parse(&known.discovery.authorization_endpoint).map_err(fault::Fault::internal)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.client_id)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", &scopes)
            .append_pair("state", &encode_token(&state))
            .append_pair("nonce", &encode_token(&nonce))
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(Departure { url: url.into(), attempt_token: encode_token(&token) })
    }

    pub(super) async fn usable_provider(&self, tenant: TenantId, name: &str) -> fault::Result<Provider> {
        let mut transaction = self.store.read(tenant).await?;
        let found = providers::find(&mut transaction, tenant, name).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(found.filter(|provider| provider.enabled).ok_or(Rejection::ProviderUnknown)?)
    }

    pub(super) async fn redirect_uri(&self, unit: &mut UnitOfWork, provider: &str) -> fault::Result<String> {
        let tenant = unit.context()?.tenant;
        let host = tenants::main_host(unit.connection(), tenant).await?;
        let base = self.config.public_url.replace("{host}", host.as_deref().unwrap_or("localhost"));
        Ok(format!("{base}/auth/callback/{provider}"))
    }
}
