//! Mails over HTTP: the tenant's own words and looks, tests, the log, one click to be rid of them.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Taken;

use crate::harness::{Customer, Fleet, Outside, eventually};

const TEMPLATES: &str = "/api/v1/admin/mail/templates";

async fn fleet() -> (Fleet, Outside, Customer) {
    let outside = Outside::start();
    let fleet = Fleet::in_process_with(|config| outside.known_to(config)).await;
    let admin = Customer::admin(&fleet).await;
    (fleet, outside, admin)
}

/// Puts the tenant's looks on top of what they are.
async fn settle(admin: &Customer, changes: Value) {
    let mut settings = admin.get("/api/v1/admin/mail/settings").await.ok()["settings"].clone();
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    admin.put("/api/v1/admin/mail/settings", json!({"settings": settings})).await.ok();
}

/// Sends a test mail and waits until it came.
async fn tested(admin: &Customer, outside: &Outside, template: &str, recipient: &str) -> Taken {
    let before = outside.mail.taken_by(recipient).len();
    let wish = json!({"locale": "en", "recipient": recipient});
    admin.post(&format!("{TEMPLATES}/{template}/test"), wish).await.ok();
    eventually("the test mail comes", Duration::from_secs(20), || async {
        outside.mail.taken_by(recipient).get(before).cloned()
    })
    .await
}

async fn mail_to(admin: &Customer, recipient: &str, status: &str) -> Value {
    eventually(&format!("a mail that is {status}"), Duration::from_secs(20), || async {
        let listed =
            admin.get(&format!("/api/v1/admin/mails?recipient={recipient}&status={status}")).await.ok();
        listed["mails"].as_array()?.first().cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_previews_changes_and_tests_its_words() {
    let (_fleet, outside, admin) = fleet().await;
    settle(&admin, json!({"product_name": "Tea House", "accent_colour": "#225533"})).await;
    let words = json!({"subject": "Danke, {{ name }}!", "text": "Rechnung {{ number }}", "html": "<p>Rechnung {{ number }}</p>", "notice": "Bezahlt"});
    let shown = admin
        .post(&format!("{TEMPLATES}/invoice.paid/preview"), json!({"locale": "de", "words": words}))
        .await
        .ok();
    assert!(shown["subject"].as_str().unwrap().starts_with("Danke, "), "{shown}");
    assert!(shown["html"].as_str().unwrap().contains("#225533"), "{shown}");
    let unknown = json!({"subject": "{{ colour }}", "text": "x", "html": "x", "notice": "x"});
    let refused = admin.post(&format!("{TEMPLATES}/invoice.paid/preview"), json!({"words": unknown})).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["errors"][0]["pointer"]),
        (400, &json!("/words/subject"))
    );
    admin.put(&format!("{TEMPLATES}/invoice.paid/en"), json!({"words": words})).await.ok();
    let taken = tested(&admin, &outside, "invoice.paid", "tester@home.example").await;
    assert!(taken.header("Subject").unwrap().starts_with("Danke, "), "{}", taken.data);
    assert!(taken.header("From").unwrap().contains("Tea House"), "{}", taken.data);
    let logged = mail_to(&admin, "tester@home.example", "sent").await;
    let one = admin.get(&format!("/api/v1/admin/mails/{}", logged["mail_id"].as_str().unwrap())).await.ok();
    assert_eq!(one["attempts"][0]["outcome"], "accepted");
    admin.send(admin.request(Method::DELETE, &format!("{TEMPLATES}/invoice.paid/en"))).await.ok();
    let found = admin.get(&format!("{TEMPLATES}/invoice.paid/en")).await.ok();
    assert_eq!(found["own"], json!(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_click_is_enough_and_a_link_that_is_followed_is_none() {
    let (fleet, outside, admin) = fleet().await;
    settle(&admin, json!({"public_url": fleet.base})).await;
    let first = tested(&admin, &outside, "balance.low", "reader@home.example").await;
    assert_eq!(first.header("List-Unsubscribe-Post").unwrap(), "List-Unsubscribe=One-Click");
    let link = first.header("List-Unsubscribe").unwrap();
    let link = link.trim_matches(['<', '>']);
    let path = link.strip_prefix(&fleet.base).unwrap();
    let stranger = Customer::stranger(&fleet);
    assert_eq!(stranger.get(path).await.ok()["category"], "alerts");
    tested(&admin, &outside, "balance.low", "reader@home.example").await;
    let click = stranger.request(Method::POST, path);
    let click =
        click.header("content-type", "application/x-www-form-urlencoded").body("List-Unsubscribe=One-Click");
    stranger.send(click).await.ok();
    admin
        .post(&format!("{TEMPLATES}/balance.low/test"), json!({"recipient": "reader@home.example"}))
        .await
        .ok();
    let silenced = mail_to(&admin, "reader@home.example", "suppressed").await;
    assert_eq!(silenced["last_error"], "the recipient has unsubscribed");
    tested(&admin, &outside, "invoice.paid", "reader@home.example").await;
    let forged = format!("{}x", path);
    stranger.send(stranger.request(Method::POST, &forged)).await.refused(404, "unsubscription_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_bounced_is_listed_lifted_and_sent_again() {
    let (fleet, _outside, admin) = fleet().await;
    admin
        .post(&format!("{TEMPLATES}/invoice.paid/test"), json!({"recipient": "never@home.example"}))
        .await
        .ok();
    let dead = mail_to(&admin, "never@home.example", "dead").await;
    let resend = format!("/api/v1/admin/mails/{}/resend", dead["mail_id"].as_str().unwrap());
    admin.post(&resend, json!({})).await.refused(409, "address_suppressed");
    let listed = admin.get("/api/v1/admin/mail/suppressions").await.ok();
    assert_eq!(listed["suppressions"][0]["address"], "never@home.example");
    let one = "/api/v1/admin/mail/suppressions/never@home.example";
    admin.send(admin.request(Method::DELETE, one)).await.ok();
    assert_eq!(admin.post(&resend, json!({})).await.ok()["mail"]["status"], "queued");
    admin.put("/api/v1/admin/mail/suppressions/nobody", json!({})).await.refused(400, "invalid_input");
    let customer = Customer::new(&fleet).await;
    customer.get("/api/v1/admin/mail/suppressions").await.refused(403, "permission_denied");
    customer.post(&resend, json!({})).await.refused(403, "permission_denied");
}
