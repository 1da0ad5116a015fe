//! Outbound webhooks over HTTP: from the endpoint's form to the signed request at its door.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use testkit::Received;

use crate::harness::customer::invoice_id;
use crate::harness::{Customer, Fleet, Outside, eventually};

const ENDPOINTS: &str = "/api/v1/admin/webhook-endpoints";

async fn fleet() -> (Fleet, Outside, Customer) {
    let outside = Outside::start();
    let fleet = Fleet::in_process_with(|config| outside.known_to(config)).await;
    let admin = Customer::admin(&fleet).await;
    (fleet, outside, admin)
}

async fn nth(outside: &Outside, path: &str, number: usize) -> Received {
    eventually(&format!("request {number} at {path}"), Duration::from_secs(30), || async {
        outside.hooks.received(path).get(number).cloned()
    })
    .await
}

/// By the official library, as a receiver does it.
fn is_signed_with(secret: &str, received: &Received) -> bool {
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, received.headers[name].parse().unwrap());
    }
    Webhook::new(secret).unwrap().verify(received.body.as_bytes(), &headers).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_comes_signed_is_logged_and_can_be_had_again() {
    let (fleet, outside, admin) = fleet().await;
    let wish = json!({"url": outside.hooks.url("/ok"), "event_types": ["invoice.paid"]});
    let made = admin.post(ENDPOINTS, wish).await.ok();
    let (secret, id) = (made["secret"].as_str().unwrap(), made["endpoint"]["endpoint_id"].as_str().unwrap());
    let one = format!("{ENDPOINTS}/{id}");
    let customer = Customer::new(&fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    let invoice = invoice_id(&customer.check_out(&bundle, "sandbox_card").await.ok());
    let received = nth(&outside, "/ok", 0).await;
    assert!(is_signed_with(secret, &received));
    assert_eq!(
        (&received.json()["type"], &received.json()["data"]["invoiceId"]),
        (&json!("invoice.paid"), &json!(invoice))
    );
    let delivery = delivered(&admin, &one).await;
    let again =
        format!("/api/v1/admin/webhook-deliveries/{}/resend", delivery["delivery_id"].as_str().unwrap());
    admin.post(&again, json!({})).await.ok();
    let second = nth(&outside, "/ok", 1).await;
    assert_eq!(second.headers["webhook-id"], received.headers["webhook-id"]);
    let rotated = admin.post(&format!("{one}/secret/rotate"), json!({"overlap_seconds": 60})).await.ok();
    admin.post(&format!("{one}/replay"), json!({"after_position": "0"})).await.ok();
    let third = nth(&outside, "/ok", 2).await;
    assert!(is_signed_with(secret, &third) && is_signed_with(rotated["secret"].as_str().unwrap(), &third));
    admin.post(&format!("{one}/test"), json!({"event_type": "payment.failed"})).await.ok();
    assert_eq!(nth(&outside, "/ok", 3).await.json()["type"], "payment.failed");
    admin.send(admin.request(Method::DELETE, &one)).await.ok();
    admin.get(&one).await.refused(404, "webhook_endpoint_not_found");
}

/// The first delivery that succeeded, with what was said.
async fn delivered(admin: &Customer, endpoint: &str) -> Value {
    eventually("the delivery is logged", Duration::from_secs(20), || async {
        let listed = admin.get(&format!("{endpoint}/deliveries?status=succeeded")).await.ok();
        let delivery = listed["deliveries"].as_array()?.first()?.clone();
        let path = format!("/api/v1/admin/webhook-deliveries/{}", delivery["delivery_id"].as_str()?);
        let whole = admin.get(&path).await.ok();
        assert_eq!(whole["attempts"][0]["response_body"], "heard", "{whole}");
        Some(delivery)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn insides_are_no_endpoints_and_secrets_are_for_few() {
    let fleet = Fleet::in_process().await;
    let admin = Customer::admin(&fleet).await;
    for url in [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/",
        "http://shop.example/",
        "ftp://shop.example/",
    ] {
        let refused = admin.post(ENDPOINTS, json!({"url": url})).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["errors"][0]["pointer"]),
            (400, &json!("/url")),
            "{url}"
        );
    }
    let customer = Customer::new(&fleet).await;
    customer.get(ENDPOINTS).await.refused(403, "permission_denied");
    customer.post(ENDPOINTS, json!({"url": "https://shop.example/"})).await.refused(403, "permission_denied");
}
