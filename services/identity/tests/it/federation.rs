//! Log-in with an account elsewhere, against a real provider and against wrong ones.

use std::collections::HashMap;

use auth::Caller;
use contracts::vbwd::identity::v1::federation_service_client::FederationServiceClient;
use contracts::vbwd::identity::v1::identity_provider_service_client::IdentityProviderServiceClient;
use contracts::vbwd::identity::v1::*;
use futures::future::join_all;
use identity::Config;
use identity::config::Federation;
use kernel::{Clock as _, SystemClock};
use sqlx::AssertSqlSafe;
use url::Url;

use crate::fixtures::{OWNER, PASSWORD, World, answer, quick, refused, world, world_with};
use crate::oidc::{Oidc, there_and_back};

const ANN: &str = "ann@example.com";

fn start() -> Oidc {
    Oidc::start("https://one.example/auth/callback/genuine")
}

/// A world at the present time, in which providers on this machine may be spoken to.
async fn open_world() -> World {
    let federation = Federation {
        allow_http: true,
        allowed_networks: vec!["127.0.0.0/8".to_owned()],
        ..Federation::default()
    };
    let world = world_with(Config { federation, ..quick() }).await;
    world.pass(SystemClock.wall().duration_since(world.clock.wall()).as_secs());
    world
}

impl World {
    fn federation(&self) -> FederationServiceClient<runtime::Channel> {
        FederationServiceClient::new(self.channel())
    }

    fn providers(&self) -> IdentityProviderServiceClient<runtime::Channel> {
        IdentityProviderServiceClient::new(self.channel())
    }

    async fn offer(&self, name: &str, issuer: &str, secret: &str) -> fault::Result<IdentityProvider> {
        let message = PutIdentityProviderRequest {
            provider: name.to_owned(),
            issuer: issuer.to_owned(),
            client_id: "shop".to_owned(),
            client_secret: secret.to_owned(),
            enabled: true,
            registers: true,
            ..PutIdentityProviderRequest::default()
        };
        let request = self.call(&Caller::service("desk", self.tenant), message);
        answer(self.providers().put_identity_provider(request).await).map(|put| put.provider.unwrap())
    }

    async fn genuine(&self, oidc: &Oidc) {
        self.offer("genuine", &oidc.base, &oidc.secret).await.unwrap();
    }

    async fn depart(&self, provider: &str) -> fault::Result<BeginFederatedLogInResponse> {
        let message = BeginFederatedLogInRequest { provider: provider.to_owned() };
        let request = self.call(&self.nobody(), message);
        answer(self.federation().begin_federated_log_in(request).await)
    }

    async fn arrive(
        &self,
        provider: &str,
        back: &HashMap<String, String>,
        attempt_token: &str,
    ) -> fault::Result<CompleteFederatedLogInResponse> {
        let value = |name: &str| back.get(name).cloned().unwrap_or_default();
        let message = CompleteFederatedLogInRequest {
            provider: provider.to_owned(),
            state: value("state"),
            code: value("code"),
            iss: value("iss"),
            attempt_token: attempt_token.to_owned(),
        };
        let request = self.call(&self.nobody(), message);
        answer(self.federation().complete_federated_log_in(request).await)
    }

    /// The whole way, as `account`.
    async fn log_in_through(&self, account: &str) -> fault::Result<CompleteFederatedLogInResponse> {
        let departure = self.depart("genuine").await?;
        let back = there_and_back(&departure.authorization_url, account).await;
        self.arrive("genuine", &back, &departure.attempt_token).await
    }

