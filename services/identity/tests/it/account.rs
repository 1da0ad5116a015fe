//! What users do with their own accounts.

use auth::{Caller, Via};
use contracts::vbwd::identity::v1::account_service_client::AccountServiceClient;
use contracts::vbwd::identity::v1::ticket_service_client::TicketServiceClient;
use contracts::vbwd::identity::v1::*;
use futures::future::join_all;
use ids::UserId;
use sqlx::AssertSqlSafe;

use crate::fixtures::{OWNER, PASSWORD, World, answer, nobody, refused, world, world_with};
use crate::mailbox::token;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const NEW: &str = "another fine password";
const ANN: &str = "ann@example.com";

impl World {
    pub fn account(&self) -> AccountServiceClient<runtime::Channel> {
        AccountServiceClient::new(self.channel())
    }

    pub fn tickets(&self) -> TicketServiceClient<runtime::Channel> {
        TicketServiceClient::new(self.channel())
    }

    async fn sessions(&self, caller: &Caller) -> fault::Result<Vec<SessionInfo>> {
        let request = self.call(caller, ListSessionsRequest {});
        answer(self.account().list_sessions(request).await).map(|answered| answered.sessions)
    }

    async fn end_session(&self, caller: &Caller, session: &str) -> fault::Result<EndSessionResponse> {
        let request = self.call(caller, EndSessionRequest { session_id: session.to_owned() });
        answer(self.account().end_session(request).await)
    }

    async fn change_password(&self, caller: &Caller, current: &str, new: &str) -> fault::Result<i32> {
        let (current_password, new_password) = (current.to_owned(), new.to_owned());
        let request = self.call(caller, ChangePasswordRequest { current_password, new_password });
        answer(self.account().change_password(request).await).map(|answered| answered.sessions_ended)
    }

    async fn change_email(&self, caller: &Caller, new: &str, password: &str) -> fault::Result<String> {
        let (new_email, password) = (new.to_owned(), password.to_owned());
        let request = self.call(caller, RequestEmailChangeRequest { new_email, password });
        answer(self.account().request_email_change(request).await).map(|answered| answered.status)
    }

    async fn confirm_email(&self, token: String) -> fault::Result<ConfirmEmailChangeResponse> {
        let request = self.call(&self.nobody(), ConfirmEmailChangeRequest { token });
        answer(self.tickets().confirm_email_change(request).await)
    }

    pub async fn verify_email(&self, token: String) -> fault::Result<VerifyEmailResponse> {
        let request = self.call(&self.nobody(), VerifyEmailRequest { token });
        answer(self.tickets().verify_email(request).await)
    }

    async fn erase(&self, caller: &Caller, password: &str) -> fault::Result<EraseAccountResponse> {
        let request = self.call(caller, EraseAccountRequest { password: password.to_owned() });
        answer(self.account().erase_account(request).await)
    }

    async fn export(&self, caller: &Caller) -> fault::Result<ExportAccountResponse> {
        let request = self.call(caller, ExportAccountRequest {});
        answer(self.account().export_account(request).await)
    }

    async fn resend(&self, caller: &Caller) -> fault::Result<ResendEmailVerificationResponse> {
        let request = self.call(caller, ResendEmailVerificationRequest {});
        answer(self.account().resend_email_verification(request).await)
    }
}

#[tokio::test]
async fn who_registers_proves_the_address_with_the_letter() {
    let world = world().await;
    world.register(ANN, PASSWORD).await.unwrap();
    let letter = world.mailbox.first("identity.verify_email", ANN).await;
    assert_eq!(letter.variables["name"], "Somebody");
    assert!(letter.variables["link"].starts_with("https://one.example/verify-email#token="));
    let ann = world.signed_in(ANN).await;
    assert!(!world.me(&ann).await.unwrap().user.unwrap().email_verified);
    world.verify_email(token(&letter)).await.unwrap();
    assert!(world.me(&ann).await.unwrap().user.unwrap().email_verified);
    let again = world.verify_email(token(&letter)).await.unwrap_err();
    assert_eq!(
        (again.violations()[0].pointer.as_str(), again.violations()[0].code.as_str()),
        ("/token", "spent")
    );
    assert_eq!(world.count("SELECT count(*) FROM letters WHERE recipient = 'ann@example.com'").await, 0);
}

