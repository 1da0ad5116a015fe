//! Second factors: enrolment, log-in in two steps, replay, recovery codes, what a tenant demands.

use auth::Caller;
use contracts::vbwd::identity::v1::second_factor_policy_service_client::SecondFactorPolicyServiceClient;
use contracts::vbwd::identity::v1::second_factor_service_client::SecondFactorServiceClient;
use contracts::vbwd::identity::v1::sign_in_service_client::SignInServiceClient;
use contracts::vbwd::identity::v1::*;
use futures::future::join_all;
use identity::rules::totp::{code_at, step_at};
use ids::UserId;
use kernel::Clock as _;
use sqlx::AssertSqlSafe;

use crate::fixtures::{OWNER, PASSWORD, World, answer, refused, user_of, world};

const ANN: &str = "ann@example.com";

/// Somebody with an authenticator app.
pub struct App {
    pub secret: Vec<u8>,
    pub codes: Vec<String>,
}

impl World {
    pub fn factors(&self) -> SecondFactorServiceClient<runtime::Channel> {
        SecondFactorServiceClient::new(self.channel())
    }

    fn policies(&self) -> SecondFactorPolicyServiceClient<runtime::Channel> {
        SecondFactorPolicyServiceClient::new(self.channel())
    }

    /// The code that an app shows now, or some steps from now.
    pub fn code(&self, secret: &[u8], steps: i64) -> String {
        code_at(secret, step_at(self.clock.wall().as_second()) + steps)
    }

    async fn enrol(&self, caller: &Caller) -> fault::Result<EnrolTotpResponse> {
        let request = self.call(caller, EnrolTotpRequest { password: PASSWORD.to_owned() });
        answer(self.factors().enrol_totp(request).await)
    }

    async fn confirm(&self, caller: &Caller, code: String) -> fault::Result<Vec<String>> {
        let request = self.call(caller, ConfirmTotpRequest { code });
        answer(self.factors().confirm_totp(request).await).map(|answered| answered.recovery_codes)
    }

    pub async fn with_app(&self, caller: &Caller) -> App {
        let secret = decoded(&self.enrol(caller).await.unwrap().secret);
        let codes = self.confirm(caller, self.code(&secret, 0)).await.unwrap();
        self.pass(90);
        App { secret, codes }
    }

    async fn complete(&self, challenge: &LogInChallenge, code: &str) -> fault::Result<Session> {
        let recovery = code.contains('-');
        let message = CompleteLogInRequest {
            challenge_token: challenge.challenge_token.clone(),
            code: if recovery { String::new() } else { code.to_owned() },
            recovery_code: if recovery { code.to_owned() } else { String::new() },
        };
        let request = self.call(&self.nobody(), message);
        let answered = answer(SignInServiceClient::new(self.channel()).complete_log_in(request).await)?;
        Ok(answered.session.unwrap())
    }

    async fn disable(&self, caller: &Caller, code: &str) -> fault::Result<DisableTotpResponse> {
        let (password, code) = (PASSWORD.to_owned(), code.to_owned());
        let request = self.call(caller, DisableTotpRequest { password, code, recovery_code: String::new() });
        answer(self.factors().disable_totp(request).await)
    }

    async fn regenerate(&self, caller: &Caller, code: &str) -> fault::Result<Vec<String>> {
        let (password, code, recovery_code) = (PASSWORD.to_owned(), code.to_owned(), String::new());
        let message = RegenerateRecoveryCodesRequest { password, code, recovery_code };
        let request = self.call(caller, message);
        let answered = answer(self.factors().regenerate_recovery_codes(request).await)?;
        Ok(answered.recovery_codes)
    }

    async fn step_up(&self, caller: &Caller, code: &str) -> fault::Result<Vec<String>> {
        let (password, code, recovery_code) = (PASSWORD.to_owned(), code.to_owned(), String::new());
        let request = self.call(caller, StepUpRequest { password, code, recovery_code });
        answer(self.factors().step_up(request).await).map(|answered| answered.methods)
    }