    async fn link(&self, caller: &Caller, account: &str, password: &str) -> fault::Result<LinkedIdentity> {
        let (provider, password) = ("genuine".to_owned(), password.to_owned());
        let request = self.call(caller, BeginLinkIdentityRequest { provider, password });
        let departure = answer(self.federation().begin_link_identity(request).await)?;
        let mut back = there_and_back(&departure.authorization_url, account).await;
        let mut value = |name: &str| back.remove(name).unwrap_or_default();
        let message = CompleteLinkIdentityRequest {
            provider: "genuine".to_owned(),
            state: value("state"),
            code: value("code"),
            iss: value("iss"),
            attempt_token: departure.attempt_token,
        };
        let request = self.call(caller, message);
        answer(self.federation().complete_link_identity(request).await).map(|done| done.identity.unwrap())
    }

    async fn linked(&self, caller: &Caller) -> Vec<LinkedIdentity> {
        let request = self.call(caller, ListLinkedIdentitiesRequest {});
        answer(self.federation().list_linked_identities(request).await).unwrap().identities
    }

    async fn unlink(&self, caller: &Caller) -> fault::Result<UnlinkIdentityResponse> {
        let request = self.call(caller, UnlinkIdentityRequest { provider: "genuine".to_owned() });
        answer(self.federation().unlink_identity(request).await)
    }
}

#[tokio::test]
async fn somebody_new_gets_an_account_and_comes_back_to_it() {
    let (world, oidc) = (open_world().await, start());
    world.genuine(&oidc).await;
    let first = world.log_in_through(ANN).await.unwrap().session.unwrap();
    let ann = world.caller(&first).await;
    assert_eq!(ann.methods, ["fed"]);
    let user = world.me(&ann).await.unwrap().user.unwrap();
    assert_eq!(
        (user.email.as_str(), user.display_name.as_str(), user.email_verified),
        (ANN, "Ann Lee", true)
    );
    assert_eq!(user.roles, ["customer"]);
    let again = world.log_in_through(ANN).await.unwrap().session.unwrap();
    assert_eq!(world.caller(&again).await.subject, ann.subject);
    let linked = world.linked(&ann).await;
    assert_eq!((linked.len(), linked[0].provider.as_str(), linked[0].email.as_str()), (1, "genuine", ANN));
    assert!(linked[0].last_used_at.is_some());
    assert_eq!(refused(world.unlink(&ann).await), "last_log_in_method");
    assert_eq!(refused(world.log_in(ANN, "").await), "credentials_invalid", "there is no password");
}

#[tokio::test]
async fn an_account_is_linked_by_an_address_that_both_sides_have_proven() {
    let (world, oidc) = (open_world().await, start());
    world.genuine(&oidc).await;
    world.register(ANN, PASSWORD).await.unwrap();
    assert_eq!(refused(world.log_in_through(ANN).await), "email_unverified", "whoever registered it first");
    let unproven = world.log_in_through(&format!("unproven-{ANN}")).await;
    assert_eq!(refused(unproven), "provider_email_unproven");
    let letter = world.mailbox.first("identity.verify_email", ANN).await;
    world.verify_email(crate::mailbox::token(&letter)).await.unwrap();
    let own = world.signed_in(ANN).await;
    let session = world.log_in_through(ANN).await.unwrap().session.unwrap();
    assert_eq!(world.caller(&session).await.subject, own.subject);
    world.unlink(&own).await.unwrap();
    assert!(world.log_in(ANN, PASSWORD).await.is_ok());
    assert_eq!(refused(world.unlink(&own).await), "identity_not_found");
    let published =
        "SELECT count(*) FROM events WHERE name IN ('user.identity_linked', 'user.identity_unlinked')";
    assert_eq!(world.count(published).await, 2);
}