#[tokio::test]
async fn a_token_is_kept_nowhere_in_clear() {
    let world = world().await;
    world.register(ANN, PASSWORD).await.unwrap();
    let token = token(&world.mailbox.first("identity.verify_email", ANN).await);
    let superuser = world.database.superuser(identity::NAME);
    for table in ["tickets", "letters", "events", "operations", "audit_entries"] {
        let query = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{token}%'");
        let found: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&superuser).await.unwrap();
        assert_eq!(found, 0, "{table}");
    }
}

#[tokio::test]
async fn the_settings_may_demand_a_proven_address() {
    let config = identity::Config { require_verified_email: true, ..crate::fixtures::quick() };
    let world = world_with(config).await;
    world.register(ANN, PASSWORD).await.unwrap();
    assert_eq!(refused(world.log_in(ANN, PASSWORD).await), "email_unverified");
    assert_eq!(refused(world.log_in(ANN, NEW).await), "credentials_invalid");
    world.verify_email(token(&world.mailbox.first("identity.verify_email", ANN).await)).await.unwrap();
    assert!(world.log_in(ANN, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn nobody_gets_more_than_three_letters_an_hour() {
    let world = world().await;
    world.register(ANN, PASSWORD).await.unwrap();
    let ann = world.signed_in(ANN).await;
    for _ in 0..6 {
        world.resend(&ann).await.unwrap();
    }
    assert_eq!(world.count("SELECT count(*) FROM tickets WHERE email = 'ann@example.com'").await, 3);
    world.pass(3601);
    world.resend(&ann).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM tickets WHERE email = 'ann@example.com'").await, 4);
}

#[tokio::test]
async fn letters_wait_for_notify_and_are_sent_once() {
    let world = world().await;
    world.mailbox.set_down(true);
    world.register(ANN, PASSWORD).await.unwrap();
    world.mailbox.refused(2).await;
    assert_eq!(world.count("SELECT count(*) FROM letters WHERE recipient = 'ann@example.com'").await, 1);
    world.mailbox.set_down(false);
    world.mailbox.first("identity.verify_email", ANN).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(world.mailbox.all("identity.verify_email", ANN).len(), 1);
}

#[tokio::test]
async fn sessions_are_listed_with_device_and_place_and_can_be_ended_one_by_one() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let here = world.log_in_from(&nobody(world.tenant), FIREFOX, ANN, PASSWORD).await.unwrap();
    let far = Caller { origin: Some("198.51.100.9".to_owned()), ..Caller::anonymous(world.tenant) };
    let there = world.log_in_from(&far, "curl/8.5.0", ANN, PASSWORD).await.unwrap();
    let ann = world.caller(&here).await;
    let letter = world.mailbox.first("identity.new_sign_in", ANN).await;
    assert_eq!(
        (letter.variables["device"].as_str(), letter.variables["origin"].as_str()),
        ("curl", "198.51.100.9")
    );
    world.pass(60);
    world.refresh(&there.refresh_token).await.unwrap();
    let listed = world.sessions(&ann).await.unwrap();
    let seen: Vec<_> =
        listed.iter().map(|one| (one.device.as_str(), one.origin_address.as_str(), one.current)).collect();
    assert_eq!(seen, [("curl", "198.51.100.9", false), ("Firefox on Linux", "192.0.2.7", true)]);
    assert_eq!(listed[0].last_origin_address, "192.0.2.7");
    assert!(listed[0].last_used_at.unwrap().seconds > listed[0].created_at.unwrap().seconds);
    let owner = world.signed_in(OWNER).await;
    assert_eq!(refused(world.end_session(&owner, &there.session_id).await), "session_not_found");
    assert_eq!(refused(world.end_session(&ann, "nonsense").await), "session_not_found");
    world.end_session(&ann, &there.session_id).await.unwrap();
    assert_eq!(refused(world.end_session(&ann, &there.session_id).await), "session_not_found");
    assert_eq!(world.sessions(&ann).await.unwrap().len(), 1);
    let ended = "SELECT count(*) FROM events WHERE name = 'session.ended' AND payload->>'reason' = 'revoked'";
    assert_eq!(world.count(ended).await, 1);
}

#[tokio::test]
async fn a_known_device_or_place_brings_no_letter() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let far = Caller { origin: Some("198.51.100.9".to_owned()), ..Caller::anonymous(world.tenant) };
    world.log_in_from(&nobody(world.tenant), FIREFOX, ANN, PASSWORD).await.unwrap();
    world.log_in_from(&nobody(world.tenant), "curl/8", ANN, PASSWORD).await.unwrap();
    world.log_in_from(&far, FIREFOX, ANN, PASSWORD).await.unwrap();
    world.mailbox.first("identity.verify_email", ANN).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(world.mailbox.all("identity.new_sign_in", ANN).is_empty());
}

#[tokio::test]
async fn a_known_device_in_a_new_country_brings_a_letter_and_the_list_says_which() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let from = |address: &str, country: Option<&str>| Caller {
        origin: Some(address.to_owned()),
        country: country.map(str::to_owned),
        ..Caller::anonymous(world.tenant)
    };
    let first = world.log_in_from(&from("192.0.2.7", None), FIREFOX, ANN, PASSWORD).await.unwrap();
    for place in
        [from("198.51.100.9", Some("DE")), from("198.51.100.10", Some("DE")), from("198.51.100.11", None)]
    {
        world.log_in_from(&place, FIREFOX, ANN, PASSWORD).await.unwrap();
    }
    world.log_in_from(&from("198.51.100.9", Some("BR")), FIREFOX, ANN, PASSWORD).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(
        world.mailbox.all("identity.new_sign_in", ANN).is_empty(),
        "first country, same country, same address"
    );
    world.log_in_from(&from("203.0.113.7", Some("FR")), FIREFOX, ANN, PASSWORD).await.unwrap();
    let letter = world.mailbox.first("identity.new_sign_in", ANN).await;
    assert_eq!(letter.variables["country"], "FR");
    let listed = world.sessions(&world.caller(&first).await).await.unwrap();
    let mut countries: Vec<_> = listed.iter().map(|one| one.country.as_str()).collect();
    countries.sort_unstable();
    assert_eq!(countries, ["", "", "BR", "DE", "DE", "FR"]);
}

