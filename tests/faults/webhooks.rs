//! Webhooks as the internet delivers them: twice, in the wrong order, late.

use crate::harness::customer::invoice_id;
use crate::harness::{Customer, Ear, Fleet, books};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicate_reordered_and_late_webhooks_credit_once() {
    let fleet = Fleet::in_process().await;
    let ear = Ear::on(&fleet).await;
    for method in ["sandbox_webhook_duplicated", "sandbox_webhook_reordered", "sandbox_webhook_delayed"] {
        let customer = Customer::new(&fleet).await;
        let (bundle, _) = customer.bundle("500").await;
        let invoice = invoice_id(&customer.check_out(&bundle, method).await.ok());
        customer.wait_for_invoice(&invoice, "INVOICE_STATUS_PAID").await;
        customer.wait_for_tokens(500).await;
        ear.wait_for("invoice.fulfilled", &invoice).await;
        assert_eq!(ear.heard("invoice.paid", &invoice).len(), 1, "{method}");
        assert_eq!(customer.tokens().await, 500, "{method}");
    }
    books::assert_balanced(&fleet).await;
}
