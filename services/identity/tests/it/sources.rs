//! Sources of attacks: what blocks one, what a block stops, and what an administrator does about it.

use std::collections::BTreeSet;

use auth::Caller;
use contracts::vbwd::identity::v1::auth_service_client::AuthServiceClient;
use contracts::vbwd::identity::v1::federation_service_client::FederationServiceClient;
use contracts::vbwd::identity::v1::passkey_service_client::PasskeyServiceClient;
use contracts::vbwd::identity::v1::sign_in_service_client::SignInServiceClient;
use contracts::vbwd::identity::v1::source_service_client::SourceServiceClient;
use contracts::vbwd::identity::v1::*;
use futures::future::join_all;
use kernel::Clock as _;

use crate::fixtures::{OWNER, PASSWORD, World, answer, nobody, refused, world};

const WRONG: &str = "not the password";
const ANN: &str = "ann@example.com";
const ATTACKER: &str = "203.0.113.7";
const BLOCKED: &str = "SELECT count(*) FROM events WHERE name = 'source.blocked'";

impl World {
    fn from(&self, origin: &str) -> Caller {
        Caller { origin: Some(origin.to_owned()), ..nobody(self.tenant) }
    }

    async fn guess(&self, origin: &str, email: &str, password: &str) -> fault::Result<Session> {
        self.log_in_from(&self.from(origin), "", email, password).await
    }

    /// One wrong password for each of these accounts, which nobody has.
    async fn spray(&self, origin: &str, accounts: std::ops::Range<usize>) -> Vec<String> {
        let mut told = Vec::new();
        for account in accounts {
            told.push(refused(self.guess(origin, &format!("a{account}@example.com"), WRONG).await));
        }
        told
    }

    fn sources(&self) -> SourceServiceClient<runtime::Channel> {
        SourceServiceClient::new(self.channel())
    }

    async fn blocked(&self, caller: &Caller, address: &str) -> Vec<BlockedSource> {
        let request = self
            .call(caller, ListBlockedSourcesRequest { address: address.to_owned(), ..Default::default() });
        answer(self.sources().list_blocked_sources(request).await).unwrap().sources
    }

    pub async fn block(&self, caller: &Caller, network: &str, seconds: i64) -> fault::Result<BlockedSource> {
        let until =
            Some(prost_types::Timestamp { seconds: self.clock.wall().as_second() + seconds, nanos: 0 });
        let message = BlockSourceRequest { network: network.to_owned(), reason: "attack".to_owned(), until };
        let answered = answer(self.sources().block_source(self.call(caller, message)).await)?;
        Ok(answered.source.unwrap())
    }

    pub async fn lift(&self, caller: &Caller, block: &str) -> fault::Result<LiftSourceResponse> {
        let request = self.call(caller, LiftSourceRequest { block_id: block.to_owned() });
        answer(self.sources().lift_source(request).await)
    }

    pub async fn source_policy(&self, caller: &Caller) -> SourcePolicy {
        let request = self.call(caller, GetSourcePolicyRequest {});
        answer(self.sources().get_source_policy(request).await).unwrap().policy.unwrap()
    }

    pub async fn set_source_policy(
        &self,
        caller: &Caller,
        policy: SourcePolicy,
    ) -> fault::Result<SourcePolicy> {
        let request = self.call(caller, SetSourcePolicyRequest { policy: Some(policy) });
        answer(self.sources().set_source_policy(request).await).map(|set| set.policy.unwrap())
    }
}

fn told_blocked(outcome: fault::Result<impl Sized>) -> String {
    let Err(fault) = outcome else { panic!("expected a refusal") };
    assert_eq!((fault.reason(), fault.code().http_status()), ("source_blocked", 429));
    fault.facts().find(|(name, _)| *name == "retry_after_seconds").unwrap().1.to_owned()
}

#[tokio::test]
async fn whoever_tries_twenty_accounts_is_blocked_and_the_next_block_is_twice_as_long() {
    let world = world().await;
    assert_eq!(world.spray(ATTACKER, 0..20).await, vec!["credentials_invalid"; 20]);
    assert_eq!(told_blocked(world.guess(ATTACKER, OWNER, PASSWORD).await), "900", "the right password too");
    assert!(world.guess("203.0.113.8", OWNER, PASSWORD).await.is_ok(), "another source");
    let elsewhere = Caller { tenant: world.other, ..world.from(ATTACKER) };
    assert!(world.log_in_from(&elsewhere, "", "owner@two.example", PASSWORD).await.is_ok(), "another tenant");
    world.pass(899);
    assert_eq!(told_blocked(world.guess(ATTACKER, OWNER, PASSWORD).await), "1");
    world.pass(1);
    assert!(world.guess(ATTACKER, OWNER, PASSWORD).await.is_ok());
    world.spray(ATTACKER, 20..40).await;
    assert_eq!(told_blocked(world.guess(ATTACKER, OWNER, PASSWORD).await), "1800");
    assert_eq!(world.count(BLOCKED).await, 2);
    let named = "SELECT count(*) FROM sources WHERE tally::text LIKE '%example%'";
    assert_eq!(world.count(named).await, 0, "accounts are counted by digest");
}

