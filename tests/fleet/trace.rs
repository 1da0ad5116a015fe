//! One trace id from the request to the events it led to.

use crate::harness::customer::{invoice_id, order};
use crate::harness::{Customer, Ear, Fleet};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_events_of_a_purchase_carry_the_trace_of_the_request() {
    let fleet = Fleet::in_process().await;
    let ear = Ear::on(&fleet).await;
    let customer = Customer::new(&fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    let request = customer
        .request(reqwest::Method::POST, "/api/v1/checkout")
        .header("idempotency-key", "traced")
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .json(&order(&bundle, "sandbox_card"));
    let body = customer.send(request).await.ok();
    let opened = ear.wait_for("invoice.opened", &invoice_id(&body)).await;
    assert!(opened["traceparent"].as_str().unwrap().contains(TRACE), "{opened}");
}