    async fn overview(&self, caller: &Caller) -> GetSecondFactorsResponse {
        let request = self.call(caller, GetSecondFactorsRequest {});
        answer(self.factors().get_second_factors(request).await).unwrap()
    }

    async fn demand(&self, caller: &Caller, of: &str) -> fault::Result<SetSecondFactorPolicyResponse> {
        let request = self.call(caller, SetSecondFactorPolicyRequest { required_of: of.to_owned() });
        answer(self.policies().set_second_factor_policy(request).await)
    }

    async fn reset_factor(
        &self,
        caller: &Caller,
        user: UserId,
        reason: &str,
    ) -> fault::Result<ResetUserSecondFactorResponse> {
        let (user_id, reason) = (user.to_string(), reason.to_owned());
        let request = self.call(caller, ResetUserSecondFactorRequest { user_id, reason });
        answer(self.policies().reset_user_second_factor(request).await)
    }

    async fn resolved(&self, caller: &Caller) -> fault::Result<ResolveSessionResponse> {
        use contracts::vbwd::identity::v1::authority_service_client::AuthorityServiceClient;
        let (user_id, session_id) = (user_of(caller).to_string(), caller.session.unwrap().to_string());
        let gateway = Caller::service("gateway", self.tenant);
        let request = self.call(&gateway, ResolveSessionRequest { user_id, session_id });
        answer(AuthorityServiceClient::new(self.channel()).resolve_session(request).await)
    }
}

/// Base32 as apps read it.
fn decoded(text: &str) -> Vec<u8> {
    let bits = text.bytes().map(|letter| match letter {
        b'A'..=b'Z' => letter - b'A',
        _ => letter - b'2' + 26,
    });
    let (mut bytes, mut word, mut held) = (Vec::new(), 0_u32, 0);
    for five in bits {
        word = word << 5 | u32::from(five);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(word >> held & 0xff).unwrap());
        }
    }
    bytes
}

#[tokio::test]
async fn a_confirmed_app_makes_log_in_two_steps() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    assert_eq!(owner.methods, ["pwd"]);
    let enrolled = world.enrol(&owner).await.unwrap();
    assert!(enrolled.otpauth_uri.starts_with("otpauth://totp/one:owner%40one%2Eexample?secret="));
    assert!(world.log_in(OWNER, PASSWORD).await.is_ok(), "an unconfirmed secret asks nothing");
    let secret = decoded(&enrolled.secret);
    assert_eq!(refused(world.confirm(&owner, "000000".to_owned()).await), "second_factor_invalid");
    let codes = world.confirm(&owner, world.code(&secret, 0)).await.unwrap();
    assert_eq!(codes.len(), 10);
    assert_eq!(refused(world.enrol(&owner).await), "second_factor_present");
    let letter = world.mailbox.first("identity.second_factor_changed", OWNER).await;
    assert_eq!(letter.variables["change"], "totp_enabled");
    world.pass(90);
    let challenge = world.challenged(OWNER).await;
    assert_eq!(challenge.methods, ["totp", "recovery_code"]);
    let session = world.complete(&challenge, &world.code(&secret, 0)).await.unwrap();
    assert_eq!(world.caller(&session).await.methods, ["pwd", "mfa", "otp"]);
    let refreshed = world.refresh(&session.refresh_token).await.unwrap();
    assert_eq!(world.caller(&refreshed).await.methods, ["pwd", "mfa", "otp"], "a refresh keeps them");
    assert_eq!(refused(world.complete(&challenge, &codes[0]).await), "challenge_invalid", "good once");
}

