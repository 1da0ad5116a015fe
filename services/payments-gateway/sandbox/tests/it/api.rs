//! The merchant's API.

use serde_json::json;

use crate::fixtures::{Fixture, payment};

#[tokio::test]
async fn every_method_begins_as_documented() {
    let sandbox = Fixture::start_without_sender().await;
    let rows = [
        ("sandbox_card", "captured"),
        ("sandbox_card_3ds", "requires_action"),
        ("sandbox_declined", "failed"),
        ("sandbox_pending", "authorized"),
        ("sandbox_webhook_delayed", "captured"),
        ("sandbox_webhook_duplicated", "captured"),
        ("sandbox_webhook_reordered", "captured"),
    ];
    for (method, status) in rows {
        assert_eq!(sandbox.pay(method).await["status"], status, "{method}");
    }
    assert_eq!(sandbox.pay("sandbox_declined").await["failure_code"], "card_declined");
}

#[tokio::test]
async fn without_the_key_nothing_is_answered() {
    let sandbox = Fixture::start_without_sender().await;
    let url = format!("{}/v1/payments", sandbox.base);
    for key in ["", "sk_wrong"] {
        let answer =
            sandbox.client.post(&url).bearer_auth(key).json(&payment("sandbox_card")).send().await.unwrap();
        assert_eq!(answer.status(), 401);
    }
}

#[tokio::test]
async fn a_repeated_key_is_the_same_payment_and_another_body_is_refused() {
    let sandbox = Fixture::start_without_sender().await;
    let (first_status, first) = sandbox.send("/v1/payments", Some("key-1"), &payment("sandbox_card")).await;
    let (again_status, again) = sandbox.send("/v1/payments", Some("key-1"), &payment("sandbox_card")).await;
    assert_eq!((first_status, again_status), (201, 201));
    assert_eq!(first["id"], again["id"]);
    let (status, refused) = sandbox.send("/v1/payments", Some("key-1"), &payment("sandbox_pending")).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (422, Some("idempotency_key_reused")));
}

#[tokio::test]
async fn parallel_requests_with_one_key_make_one_payment() {
    let sandbox = Fixture::start_without_sender().await;
    let body = payment("sandbox_card");
    let calls = (0..20).map(|_| sandbox.send("/v1/payments", Some("key-1"), &body));
    let answers = futures::future::join_all(calls).await;
    let ids: std::collections::HashSet<_> = answers.iter().map(|(_, body)| body["id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn wrong_input_is_refused_with_its_own_code() {
    let sandbox = Fixture::start_without_sender().await;
    let rows = [
        (json!({"amount": 0}), "amount_invalid"),
        (json!({"amount": -5}), "amount_invalid"),
        (json!({"currency": "XXX"}), "currency_unknown"),
        (json!({"method": "card"}), "method_unknown"),
        (json!({"method": "sandbox_card_3ds", "return_url": "javascript:alert(1)"}), "return_url_invalid"),
        (json!({"surprise": 1}), "body_invalid"),
    ];
    for (change, code) in rows {
        let mut body = payment("sandbox_card");
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (status, refused) = sandbox.send("/v1/payments", None, &body).await;
        assert_eq!((status, refused["error"]["code"].as_str()), (400, Some(code)));
    }
    let (status, _) = sandbox.send("/v1/payments/pay_none/capture", None, &json!({})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_is_authorised_is_captured_settled_or_voided() {
    let sandbox = Fixture::start_without_sender().await;
    for (verb, status) in [("capture", "captured"), ("settle", "captured"), ("void", "voided")] {
        let payment = sandbox.pay("sandbox_pending").await;
        let path = format!("/v1/payments/{}/{verb}", payment["id"].as_str().unwrap());
        for _ in 0..2 {
            let (code, changed) = sandbox.send(&path, None, &json!({})).await;
            assert_eq!((code, changed["status"].as_str()), (200, Some(status)), "{verb}");
        }
    }
}

#[tokio::test]
async fn refunds_are_once_per_key_and_never_above_the_capture() {
    let sandbox = Fixture::start_without_sender().await;
    let payment = sandbox.pay("sandbox_card").await;
    let path = format!("/v1/payments/{}/refunds", payment["id"].as_str().unwrap());
    let part = json!({"amount": 1000, "currency": "EUR", "reference": "r-1"});
    for _ in 0..3 {
        let (status, changed) = sandbox.send(&path, Some("r-1"), &part).await;
        assert_eq!((status, changed["amount_refunded"].as_i64()), (201, Some(1000)));
    }
    let (status, refused) = sandbox.send(&path, Some("r-2"), &json!({"amount": 1000})).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (409, Some("refund_exceeds_capture")));
    let (status, changed) = sandbox.send(&path, Some("r-3"), &json!({})).await;
    assert_eq!((status, changed["amount_refunded"].as_i64()), (201, Some(1999)));
}
