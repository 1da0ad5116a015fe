//! Database and broker go away and come back.

use std::time::Duration;

use futures::future::join_all;

use crate::harness::customer::invoice_id;
use crate::harness::{Customer, Ear, Fleet, books};

/// How long the broker is gone. The product must not care; the run's patience does.
const BROKER_GONE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_down_for_thirty_seconds() {
    let mut fleet = Fleet::in_process().await;
    let customer = Customer::new(&fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    fleet.nats.kill_9().unwrap();
    let body = customer.check_out(&bundle, "sandbox_card").await.ok();
    tokio::time::sleep(BROKER_GONE).await;
    assert_eq!(customer.tokens().await, 0, "nothing arrives without the broker");
    fleet.nats.start_again().unwrap();
    customer.wait_for_invoice(&invoice_id(&body), "INVOICE_STATUS_PAID").await;
    customer.wait_for_tokens(500).await;
    books::assert_balanced(&fleet).await;
    let ear = Ear::on(&fleet).await;
    let again = customer.check_out(&bundle, "sandbox_card").await.ok();
    ear.wait_for("invoice.paid", &invoice_id(&again)).await;
    customer.wait_for_tokens(1000).await;
}

/// The database is killed as a crash does, twice, while customers buy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_killed_while_customers_buy() {
    let mut fleet = Fleet::on_its_own_database().await;
    let customers = join_all((0..10).map(|_| Customer::new(&fleet))).await;
    let (bundle, _) = customers[0].bundle("500").await;
    let purchases = join_all(customers.iter().map(|customer| customer.buy_patiently(&bundle)));
    let server = fleet.postgres.as_mut().expect("a server of its own");
    let crashes = async {
        for pause in [30, 400] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            server.kill_9().unwrap();
            server.start_again().unwrap();
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
