//! What a checkout must refuse: each with its own code, and nothing changes.

use serde_json::{Value, json};

use crate::harness::customer::{invoice_id, order};
use crate::harness::{Customer, Fleet, books};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    let fleet = Fleet::in_process().await;
    let customer = Customer::new(&fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = order(&bundle, "sandbox_card");
        change(&mut body);
        body
    };
    let quantity = |quantity: Value| with(&|body| body["lines"][0]["quantity"] = quantity.clone());
    let rows = [
        (with(&|body| body["lines"][0]["item_id"] = json!(uuid::Uuid::now_v7())), 400, "bundle_unknown"),
        (with(&|body| body["lines"][0]["item_id"] = json!("no id")), 400, "bundle_unknown"),
        (quantity(json!("0")), 400, "quantity_out_of_range"),
        (quantity(json!("-1")), 400, "quantity_out_of_range"),
        (quantity(json!("1000001")), 400, "quantity_out_of_range"),
        (quantity(json!("9223372036854775808")), 400, "invalid_input"),
        (quantity(json!("many")), 400, "invalid_input"),
        (with(&|body| body["currency"] = json!("XXX")), 400, "currency_unknown"),
        (with(&|body| body["currency"] = json!("JPY")), 409, "currency_not_offered"),
        (with(&|body| body["lines"] = json!([])), 400, "lines_empty"),
        (with(&|body| body["lines"][0]["kind"] = json!("moon_plot")), 400, "unknown_kind"),
        (with(&|body| body["payment_method"] = json!("seashells")), 400, "payment_method_unknown"),
    ];
    let mut wrong = Vec::new();
    for (body, status, code) in rows {
        let key = uuid::Uuid::now_v7().to_string();
        let answer = customer.post_once("/api/v1/checkout", &key, body.clone()).await;
        if (answer.status.as_u16(), answer.code()) != (status, code) {
            wrong.push(format!("{body} -> {}, expected {status} {code}", answer.body));
        }
        assert!(answer.body["trace_id"].is_string(), "{}", answer.body);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let invoices = customer.get("/api/v1/invoices").await.ok();
    assert_eq!(invoices["invoices"], json!([]), "nothing was opened");
    assert_eq!(customer.tokens().await, 0);
    books::assert_gapless(&fleet).await;
    an_inactive_bundle(&fleet, &customer).await;
    an_amount_by_the_client(&customer, &bundle).await;
    a_foreign_invoice(&fleet, &customer, &bundle).await;
    malformed_json(&customer).await;
}

async fn an_inactive_bundle(fleet: &Fleet, customer: &Customer) {
    let admin = Customer::admin(fleet).await;
    let body = json!({
        "name": "Retired", "tokens": "10", "active": false,
        "prices": [{"minor": "100", "currency": "EUR"}],
    });
    let created = admin.post("/api/v1/admin/token-bundles", body).await.ok();
    let bundle = created["bundle"]["bundle_id"].as_str().unwrap();
    customer.check_out(bundle, "sandbox_card").await.refused(409, "bundle_inactive");
}

async fn an_amount_by_the_client(customer: &Customer, bundle: &str) {
    let (_, price) = customer.bundle("500").await;
    let mut body = order(bundle, "sandbox_card");
    body["total"] = json!({"minor": "1", "currency": "EUR"});
    body["lines"][0]["unit_price"] = json!({"minor": "1", "currency": "EUR"});
    let answer = customer.post_once("/api/v1/checkout", "amount-by-client", body).await.ok();
    assert_eq!(answer["invoice"]["total"]["minor"], price.to_string(), "the price is ours");
}

async fn a_foreign_invoice(fleet: &Fleet, customer: &Customer, bundle: &str) {
    let body = customer.check_out(bundle, "sandbox_card").await.ok();
    let (invoice, payment) = (invoice_id(&body), body["payment"]["payment_id"].as_str().unwrap().to_owned());
    let other = Customer::new(fleet).await;
    other.get(&format!("/api/v1/invoices/{invoice}")).await.refused(404, "invoice_not_found");
    other.get(&format!("/api/v1/payments/{payment}")).await.refused(404, "payment_not_found");
    let again = json!({"payment_method": "sandbox_card"});
    other
        .post_once(&format!("/api/v1/invoices/{invoice}/pay"), "theft", again)
        .await
        .refused(404, "invoice_not_found");
}

async fn malformed_json(customer: &Customer) {
    let request = customer.request(reqwest::Method::POST, "/api/v1/checkout");
    let request =
        request.header("idempotency-key", "m").header("content-type", "application/json").body("{\"lines\":");
    let answer = customer.send(request).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
}
