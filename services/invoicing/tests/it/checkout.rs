//! Checking out: what is opened, what is refused, and what a repetition does.

use contracts::vbwd::invoicing::v1::{InvoiceStatus, LineStatus, PreviewCheckoutRequest};
use contracts::vbwd::payments::v1::PaymentStatus;
use fault::Code;
use futures::future::join_all;
use ids::OperationId;

use crate::world::{euros, line, order, world};

#[tokio::test]
async fn a_checkout_opens_a_numbered_invoice_and_starts_its_payment() {
    let world = world().await;
    world.payments.till().next_status = Some(PaymentStatus::RequiresAction);
    let answer = world.check_out(order([line("large", 2), line("small", 1)])).await.unwrap();
    let (invoice, step) = (answer.invoice.unwrap(), answer.payment.unwrap());
    assert_eq!((invoice.number.as_str(), invoice.status()), ("INV-2026-000001", InvoiceStatus::Open));
    assert_eq!(invoice.total, Some(euros(4_498)));
    assert_eq!(invoice.lines[0].total, Some(euros(3_998)));
    assert_eq!((step.action.as_str(), step.redirect_url.as_str()), ("redirect", "https://pay.example/"));
    assert_eq!((step.payment_id.as_str(), step.status.as_str()), (&*invoice.payment_id, "requires_action"));
    assert!(!answer.position.is_empty());
    let stored = world.invoice(&invoice.invoice_id).await;
    assert_eq!(stored, invoice, "what is read is what was answered");
    assert_eq!(world.history(&invoice).await, ["invoice.opened", "invoice.payment_started"]);
    let till = world.payments.till();
    let payment = &till.payments[&step.payment_id];
    assert_eq!(
        (payment.invoice_id.as_str(), payment.amount.clone()),
        (&*invoice.invoice_id, Some(euros(4_498)))
    );
}

#[tokio::test]
async fn every_bad_input_answers_its_own_code_and_changes_nothing() {
    let world = world().await;
    world.seller.shelf().inactive.insert("small".to_owned());
    world.seller.shelf().prices.insert("dear".to_owned(), i64::MAX);
    let large = || order([line("large", 1)]);
    let other_kind =
        contracts::vbwd::invoicing::v1::CheckoutLine { kind: "castle".to_owned(), ..line("x", 1) };
    let cases = [
        (order([line("nothing", 1)]), "bundle_unknown", "/lines/0/item_id"),
        (order([line("large", 1), line("small", 1)]), "bundle_inactive", "/lines/1/item_id"),
        (order([line("large", 0)]), "quantity_out_of_range", "/lines/0/quantity"),
        (order([line("large", 1), line("large", -1)]), "quantity_out_of_range", "/lines/1/quantity"),
        (order([line("large", i64::MAX)]), "quantity_out_of_range", "/lines/0/quantity"),
        (order([]), "lines_empty", "/lines"),
        (order((0..101).map(|_| line("large", 1))), "too_many_lines", "/lines"),
        (order([other_kind]), "unknown_kind", "/lines/0/kind"),
        (order([line("", 1)]), "item_malformed", "/lines/0/item_id"),
        (order([line("dear", 2)]), "total_too_large", "/lines"),
        (with(large(), |order| order.currency = "XXX".to_owned()), "currency_unknown", "/currency"),
        (with(large(), |order| order.currency = "eur".to_owned()), "currency_unknown", "/currency"),
        (with(large(), |order| order.currency = "JPY".to_owned()), "currency_not_offered", "/currency"),
        (
            with(large(), |order| order.payment_method = "gold".to_owned()),
            "payment_method_unknown",
            "/payment_method",
        ),
        (with(large(), |order| order.payment_method.clear()), "payment_method_required", "/payment_method"),
        (
            with(large(), |order| order.billing_country = "de".to_owned()),
            "country_malformed",
            "/billing_country",
        ),
        (
            with(large(), |order| order.return_url = "javascript:alert(1)".to_owned()),
            "return_url_malformed",
            "/return_url",
        ),
    ];
    for (request, reason, pointer) in cases {
        let fault = world.check_out(request).await.unwrap_err();
        assert_eq!((fault.reason(), fault.violations()[0].pointer.as_str()), (reason, pointer));
        assert!(matches!(fault.code(), Code::InvalidInput | Code::Rejected), "{reason}: {:?}", fault.code());
    }
    for table in ["invoices", "invoice_lines", "invoice_series", "events", "operations"] {
        assert_eq!(world.count(table).await, 0, "{table}");
    }
    assert!(world.seller.shelf().held.is_empty());
    assert_eq!(world.payments.till().creations, 0);
}

#[tokio::test]
async fn the_tenants_currency_is_used_when_none_is_named() {
    let world = world().await;
    let answer = world.check_out(with(order([line("small", 1)]), |order| order.currency.clear())).await;
    assert_eq!(answer.unwrap().invoice.unwrap().total, Some(euros(500)));
}

#[tokio::test]
async fn a_hundred_repetitions_at_once_are_one_checkout() {
    let world = world().await;
    let operation = OperationId::new();
    let repeat = |_| world.check_out_as(operation, order([line("large", 1), line("small", 3)]));
    let answers = join_all((0..100).map(repeat)).await;
    let invoices: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().invoice.unwrap()).collect();
    assert!(invoices.iter().all(|invoice| *invoice == invoices[0]));
    assert_eq!((world.count("invoices").await, world.count("invoice_lines").await), (1, 2));
    assert_eq!(world.payments.till().payments.len(), 1);
    let next = world.open_invoice().await;
    assert_eq!(next.number, "INV-2026-000002", "repetitions take no number");
}

