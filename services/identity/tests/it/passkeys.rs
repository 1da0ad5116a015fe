//! Passkeys, made and used by a software authenticator that speaks the real formats.

use auth::Caller;
use contracts::vbwd::identity::v1::passkey_service_client::PasskeyServiceClient;
use contracts::vbwd::identity::v1::*;
use futures::future::join_all;
use passkey_authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey_client::{Client, DefaultClientData};
use passkey_crypto::AvailableBackend;
use passkey_types::ctap2::{Aaguid, Ctap2Error};
use passkey_types::webauthn::{CredentialCreationOptions, CredentialRequestOptions};
use url::Url;

use crate::fixtures::{OWNER, PASSWORD, World, answer, nobody, refused, world};

const ANN: &str = "ann@example.com";
const HERE: &str = "https://one.example";

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
struct Device {
    kept: Option<passkey_types::Passkey>,
    counts: bool,
}

impl Device {
    const fn new() -> Self {
        Self { kept: None, counts: true }
    }

    /// The same key in other hands.
    fn cloned(&self) -> Self {
        Self { kept: self.kept.clone(), counts: self.counts }
    }

    fn inside(&self) -> Inside {
        let mut inside =
            Authenticator::new(Aaguid::new_empty(), self.kept.clone(), Finger(true), AvailableBackend);
        inside.set_make_credentials_with_signature_counter(self.counts);
        inside
    }

    async fn make(&mut self, origin: &str, options_json: &str) -> String {
        let public_key = serde_json::from_str(options_json).unwrap();
        let mut client = Client::new(self.inside());
        let (origin, options) = (Url::parse(origin).unwrap(), CredentialCreationOptions { public_key });
        let made = client.register(&origin, options, DefaultClientData).await.unwrap();
        self.kept.clone_from(client.authenticator().store());
        serde_json::to_string(&made).unwrap()
    }

    async fn sign(&mut self, origin: &str, options_json: &str) -> Option<String> {
        let public_key = serde_json::from_str(options_json).unwrap();
        let mut client = Client::new(self.inside());
        let (origin, options) = (Url::parse(origin).unwrap(), CredentialRequestOptions { public_key });
        let signed = client.authenticate(&origin, options, DefaultClientData).await.ok()?;
        self.kept.clone_from(client.authenticator().store());
        Some(serde_json::to_string(&signed).unwrap())
    }
}

impl World {
    fn passkeys(&self) -> PasskeyServiceClient<runtime::Channel> {
        PasskeyServiceClient::new(self.channel())
    }

    async fn begin_passkey(&self, caller: &Caller) -> fault::Result<BeginPasskeyRegistrationResponse> {
        let request = self.call(caller, BeginPasskeyRegistrationRequest { password: PASSWORD.to_owned() });
        answer(self.passkeys().begin_passkey_registration(request).await)
    }

    async fn keep_passkey(
        &self,
        caller: &Caller,
        ceremony_token: &str,
        credential_json: String,
    ) -> fault::Result<CompletePasskeyRegistrationResponse> {
        let (ceremony_token, name) = (ceremony_token.to_owned(), "My phone".to_owned());
        let message = CompletePasskeyRegistrationRequest { ceremony_token, credential_json, name };
        let request = self.call(caller, message);
        answer(self.passkeys().complete_passkey_registration(request).await)
    }

    async fn with_passkey(
        &self,
        caller: &Caller,
        device: &mut Device,
    ) -> CompletePasskeyRegistrationResponse {
        let begun = self.begin_passkey(caller).await.unwrap();
        let made = device.make(HERE, &begun.options_json).await;
        self.keep_passkey(caller, &begun.ceremony_token, made).await.unwrap()
    }

    async fn begin_passkey_log_in(&self, challenge: &str) -> BeginPasskeyLogInResponse {
        let message = BeginPasskeyLogInRequest { challenge_token: challenge.to_owned() };
        let request = self.call(&self.nobody(), message);
        answer(self.passkeys().begin_passkey_log_in(request).await).unwrap()
    }

    async fn complete_passkey_log_in(
        &self,
        ceremony: &BeginPasskeyLogInResponse,
        signed: &str,
        challenge: &str,
    ) -> fault::Result<Session> {
        let message = CompletePasskeyLogInRequest {
            ceremony_token: ceremony.ceremony_token.clone(),
            credential_json: signed.to_owned(),
            challenge_token: challenge.to_owned(),
        };
        let request = self.call(&self.nobody(), message);
        answer(self.passkeys().complete_passkey_log_in(request).await).map(|done| done.session.unwrap())
    }

