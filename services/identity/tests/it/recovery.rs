//! Forgotten passwords.

use std::time::{Duration, Instant};

use contracts::vbwd::identity::v1::*;
use futures::future::join_all;

use crate::fixtures::{OWNER, PASSWORD, World, answer, nobody, refused, world};
use crate::mailbox::token;

const NEW: &str = "another fine password";
const RESET: &str = "identity.password_reset";

impl World {
    async fn ask(&self, email: &str) -> fault::Result<RequestPasswordResetResponse> {
        let request = self.call(&self.nobody(), RequestPasswordResetRequest { email: email.to_owned() });
        answer(self.tickets().request_password_reset(request).await)
    }

    async fn reset(&self, token: &str, password: &str) -> fault::Result<ResetPasswordResponse> {
        let (token, password) = (token.to_owned(), password.to_owned());
        let request = self.call(&self.nobody(), ResetPasswordRequest { token, password });
        answer(self.tickets().reset_password(request).await)
    }

    async fn reset_token(&self, email: &str) -> String {
        self.ask(email).await.unwrap();
        token(&self.mailbox.first(RESET, email).await)
    }
}

fn code(fault: &fault::Fault) -> (String, String) {
    (fault.violations()[0].pointer.clone(), fault.violations()[0].code.clone())
}

#[tokio::test]
async fn a_reset_sets_the_password_once_and_ends_every_session() {
    let world = world().await;
    let session = world.log_in(OWNER, PASSWORD).await.unwrap();
    let token = world.reset_token(OWNER).await;
    assert_eq!(
        code(&world.reset(&token, "short").await.unwrap_err()),
        ("/password".into(), "too_short".into())
    );
    world.reset(&token, NEW).await.unwrap();
    assert_eq!(refused(world.refresh(&session.refresh_token).await), "session_ended");
    assert_eq!(refused(world.log_in(OWNER, PASSWORD).await), "credentials_invalid");
    assert!(world.log_in(OWNER, NEW).await.is_ok());
    assert_eq!(code(&world.reset(&token, NEW).await.unwrap_err()), ("/token".into(), "spent".into()));
    world.mailbox.first("identity.password_changed", OWNER).await;
    for name in ["password_reset.requested", "password_reset.executed"] {
        let superuser = world.database.superuser(identity::NAME);
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE name = $1")
            .bind(name)
            .fetch_one(&superuser)
            .await
            .unwrap();
        assert_eq!(count, 1, "{name}");
    }
}

#[tokio::test]
async fn a_reset_is_good_for_an_hour() {
    let world = world().await;
    let token = world.reset_token(OWNER).await;
    world.pass(3600);
    assert_eq!(code(&world.reset(&token, NEW).await.unwrap_err()), ("/token".into(), "expired".into()));
    assert!(world.log_in(OWNER, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_reset_frees_a_locked_address() {
    let world = world().await;
    for _ in 0..5 {
        let _ = world.log_in(OWNER, "not the password").await;
    }
    assert_eq!(refused(world.log_in(OWNER, PASSWORD).await), "account_locked");
    let token = world.reset_token(OWNER).await;
    world.reset(&token, NEW).await.unwrap();
    assert!(world.log_in(OWNER, NEW).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_parallel_resets_with_one_token_one_wins() {
    let world = world().await;
    let token = world.reset_token(OWNER).await;
    let news: Vec<_> = (0..20).map(|number| format!("fine password {number}")).collect();
    let outcomes = join_all(news.iter().map(|new| world.reset(&token, new))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for outcome in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(code(outcome), ("/token".into(), "spent".into()));
    }
}

#[tokio::test]
async fn what_is_no_token_opens_nothing() {
    let world = world().await;
    let token = world.reset_token(OWNER).await;
    for text in ["", "x", &"A".repeat(43)] {
        assert_eq!(code(&world.reset(text, NEW).await.unwrap_err()), ("/token".into(), "unknown".into()));
    }
    assert!(world.verify_email(token.clone()).await.is_err(), "a token is good for its purpose only");
    let elsewhere = ResetPasswordRequest { token: token.clone(), password: NEW.to_owned() };
    let request = world.call(&nobody(world.other), elsewhere);
    assert!(world.tickets().reset_password(request).await.is_err(), "and for its tenant only");
    world.reset(&token, NEW).await.unwrap();
}

#[tokio::test]
async fn the_answer_is_the_same_for_a_stranger_and_nothing_is_sent() {
    let world = world().await;
    let suspended = world.user("ann@example.com", "customer").await;
    let owner = world.signed_in(OWNER).await;
    world.suspend(&owner, suspended).await.unwrap();
    let known = world.ask(OWNER).await.unwrap();
    for email in ["nobody@example.com", "ann@example.com"] {
        assert_eq!(world.ask(email).await.unwrap(), known);
    }
    world.mailbox.first(RESET, OWNER).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for email in ["nobody@example.com", "ann@example.com"] {
        assert!(world.mailbox.all(RESET, email).is_empty(), "{email}");
    }
    assert_eq!(world.count("SELECT count(*) FROM reset_wishes").await, 0);
    assert_eq!(world.ask("no address").await.unwrap_err().violations()[0].pointer, "/email");
}

/// The call writes the wish down and looks nothing up, so there is nothing that could differ; the
/// medians are printed for whoever wants to see them.
#[tokio::test]
async fn the_time_of_the_answer_does_not_tell_who_is_a_customer() {
    let world = world().await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..40 {
        known.push(timed(world.ask(OWNER)).await);
        unknown.push(timed(world.ask(&format!("nobody-{round}@example.com"))).await);
    }
    known.sort_unstable();
    unknown.sort_unstable();
    let (known, unknown) = (known[20].as_secs_f64(), unknown[20].as_secs_f64());
    println!("median of asking for a reset: known {known:.6} s, unknown {unknown:.6} s");
    assert!(known < 3.0 * unknown && unknown < 3.0 * known);
}

async fn timed<T>(call: impl Future<Output = T>) -> Duration {
    let started = Instant::now();
    call.await;
    started.elapsed()
}

#[tokio::test]
async fn asking_again_and_again_fills_nobodys_mailbox() {
    let world = world().await;
    for _ in 0..8 {
        world.ask(OWNER).await.unwrap();
    }
    world.mailbox.nth(2, RESET, OWNER).await;
    for _ in 0..500 {
        if world.count("SELECT count(*) FROM reset_wishes").await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.mailbox.all(RESET, OWNER).len(), 3);
}