#[tokio::test]
async fn another_body_under_the_same_operation_is_refused() {
    let world = world().await;
    let operation = OperationId::new();
    let first = world.check_out_as(operation, order([line("large", 1)])).await.unwrap().invoice.unwrap();
    for other in [order([line("large", 2)]), order([line("nothing", 1)]), order([])] {
        let fault = world.check_out_as(operation, other).await.unwrap_err();
        assert_eq!((fault.code(), fault.reason()), (Code::OperationReused, "operation_id_reused"));
    }
    assert_eq!(world.count("invoices").await, 1);
    assert_eq!(world.invoice(&first.invoice_id).await, first);
}

#[tokio::test]
async fn what_was_sold_is_answered_again_even_if_it_is_not_on_sale_any_more() {
    let world = world().await;
    let operation = OperationId::new();
    let first = world.check_out_as(operation, order([line("large", 1)])).await.unwrap();
    world.seller.shelf().inactive.insert("large".to_owned());
    let second = world.check_out_as(operation, order([line("large", 1)])).await.unwrap();
    assert_eq!((first.invoice, first.payment), (second.invoice, second.payment));
}

#[tokio::test]
async fn a_refused_hold_releases_the_others_and_opens_nothing() {
    let world = world().await;
    world.seller.shelf().sold_out.insert("small".to_owned());
    let fault = world.check_out(order([line("large", 1), line("small", 1)])).await.unwrap_err();
    assert_eq!((fault.reason(), fault.violations()[0].pointer.as_str()), ("sold_out", "/lines/1/item_id"));
    {
        let shelf = world.seller.shelf();
        assert_eq!(shelf.held.len(), 1);
        assert!(shelf.released.contains(&shelf.held[0]));
    }
    assert_eq!((world.count("invoices").await, world.count("invoice_series").await), (0, 0));
}

#[tokio::test]
async fn a_repetition_whose_hold_is_refused_now_keeps_the_first_holds() {
    let world = world().await;
    let operation = OperationId::new();
    let first = world.check_out_as(operation, order([line("large", 1)])).await.unwrap();
    world.seller.shelf().sold_out.insert("large".to_owned());
    let again = world.check_out_as(operation, order([line("large", 1)])).await.unwrap();
    assert_eq!(first.invoice, again.invoice);
    assert!(world.seller.shelf().released.is_empty());
}

#[tokio::test]
async fn a_checkout_that_broke_off_before_its_payment_is_continued() {
    let world = world().await;
    world.payments.till().creations_lost = 1;
    let operation = OperationId::new();
    let fault = world.check_out_as(operation, order([line("large", 1)])).await.unwrap_err();
    assert!(fault.is_transient());
    assert_eq!((world.count("invoices").await, world.payments.till().payments.len()), (1, 0));
    let answer = world.check_out_as(operation, order([line("large", 1)])).await.unwrap();
    let invoice = answer.invoice.unwrap();
    assert_eq!((invoice.number.as_str(), world.count("invoices").await), ("INV-2026-000001", 1));
    assert_eq!(answer.payment.unwrap().payment_id, invoice.payment_id);
    assert_eq!(world.payments.till().payments.len(), 1);
}

#[tokio::test]
async fn and_it_can_be_paid_by_pay_invoice_instead() {
    let world = world().await;
    world.payments.till().creations_lost = 1;
    world.check_out(order([line("large", 1)])).await.unwrap_err();
    let id: uuid::Uuid =
        sqlx::query_scalar("SELECT invoice_id FROM invoices").fetch_one(&world.superuser).await.unwrap();
    let invoice = world.invoice(&id.to_string()).await;
    let step = world.pay(OperationId::new(), crate::world::pay(&invoice)).await.unwrap();
    assert_eq!((step.payment_id, step.status.as_str()), (invoice.payment_id, "processing"));
}

#[tokio::test]
async fn what_costs_nothing_is_paid_and_delivered_without_a_payment() {
    let world = world().await;
    let answer = world.check_out(with(order([line("free", 1)]), |order| order.payment_method.clear())).await;
    let answer = answer.unwrap();
    let invoice = answer.invoice.unwrap();
    assert_eq!((invoice.status(), answer.payment), (InvoiceStatus::Paid, None));
    assert!(invoice.paid_at.is_some());
    world.wait_for(&invoice, "invoice.fulfilled").await;
    let stored = world.invoice(&invoice.invoice_id).await;
    assert_eq!(stored.lines[0].status(), LineStatus::Fulfilled);
    assert_eq!(world.payments.till().creations, 0);
}

#[tokio::test]
async fn a_preview_shows_what_a_checkout_charges_and_changes_nothing() {
    let world = world().await;
    let lines = vec![line("large", 2), line("small", 1)];
    let preview = PreviewCheckoutRequest {
        lines: lines.clone(),
        currency: "EUR".to_owned(),
        billing_country: "DE".to_owned(),
    };
    let request = world.request(&world.customer, OperationId::new(), preview);
    let preview = world.checkouts().preview_checkout(request).await.unwrap().into_inner();
    assert_eq!((world.count("events").await, world.seller.shelf().held.len()), (0, 0));
    let charged = world.check_out(order(lines)).await.unwrap().invoice.unwrap();
    assert_eq!(preview.total, charged.total);
    let prices = |lines: &[contracts::vbwd::invoicing::v1::InvoiceLine]| {
        lines.iter().map(|line| (line.unit_price.clone(), line.total.clone())).collect::<Vec<_>>()
    };
    assert_eq!(prices(&preview.lines), prices(&charged.lines));
}

fn with<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}