    async fn log_in_with(&self, device: &mut Device) -> fault::Result<Session> {
        let ceremony = self.begin_passkey_log_in("").await;
        let signed = device.sign(HERE, &ceremony.options_json).await.unwrap();
        self.complete_passkey_log_in(&ceremony, &signed, "").await
    }

    async fn listed_passkeys(&self, caller: &Caller) -> Vec<Passkey> {
        let request = self.call(caller, ListPasskeysRequest {});
        answer(self.passkeys().list_passkeys(request).await).unwrap().passkeys
    }

    async fn remove_passkey(&self, caller: &Caller, id: &str) -> fault::Result<RemovePasskeyResponse> {
        let message = RemovePasskeyRequest {
            passkey_id: id.to_owned(),
            password: PASSWORD.to_owned(),
            ..RemovePasskeyRequest::default()
        };
        let request = self.call(caller, message);
        answer(self.passkeys().remove_passkey(request).await)
    }
}

#[tokio::test]
async fn a_passkey_logs_in_without_a_name_or_a_password() {
    let (world, mut device) = (world().await, Device::new());
    let owner = world.signed_in(OWNER).await;
    let kept = world.with_passkey(&owner, &mut device).await;
    assert_eq!((kept.passkey.unwrap().name.as_str(), kept.recovery_codes.len()), ("My phone", 10));
    let session = world.log_in_with(&mut device).await.unwrap();
    let caller = world.caller(&session).await;
    assert_eq!(
        (&caller.subject, caller.methods.as_slice()),
        (&owner.subject, &["mfa", "pop"].map(str::to_owned)[..])
    );
    assert!(world.log_in_with(&mut device).await.is_ok(), "again, with a higher counter");
    let listed = world.listed_passkeys(&caller).await;
    assert!(listed[0].last_used_at.is_some());
    let letter = world.mailbox.first("identity.second_factor_changed", OWNER).await;
    assert_eq!(letter.variables["change"], "passkey added");
}

