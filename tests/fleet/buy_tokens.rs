//! A customer buys tokens, on every path a payment can take. The same scenarios run against the
//! fleet in one process and against a fleet of processes.

use serde_json::Value;

use crate::harness::customer::invoice_id;
use crate::harness::{Customer, Ear, Fleet, books};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_buys_tokens_in_one_process() {
    Box::pin(every_path(&Fleet::in_process().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_buys_tokens_from_a_fleet_of_processes() {
    Box::pin(every_path(&Fleet::of_processes().await)).await;
}

async fn every_path(fleet: &Fleet) {
    let ear = Ear::on(fleet).await;
    an_immediate_payment(fleet, &ear).await;
    a_payment_with_a_challenge(fleet).await;
    a_challenge_that_is_declined(fleet).await;
    a_declined_payment_and_another_try(fleet).await;
    a_payment_that_is_captured_later(fleet).await;
    books::assert_balanced(fleet).await;
    books::assert_gapless(fleet).await;
}

async fn an_immediate_payment(fleet: &Fleet, ear: &Ear) {
    let customer = Customer::new(fleet).await;
    let (bundle, price) = customer.bundle("500").await;
    let answer = customer.check_out(&bundle, "sandbox_card").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let invoice = invoice_id(&answer.body);
    let paid = customer.wait_for_invoice(&invoice, "INVOICE_STATUS_PAID").await;
    assert_eq!(paid["total"]["minor"], price.to_string());
    assert!(paid["number"].as_str().unwrap().starts_with("INV-"), "{paid}");
    customer.wait_for_tokens(500).await;
    the_statement_shows_it(&customer, 500).await;
    integrators_hear_of_it(ear, &invoice, &customer).await;
}

async fn the_statement_shows_it(customer: &Customer, tokens: i64) {
    let balance = customer.get("/api/v1/wallet/balance").await.ok();
    let position = balance["balances"][0]["position"].as_str().expect("a position").to_owned();
    let path = format!("/api/v1/wallet/statement?min_position={position}");
    let statement = customer.get(&path).await.ok(); // waits until it includes what the balance does
    let entries = statement["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{statement}");
    assert_eq!(entries[0]["amount"], tokens.to_string());
    assert_eq!(entries[0]["balance_after"], tokens.to_string());
    assert_eq!(entries[0]["reason"], "purchase");
}

async fn integrators_hear_of_it(ear: &Ear, invoice: &str, customer: &Customer) {
    let paid = ear.wait_for("invoice.paid", invoice).await;
    is_a_cloud_event(&paid);
    let me = customer.get("/api/v1/me").await.ok();
    let user = me["user"]["user_id"].as_str().unwrap();
    let credited = ear.wait_for("tokens.credited", user).await;
    is_a_cloud_event(&credited);
    assert_eq!(credited["data"]["amount"], "500", "{credited}");
    assert_eq!(ear.heard("invoice.paid", invoice).len(), 1);
    assert_eq!(ear.heard("tokens.credited", user).len(), 1);
}

fn is_a_cloud_event(event: &Value) {
    assert_eq!(event["specversion"], "1.0", "{event}");
    for attribute in ["id", "source", "type", "subject", "time", "tenantid", "sequence", "correlationid"] {
        assert!(event[attribute].is_string(), "{attribute} is missing in {event}");
    }
}

async fn a_payment_with_a_challenge(fleet: &Fleet) {
    let customer = Customer::new(fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    let body = customer.check_out(&bundle, "sandbox_card_3ds").await.ok();
    assert_eq!(body["payment"]["action"], "redirect", "{body}");
    assert_eq!(customer.tokens().await, 0);
    let back = decide_challenge(&body, "approve").await;
    assert!(back.starts_with("https://shop.example/return"), "{back}");
    customer.wait_for_invoice(&invoice_id(&body), "INVOICE_STATUS_PAID").await;
    customer.wait_for_tokens(500).await;
}

async fn a_challenge_that_is_declined(fleet: &Fleet) {
    let customer = Customer::new(fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    let body = customer.check_out(&bundle, "sandbox_card_3ds").await.ok();
    decide_challenge(&body, "decline").await;
    let payment = body["payment"]["payment_id"].as_str().unwrap();
    wait_for_payment(&customer, payment, "PAYMENT_STATUS_FAILED").await;
    let invoice = customer.get(&format!("/api/v1/invoices/{}", invoice_id(&body))).await.ok();
    assert_eq!(invoice["invoice"]["status"], "INVOICE_STATUS_OPEN", "still payable");
}

/// Opens the provider's page as a browser would and sends its form; answers where it leads.
async fn decide_challenge(checkout: &Value, decision: &str) -> String {
    let page = checkout["payment"]["redirect_url"].as_str().expect("a page to go to").to_owned();
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let shown = browser.get(&page).send().await.unwrap();
    assert!(shown.status().is_success(), "{page}");
    let html = shown.text().await.unwrap();
    assert!(html.contains("<form"), "{html}");
    let sent = browser.post(format!("{page}/{decision}")).send().await.unwrap();
    assert!(sent.status().is_redirection(), "{}", sent.status());
    sent.headers()["location"].to_str().unwrap().to_owned()
}

async fn a_declined_payment_and_another_try(fleet: &Fleet) {
    let customer = Customer::new(fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    let body = customer.check_out(&bundle, "sandbox_declined").await.ok();
    assert_eq!(body["payment"]["status"], "failed", "{body}");
    assert_eq!(body["payment"]["failure_code"], "card_declined", "{body}");
    let invoice = invoice_id(&body);
    let again =
        serde_json::json!({"payment_method": "sandbox_card", "return_url": "https://shop.example/return"});
    let key = uuid::Uuid::now_v7().to_string();
    customer.post_once(&format!("/api/v1/invoices/{invoice}/pay"), &key, again).await.ok();
    customer.wait_for_invoice(&invoice, "INVOICE_STATUS_PAID").await;
    customer.wait_for_tokens(500).await;
}

async fn a_payment_that_is_captured_later(fleet: &Fleet) {
    let (customer, admin) = (Customer::new(fleet).await, Customer::admin(fleet).await);
    let (bundle, _) = customer.bundle("500").await;
    let body = customer.check_out(&bundle, "sandbox_pending").await.ok();
    let payment = body["payment"]["payment_id"].as_str().unwrap().to_owned();
    assert_eq!(customer.tokens().await, 0);
    let refused =
        customer.post(&format!("/api/v1/admin/payments/{payment}/capture"), serde_json::json!({})).await;
    refused.refused(403, "permission_denied");
    wait_for_payment(&customer, &payment, "PAYMENT_STATUS_AUTHORIZED").await;
    admin.post(&format!("/api/v1/admin/payments/{payment}/capture"), serde_json::json!({})).await.ok();
    customer.wait_for_invoice(&invoice_id(&body), "INVOICE_STATUS_PAID").await;
    customer.wait_for_tokens(500).await;
}

async fn wait_for_payment(customer: &Customer, payment: &str, status: &str) {
    let limit = std::time::Duration::from_secs(30);
    crate::harness::eventually(status, limit, || async {
        let answer = customer.get(&format!("/api/v1/payments/{payment}")).await.ok();
        (answer["payment"]["status"] == status).then_some(())
    })
    .await;
}