#[tokio::test]
async fn changing_the_password_ends_the_other_sessions_and_keeps_this_one() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let here = world.log_in(ANN, PASSWORD).await.unwrap();
    let there = world.log_in(ANN, PASSWORD).await.unwrap();
    let ann = world.caller(&here).await;
    assert_eq!(refused(world.change_password(&ann, "not the password", NEW).await), "password_wrong");
    let unfit = world.change_password(&ann, PASSWORD, "short").await.unwrap_err();
    assert_eq!(unfit.violations()[0].pointer, "/new_password");
    assert_eq!(world.change_password(&ann, PASSWORD, NEW).await.unwrap(), 1);
    assert!(world.refresh(&here.refresh_token).await.is_ok());
    assert_eq!(refused(world.refresh(&there.refresh_token).await), "session_ended");
    assert_eq!(refused(world.log_in(ANN, PASSWORD).await), "credentials_invalid");
    assert!(world.log_in(ANN, NEW).await.is_ok());
    world.mailbox.first("identity.password_changed", ANN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_parallel_password_changes_one_wins() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let ann = world.signed_in(ANN).await;
    let news: Vec<_> = (0..20).map(|number| format!("fine password {number}")).collect();
    let outcomes = join_all(news.iter().map(|new| world.change_password(&ann, PASSWORD, new))).await;
    let won: Vec<_> = news.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");
    world.pass(3600); // the losers may have locked the address
    assert!(world.log_in(ANN, won[0].0).await.is_ok());
}

