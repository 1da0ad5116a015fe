//! `kill -9` of notify while mails and webhooks are under way: everybody is told at least once, and
//! what comes twice can be told by its id.

use std::collections::BTreeSet;
use std::time::Duration;

use fleet::roles::Role;
use futures::future::join_all;
use serde_json::json;

use crate::harness::customer::invoice_id;
use crate::harness::{Customer, Fleet, Outside, eventually};

const CUSTOMERS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notify_is_killed_while_it_tells() {
    let outside = Outside::start();
    let mut fleet = Fleet::of_processes_with(|config| outside.known_to(config)).await;
    let admin = Customer::admin(&fleet).await;
    let wish = json!({"url": outside.hooks.url("/ok"), "event_types": ["invoice.paid"]});
    admin.post("/api/v1/admin/webhook-endpoints", wish).await.ok();
    let customers = join_all((0..CUSTOMERS).map(|_| Customer::new(&fleet))).await;
    let (bundle, _) = customers[0].bundle("500").await;
    let sales = join_all(
        customers
            .iter()
            .map(|customer| async { invoice_id(&customer.check_out(&bundle, "sandbox_card").await.ok()) }),
    );
    let crashes = async {
        for pause in [60, 150, 300] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            fleet.processes().crash(Role::Notify).await;
        }
    };
    let (invoices, ()) = tokio::join!(sales, crashes);
    let sold: BTreeSet<String> = invoices.into_iter().collect();
    eventually("every sale is delivered", Duration::from_secs(60), || async {
        (told_of(&outside).values().cloned().collect::<BTreeSet<_>>() == sold).then_some(())
    })
    .await;
    assert_eq!(told_of(&outside).len(), CUSTOMERS, "one id for each event, however often it came");
    for customer in &customers {
        let ids = eventually("the receipt", Duration::from_secs(60), || async {
            let receipts = outside.mail.taken_by(&customer.email);
            let paid = receipts.iter().filter(|mail| mail.data.contains("INV-"));
            let ids: BTreeSet<_> = paid.filter_map(|mail| mail.header("Message-ID")).collect();
            (!ids.is_empty()).then_some(ids)
        })
        .await;
        assert_eq!(ids.len(), 1, "a receipt that comes twice is the same receipt");
    }
}

/// The invoice by the id of the message that told of it.
fn told_of(outside: &Outside) -> std::collections::BTreeMap<String, String> {
    let received = outside.hooks.received("/ok");
    received
        .iter()
        .map(|one| {
            let invoice = one.json()["data"]["invoiceId"].as_str().unwrap().to_owned();
            (one.headers["webhook-id"].clone(), invoice)
        })
        .collect()
}