#[tokio::test]
async fn a_block_stops_everything_that_opens_an_account_and_nobody_who_is_signed_in() {
    let world = world().await;
    let owner = Caller { origin: Some(ATTACKER.to_owned()), ..world.signed_in(OWNER).await };
    world.spray(ATTACKER, 0..20).await;
    let caller = world.from(ATTACKER);
    let text = || "x".repeat(43);
    let entries = vec![
        refused(answer(
            AuthServiceClient::new(world.channel())
                .register(world.call(&caller, RegisterRequest::default()))
                .await,
        )),
        refused(answer(
            AuthServiceClient::new(world.channel())
                .log_in(world.call(&caller, LogInRequest::default()))
                .await,
        )),
        refused(answer(
            world
                .tickets()
                .request_password_reset(world.call(&caller, RequestPasswordResetRequest::default()))
                .await,
        )),
        refused(answer(
            world
                .tickets()
                .reset_password(world.call(&caller, ResetPasswordRequest { token: text(), password: text() }))
                .await,
        )),
        refused(answer(
            world.tickets().verify_email(world.call(&caller, VerifyEmailRequest { token: text() })).await,
        )),
        refused(answer(
            world.tickets().accept_invitation(world.call(&caller, AcceptInvitationRequest::default())).await,
        )),
        refused(answer(
            world
                .tickets()
                .confirm_email_change(world.call(&caller, ConfirmEmailChangeRequest::default()))
                .await,
        )),
        refused(answer(
            SignInServiceClient::new(world.channel())
                .complete_log_in(world.call(&caller, CompleteLogInRequest::default()))
                .await,
        )),
        refused(answer(
            SignInServiceClient::new(world.channel())
                .enrol_at_log_in(world.call(&caller, EnrolAtLogInRequest::default()))
                .await,
        )),
        refused(answer(
            SignInServiceClient::new(world.channel())
                .confirm_at_log_in(world.call(&caller, ConfirmAtLogInRequest::default()))
                .await,
        )),
        refused(answer(
            PasskeyServiceClient::new(world.channel())
                .begin_passkey_log_in(world.call(&caller, BeginPasskeyLogInRequest::default()))
                .await,
        )),
        refused(answer(
            PasskeyServiceClient::new(world.channel())
                .complete_passkey_log_in(world.call(
                    &caller,
                    CompletePasskeyLogInRequest {
                        credential_json: CREDENTIAL.to_owned(),
                        ..Default::default()
                    },
                ))
                .await,
        )),
        refused(answer(
            FederationServiceClient::new(world.channel())
                .begin_federated_log_in(world.call(&caller, BeginFederatedLogInRequest::default()))
                .await,
        )),
        refused(answer(
            FederationServiceClient::new(world.channel())
                .complete_federated_log_in(world.call(&caller, CompleteFederatedLogInRequest::default()))
                .await,
        )),
    ];
    assert_eq!(BTreeSet::from_iter(entries), BTreeSet::from(["source_blocked".to_owned()]));
    assert!(world.me(&owner).await.is_ok());
    let block = world.blocked(&owner, ATTACKER).await.remove(0);
    assert_eq!(
        (block.network.as_str(), block.why.as_str(), block.blocks),
        ("203.0.113.7/32", "many_accounts", 1)
    );
    world.lift(&owner, &block.block_id).await.unwrap();
    assert!(world.guess(ATTACKER, OWNER, PASSWORD).await.is_ok());
    assert_eq!(refused(world.lift(&owner, &block.block_id).await), "blocked_source_not_found");
    world.spray(ATTACKER, 0..20).await;
    assert_eq!(
        told_blocked(world.guess(ATTACKER, OWNER, PASSWORD).await),
        "900",
        "lifting has forgotten the first"
    );
    let told = "SELECT count(*) FROM events WHERE name = 'source.lifted'";
    let noted = "SELECT count(*) FROM audit_entries WHERE action IN ('source.blocked', 'source.lift')";
    assert_eq!((world.count(told).await, world.count(noted).await), (1, 3));
}