#[tokio::test]
async fn guessing_through_a_stolen_session_is_locked_too() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let thief = world.signed_in(ANN).await;
    for _ in 0..5 {
        assert_eq!(refused(world.change_password(&thief, "not the password", NEW).await), "password_wrong");
    }
    assert_eq!(refused(world.change_password(&thief, PASSWORD, NEW).await), "account_locked");
}

#[tokio::test]
async fn an_ended_session_changes_nothing() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let ann = world.signed_in(ANN).await;
    world.log_out(&ann, false).await.unwrap();
    assert_eq!(refused(world.change_password(&ann, PASSWORD, NEW).await), "session_ended");
    assert_eq!(refused(world.erase(&ann, PASSWORD).await), "session_ended");
}

#[tokio::test]
async fn the_address_changes_when_the_letter_to_the_new_one_is_answered() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let ann = world.signed_in(ANN).await;
    assert_eq!(
        refused(world.change_email(&ann, "new@example.com", "wrong password").await),
        "password_wrong"
    );
    assert_eq!(world.change_email(&ann, "New@example.com", PASSWORD).await.unwrap(), "accepted");
    let letter = world.mailbox.first("identity.confirm_email_change", "New@example.com").await;
    assert!(world.log_in(ANN, PASSWORD).await.is_ok(), "not yet");
    world.confirm_email(token(&letter)).await.unwrap();
    assert_eq!(refused(world.log_in(ANN, PASSWORD).await), "credentials_invalid");
    assert!(world.log_in("new@example.com", PASSWORD).await.is_ok());
    let told = world.mailbox.first("identity.email_changed", ANN).await;
    assert_eq!(told.variables["new_email"], "New@example.com");
    assert!(world.confirm_email(token(&letter)).await.is_err());
    let me = world.me(&ann).await.unwrap().user.unwrap();
    assert_eq!((me.email.as_str(), me.email_verified), ("New@example.com", true));
}

#[tokio::test]
async fn asking_for_a_taken_address_looks_the_same_and_sends_nothing() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let ann = world.signed_in(ANN).await;
    assert_eq!(world.change_email(&ann, OWNER, PASSWORD).await.unwrap(), "accepted");
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(world.mailbox.all("identity.confirm_email_change", OWNER).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_want_one_address_cannot_both_have_it() {
    let world = world().await;
    let mut tokens = Vec::new();
    for number in 0..5 {
        let email = format!("user-{number}@example.com");
        world.user(&email, "customer").await;
        let caller = world.signed_in(&email).await;
        world.change_email(&caller, "wanted@example.com", PASSWORD).await.unwrap();
        tokens.push(token(
            &world.mailbox.nth(number, "identity.confirm_email_change", "wanted@example.com").await,
        ));
    }
    let outcomes = join_all(tokens.into_iter().map(|token| world.confirm_email(token))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(refused(outcome), "email_taken");
    }
}

#[tokio::test]
async fn neither_impersonators_nor_keys_take_an_account_over() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let ann = world.signed_in(ANN).await;
    for via in [Via::Impersonator(world.owner), Via::Key(UserId::new().as_uuid())] {
        let caller = Caller { via: Some(via), ..ann.clone() };
        let outcomes = [
            world.change_password(&caller, PASSWORD, NEW).await.map(|_| ()),
            world.change_email(&caller, "new@example.com", PASSWORD).await.map(|_| ()),
            world.erase(&caller, PASSWORD).await.map(|_| ()),
            world.export(&caller).await.map(|_| ()),
            world.sessions(&caller).await.map(|_| ()),
            world.resend(&caller).await.map(|_| ()),
            world.log_out(&caller, true).await,
        ];
        for outcome in outcomes {
            assert_eq!(refused(outcome), "own_session_required");
        }
    }
}

