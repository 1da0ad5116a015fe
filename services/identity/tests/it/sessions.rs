//! From registration to log-out.

use futures::future::join_all;

use crate::fixtures::{OWNER, PASSWORD, refused, user_of, world};

#[tokio::test]
async fn who_registers_can_log_in_and_is_a_customer() {
    let world = world().await;
    let answer = world.register("Ann@Example.com", PASSWORD).await.unwrap();
    assert_eq!(answer.status, "accepted");
    let session = world.log_in("  ann@example.COM ", PASSWORD).await.unwrap();
    assert_eq!((session.token_type.as_str(), session.expires_in_seconds), ("Bearer", 300));
    let me = world.me(&world.caller(&session).await).await.unwrap();
    let user = me.user.unwrap();
    assert_eq!((user.email.as_str(), user.status.as_str()), ("Ann@Example.com", "active"));
    assert_eq!((user.roles, me.permissions), (vec!["customer".to_owned()], vec![]));
}

#[tokio::test]
async fn registering_a_taken_address_looks_the_same_and_changes_nothing() {
    let world = world().await;
    let fresh = world.register("ann@example.com", PASSWORD).await.unwrap();
    let taken = world.register("ANN@example.com", "another fine password").await.unwrap();
    assert_eq!(fresh, taken);
    assert_eq!(world.count("SELECT count(*) FROM users WHERE email_normalised = 'ann@example.com'").await, 1);
    assert!(world.log_in("ann@example.com", PASSWORD).await.is_ok());
    assert_eq!(
        refused(world.log_in("ann@example.com", "another fine password").await),
        "credentials_invalid"
    );
}

