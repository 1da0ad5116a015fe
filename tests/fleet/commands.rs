//! The operator's commands, against a fleet that has sold something.

use std::time::Duration;

use fleet::command;
use fleet::roles::Role;

use crate::harness::customer::invoice_id;
use crate::harness::{Customer, Ear, Fleet, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_finds_nothing_and_republishing_repeats_events_under_their_ids() {
    let fleet = Fleet::in_process().await;
    let ear = Ear::on(&fleet).await;
    let customer = Customer::new(&fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    let invoice = invoice_id(&customer.check_out(&bundle, "sandbox_card").await.ok());
    let paid = ear.wait_for("invoice.paid", &invoice).await;
    customer.wait_for_tokens(500).await;
    command::doctor::run(&fleet.config).await.expect("a healthy installation");

    command::republish::run(&fleet.config, Role::Invoicing, None).await.unwrap();
    let twice = eventually("the event again", Duration::from_secs(20), || async {
        let heard = ear.heard("invoice.paid", &invoice);
        (heard.len() == 2).then_some(heard)
    })
    .await;
    assert!(twice.iter().all(|event| event["id"] == paid["id"]), "{twice:?}");
    let nonsense = command::republish::run(&fleet.config, Role::Invoicing, Some("nonsense")).await;
    assert_eq!(nonsense.unwrap_err().reason(), "invalid_input");
    let from = paid["sequence"].as_str().unwrap();
    command::republish::run(&fleet.config, Role::Invoicing, Some(from)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(ear.heard("invoice.paid", &invoice).len(), 2, "only what came after the position");
    assert_eq!(customer.tokens().await, 500, "consumers know the events by their ids");
}