const CREDENTIAL: &str = r#"{"id":"AA","rawId":"AA","type":"public-key","extensions":{},
    "response":{"authenticatorData":"AA","clientDataJSON":"AA","signature":"AA"}}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_failures_at_once_are_one_block_and_one_event() {
    let world = world().await;
    let accounts: Vec<_> = (0..100).map(|account| format!("a{account}@example.com")).collect();
    let outcomes = join_all(accounts.iter().map(|email| world.guess(ATTACKER, email, WRONG))).await;
    let reasons: Vec<_> = outcomes.into_iter().map(refused).collect();
    assert_eq!(reasons.iter().filter(|reason| *reason == "credentials_invalid").count(), 20);
    assert_eq!(reasons.iter().filter(|reason| *reason == "source_blocked").count(), 80);
    assert_eq!(world.count(BLOCKED).await, 1);
    assert_eq!(world.count("SELECT count(*) FROM audit_entries WHERE action = 'source.blocked'").await, 1);
    assert_eq!(world.count("SELECT blocks::bigint FROM sources").await, 1);
}

#[tokio::test]
async fn an_account_of_ones_own_wipes_away_its_own_failures_only() {
    let world = world().await;
    world.user(ANN, "customer").await;
    world.spray(ATTACKER, 0..18).await;
    for _ in 0..3 {
        assert_eq!(refused(world.guess(ATTACKER, ANN, WRONG).await), "credentials_invalid");
        assert!(world.guess(ATTACKER, ANN, PASSWORD).await.is_ok());
    }
    world.spray(ATTACKER, 18..19).await;
    assert!(world.guess(ATTACKER, ANN, PASSWORD).await.is_ok(), "nineteen: a mistyped password was forgiven");
    world.spray(ATTACKER, 19..20).await;
    told_blocked(world.guess(ATTACKER, ANN, PASSWORD).await);
}

#[tokio::test]
async fn a_program_with_an_old_password_does_not_block_its_office() {
    let world = world().await;
    for _ in 0..70 {
        assert!(world.guess(ATTACKER, ANN, WRONG).await.is_err());
    }
    assert!(world.guess(ATTACKER, OWNER, PASSWORD).await.is_ok());
    assert_eq!(world.count(BLOCKED).await, 0);
}

#[tokio::test]
async fn asking_for_many_accounts_blocks_and_neighbours_in_one_ipv6_network_are_one_source() {
    let world = world().await;
    for request in 0..40 {
        let caller = world.from(&format!("2001:db8:0:1::{request:x}"));
        let email = format!("a{request}@example.com");
        let asked = world.call(&caller, RequestPasswordResetRequest { email });
        answer(world.tickets().request_password_reset(asked).await).unwrap();
    }
    told_blocked(world.guess("2001:db8:0:1:ffff::1", OWNER, PASSWORD).await);
    assert!(world.guess("2001:db8:0:2::1", OWNER, PASSWORD).await.is_ok());
    let owner = world.signed_in(OWNER).await;
    let block = world.blocked(&owner, "2001:db8:0:1::9").await.remove(0);
    assert_eq!((block.network.as_str(), block.why.as_str()), ("2001:db8:0:1::/64", "many_requests"));
}

#[tokio::test]
async fn guessing_second_factors_blocks_and_a_right_one_takes_back_the_wrong_ones() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let owner = world.signed_in(OWNER).await;
    let policy = SourcePolicy { second_factors_max: 4, ..world.source_policy(&owner).await };
    world.set_source_policy(&owner, policy).await.unwrap();
    let app = world.with_app(&world.signed_in(ANN).await).await;
    let complete = async |challenge: &LogInChallenge, code: String| {
        let challenge_token = challenge.challenge_token.clone();
        let message = CompleteLogInRequest { challenge_token, code, recovery_code: String::new() };
        let request = world.call(&world.nobody(), message);
        answer(SignInServiceClient::new(world.channel()).complete_log_in(request).await)
    };
    let first = world.challenged(ANN).await;
    for _ in 0..3 {
        assert_eq!(refused(complete(&first, "000000".to_owned()).await), "second_factor_invalid");
    }
    assert!(complete(&first, world.code(&app.secret, 0)).await.is_ok());
    let second = world.challenged(ANN).await;
    for _ in 0..4 {
        assert_eq!(refused(complete(&second, "000000".to_owned()).await), "second_factor_invalid");
    }
    told_blocked(complete(&second, world.code(&app.secret, 1)).await);
}