#[tokio::test]
async fn a_code_works_once_and_one_step_around_now() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let app = world.with_app(&owner).await;
    for (steps, accepted) in [(-2, false), (2, false), (-1, true), (1, true)] {
        let challenge = world.challenged(OWNER).await;
        let code = world.code(&app.secret, steps);
        assert_eq!(world.complete(&challenge, &code).await.is_ok(), accepted, "{steps}");
        let again = world.challenged(OWNER).await;
        assert_eq!(refused(world.complete(&again, &code).await), "second_factor_invalid", "{steps}");
        world.pass(3600);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_code_sent_by_many_at_once_opens_one_session() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let app = world.with_app(&owner).await;
    let challenges = join_all((0..20).map(|_| world.challenged(OWNER))).await;
    let code = world.code(&app.secret, 0);
    let before = world.count("SELECT count(*) FROM sessions").await;
    let outcomes = join_all(challenges.iter().map(|challenge| world.complete(challenge, &code))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(world.count("SELECT count(*) FROM sessions").await, before + 1);
    let one = world.challenged(OWNER);
    world.pass(3600);
    let challenge = one.await;
    let codes = join_all(app.codes.iter().map(|code| world.complete(&challenge, code))).await;
    assert_eq!(codes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "a challenge is good once");
    let spent = "SELECT count(*) FROM recovery_codes WHERE spent_at IS NOT NULL";
    assert_eq!(world.count(spent).await, 1, "and the codes that came too late are not lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_guesses_at_the_second_factor_are_worth_five() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let app = world.with_app(&owner).await;
    let challenges = join_all((0..20).map(|_| world.challenged(OWNER))).await;
    let guesses = challenges.iter().cycle().take(100).map(|challenge| world.complete(challenge, "000000"));
    let reasons: Vec<_> = join_all(guesses).await.into_iter().map(refused).collect();
    let count = |reason: &str| reasons.iter().filter(|one| *one == reason).count();
    assert_eq!((count("second_factor_invalid"), count("account_locked")), (5, 95));
    let right = world.complete(&challenges[0], &world.code(&app.secret, 0)).await;
    assert_eq!(refused(right), "account_locked", "the right code does not help");
    assert_eq!(refused(world.log_in(OWNER, PASSWORD).await), "account_locked");
}

#[tokio::test]
async fn the_right_password_does_not_buy_more_guesses() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    world.with_app(&owner).await;
    for _ in 0..5 {
        let challenge = world.challenged(OWNER).await;
        assert_eq!(refused(world.complete(&challenge, "000000").await), "second_factor_invalid");
    }
    assert_eq!(refused(world.log_in(OWNER, PASSWORD).await), "account_locked");
    world.pass(61);
    for _ in 0..5 {
        assert_eq!(refused(world.disable(&owner, "000000").await), "second_factor_invalid");
    }
    assert_eq!(refused(world.disable(&owner, "000000").await), "account_locked");
}

#[tokio::test]
async fn a_challenge_is_short_lived_and_of_one_tenant_and_ends_with_the_password() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let app = world.with_app(&owner).await;
    let challenge = world.challenged(OWNER).await;
    world.pass(300);
    let late = world.complete(&challenge, &world.code(&app.secret, 0)).await;
    assert_eq!(refused(late), "challenge_invalid");
    let challenge = world.challenged(OWNER).await;
    let elsewhere = CompleteLogInRequest {
        challenge_token: challenge.challenge_token.clone(),
        code: world.code(&app.secret, 0),
        recovery_code: String::new(),
    };
    let request = world.call(&crate::fixtures::nobody(world.other), elsewhere);
    let foreign = answer(SignInServiceClient::new(world.channel()).complete_log_in(request).await);
    assert_eq!(refused(foreign), "challenge_invalid");
    let (current_password, new_password) = (PASSWORD.to_owned(), "another fine password".to_owned());
    let request = world.call(&owner, ChangePasswordRequest { current_password, new_password });
    answer(world.account().change_password(request).await).unwrap();
    let stale = world.complete(&challenge, &world.code(&app.secret, 0)).await;
    assert_eq!(refused(stale), "challenge_invalid");
    for text in ["", "x", &"A".repeat(43)] {
        let forged = LogInChallenge { challenge_token: text.to_owned(), ..LogInChallenge::default() };
        assert_eq!(refused(world.complete(&forged, "000000").await), "challenge_invalid");
    }
}

