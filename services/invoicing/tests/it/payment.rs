//! Being paid: by an event, by a second attempt, too late, twice, wrongly, or not at all.

use contracts::vbwd::invoicing::v1::{InvoicePaid, InvoiceStatus};
use contracts::vbwd::payments::v1::{PaymentCaptured, PaymentStatus};
use fault::Code;
use ids::{EventId, OperationId};
use jiff::SignedDuration;

use crate::world::{World, euros, eventually, heard_by, pay, world, world_with};

async fn impatient() -> World {
    world_with(invoicing::Config { sweep_interval_seconds: 1, ..invoicing::Config::default() }).await
}

async fn wait_for_status(world: &World, id: &str, status: InvoiceStatus) {
    eventually(status.as_str_name(), || async { world.invoice(id).await.status() == status }).await;
}

#[tokio::test]
async fn a_captured_payment_pays_and_the_world_hears_of_it() {
    let world = world().await;
    let mut paid = world.listen("paid").await;
    let invoice = world.open_invoice().await;
    world.captured(&invoice, 1_999).await;
    wait_for_status(&world, &invoice.invoice_id, InvoiceStatus::Paid).await;
    let event = heard_by(&mut paid).await;
    let message: InvoicePaid = event.data().unwrap();
    assert_eq!((event.r#type.as_str(), event.subject.as_str()), ("invoice.paid", &*invoice.invoice_id));
    assert_eq!((message.number, message.total), (invoice.number.clone(), Some(euros(1_999))));
    assert_eq!(message.payment_id, invoice.payment_id);
    world.wait_for(&invoice, "invoice.fulfilled").await;
}

#[tokio::test]
async fn duplicates_pay_once() {
    let world = world().await;
    let invoice = world.open_invoice().await;
    let message = PaymentCaptured {
        payment_id: invoice.payment_id.clone(),
        invoice_id: invoice.invoice_id.clone(),
        amount: Some(euros(1_999)),
        ..PaymentCaptured::default()
    };
    let (same, schema) = (EventId::new(), "vbwd.payments.v1.PaymentCaptured");
    for _ in 0..5 {
        world.tell(same, ("captured", schema), &invoice.payment_id, &message).await;
        world.tell(EventId::new(), ("captured", schema), &invoice.payment_id, &message).await;
    }
    let last = world.captured(&invoice, 1_999).await;
    world.heard(last).await;
    world.wait_for(&invoice, "invoice.fulfilled").await;
    let history = world.history(&invoice).await;
    assert_eq!(history.iter().filter(|name| *name == "invoice.paid").count(), 1, "{history:?}");
    assert_eq!(world.seller.shelf().delivered.values().sum::<u32>(), 1);
    assert!(world.payments.till().refunds.is_empty());
}

#[tokio::test]
async fn a_failure_that_arrives_before_the_capture_does_not_matter() {
    let world = world().await;
    let invoice = world.open_invoice().await;
    let failed = world.failed(&invoice, &invoice.payment_id).await;
    world.heard(failed).await;
    assert_eq!(world.invoice(&invoice.invoice_id).await.status(), InvoiceStatus::Open);
    world.captured(&invoice, 1_999).await;
    wait_for_status(&world, &invoice.invoice_id, InvoiceStatus::Paid).await;
}

#[tokio::test]
async fn a_wrong_amount_pays_nothing_and_is_kept_for_an_operator() {
    let world = world().await;
    let invoice = world.open_invoice().await;
    let event = world.captured(&invoice, 1_998).await;
    world.heard(event).await;
    let errors: Vec<String> =
        sqlx::query_scalar("SELECT error FROM dead_letters").fetch_all(&world.superuser).await.unwrap();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("payment_amount_differs"), "{errors:?}");
    assert_eq!(world.history(&invoice).await, ["invoice.opened", "invoice.payment_started"]);
}

#[tokio::test]
async fn a_declined_invoice_stays_open_and_can_be_paid_again() {
    let world = world().await;
    world.payments.till().next_status = Some(PaymentStatus::Failed);
    let invoice = world.open_invoice().await;
    assert_eq!(invoice.status(), InvoiceStatus::Open);
    world.payments.till().next_status = None;
    let operation = OperationId::new();
    let step = world.pay(operation, pay(&invoice)).await.unwrap();
    assert_eq!((step.status.as_str(), step.failure_code.as_str()), ("processing", ""));
    assert_ne!(step.payment_id, invoice.payment_id, "a declined payment is not tried again");
    let again = world.pay(operation, pay(&invoice)).await.unwrap();
    assert_eq!(again, step, "the same request gets the same payment");
    let other = world.pay(OperationId::new(), pay(&invoice)).await.unwrap();
    assert_eq!(other.payment_id, step.payment_id, "a payment that waits goes on");
    world.captured_by(&invoice, &step.payment_id, 1_999).await;
    wait_for_status(&world, &invoice.invoice_id, InvoiceStatus::Paid).await;
    let history = world.history(&invoice).await;
    let expected = ["opened", "payment_started", "payment_failed", "payment_started", "paid"];
    assert_eq!(history[..5], expected.map(|verb| format!("invoice.{verb}")));
}

#[tokio::test]
async fn a_paid_invoice_is_not_paid_again() {
    let world = world().await;
    let invoice = world.open_invoice().await;
    world.captured(&invoice, 1_999).await;
    wait_for_status(&world, &invoice.invoice_id, InvoiceStatus::Paid).await;
    let fault = world.pay(OperationId::new(), pay(&invoice)).await.unwrap_err();
    assert_eq!((fault.code(), fault.reason()), (Code::Rejected, "invoice_already_paid"));
}

#[tokio::test]
async fn a_second_payment_goes_back() {
    let world = world().await;
    let invoice = world.open_invoice().await;
    let voucher = contracts::vbwd::invoicing::v1::PayInvoiceRequest {
        payment_method: "sandbox_voucher".to_owned(),
        ..pay(&invoice)
    };
    let second = world.pay(OperationId::new(), voucher).await.unwrap();
    world.captured(&invoice, 1_999).await;
    wait_for_status(&world, &invoice.invoice_id, InvoiceStatus::Paid).await;
    world.captured_by(&invoice, &second.payment_id, 1_999).await;
    world.wait_for(&invoice, "invoice.payment_surplus_detected").await;
    eventually("the refund", || async { !world.payments.till().refunds.is_empty() }).await;
    let till = world.payments.till();
    let refund = till.refunds.values().next().unwrap();
    assert_eq!((refund.payment_id.clone(), refund.amount.clone()), (second.payment_id, Some(euros(1_999))));
    assert_eq!((refund.reason.as_str(), till.refunds.len()), ("already_paid", 1));
}

#[tokio::test]
async fn an_unpaid_invoice_is_voided_its_holds_released_and_late_money_goes_back() {
    let world = impatient().await;
    let mut voided = world.listen("voided").await;
    let invoice = world.open_invoice().await;
    world.clock.advance(SignedDuration::from_hours(23));
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(world.invoice(&invoice.invoice_id).await.status(), InvoiceStatus::Open);
    world.clock.advance(SignedDuration::from_hours(1));
    wait_for_status(&world, &invoice.invoice_id, InvoiceStatus::Void).await;
    assert_eq!(heard_by(&mut voided).await.r#type, "invoice.voided");
    eventually("the release", || async {
        world.seller.shelf().released == [invoice.lines[0].line_id.clone()]
    })
    .await;
    eventually("the payment is given up", || async { world.payments.till().given_up.len() == 1 }).await;
    assert_eq!(world.payments.till().given_up, std::slice::from_ref(&invoice.payment_id));
    let fault = world.pay(OperationId::new(), pay(&invoice)).await.unwrap_err();
    assert_eq!(fault.reason(), "invoice_void");
    world.captured(&invoice, 1_999).await;
    eventually("the refund", || async { world.payments.till().refunds.len() == 1 }).await;
    assert_eq!(world.payments.till().refunds.values().next().unwrap().reason, "invoice_void");
    assert_eq!(world.invoice(&invoice.invoice_id).await.status(), InvoiceStatus::Void);
}

#[tokio::test]
async fn money_whose_event_was_lost_is_found_by_asking() {
    let world = impatient().await;
    let invoice = world.open_invoice().await;
    let set = |status: PaymentStatus| {
        world.payments.till().payments.get_mut(&invoice.payment_id).unwrap().set_status(status);
    };
    set(PaymentStatus::Captured);
    world.clock.advance(SignedDuration::from_mins(2));
    wait_for_status(&world, &invoice.invoice_id, InvoiceStatus::Paid).await;
    let late = world.captured(&invoice, 1_999).await;
    world.heard(late).await;
    assert!(world.payments.till().refunds.is_empty(), "the event that came late changes nothing");
}

#[tokio::test]
async fn money_that_came_and_went_back_unheard_delivers_nothing() {
    let world = impatient().await;
    let invoice = world.open_invoice().await;
    world.went_back(&invoice, PaymentStatus::Refunded, 1_999);
    world.clock.advance(SignedDuration::from_mins(2));
    wait_for_status(&world, &invoice.invoice_id, InvoiceStatus::Refunded).await;
    world.reacted().await;
    let expected = ["opened", "payment_started", "paid", "refund_recorded", "refunded"];
    assert_eq!(world.history(&invoice).await, expected.map(|verb| format!("invoice.{verb}")));
    assert_eq!(world.seller.shelf().delivery_attempts, 0);
    assert!(world.payments.till().refunds.is_empty());
    assert_eq!(world.count("dead_letters").await, 0);
}

#[tokio::test]
async fn money_of_which_a_part_went_back_unheard_pays_and_delivers() {
    let world = impatient().await;
    let invoice = world.open_invoice().await;
    world.went_back(&invoice, PaymentStatus::PartiallyRefunded, 500);
    world.clock.advance(SignedDuration::from_mins(2));
    world.wait_for(&invoice, "invoice.fulfilled").await;
    assert!(world.happened(&invoice, "invoice.refund_recorded").await);
    assert_eq!(world.invoice(&invoice.invoice_id).await.status(), InvoiceStatus::Paid);
}

#[tokio::test]
async fn money_that_arrived_just_in_time_is_not_voided() {
    let world = impatient().await;
    let invoice = world.open_invoice().await;
    world.payments.till().payments.get_mut(&invoice.payment_id).unwrap().set_status(PaymentStatus::Captured);
    world.clock.advance(SignedDuration::from_hours(48));
    wait_for_status(&world, &invoice.invoice_id, InvoiceStatus::Paid).await;
    assert!(!world.happened(&invoice, "invoice.voided").await);
}

#[tokio::test]
async fn an_unreadable_invoice_does_not_keep_the_sweep_from_the_others() {
    let world = impatient().await;
    let unreadable = world.open_invoice().await;
    world.clock.advance(SignedDuration::from_secs(1));
    let behind = world.open_invoice().await;
    sqlx::query("UPDATE events SET name = 'invoice.unheard_of' WHERE stream_id = $1")
        .bind(unreadable.invoice_id.parse::<uuid::Uuid>().unwrap())
        .execute(&world.superuser)
        .await
        .unwrap();
    world.payments.till().payments.get_mut(&behind.payment_id).unwrap().set_status(PaymentStatus::Captured);
    world.clock.advance(SignedDuration::from_mins(2));
    wait_for_status(&world, &behind.invoice_id, InvoiceStatus::Paid).await;
}

#[tokio::test]
async fn an_invoice_whose_payment_was_never_created_is_voided_too() {
    let world = impatient().await;
    world.payments.till().creations_lost = 1;
    world.check_out(crate::world::order([crate::world::line("large", 1)])).await.unwrap_err();
    world.clock.advance(SignedDuration::from_hours(25));
    eventually("void", || async {
        let statuses: Vec<String> =
            sqlx::query_scalar("SELECT status FROM invoices").fetch_all(&world.superuser).await.unwrap();
        statuses == ["void"]
    })
    .await;
}

#[tokio::test]
async fn a_payment_that_payments_refuses_is_a_failed_step_and_another_may_follow() {
    let world = world().await;
    world.payments.till().refuses = true;
    let answer = world.check_out(crate::world::order([crate::world::line("large", 1)])).await.unwrap();
    let (invoice, step) = (answer.invoice.unwrap(), answer.payment.unwrap());
    assert_eq!((step.status.as_str(), step.failure_code.as_str()), ("failed", "method_suspended"));
    world.payments.till().refuses = false;
    let step = world.pay(OperationId::new(), pay(&invoice)).await.unwrap();
    assert_eq!(step.status, "processing");
    assert_ne!(step.payment_id, invoice.payment_id);
}
