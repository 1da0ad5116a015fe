//! Delivering what was paid: once, after trouble, never, and back again.

use contracts::vbwd::invoicing::v1::{Invoice, InvoiceStatus, LineStatus};

use crate::world::{World, euros, eventually, line, order, world};

async fn two_lines(world: &World) -> Invoice {
    world.check_out(order([line("large", 1), line("small", 2)])).await.unwrap().invoice.unwrap()
}

fn statuses(invoice: &Invoice) -> Vec<LineStatus> {
    invoice.lines.iter().map(|line| line.status()).collect()
}

#[tokio::test]
async fn every_line_is_delivered_and_the_invoice_fulfilled() {
    let world = world().await;
    let invoice = two_lines(&world).await;
    world.captured(&invoice, 2_999).await;
    world.wait_for(&invoice, "invoice.fulfilled").await;
    assert_eq!(statuses(&world.invoice(&invoice.invoice_id).await), [LineStatus::Fulfilled; 2]);
    let shelf = world.seller.shelf();
    let lines: Vec<_> = invoice.lines.iter().map(|line| shelf.delivered[&line.line_id]).collect();
    assert_eq!(lines, [1, 1]);
}

#[tokio::test]
async fn a_seller_in_trouble_is_asked_again_for_what_is_missing_only() {
    let world = world().await;
    world.seller.shelf().delivery_troubles.insert("small".to_owned(), 3);
    let invoice = two_lines(&world).await;
    world.captured(&invoice, 2_999).await;
    world.wait_for(&invoice, "invoice.fulfilled").await;
    let shelf = world.seller.shelf();
    assert_eq!(shelf.delivered.values().copied().collect::<Vec<_>>(), [1, 1]);
    assert_eq!(shelf.delivery_attempts, 5, "three troubles, two deliveries");
}

#[tokio::test]
async fn a_line_that_is_refused_for_good_goes_back_alone() {
    let world = world().await;
    world.seller.shelf().undeliverable.insert("small".to_owned());
    let invoice = two_lines(&world).await;
    world.captured(&invoice, 2_999).await;
    world.wait_for(&invoice, "invoice.line_unfulfillable").await;
    eventually("the refund", || async { !world.payments.till().refunds.is_empty() }).await;
    let stored = world.invoice(&invoice.invoice_id).await;
    assert_eq!(statuses(&stored), [LineStatus::Fulfilled, LineStatus::Unfulfillable]);
    assert_eq!(stored.status(), InvoiceStatus::Paid);
    assert!(!world.happened(&invoice, "invoice.fulfilled").await);
    let till = world.payments.till();
    let refund = till.refunds.values().next().unwrap();
    assert_eq!((till.refunds.len(), refund.amount.clone()), (1, Some(euros(1_000))));
    assert_eq!(refund.payment_id, invoice.payment_id);
}

#[tokio::test]
async fn a_refunded_invoice_is_taken_back() {
    let world = world().await;
    let invoice = two_lines(&world).await;
    world.captured(&invoice, 2_999).await;
    world.wait_for(&invoice, "invoice.fulfilled").await;
    world.refunded(&invoice, 1_000).await;
    world.wait_for(&invoice, "invoice.refund_recorded").await;
    assert_eq!(world.invoice(&invoice.invoice_id).await.status(), InvoiceStatus::Paid);
    let last = world.refunded(&invoice, 2_999).await;
    world.heard(last).await;
    eventually("the lines are back", || async {
        statuses(&world.invoice(&invoice.invoice_id).await) == [LineStatus::Reversed; 2]
    })
    .await;
    assert_eq!(world.invoice(&invoice.invoice_id).await.status(), InvoiceStatus::Refunded);
    assert_eq!(world.seller.shelf().taken_back.values().copied().collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn a_muddled_delivery_is_left_to_an_operator_and_not_refunded() {
    let world = world().await;
    world.seller.shelf().muddled.insert("small".to_owned());
    let invoice = two_lines(&world).await;
    world.captured(&invoice, 2_999).await;
    eventually("a dead letter", || async { world.count("dead_letters").await == 1 }).await;
    let stored = world.invoice(&invoice.invoice_id).await;
    assert_eq!(statuses(&stored), [LineStatus::Fulfilled, LineStatus::Pending]);
    assert!(world.payments.till().refunds.is_empty());
}

#[tokio::test]
async fn what_was_delivered_before_a_refund_and_never_recorded_is_taken_back_as_well() {
    let world = world().await;
    // The seller delivers `large`; that is lost on the way, and meanwhile all the money goes back.
    world.seller.shelf().lost_answers.insert("large".to_owned());
    world.seller.shelf().delivery_troubles.insert("small".to_owned(), 1_000);
    let invoice = two_lines(&world).await;
    world.captured(&invoice, 2_999).await;
    eventually("a delivery", || async { !world.seller.shelf().delivered.is_empty() }).await;
    let last = world.refunded(&invoice, 2_999).await;
    world.heard(last).await;
    eventually("the line is back", || async {
        statuses(&world.invoice(&invoice.invoice_id).await) == [LineStatus::Reversed, LineStatus::Pending]
    })
    .await;
    assert_eq!(world.seller.shelf().taken_back.values().copied().collect::<Vec<_>>(), [1]);
    assert_eq!(world.count("dead_letters").await, 0);
}
