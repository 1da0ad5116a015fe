//! The queue of mails against a mail server that has moods.

use auth::Caller;
use ids::{OperationId, TenantId};

use crate::world::{eventually, verification, world, world_with};

#[tokio::test]
async fn a_mail_arrives_in_text_and_html_and_its_secrets_are_forgotten() {
    let world = world().await;
    let id = world.enqueue(OperationId::new(), verification("ann@home.example")).await.unwrap();
    world.wait_for_mail(&id, "sent").await;
    let [taken] = &world.sink.taken_by("ann@home.example")[..] else { panic!("not once") };
    assert!(taken.data.contains("Subject: Confirm your e-mail address"), "{}", taken.data);
    assert!(taken.data.contains("text/plain") && taken.data.contains("text/html"));
    assert!(taken.data.contains(&format!("Message-ID: <{id}@shop.example>")));
    assert_eq!(world.attempts(&id).await, ["accepted"]);
    let kept = world.count("SELECT count(*) FROM mails WHERE variables IS NOT NULL").await;
    assert_eq!(kept, 0, "variables are kept beyond the end");
}

#[tokio::test]
async fn a_waiting_mail_shows_its_link_to_nobody_who_reads_the_table() {
    let world = world_with(|config| config.mail.smtp_url = runtime::config::Secret::default()).await;
    world.enqueue(OperationId::new(), verification("ann@home.example")).await.unwrap();
    let text: String = sqlx::query_scalar("SELECT encode(variables, 'escape') || mails::text FROM mails")
        .fetch_one(&world.superuser)
        .await
        .unwrap();
    assert!(!text.contains("secret-token"));
}

#[tokio::test]
async fn the_words_are_those_of_the_locale() {
    let world = world().await;
    let mail = contracts::vbwd::notify::v1::EnqueueMailRequest {
        locale: "de-AT".to_owned(),
        ..verification("ann@home.example")
    };
    let id = world.enqueue(OperationId::new(), mail).await.unwrap();
    world.wait_for_mail(&id, "sent").await;
    let taken = world.sink.taken_by("ann@home.example");
    assert!(
        taken[0].data.contains("lang=3D\"de\"") || taken[0].data.contains("lang=\"de\""),
        "{}",
        taken[0].data
    );
}

#[tokio::test]
async fn a_4xx_puts_off_and_a_5xx_ends() {
    let world = world().await;
    let later = world.enqueue(OperationId::new(), verification("later@home.example")).await.unwrap();
    let never = world.enqueue(OperationId::new(), verification("never@home.example")).await.unwrap();
    let full = world.enqueue(OperationId::new(), verification("always-later@home.example")).await.unwrap();
    world.wait_for_mail(&later, "sent").await;
    assert_eq!(world.attempts(&later).await, ["deferred", "deferred", "accepted"]);
    world.wait_for_mail(&never, "dead").await;
    assert_eq!(world.attempts(&never).await, ["refused"]);
    assert!(world.mail(&never).await.2.contains("5.1.1 no such user"));
    world.wait_for_mail(&full, "dead").await;
    assert_eq!(world.attempts(&full).await, ["deferred"; 4]);
    let told = world.count("SELECT count(*) FROM events WHERE name = 'mail.failed'").await;
    assert_eq!(told, 2, "those who were given up are told of");
}

#[tokio::test]
async fn a_connection_lost_after_the_data_sends_again_with_the_same_message_id() {
    let world = world().await;
    let id = world.enqueue(OperationId::new(), verification("lost@home.example")).await.unwrap();
    world.wait_for_mail(&id, "sent").await;
    assert_eq!(world.attempts(&id).await, ["unknown", "accepted"]);
    let taken = world.sink.taken_by("lost@home.example");
    assert_eq!(taken.len(), 2, "at least once, and here twice");
    let message_id = format!("Message-ID: <{id}@shop.example>");
    assert!(taken.iter().all(|mail| mail.data.contains(&message_id)));
}