#[tokio::test]
async fn a_passkey_is_a_second_factor() {
    let (world, mut device) = (world().await, Device::new());
    let owner = world.signed_in(OWNER).await;
    world.with_passkey(&owner, &mut device).await;
    let challenge = world.challenged(OWNER).await;
    assert_eq!(challenge.methods, ["passkey", "recovery_code"]);
    let token = challenge.challenge_token.as_str();
    let ceremony = world.begin_passkey_log_in(token).await;
    let signed = device.sign(HERE, &ceremony.options_json).await.unwrap();
    assert_eq!(refused(world.complete_passkey_log_in(&ceremony, &signed, "").await), "passkey_invalid");
    let ceremony = world.begin_passkey_log_in(token).await;
    let signed = device.sign(HERE, &ceremony.options_json).await.unwrap();
    let session = world.complete_passkey_log_in(&ceremony, &signed, token).await.unwrap();
    assert_eq!(world.caller(&session).await.methods, ["pwd", "mfa", "pop"]);
    let again = world.complete_passkey_log_in(&ceremony, &signed, token).await;
    assert_eq!(refused(again), "challenge_invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_good_once_here_and_for_its_challenge() {
    let (world, mut device) = (world().await, Device::new());
    let owner = world.signed_in(OWNER).await;
    world.with_passkey(&owner, &mut device).await;
    let first = world.begin_passkey_log_in("").await;
    let signed = device.sign(HERE, &first.options_json).await.unwrap();
    let outcomes = join_all((0..10).map(|_| world.complete_passkey_log_in(&first, &signed, ""))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "replayed");
    let second = world.begin_passkey_log_in("").await;
    let replayed = world.complete_passkey_log_in(&second, &signed, "").await;
    assert_eq!(refused(replayed), "passkey_invalid", "another challenge");
    let late = world.begin_passkey_log_in("").await;
    let signed = device.sign(HERE, &late.options_json).await.unwrap();
    world.pass(300);
    assert_eq!(
        refused(world.complete_passkey_log_in(&late, &signed, "").await),
        "passkey_invalid",
        "too late"
    );
    let foreign = world.begin_passkey_log_in("").await;
    let signed = device.sign(HERE, &foreign.options_json).await.unwrap();
    let message = CompletePasskeyLogInRequest {
        ceremony_token: foreign.ceremony_token,
        credential_json: signed,
        challenge_token: String::new(),
    };
    let request = world.call(&nobody(world.other), message);
    let elsewhere = answer(world.passkeys().complete_passkey_log_in(request).await);
    assert_eq!(refused(elsewhere), "passkey_invalid", "another tenant");
}

#[tokio::test]
async fn a_page_elsewhere_gets_nothing_that_is_good_here() {
    let (world, mut device) = (world().await, Device::new());
    let owner = world.signed_in(OWNER).await;
    let begun = world.begin_passkey(&owner).await.unwrap();
    let options = begun.options_json.replace("\"one.example\"", "\"evil.example\"");
    let made = Device::new().make("https://evil.example", &options).await;
    let refusal = world.keep_passkey(&owner, &begun.ceremony_token, made).await;
    assert_eq!(refused(refusal), "passkey_invalid", "made for another page");
    world.with_passkey(&owner, &mut device).await;
    for (origin, party) in [
        ("https://evil.example", "evil.example"),
        ("https://shop.one.example", "one.example"),
        ("https://one.example:8443", "one.example"),
    ] {
        let ceremony = world.begin_passkey_log_in("").await;
        let options = ceremony.options_json.replace("\"one.example\"", &format!("\"{party}\""));
        let signed = device.sign(origin, &options).await.unwrap();
        let refusal = world.complete_passkey_log_in(&ceremony, &signed, "").await;
        assert_eq!(refused(refusal), "passkey_invalid", "{origin}");
    }
    let ceremony = world.begin_passkey_log_in("").await;
    assert!(
        device.sign("https://evil.example", &ceremony.options_json).await.is_none(),
        "browsers refuse it"
    );
    for garbage in ["", "{}", "[]", "null"] {
        let refusal = world.complete_passkey_log_in(&ceremony, garbage, "").await;
        assert_eq!(refused(refusal), "invalid_input", "{garbage}");
    }
}

#[tokio::test]
async fn a_cloned_authenticator_is_noticed() {
    let (world, mut device) = (world().await, Device::new());
    let owner = world.signed_in(OWNER).await;
    world.with_passkey(&owner, &mut device).await;
    let mut clone = device.cloned();
    world.log_in_with(&mut device).await.unwrap();
    world.log_in_with(&mut device).await.unwrap();
    assert_eq!(refused(world.log_in_with(&mut clone).await), "passkey_invalid", "its counter is behind");
    let noticed = "SELECT count(*) FROM audit_entries WHERE action = 'passkey.clone_suspected'";
    assert_eq!(world.count(noticed).await, 1);
    let mut uncounted = Device { counts: false, ..Device::new() };
    world.with_passkey(&owner, &mut uncounted).await;
    let mut synced = uncounted.cloned();
    assert!(world.log_in_with(&mut uncounted).await.is_ok(), "synced passkeys count nothing");
    assert!(world.log_in_with(&mut synced).await.is_ok());
}

#[tokio::test]
async fn passkeys_are_renamed_and_removed_by_their_owner() {
    let (world, mut device) = (world().await, Device::new());
    world.user(ANN, "customer").await;
    let (owner, ann) = (world.signed_in(OWNER).await, world.signed_in(ANN).await);
    let id = world.with_passkey(&owner, &mut device).await.passkey.unwrap().passkey_id;
    let rename = |caller: &Caller, name: &str| {
        let message = RenamePasskeyRequest { passkey_id: id.clone(), name: name.to_owned() };
        let request = world.call(caller, message);
        let mut passkeys = world.passkeys();
        async move { answer(passkeys.rename_passkey(request).await) }
    };
    assert_eq!(rename(&owner, " Desk ").await.unwrap().passkey.unwrap().name, "Desk");
    assert_eq!(refused(rename(&owner, " ").await), "invalid_input");
    assert_eq!(refused(rename(&ann, "mine").await), "passkey_not_found");
    assert_eq!(refused(world.remove_passkey(&ann, &id).await), "passkey_not_found");
    world.remove_passkey(&owner, &id).await.unwrap();
    assert_eq!(refused(world.log_in_with(&mut device).await), "passkey_invalid");
    assert!(world.log_in(OWNER, PASSWORD).await.is_ok(), "no second factor is left");
    world.with_passkey(&owner, &mut Device::new()).await;
    sqlx::query("UPDATE users SET password_hash = NULL WHERE email_normalised = 'owner@one.example'")
        .execute(&world.database.superuser(identity::NAME))
        .await
        .unwrap();
    let last = world.listed_passkeys(&owner).await[0].passkey_id.clone();
    assert_eq!(refused(world.remove_passkey(&owner, &last).await), "last_log_in_method");
}

#[tokio::test]
async fn a_suspended_user_does_not_get_in_with_a_passkey() {
    let (world, mut device) = (world().await, Device::new());
    let ann_id = world.user(ANN, "customer").await;
    let (owner, ann) = (world.signed_in(OWNER).await, world.signed_in(ANN).await);
    world.with_passkey(&ann, &mut device).await;
    world.suspend(&owner, ann_id).await.unwrap();
    assert_eq!(refused(world.log_in_with(&mut device).await), "account_suspended");
    assert_eq!(world.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, 1);
}