#[tokio::test]
async fn linking_wants_the_password_and_an_account_of_nobody_else() {
    let (world, oidc) = (open_world().await, start());
    world.genuine(&oidc).await;
    world.user(ANN, "customer").await;
    let (owner, ann) = (world.signed_in(OWNER).await, world.signed_in(ANN).await);
    assert_eq!(refused(world.link(&owner, "boss@elsewhere.example", "wrong").await), "password_wrong");
    let linked = world.link(&owner, "unproven-boss@elsewhere.example", PASSWORD).await.unwrap();
    assert_eq!(linked.email, "", "an address that is not proven is not kept");
    let taken = world.link(&ann, "unproven-boss@elsewhere.example", PASSWORD).await;
    assert_eq!(refused(taken), "identity_taken");
    let session = world.log_in_through("unproven-boss@elsewhere.example").await.unwrap().session.unwrap();
    assert_eq!(world.caller(&session).await.subject, owner.subject, "found by its subject");
    world.with_app(&owner).await;
    let second = world.log_in_through("unproven-boss@elsewhere.example").await.unwrap();
    assert!(second.session.is_none(), "our second factor is asked for all the same");
    assert_eq!(second.challenge.unwrap().methods, ["totp", "recovery_code"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_back_is_good_once_for_this_browser_provider_and_session() {
    let (world, oidc) = (open_world().await, start());
    world.genuine(&oidc).await;
    world.offer("other", &format!("{}/evil/good", oidc.base), "").await.unwrap();
    let go = || async {
        let departure = world.depart("genuine").await.unwrap();
        (there_and_back(&departure.authorization_url, ANN).await, departure.attempt_token)
    };
    let (back, token) = go().await;
    assert!(back.contains_key("iss"));
    let other_browser = world.depart("genuine").await.unwrap().attempt_token;
    assert_eq!(refused(world.arrive("genuine", &back, &other_browser).await), "sign_in_invalid");
    assert_eq!(refused(world.arrive("genuine", &back, &token).await), "sign_in_invalid", "and is spent");
    let (back, token) = go().await;
    assert_eq!(refused(world.arrive("other", &back, &token).await), "sign_in_invalid", "mixed up");
    let (mut back, token) = go().await;
    back.insert("iss".to_owned(), "https://evil.example".to_owned());
    assert_eq!(refused(world.arrive("genuine", &back, &token).await), "sign_in_invalid", "another issuer");
    let (mut back, token) = go().await;
    back.remove("iss");
    assert_eq!(refused(world.arrive("genuine", &back, &token).await), "sign_in_invalid", "it names itself");
    let (back, token) = go().await;
    let outcomes = join_all((0..10).map(|_| world.arrive("genuine", &back, &token))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let (mut back, token) = go().await;
    back.insert("code".to_owned(), "stolen".to_owned());
    assert_eq!(refused(world.arrive("genuine", &back, &token).await), "provider_untrusted");
    let (back, token) = go().await;
    world.pass(600);
    assert_eq!(refused(world.arrive("genuine", &back, &token).await), "sign_in_invalid", "too late");
    let for_linking = world.signed_in(OWNER).await;
    let message = BeginLinkIdentityRequest { provider: "genuine".to_owned(), password: PASSWORD.to_owned() };
    let request = world.call(&for_linking, message);
    let departure = answer(world.federation().begin_link_identity(request).await).unwrap();
    let back = there_and_back(&departure.authorization_url, ANN).await;
    let misused = world.arrive("genuine", &back, &departure.attempt_token).await;
    assert_eq!(refused(misused), "sign_in_invalid", "a link is no log-in");
}

/// The way back from a wrong provider: its code is the nonce it was given.
async fn evil(world: &World, oidc: &Oidc, fault: &str) -> fault::Result<CompleteFederatedLogInResponse> {
    world.offer(fault, &format!("{}/evil/{fault}", oidc.base), "").await?;
    let departure = world.depart(fault).await?;
    let url = Url::parse(&departure.authorization_url).unwrap();
    let mut back: HashMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!(back["code_challenge_method"], "S256");
    let nonce = back["nonce"].clone();
    back.insert("code".to_owned(), nonce);
    world.arrive(fault, &back, &departure.attempt_token).await
}

#[tokio::test]
async fn a_provider_that_is_wrong_in_any_way_opens_nothing() {
    let (world, oidc) = (open_world().await, start());
    sqlx::query("UPDATE users SET email_verified_at = now()")
        .execute(&world.database.superuser(identity::NAME))
        .await
        .unwrap();
    for fault in [
        "discovery",
        "redirect",
        "endless",
        "script",
        "inside",
        "inside-keys",
        "iss",
        "aud",
        "azp",
        "nonce",
        "future",
        "expired",
        "userinfo",
        "none",
        "secret",
        "public",
        "kid",
        "forged",
        "mixed",
    ] {
        let outcome = evil(&world, &oidc, fault).await;
        assert_eq!(
            outcome.err().map(|fault| fault.reason().to_owned()).as_deref(),
            Some("provider_untrusted"),
            "{fault}"
        );
    }
    assert_eq!(refused(evil(&world, &oidc, "unproven").await), "provider_email_unproven");
    assert_eq!(world.count("SELECT count(*) FROM sessions").await, 0);
    for right in ["good", "elliptic"] {
        assert!(evil(&world, &oidc, right).await.is_ok(), "{right}");
        sqlx::query("DELETE FROM linked_identities")
            .execute(&world.database.superuser(identity::NAME))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_provider_inside_is_not_spoken_to() {
    let world = world().await;
    for (issuer, code) in [
        ("http://id.example", "needs_https"),
        ("https://127.0.0.1:8443", "address_not_allowed"),
        ("https://169.254.169.254", "address_not_allowed"),
        ("https://[::1]", "address_not_allowed"),
        ("https://user@id.example", "malformed"),
        ("ftp://id.example", "malformed"),
        ("", "unfit"),
        ("https://id.example/?a=b", "unfit"),
    ] {
        let fault = world.offer("inside", issuer, "x").await.unwrap_err();
        let violation = &fault.violations()[0];
        assert_eq!((violation.pointer.as_str(), violation.code.as_str()), ("/issuer", code), "{issuer}");
    }
    assert_eq!(refused(world.offer("inside", "https://localhost:1", "x").await), "provider_unavailable");
    assert_eq!(refused(world.depart("nowhere").await), "identity_provider_not_found");
}

#[tokio::test]
async fn a_provider_is_data_whose_secret_is_never_told() {
    let (world, oidc) = (open_world().await, start());
    let kept = world.offer("genuine", &oidc.base, &oidc.secret).await.unwrap();
    assert!(kept.has_client_secret);
    assert!(world.offer("genuine", &oidc.base, "").await.unwrap().has_client_secret, "empty keeps it");
    let moved = world.offer("genuine", &format!("{}/evil/good", oidc.base), "").await.unwrap();
    assert!(!moved.has_client_secret, "another issuer is not told the old one's");
    world.offer("genuine", &oidc.base, &oidc.secret).await.unwrap();
    let superuser = world.database.superuser(identity::NAME);
    for table in ["identity_providers", "audit_entries", "events", "operations"] {
        let query = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%nobody else knows%'");
        let found: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&superuser).await.unwrap();
        assert_eq!(found, 0, "{table}");
    }
    world.log_in_through(ANN).await.unwrap();
    let desk = Caller::service("desk", world.tenant);
    let delete = || world.call(&desk, DeleteIdentityProviderRequest { provider: "genuine".to_owned() });
    assert_eq!(
        refused(answer(world.providers().delete_identity_provider(delete()).await)),
        "identity_provider_in_use"
    );
    let elsewhere = world.offer("genuine", &format!("{}/evil/good", oidc.base), "x").await;
    assert_eq!(refused(elsewhere), "identity_provider_in_use", "its subjects would mean other people");
    sqlx::query("DELETE FROM linked_identities").execute(&superuser).await.unwrap();
    answer(world.providers().delete_identity_provider(delete()).await).unwrap();
    assert_eq!(refused(world.depart("genuine").await), "identity_provider_not_found");
    let audited = "SELECT count(*) FROM audit_entries WHERE action LIKE 'identity_provider.%'";
    assert_eq!(world.count(audited).await, 5);
}
