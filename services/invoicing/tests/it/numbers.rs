//! Numbers have no hole and no double, whatever fails beside them.

use contracts::vbwd::invoicing::v1::checkout_service_client::CheckoutServiceClient;
use futures::future::join_all;
use ids::OperationId;

use crate::world::{World, line, order, request_through, world};

async fn numbers(world: &World) -> Vec<i64> {
    sqlx::query_scalar("SELECT sequence FROM invoices WHERE year = 2026 ORDER BY sequence")
        .fetch_all(&world.superuser)
        .await
        .unwrap()
}

async fn no_hole_and_no_double(world: &World, count: i64) {
    assert_eq!(numbers(world).await, (1..=count).collect::<Vec<_>>());
    let next: i64 =
        sqlx::query_scalar("SELECT next FROM invoice_series").fetch_one(&world.superuser).await.unwrap();
    assert_eq!(next, count + 1);
    let told: Vec<i64> = sqlx::query_scalar(
        "SELECT (payload->'number'->>'sequence')::bigint AS n FROM events WHERE name = 'invoice.opened' ORDER BY n",
    )
    .fetch_all(&world.superuser)
    .await
    .unwrap();
    assert_eq!(told, numbers(world).await, "events and rows tell the same numbers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_checkouts_at_once_with_failures_among_them() {
    let world = world().await;
    {
        let mut shelf = world.seller.shelf();
        shelf.sold_out.insert("small".to_owned());
        shelf.prices.insert("poison".to_owned(), 100);
        shelf.poisoned.insert("poison".to_owned()); // the transaction that opens it fails
    }
    let items = ["large", "large", "small", "nothing", "poison"];
    let repeated = OperationId::new();
    let orders = (0..100_usize).map(|nth| {
        let operation = if nth % 10 == 0 { repeated } else { OperationId::new() };
        world.check_out_as(operation, order([line(items[nth % items.len()], 1)]))
    });
    let answers = join_all(orders).await;
    let reasons: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    for expected in ["sold_out", "bundle_unknown", "internal"] {
        let count = reasons.iter().filter(|fault| fault.reason() == expected).count();
        assert_eq!(count, 20, "{expected} among {reasons:?}");
    }
    // Every fifth and the one behind it is `large`; ten of these are the same checkout.
    no_hole_and_no_double(&world, 40 - 10 + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_replicas_share_one_series() {
    let world = world().await;
    let other = world.replica().await;
    let repeated: Vec<_> = (0..10).map(|_| OperationId::new()).collect();
    let orders = (0..100_usize).map(|nth| {
        let operation = if nth % 5 == 0 { repeated[nth / 5 % 10] } else { OperationId::new() };
        let platform = if nth % 2 == 0 { &world.platform } else { &other };
        let request = request_through(platform, &world.customer, operation, order([line("large", 1)]));
        let channel = platform.peer("gateway", "invoicing").unwrap().channel();
        async move { CheckoutServiceClient::new(channel).create_checkout(request).await }
    });
    for answer in join_all(orders).await {
        answer.unwrap();
    }
    no_hole_and_no_double(&world, 80 + 10).await;
    other.tasks.drain().cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_that_hang_up_leave_no_hole() {
    let world = world().await;
    let hang_up = |nth: u64| {
        let checkout = world.check_out(order([line("large", 1)]));
        async move { tokio::time::timeout(std::time::Duration::from_micros(nth * 300), checkout).await.is_ok() }
    };
    let finished = join_all((0..100).map(hang_up)).await.into_iter().filter(|done| *done).count();
    world.open_invoice().await;
    let opened = world.count("invoices").await;
    assert!(opened > i64::try_from(finished).unwrap(), "{opened} invoices, {finished} answers");
    no_hole_and_no_double(&world, opened).await;
}

#[tokio::test]
async fn every_year_begins_with_one() {
    let world = world().await;
    assert_eq!(world.open_invoice().await.number, "INV-2026-000001");
    world.clock.set("2027-01-01T00:00:00Z");
    assert_eq!(world.open_invoice().await.number, "INV-2027-000001");
}