#[tokio::test]
async fn a_mail_server_that_is_away_puts_off() {
    let world = world_with(|config| {
        config.mail.smtp_url = runtime::config::Secret::from("smtp://127.0.0.1:1");
        config.mail.attempts_max = 2;
    })
    .await;
    let id = world.enqueue(OperationId::new(), verification("ann@home.example")).await.unwrap();
    world.wait_for_mail(&id, "dead").await;
    assert_eq!(world.attempts(&id).await, ["unknown", "unknown"]);
}

#[tokio::test]
async fn the_same_operation_is_one_mail_even_in_parallel() {
    let world = world().await;
    let operation = OperationId::new();
    let calls = (0..20).map(|_| world.enqueue(operation, verification("ann@home.example")));
    let ids: Vec<_> = futures::future::join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    world.wait_for_mail(&ids[0], "sent").await;
    assert_eq!(world.sink.taken_by("ann@home.example").len(), 1);
    let other = world.enqueue(operation, verification("bob@home.example")).await.unwrap_err();
    assert_eq!(other.reason(), "operation_id_reused");
}

#[tokio::test]
async fn replicas_send_each_mail_once() {
    let world = world().await;
    let _second = world.replica().await;
    let _third = world.replica().await;
    let mails = (0..60)
        .map(|number| world.enqueue(OperationId::new(), verification(&format!("ann{number}@home.example"))));
    let ids: Vec<_> = futures::future::join_all(mails).await.into_iter().map(Result::unwrap).collect();
    for id in &ids {
        world.wait_for_mail(id, "sent").await;
    }
    for number in 0..60 {
        assert_eq!(world.sink.tries_of(&format!("ann{number}@home.example")), 1);
    }
}

#[tokio::test]
async fn an_attempt_that_died_is_taken_over_when_its_lease_ends() {
    let world = world_with(|config| config.mail.smtp_url = runtime::config::Secret::default()).await;
    let id = world.enqueue(OperationId::new(), verification("ann@home.example")).await.unwrap();
    // As a process leaves it that is killed while it sends: claimed, the lease in the future.
    let claimed = "UPDATE mails SET attempts = 1, due_at = now() + interval '6 seconds'";
    sqlx::query(claimed).execute(&world.superuser).await.unwrap();
    let mut config = world.config.clone();
    config.mail.smtp_url = runtime::config::Secret::from(world.sink.url.as_str());
    let _next = world.replica_with(&config).await;
    tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    assert_eq!(world.sink.tries_of("ann@home.example"), 0, "the lease is respected");
    world.wait_for_mail(&id, "sent").await;
    assert_eq!(world.mail(&id).await.1, 2, "the dead attempt counts");
    assert_eq!(world.sink.taken_by("ann@home.example").len(), 1);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_place() {
    let world = world().await;
    let mut unknown = verification("ann@home.example");
    unknown.template = "identity.nonsense".to_owned();
    let mut bare = verification("ann@home.example");
    bare.variables.clear();
    let mut locale = verification("ann@home.example");
    locale.locale = "not a tag".to_owned();
    let rows = [
        (unknown, "/template"),
        (verification("no address"), "/recipient"),
        (bare, "/variables/link"),
        (locale, "/locale"),
    ];
    for (mail, pointer) in rows {
        let fault = world.enqueue(OperationId::new(), mail).await.unwrap_err();
        assert_eq!(fault.violations()[0].pointer, pointer);
    }
    assert_eq!(world.count("SELECT count(*) FROM mails").await, 0);
}

#[tokio::test]
async fn a_connection_of_one_tenant_sees_no_mail_of_another() {
    let world = world().await;
    world.enqueue(OperationId::new(), verification("ann@home.example")).await.unwrap();
    let pool = world.database.pool(notify::NAME);
    let stranger = Caller::anonymous(TenantId::new()).tenant;
    for setting in [format!("SET vbwd.tenant_id = '{stranger}'"), "RESET vbwd.tenant_id".to_owned()] {
        let mut connection = pool.acquire().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(setting)).execute(&mut *connection).await.unwrap();
        for table in ["mails", "mail_attempts", "events"] {
            let statement = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            let seen: i64 = sqlx::query_scalar(statement).fetch_one(&mut *connection).await.unwrap();
            assert_eq!(seen, 0, "{table}");
        }
    }
    eventually("the mail is there", || async { world.count("SELECT count(*) FROM mails").await == 1 }).await;
}