#[tokio::test]
async fn parallel_registrations_of_one_address_make_one_user() {
    let world = world().await;
    let answers = join_all((0..20).map(|_| world.register("ann@example.com", PASSWORD))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(world.count("SELECT count(*) FROM users WHERE email_normalised = 'ann@example.com'").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM events WHERE name = 'user.registered'").await, 3);
}

#[tokio::test]
async fn unfit_input_is_refused_with_its_pointer() {
    let world = world().await;
    let rows = [
        ("no address", PASSWORD, "/email", "malformed"),
        ("ann@example.com", "short", "/password", "too_short"),
        ("ann.longer@example.com", "Ann.Longer@example.com", "/password", "same_as_email"),
        ("ann@example.com", "password1234", "/password", "too_common"),
    ];
    for (email, password, pointer, code) in rows {
        let fault = world.register(email, password).await.unwrap_err();
        assert_eq!(
            (fault.violations()[0].pointer.as_str(), fault.violations()[0].code.as_str()),
            (pointer, code)
        );
    }
    assert_eq!(world.count("SELECT count(*) FROM users").await, 2);
}

#[tokio::test]
async fn a_tenant_is_found_by_its_host() {
    let world = world().await;
    let found = world.resolve("ONE.example").await.unwrap();
    assert_eq!((found.tenant_id, found.slug), (world.tenant.to_string(), "one".to_owned()));
    assert_eq!(found.default_currency, "EUR");
    assert_eq!(refused(world.resolve("three.example").await), "tenant_not_found");
}

#[tokio::test]
async fn a_user_of_one_tenant_is_unknown_to_another() {
    let world = world().await;
    assert_eq!(refused(world.log_in_at(world.other, OWNER, PASSWORD).await), "credentials_invalid");
}

#[tokio::test]
async fn a_refresh_gives_a_new_pair_of_the_same_session() {
    let world = world().await;
    let first = world.log_in(OWNER, PASSWORD).await.unwrap();
    world.pass(299);
    let second = world.refresh(&first.refresh_token).await.unwrap();
    assert_eq!(second.session_id, first.session_id);
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_ne!(second.access_token, first.access_token);
    let caller = world.caller(&second).await;
    assert_eq!(user_of(&caller), world.owner);
    assert!(caller.permissions.allows("anything.at_all"));
}

#[tokio::test]
async fn a_token_used_twice_ends_its_family() {
    let world = world().await;
    let first = world.log_in(OWNER, PASSWORD).await.unwrap();
    let second = world.refresh(&first.refresh_token).await.unwrap();
    world.pass(11);
    assert_eq!(refused(world.refresh(&first.refresh_token).await), "refresh_token_reused");
    assert_eq!(refused(world.refresh(&second.refresh_token).await), "session_ended");
    assert_eq!(refused(world.refresh(&first.refresh_token).await), "session_ended");
    assert_eq!(world.count("SELECT count(*) FROM events WHERE name = 'session.reuse_detected'").await, 1);
    let audited = "SELECT count(*) FROM audit_entries WHERE action = 'session.reuse_detected'";
    assert_eq!(world.count(audited).await, 1);
    assert!(world.log_in(OWNER, PASSWORD).await.is_ok(), "other sessions are not touched");
}

#[tokio::test]
async fn the_same_refresh_sent_again_at_once_is_refused_and_the_session_goes_on() {
    let world = world().await;
    let first = world.log_in(OWNER, PASSWORD).await.unwrap();
    let second = world.refresh(&first.refresh_token).await.unwrap();
    world.pass(10);
    assert_eq!(refused(world.refresh(&first.refresh_token).await), "refresh_token_just_used");
    assert!(world.refresh(&second.refresh_token).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_parallel_refreshes_exactly_one_wins() {
    let world = world().await;
    let first = world.log_in(OWNER, PASSWORD).await.unwrap();
    let outcomes = join_all((0..1_000).map(|_| world.refresh(&first.refresh_token))).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for outcome in lost {
        assert_eq!(refused(outcome), "refresh_token_just_used");
    }
    let next = won.into_iter().next().unwrap().unwrap();
    assert!(world.refresh(&next.refresh_token).await.is_ok(), "the family lives");
    assert_eq!(world.count("SELECT count(*) FROM events WHERE name = 'session.reuse_detected'").await, 0);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let world = world().await;
    let session = world.log_in(OWNER, PASSWORD).await.unwrap();
    for token in ["", "x", &"A".repeat(43), &session.access_token] {
        assert_eq!(refused(world.refresh(token).await), "refresh_token_invalid");
    }
    let elsewhere = world.refresh_at(world.other, &session.refresh_token).await;
    assert_eq!(refused(elsewhere), "refresh_token_invalid", "a token of another tenant");
    assert!(world.refresh(&session.refresh_token).await.is_ok());
}

#[tokio::test]
async fn an_unused_refresh_token_expires_and_so_does_the_session() {
    let world = world().await;
    let day = 24 * 60 * 60;
    let session = world.log_in(OWNER, PASSWORD).await.unwrap();
    world.pass(30 * day);
    assert_eq!(refused(world.refresh(&session.refresh_token).await), "refresh_token_expired");
    let mut session = world.log_in(OWNER, PASSWORD).await.unwrap();
    for _ in 0..3 {
        world.pass(29 * day);
        session = world.refresh(&session.refresh_token).await.unwrap();
    }
    world.pass(3 * day);
    assert_eq!(refused(world.refresh(&session.refresh_token).await), "refresh_token_expired");
}

#[tokio::test]
async fn logging_out_ends_this_session_or_all() {
    let world = world().await;
    let one = world.log_in(OWNER, PASSWORD).await.unwrap();
    let two = world.log_in(OWNER, PASSWORD).await.unwrap();
    let three = world.log_in(OWNER, PASSWORD).await.unwrap();
    world.log_out(&world.caller(&one).await, false).await.unwrap();
    world.log_out(&world.caller(&one).await, false).await.unwrap();
    assert_eq!(refused(world.refresh(&one.refresh_token).await), "session_ended");
    let two = world.refresh(&two.refresh_token).await.unwrap();
    world.log_out(&world.caller(&two).await, true).await.unwrap();
    for session in [&two, &three] {
        assert_eq!(refused(world.refresh(&session.refresh_token).await), "session_ended");
    }
}

#[tokio::test]
async fn old_sessions_are_swept_and_open_ones_stay() {
    let world = world().await;
    let day = 24 * 60 * 60;
    let gone = world.log_in(OWNER, PASSWORD).await.unwrap();
    world.log_out(&world.caller(&gone).await, false).await.unwrap();
    world.pass(20 * day);
    let kept = world.log_in(OWNER, PASSWORD).await.unwrap();
    world.pass(11 * day);
    identity::build(&world.platform, world.config.clone()).unwrap().sweep().await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM sessions").await, 1);
    assert!(world.refresh(&kept.refresh_token).await.is_ok());
    assert_eq!(refused(world.refresh(&gone.refresh_token).await), "refresh_token_invalid");
}

#[tokio::test]
async fn the_demo_can_be_seeded_twice() {
    let world = world().await;
    let first = identity::seed_demo(&world.platform, world.config.clone()).await.unwrap();
    let second = identity::seed_demo(&world.platform, world.config.clone()).await.unwrap();
    assert_eq!(first, second);
    for host in ["localhost", "127.0.0.1", "demo.localhost"] {
        assert_eq!(world.resolve(host).await.unwrap().tenant_id, first.tenant.to_string());
    }
    for (email, password) in
        [("admin@demo.example", "vbwd-demo-admin"), ("customer@demo.example", "vbwd-demo-customer")]
    {
        assert!(world.log_in_at(first.tenant, email, password).await.is_ok(), "{email}");
    }
}

#[tokio::test]
async fn the_demo_is_refused_in_production() {
    let mut world = world().await;
    world.platform.environment = runtime::Environment::Production;
    let refusal = identity::seed_demo(&world.platform, world.config.clone()).await;
    assert_eq!(refused(refusal), "development_only");
    assert_eq!(world.count("SELECT count(*) FROM tenants").await, 2);
}