#[tokio::test]
async fn an_export_tells_what_is_known() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let ann = world.signed_in(ANN).await;
    world.change_email(&ann, "new@example.com", PASSWORD).await.unwrap();
    let letter = world.mailbox.first("identity.confirm_email_change", "new@example.com").await;
    world.confirm_email(token(&letter)).await.unwrap();
    let export = world.export(&ann).await.unwrap();
    assert_eq!(export.user.unwrap().email, "new@example.com");
    assert_eq!(export.sessions.len(), 1);
    let change = export.audit_entries.iter().find(|entry| entry.action == "user.change_email").unwrap();
    assert_eq!(change.before_json, r#"{"email":"ann@example.com"}"#);
    assert_eq!(change.after_json, r#"{"email":"new@example.com"}"#);
}

#[tokio::test]
async fn erasing_takes_the_person_out_of_tables_and_history() {
    let world = world().await;
    let user = world.user(ANN, "customer").await;
    let session = world.log_in(ANN, PASSWORD).await.unwrap();
    let ann = world.caller(&session).await;
    let _ = world.log_in(ANN, "not the password").await;
    world.change_email(&ann, "new@example.com", PASSWORD).await.unwrap();
    let letter = world.mailbox.first("identity.confirm_email_change", "new@example.com").await;
    world.confirm_email(token(&letter)).await.unwrap();
    assert_eq!(refused(world.erase(&ann, "not the password").await), "password_wrong");
    world.erase(&ann, PASSWORD).await.unwrap();
    assert_eq!(refused(world.log_in("new@example.com", PASSWORD).await), "credentials_invalid");
    assert_eq!(refused(world.refresh(&session.refresh_token).await), "refresh_token_invalid");
    world.mailbox.first("identity.account_deleted", "new@example.com").await;
    wait_until_no_letter_is_left(&world).await;
    nothing_names_the_person(&world).await;
    let owner = world.signed_in(OWNER).await;
    let entries = world.audit(&owner, 200, "").await.entries;
    let change = entries.iter().find(|entry| entry.action == "user.change_email").unwrap();
    assert_eq!(change.before_json, r#"{"erased":true}"#, "the entry stays, and says nothing");
    let identity = identity::build(&world.platform, world.config.clone()).unwrap();
    identity.verify_audit(world.tenant).await.unwrap();
    let erased =
        format!("SELECT count(*) FROM events WHERE name = 'user.erased' AND payload->>'user' = '{user}'");
    let superuser = world.database.superuser(identity::NAME);
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(erased)).fetch_one(&superuser).await.unwrap();
    assert_eq!(count, 1);
    world.register("new@example.com", PASSWORD).await.unwrap();
    assert!(world.log_in("new@example.com", PASSWORD).await.is_ok(), "the address is free again");
}

async fn wait_until_no_letter_is_left(world: &World) {
    for _ in 0..500 {
        if world.count("SELECT count(*) FROM letters").await == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("letters are left");
}

async fn nothing_names_the_person(world: &World) {
    let superuser = world.database.superuser(identity::NAME);
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'identity'",
    )
    .fetch_all(&superuser)
    .await
    .unwrap();
    for table in tables {
        let query = format!("SELECT count(*) FROM {table} t WHERE t::text ~* '(ann|new)@example'");
        let found: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&superuser).await.unwrap();
        assert_eq!(found, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_owner_cannot_leave_and_of_two_only_one() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    assert_eq!(refused(world.erase(&owner, PASSWORD).await), "last_owner");
    world.user("second@one.example", "owner").await;
    let second = world.signed_in("second@one.example").await;
    let (one, two) = tokio::join!(world.erase(&owner, PASSWORD), world.erase(&second, PASSWORD));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
}
