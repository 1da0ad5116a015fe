//! Token bundles through the checkout contract.

use eventstore::CommandContext;
use ids::{BundleId, InvoiceId, LineId, OperationId};
use money::{Currency, Money};
use wallet::bundles::{Bundle, BundleBody, Catalogue};
use wallet::selling::{Line, Selling, Terms};
use wallet_domain::samples::{NOON_MS, a_post, a_request, customer, issuance, tenant, user};

use crate::reads::{World, world};

fn context() -> CommandContext {
    let operation_id = OperationId::new();
    CommandContext {
        tenant: tenant(),
        actor: "service:invoicing".to_owned(),
        operation_id,
        correlation_id: operation_id.as_uuid(),
        causation_id: None,
        traceparent: None,
        at: jiff::Timestamp::from_millisecond(NOON_MS).unwrap(),
    }
}

fn a_bundle(active: bool) -> BundleBody {
    BundleBody {
        name: "500 tokens".to_owned(),
        description: String::new(),
        tokens: 500,
        prices: vec![Money::new(899, Currency::EUR)],
        active,
        sort_order: 1,
    }
}

async fn shop(world: &World) -> (Catalogue, Selling, BundleId) {
    let catalogue = Catalogue::new(world.store.clone());
    let selling = Selling::new(catalogue.clone(), world.teller.clone());
    let id = BundleId::new();
    catalogue.ensure(&context(), id, &a_bundle(true)).await.unwrap();
    (catalogue, selling, id)
}

fn a_line(quantity: i64) -> Line {
    Line {
        id: LineId::new(),
        invoice: InvoiceId::new(),
        quantity,
        user: user(1),
        terms: Terms { tokens: 500 },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_comes_from_our_own_records() {
    let world = world().await;
    let (catalogue, selling, id) = shop(&world).await;
    let quote = selling.quote(&context(), &id.to_string(), 2, Currency::EUR).await.unwrap();
    assert_eq!((quote.unit_price, quote.tax_class), (Money::new(899, Currency::EUR), "digital"));
    assert_eq!(quote.terms_json, r#"{"tokens":500}"#);
    let inactive = BundleId::new();
    catalogue.ensure(&context(), inactive, &a_bundle(false)).await.unwrap();
    let rows = [
        (BundleId::new().to_string(), 1, Currency::EUR, "bundle_unknown"),
        ("no id".to_owned(), 1, Currency::EUR, "bundle_unknown"),
        (inactive.to_string(), 1, Currency::EUR, "bundle_inactive"),
        (id.to_string(), 1, Currency::JPY, "currency_not_offered"),
        (id.to_string(), 0, Currency::EUR, "quantity_out_of_range"),
        (id.to_string(), 1_000_001, Currency::EUR, "quantity_out_of_range"),
    ];
    for (item, quantity, currency, reason) in rows {
        let fault = selling.quote(&context(), &item, quantity, currency).await.unwrap_err();
        assert_eq!(fault.reason(), reason, "{item} {quantity} {currency}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_is_delivered_taken_back_and_delivered_again_once_each() {
    let world = world().await;
    let (_, selling, _) = shop(&world).await;
    let (line, context) = (a_line(2), context());
    assert_eq!(selling.reverse(&context, &line).await.unwrap_err().reason(), "line_not_fulfilled");
    for _ in 0..3 {
        selling.fulfil(&context, &line).await.unwrap();
        assert_eq!(world.process.balance(customer(1)).await, 1_000);
    }
    assert_eq!(selling.restore(&context, &line).await.unwrap_err().reason(), "line_not_reversed");
    for _ in 0..2 {
        selling.reverse(&context, &line).await.unwrap();
        assert_eq!(world.process.balance(customer(1)).await, 0);
    }
    for _ in 0..2 {
        selling.restore(&context, &line).await.unwrap();
        assert_eq!(world.process.balance(customer(1)).await, 1_000);
    }
    let other = Line { quantity: 3, ..line };
    assert_eq!(selling.fulfil(&context, &other).await.unwrap_err().reason(), "operation_id_reused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spent_tokens_cannot_be_taken_back() {
    let world = world().await;
    let (_, selling, _) = shop(&world).await;
    let line = a_line(1);
    selling.fulfil(&context(), &line).await.unwrap();
    world.process.ledger.execute(a_request(), a_post(1, customer(1), issuance(), 1)).await.unwrap().unwrap();
    let fault = selling.reverse(&context(), &line).await.unwrap_err();
    assert_eq!(fault.reason(), "tokens_already_spent");
    assert_eq!(fault.facts().collect::<Vec<_>>(), [("available", "499"), ("needed", "500")]);
    assert_eq!(world.process.balance(customer(1)).await, 499);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_deliveries_of_one_line_credit_once() {
    let world = world().await;
    let (_, selling, _) = shop(&world).await;
    let (line, context) = (a_line(1), context());
    let delivered = futures::future::join_all((0..100).map(|_| selling.fulfil(&context, &line))).await;
    assert!(delivered.iter().all(Result::is_ok));
    assert_eq!(world.process.balance(customer(1)).await, 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_is_changed_by_those_who_have_read_it() {
    let world = world().await;
    let (catalogue, _, id) = shop(&world).await;
    let read = catalogue.find(tenant(), id).await.unwrap().unwrap();
    let dearer = BundleBody { prices: vec![Money::new(999, Currency::EUR)], ..read.body.clone() };
    let updated =
        catalogue.update(&context(), Bundle { body: dearer.clone(), ..read.clone() }).await.unwrap();
    assert_eq!(updated.revision, 2);
    assert_eq!(catalogue.find(tenant(), id).await.unwrap().unwrap(), updated, "own writes show at once");
    let stale = catalogue.update(&context(), read.clone()).await.unwrap_err();
    assert_eq!((stale.code(), stale.reason()), (fault::Code::StaleRevision, "stale_revision"));
    catalogue.delete(&context(), id).await.unwrap();
    catalogue.delete(&context(), id).await.unwrap();
    assert_eq!(catalogue.find(tenant(), id).await.unwrap(), None);
    assert_eq!(catalogue.update(&context(), updated).await.unwrap_err().reason(), "bundle_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_partitions_is_fixed_by_the_first_start() {
    let world = world().await;
    world.store.settle_layout(4).await.unwrap();
    world.store.settle_layout(4).await.unwrap();
    let fault = world.store.settle_layout(8).await.unwrap_err();
    assert_eq!(fault.violations()[0].code, "ledger_layout_differs");
}
