//! Who may do what: every rpc against every kind of caller.

use auth::Caller;
use contracts::vbwd::invoicing::v1::*;
use fault::{Code, Fault};
use ids::OperationId;
use tonic::Status;

use crate::world::{World, holder, line, order, pay, user, world};

/// Every rpc of the service; the test fails when one is missing.
const RPCS: [&str; 6] = [
    "CheckoutService/CreateCheckout",
    "CheckoutService/PreviewCheckout",
    "InvoiceService/GetInvoice",
    "InvoiceService/ListInvoices",
    "InvoiceService/PayInvoice",
    "InvoiceService/ListAllInvoices",
];

/// What `caller` is answered, as a word.
async fn call(world: &World, rpc: &str, caller: &Caller, invoice: &Invoice) -> String {
    fn word<T>(outcome: Result<T, Status>) -> String {
        outcome.map_or_else(|status| Fault::from(status).reason().to_owned(), |_| "ok".to_owned())
    }
    let operation = OperationId::new();
    let lines = vec![line("small", 1)];
    match rpc {
        "CheckoutService/CreateCheckout" => {
            let request = world.request(caller, operation, order(lines));
            word(world.checkouts().create_checkout(request).await)
        }
        "CheckoutService/PreviewCheckout" => {
            let preview = PreviewCheckoutRequest { lines, ..PreviewCheckoutRequest::default() };
            word(world.checkouts().preview_checkout(world.request(caller, operation, preview)).await)
        }
        "InvoiceService/GetInvoice" => {
            let get = GetInvoiceRequest { invoice_id: invoice.invoice_id.clone() };
            word(world.invoices().get_invoice(world.request(caller, operation, get)).await)
        }
        "InvoiceService/ListInvoices" => {
            let list = ListInvoicesRequest::default();
            word(world.invoices().list_invoices(world.request(caller, operation, list)).await)
        }
        "InvoiceService/PayInvoice" => {
            word(world.invoices().pay_invoice(world.request(caller, operation, pay(invoice))).await)
        }
        "InvoiceService/ListAllInvoices" => {
            let list = ListAllInvoicesRequest::default();
            word(world.invoices().list_all_invoices(world.request(caller, operation, list)).await)
        }
        other => panic!("no call for {other}"),
    }
}

#[tokio::test]
async fn every_rpc_answers_every_caller_as_the_table_says() {
    let world = world().await;
    let invoice = world.open_invoice().await;
    let anonymous = Caller::anonymous(world.tenant);
    let (stranger, reader) = (user(world.tenant), holder(world.tenant, "invoices.read"));
    let callers = [&anonymous, &world.customer, &stranger, &reader];
    let no = "authentication_required";
    let table = [
        (RPCS[0], [no, "ok", "ok", "ok"]),
        (RPCS[1], [no, "ok", "ok", "ok"]),
        (RPCS[2], [no, "ok", "invoice_not_found", "ok"]),
        (RPCS[3], [no, "ok", "ok", "ok"]),
        (RPCS[4], [no, "ok", "invoice_not_found", "invoice_not_found"]),
        (RPCS[5], [no, "permission_denied", "permission_denied", "ok"]),
    ];
    for (rpc, expected) in table {
        for (caller, expected) in callers.iter().zip(expected) {
            assert_eq!(call(&world, rpc, caller, &invoice).await, expected, "{rpc} by {}", caller.subject);
        }
    }
}

#[test]
fn no_rpc_is_left_out() {
    let ours = contracts::methods().iter().filter(|rpc| rpc.service == "invoicing");
    for rpc in ours.filter(|rpc| !rpc.path.contains("LineItemSourceService")) {
        let name = rpc.path.trim_start_matches("/vbwd.invoicing.v1.");
        assert!(RPCS.contains(&name), "{name} has no row");
    }
}

#[tokio::test]
async fn what_does_not_exist_and_what_is_foreign_look_the_same() {
    let world = world().await;
    let invoice = world.open_invoice().await;
    let stranger = user(world.tenant);
    let get = |id: String| world.request(&stranger, OperationId::new(), GetInvoiceRequest { invoice_id: id });
    let mut answers = Vec::new();
    for id in [invoice.invoice_id.clone(), OperationId::new().to_string(), "no-id".to_owned()] {
        let fault = Fault::from(world.invoices().get_invoice(get(id)).await.unwrap_err());
        answers.push((fault.code(), fault.reason().to_owned(), fault.message().to_owned()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(answers[0].0, Code::NotFound);
}