#[tokio::test]
async fn recovery_codes_work_once_and_are_kept_nowhere() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let app = world.with_app(&owner).await;
    let code = app.codes[3].to_uppercase().replace('-', " - ");
    let challenge = world.challenged(OWNER).await;
    let session = world.complete(&challenge, &code).await.unwrap();
    let again = world.challenged(OWNER).await;
    assert_eq!(refused(world.complete(&again, &app.codes[3]).await), "second_factor_invalid");
    let strong = world.caller(&session).await;
    assert_eq!(world.overview(&strong).await.recovery_codes_left, 9);
    let fresh = world.regenerate(&strong, "").await.unwrap();
    assert_eq!(fresh.len(), 10, "proven a moment ago, so not asked again");
    let void = world.challenged(OWNER).await;
    assert_eq!(refused(world.complete(&void, &app.codes[4]).await), "second_factor_invalid");
    let superuser = world.database.superuser(identity::NAME);
    let secret: String = app.secret.iter().map(|byte| format!("{byte:02x}")).collect();
    for table in ["recovery_codes", "totp_factors", "events", "audit_entries", "operations", "letters"] {
        for text in [fresh[0].as_str(), &fresh[0].replace('-', ""), &secret] {
            let query = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{text}%'");
            let found: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&superuser).await.unwrap();
            assert_eq!(found, 0, "{table}");
        }
    }
}

#[tokio::test]
async fn disabling_wants_both_factors() {
    let world = world().await;
    let weak = world.signed_in(OWNER).await;
    let app = world.with_app(&weak).await;
    world.pass(600);
    assert_eq!(refused(world.disable(&weak, "").await), "second_factor_required");
    assert_eq!(refused(world.disable(&weak, "000000").await), "second_factor_invalid");
    assert_eq!(refused(world.regenerate(&weak, "").await), "second_factor_required");
    assert_eq!(world.step_up(&weak, &world.code(&app.secret, 0)).await.unwrap(), ["mfa", "otp", "pwd"]);
    world.disable(&weak, "").await.unwrap();
    assert_eq!(refused(world.disable(&weak, "").await), "second_factor_missing");
    assert!(world.log_in(OWNER, PASSWORD).await.is_ok());
    assert_eq!(world.overview(&weak).await.recovery_codes_left, 0, "codes of nothing are void");
    let key = auth::Via::Key(UserId::new().as_uuid());
    let through_a_key = Caller { via: Some(key), session: None, ..weak };
    assert_eq!(refused(world.enrol(&through_a_key).await), "own_session_required");
}

#[tokio::test]
async fn a_tenant_may_demand_second_factors_of_its_staff() {
    let world = world().await;
    world.user(ANN, "customer").await;
    world.user("admin@example.com", "admin").await;
    let (owner, ann) = (world.signed_in(OWNER).await, world.signed_in(ANN).await);
    let admin = world.log_in("admin@example.com", PASSWORD).await.unwrap();
    assert_eq!(refused(world.demand(&owner, "staff").await), "second_factor_missing", "not oneself out");
    assert_eq!(refused(world.demand(&owner, "someone").await), "invalid_input");
    world.with_app(&owner).await;
    world.demand(&owner, "staff").await.unwrap();
    assert!(world.resolved(&owner).await.is_ok());
    assert!(world.resolved(&ann).await.is_ok(), "customers are not concerned");
    assert_eq!(refused(world.resolved(&world.caller(&admin).await).await), "session_ended");
    assert_eq!(refused(world.refresh(&admin.refresh_token).await), "session_ended");
    assert!(world.log_in(ANN, PASSWORD).await.is_ok());
    let challenge = world.challenged("admin@example.com").await;
    assert!(challenge.enrolment_required && challenge.methods.is_empty());
    enrol_at_log_in(&world, challenge).await;
    world.demand(&owner, "everybody").await.unwrap();
    assert!(world.challenged(ANN).await.enrolment_required);
    let published = "SELECT count(*) FROM events WHERE name = 'second_factor_policy.changed'";
    assert_eq!(world.count(published).await, 2);
}

