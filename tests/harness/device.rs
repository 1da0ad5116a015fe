//! A browser with an authenticator in software that speaks the real formats, with a person before it.

use passkey_authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey_client::{Client, DefaultClientData};
use passkey_crypto::AvailableBackend;
use passkey_types::ctap2::{Aaguid, Ctap2Error};
use passkey_types::webauthn::{CredentialCreationOptions, CredentialRequestOptions};
use url::Url;

/// Somebody who touches the device and shows a finger, or does not.
struct Finger(bool);

#[async_trait::async_trait]
impl UserValidationMethod for Finger {
    type PasskeyItem = passkey_types::Passkey;

    async fn check_user<'a>(
        &self,
        _: UiHint<'a, Self::PasskeyItem>,
        _: bool,
        verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence: true, verification: verification && self.0 })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(self.0)
    }
}

type Inside = Authenticator<Option<passkey_types::Passkey>, Finger, AvailableBackend>;

/// A browser with a device that keeps one passkey.
pub struct Device {
    kept: Option<passkey_types::Passkey>,
    counts: bool,
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

impl Device {
    /// One that counts its signatures.
    pub const fn new() -> Self {
        Self { kept: None, counts: true }
    }

    /// One that counts nothing, as those do whose passkeys are synchronised.
    pub const fn uncounted() -> Self {
        Self { kept: None, counts: false }
    }

    /// The same key in other hands.
    pub fn cloned(&self) -> Self {
        Self { kept: self.kept.clone(), counts: self.counts }
    }

    fn inside(&self) -> Inside {
        let mut inside =
            Authenticator::new(Aaguid::new_empty(), self.kept.clone(), Finger(true), AvailableBackend);
        inside.set_make_credentials_with_signature_counter(self.counts);
        inside
    }

    /// What `navigator.credentials.create` answers on a page of `origin`.
    pub async fn make(&mut self, origin: &str, options_json: &str) -> String {
        let public_key = serde_json::from_str(options_json).unwrap();
        let mut client = Client::new(self.inside()).allows_insecure_localhost(true);
        let (origin, options) = (Url::parse(origin).unwrap(), CredentialCreationOptions { public_key });
        let made = client.register(&origin, options, DefaultClientData).await.unwrap();
        self.kept.clone_from(client.authenticator().store());
        serde_json::to_string(&made).unwrap()
    }

    /// What `navigator.credentials.get` answers there; nothing when the browser refuses.
    pub async fn sign(&mut self, origin: &str, options_json: &str) -> Option<String> {
        let public_key = serde_json::from_str(options_json).unwrap();
        let mut client = Client::new(self.inside()).allows_insecure_localhost(true);
        let (origin, options) = (Url::parse(origin).unwrap(), CredentialRequestOptions { public_key });
        let signed = client.authenticate(&origin, options, DefaultClientData).await.ok()?;
        self.kept.clone_from(client.authenticator().store());
        Some(serde_json::to_string(&signed).unwrap())
    }
}
