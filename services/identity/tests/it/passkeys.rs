//! Passkeys, made and used by a software authenticator that speaks the real formats.

use auth::Caller;
use contracts::vbwd::identity::v1::passkey_service_client::PasskeyServiceClient;
use contracts::vbwd::identity::v1::second_factor_service_client::SecondFactorServiceClient;
use contracts::vbwd::identity::v1::*;
use futures::future::join_all;

use crate::device::Device;
use crate::fixtures::{OWNER, PASSWORD, World, answer, nobody, refused, world};

const ANN: &str = "ann@example.com";
const HERE: &str = "https://one.example";

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

    async fn begin_step_up(&self, caller: &Caller) -> fault::Result<BeginPasskeyStepUpResponse> {
        let request = self.call(caller, BeginPasskeyStepUpRequest {});
        answer(SecondFactorServiceClient::new(self.channel()).begin_passkey_step_up(request).await)
    }

    async fn complete_step_up(
        &self,
        caller: &Caller,
        ceremony: &BeginPasskeyStepUpResponse,
        signed: &str,
    ) -> fault::Result<Vec<String>> {
        let message = CompletePasskeyStepUpRequest {
            ceremony_token: ceremony.ceremony_token.clone(),
            credential_json: signed.to_owned(),
        };
        let request = self.call(caller, message);
        let answered = SecondFactorServiceClient::new(self.channel()).complete_passkey_step_up(request).await;
        answer(answered).map(|done| done.methods)
    }

    async fn step_up_with(&self, caller: &Caller, device: &mut Device) -> fault::Result<Vec<String>> {
        let ceremony = self.begin_step_up(caller).await?;
        let signed = device.sign(HERE, &ceremony.options_json).await.unwrap();
        self.complete_step_up(caller, &ceremony, &signed).await
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
    assert_eq!(letter.variables["change"], "passkey_added");
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
    let mut uncounted = Device::uncounted();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_proves_again_who_is_there() {
    let (world, mut device) = (world().await, Device::new());
    let ann_id = world.user(ANN, "customer").await;
    let (owner, ann) = (world.signed_in(OWNER).await, world.signed_in(ANN).await);
    assert_eq!(refused(world.begin_step_up(&ann).await), "second_factor_missing");
    let mut hers = Device::new();
    world.with_passkey(&ann, &mut hers).await;
    let id = world.with_passkey(&owner, &mut device).await.passkey.unwrap().passkey_id;
    world.pass(6 * 60);
    assert_eq!(refused(world.remove_passkey(&owner, &id).await), "second_factor_required");
    let ceremony = world.begin_step_up(&owner).await.unwrap();
    let signed = device.sign(HERE, &ceremony.options_json).await.unwrap();
    assert_eq!(refused(world.complete_step_up(&ann, &ceremony, &signed).await), "passkey_invalid", "hers");
    let ceremony = world.begin_step_up(&owner).await.unwrap();
    let signed = device.sign(HERE, &ceremony.options_json).await.unwrap();
    let outcomes = join_all((0..10).map(|_| world.complete_step_up(&owner, &ceremony, &signed))).await;
    let methods: Vec<_> = outcomes.into_iter().filter_map(Result::ok).collect();
    assert_eq!(methods, [["mfa", "pop", "pwd"]], "one answer is good once");
    assert!(world.remove_passkey(&owner, &id).await.is_ok());
    // Whoever has no password proves it by the passkey alone.
    sqlx::query("UPDATE users SET password_hash = NULL WHERE user_id = $1")
        .bind(ann_id.as_uuid())
        .execute(&world.database.superuser(identity::NAME))
        .await
        .unwrap();
    assert_eq!(refused(world.begin_passkey(&ann).await), "reauthentication_required");
    world.step_up_with(&ann, &mut hers).await.unwrap();
    assert!(world.begin_passkey(&ann).await.is_ok());
}

#[tokio::test]
async fn a_wrong_step_up_counts_and_a_clone_is_noticed() {
    let (world, mut device) = (world().await, Device::new());
    let owner = world.signed_in(OWNER).await;
    world.with_passkey(&owner, &mut device).await;
    let mut clone = device.cloned();
    world.step_up_with(&owner, &mut device).await.unwrap();
    world.step_up_with(&owner, &mut device).await.unwrap();
    assert_eq!(refused(world.step_up_with(&owner, &mut clone).await), "second_factor_invalid");
    let noticed = "SELECT count(*) FROM audit_entries WHERE action = 'passkey.clone_suspected'";
    assert_eq!(world.count(noticed).await, 1);
    for _ in 0..4 {
        let (asked, other) =
            (world.begin_step_up(&owner).await.unwrap(), world.begin_step_up(&owner).await.unwrap());
        let signed = device.sign(HERE, &asked.options_json).await.unwrap();
        let refusal = world.complete_step_up(&owner, &other, &signed).await;
        assert_eq!(refused(refusal), "second_factor_invalid", "an answer to another challenge");
    }
    assert_eq!(refused(world.begin_step_up(&owner).await), "account_locked");
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