#[tokio::test]
async fn figures_and_allowed_networks_are_set_at_run_time_and_checked() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let policy = world.source_policy(&owner).await;
    assert_eq!((policy.accounts_max, policy.window_seconds, policy.enabled), (20, 900, true));
    let strict =
        SourcePolicy { accounts_max: 2, allowed_networks: vec!["198.51.100.9/24".into()], ..policy.clone() };
    let set = world.set_source_policy(&owner, strict.clone()).await.unwrap();
    assert_eq!(set.allowed_networks, ["198.51.100.0/24"]);
    world.spray("198.51.100.77", 0..30).await;
    assert!(world.guess("198.51.100.77", OWNER, PASSWORD).await.is_ok(), "allowed");
    world.spray(ATTACKER, 0..2).await;
    told_blocked(world.guess(ATTACKER, OWNER, PASSWORD).await);
    let wider = SourcePolicy { allowed_networks: vec!["203.0.113.0/24".into()], ..strict.clone() };
    world.set_source_policy(&owner, wider).await.unwrap();
    assert!(world.guess(ATTACKER, OWNER, PASSWORD).await.is_ok(), "allowed now");
    world.set_source_policy(&owner, SourcePolicy { enabled: false, ..strict.clone() }).await.unwrap();
    world.spray("203.0.113.50", 0..9).await;
    assert!(world.guess("203.0.113.50", OWNER, PASSWORD).await.is_ok(), "the rule is off");
    for (wrong, pointer) in [
        (SourcePolicy { accounts_max: -1, ..strict.clone() }, "/policy/accounts_max"),
        (SourcePolicy { window_seconds: 1, ..strict.clone() }, "/policy/window_seconds"),
        (
            SourcePolicy { allowed_networks: vec!["office".into()], ..strict.clone() },
            "/policy/allowed_networks",
        ),
        (SourcePolicy::default(), "/policy/window_seconds"),
    ] {
        let fault = world.set_source_policy(&owner, wrong).await.unwrap_err();
        assert_eq!(fault.violations()[0].pointer, pointer);
    }
    assert_eq!(world.count("SELECT count(*) FROM audit_entries WHERE action = 'source_policy.set'").await, 3);
}

#[tokio::test]
async fn networks_are_blocked_by_hand_with_reason_and_end() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let block = world.block(&owner, "203.0.113.9/24", 60).await.unwrap();
    assert_eq!(
        (block.network.as_str(), block.why.as_str(), block.reason.as_str()),
        ("203.0.113.0/24", "by_hand", "attack")
    );
    assert_eq!(block.blocked_by, owner.actor());
    assert_eq!(told_blocked(world.guess(ATTACKER, OWNER, PASSWORD).await), "60");
    world.pass(60);
    assert!(world.guess(ATTACKER, OWNER, PASSWORD).await.is_ok());
    assert_eq!(refused(world.block(&owner, "192.0.2.0/24", 60).await), "source_own");
    assert_eq!(refused(world.block(&owner, "127.0.0.1", 60).await), "source_allowed");
    for (network, seconds, pointer) in [
        ("everybody", 60, "/network"),
        ("0.0.0.0/0", 60, "/network"),
        (ATTACKER, 0, "/until"),
        (ATTACKER, 400 * 86_400, "/until"),
    ] {
        let fault = world.block(&owner, network, seconds).await.unwrap_err();
        assert_eq!(fault.violations()[0].pointer, pointer, "{network} {seconds}");
    }
    let without = BlockSourceRequest { network: ATTACKER.to_owned(), ..Default::default() };
    let fault = answer(world.sources().block_source(world.call(&owner, without)).await).unwrap_err();
    assert_eq!(fault.violations()[0].pointer, "/reason");
}

#[tokio::test]
async fn blocks_are_listed_in_pages_and_stay_with_their_tenant() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    for host in 1..=5 {
        world.block(&owner, &format!("198.51.100.{host}"), 600).await.unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let message = ListBlockedSourcesRequest { page_size: 2, cursor, ..Default::default() };
        let page = answer(world.sources().list_blocked_sources(world.call(&owner, message)).await).unwrap();
        seen.extend(page.sources.into_iter().map(|one| one.network));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1].map(|host| format!("198.51.100.{host}/32")));
    assert_eq!(world.blocked(&owner, "198.51.100.3").await.len(), 1);
    let stranger = Caller { tenant: world.other, ..owner.clone() };
    assert!(world.blocked(&stranger, "").await.is_empty());
    let foreign = world.blocked(&owner, "").await.remove(0).block_id;
    assert_eq!(refused(world.lift(&stranger, &foreign).await), "blocked_source_not_found");
}

#[tokio::test]
async fn sources_are_forgotten_when_they_can_no_longer_matter() {
    let world = world().await;
    let count = || world.count("SELECT count(*) FROM sources");
    let sweep =
        async || identity::build(&world.platform, world.config.clone()).unwrap().sweep().await.unwrap();
    world.spray(ATTACKER, 0..20).await;
    world.spray("203.0.113.8", 0..1).await;
    world.pass(24 * 60 * 60 - 1);
    sweep().await;
    assert_eq!(count().await, 2);
    world.pass(2);
    sweep().await;
    assert_eq!(count().await, 1, "who was never blocked goes after a day");
    world.pass(6 * 24 * 60 * 60 + 900);
    sweep().await;
    assert_eq!(count().await, 0, "and everybody after a week of silence");
}