async fn enrol_at_log_in(world: &World, challenge: LogInChallenge) {
    let mut auth = SignInServiceClient::new(world.channel());
    let token = challenge.challenge_token;
    let request = world.call(&world.nobody(), EnrolAtLogInRequest { challenge_token: token.clone() });
    let secret = decoded(&answer(auth.enrol_at_log_in(request).await).unwrap().secret);
    let confirm = |code: String| {
        world.call(&world.nobody(), ConfirmAtLogInRequest { challenge_token: token.clone(), code })
    };
    let wrong = answer(auth.confirm_at_log_in(confirm("000000".to_owned())).await);
    assert_eq!(refused(wrong), "second_factor_invalid");
    let right = answer(auth.confirm_at_log_in(confirm(world.code(&secret, 0))).await).unwrap();
    assert_eq!(right.recovery_codes.len(), 10);
    let admin = world.caller(&right.session.unwrap()).await;
    assert!(world.resolved(&admin).await.is_ok());
    let again = world.challenged("admin@example.com").await;
    assert!(!again.enrolment_required);
    let request = world.call(&world.nobody(), EnrolAtLogInRequest { challenge_token: again.challenge_token });
    let refusal = answer(auth.enrol_at_log_in(request).await);
    assert_eq!(refused(refusal), "second_factor_present", "nobody replaces a factor with the password alone");
}

#[tokio::test]
async fn an_administrator_resets_the_second_factor_of_somebody_less_powerful() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let admin_id = world.user("admin@example.com", "admin").await;
    let ann_id = world.user(ANN, "customer").await;
    let (admin, ann) = (world.signed_in("admin@example.com").await, world.signed_in(ANN).await);
    world.with_app(&ann).await;
    world.with_app(&owner).await;
    let why = "lost the phone";
    assert_eq!(refused(world.reset_factor(&admin, world.owner, why).await), "privilege_escalation");
    assert_eq!(refused(world.reset_factor(&admin, admin_id, why).await), "not_on_yourself");
    assert_eq!(refused(world.reset_factor(&admin, ann_id, " ").await), "invalid_input");
    assert_eq!(refused(world.reset_factor(&ann, world.owner, why).await), "permission_denied");
    world.reset_factor(&admin, ann_id, why).await.unwrap();
    assert_eq!(refused(world.resolved(&ann).await), "session_ended");
    assert!(world.log_in(ANN, PASSWORD).await.is_ok());
    let audited = world.audit(&owner, 50, "").await.entries;
    let entry = audited.iter().find(|entry| entry.action == "user.reset_second_factor").unwrap();
    assert!(entry.after_json.contains(why) && entry.before_json.contains("\"totp\":true"), "{entry:?}");
    let left = "SELECT (SELECT count(*) FROM totp_factors) * 100 + (SELECT count(*) FROM recovery_codes)";
    assert_eq!(world.count(left).await, 110, "only the owner's are left");
}

#[tokio::test]
async fn erasing_a_person_takes_the_second_factor_too() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let ann = world.signed_in(ANN).await;
    world.with_app(&ann).await;
    world.challenged(ANN).await;
    let request = world.call(&ann, EraseAccountRequest { password: PASSWORD.to_owned() });
    answer(world.account().erase_account(request).await).unwrap();
    for table in ["totp_factors", "recovery_codes", "log_in_challenges"] {
        let query = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let superuser = world.database.superuser(identity::NAME);
        let left: i64 = sqlx::query_scalar(query).fetch_one(&superuser).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
}
