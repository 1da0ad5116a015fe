//! `kill -9` of one service while purchases are under way.

use std::time::Duration;

use fleet::roles::Role;
use futures::future::join_all;

use crate::harness::{Customer, Fleet, books};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_is_killed_between_webhooks_and_events() {
    survive_the_crash_of(Role::Payments).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wallet_is_killed_between_append_and_acknowledgement() {
    survive_the_crash_of(Role::Wallet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invoicing_is_killed_between_payment_and_fulfilment() {
    survive_the_crash_of(Role::Invoicing).await;
}

/// Twenty customers buy while the service is killed three times; whoever got an error repeats the
/// request under its key, as a client should.
async fn survive_the_crash_of(role: Role) {
    let mut fleet = Fleet::of_processes().await;
    let customers = join_all((0..20).map(|_| Customer::new(&fleet))).await;
    let (bundle, _) = customers[0].bundle("500").await;
    let purchases = join_all(customers.iter().map(|customer| customer.buy_patiently(&bundle)));
    let crashes = async {
        for pause in [40, 120, 250] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            fleet.processes().crash(role).await;
        }
    };
    let (invoices, ()) = tokio::join!(purchases, crashes);
    for (customer, invoice) in customers.iter().zip(invoices) {
        customer.wait_for_invoice(&invoice, "INVOICE_STATUS_PAID").await;
        customer.wait_for_tokens(500).await;
    }
    books::assert_balanced(&fleet).await;
    books::assert_gapless(&fleet).await;
}
