//! Lists: whose, in which order, page by page.

use contracts::vbwd::invoicing::v1::{ListAllInvoicesRequest, ListInvoicesRequest};
use fault::Fault;
use ids::OperationId;
use jiff::SignedDuration;

use crate::world::{holder, user, world};

#[tokio::test]
async fn pages_follow_each_other_newest_first() {
    let world = world().await;
    for _ in 0..5 {
        world.open_invoice().await;
        world.clock.advance(SignedDuration::from_secs(1));
    }
    let (mut cursor, mut numbers) = (String::new(), Vec::new());
    for expected in [2, 2, 1] {
        let list = ListInvoicesRequest { page_size: 2, cursor: cursor.clone() };
        let request = world.request(&world.customer, OperationId::new(), list);
        let page = world.invoices().list_invoices(request).await.unwrap().into_inner();
        assert_eq!(page.invoices.len(), expected);
        assert!(page.invoices.iter().all(|invoice| invoice.lines.len() == 1));
        numbers.extend(page.invoices.into_iter().map(|invoice| invoice.number));
        cursor = page.next_cursor;
    }
    assert!(cursor.is_empty(), "nothing is behind the last page");
    let expected: Vec<_> = (1..=5).rev().map(|nth| format!("INV-2026-{nth:06}")).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn a_list_has_the_callers_own_and_the_readers_all() {
    let world = world().await;
    world.open_invoice().await;
    let stranger = user(world.tenant);
    let list = world.request(&stranger, OperationId::new(), ListInvoicesRequest::default());
    assert!(world.invoices().list_invoices(list).await.unwrap().into_inner().invoices.is_empty());
    let reader = holder(world.tenant, "invoices.read");
    let all = world.request(&reader, OperationId::new(), ListAllInvoicesRequest::default());
    assert_eq!(world.invoices().list_all_invoices(all).await.unwrap().into_inner().invoices.len(), 1);
}

#[tokio::test]
async fn what_is_no_cursor_is_refused() {
    let world = world().await;
    for (page_size, cursor) in [(0, "abc"), (-1, "")] {
        let list = ListInvoicesRequest { page_size, cursor: cursor.to_owned() };
        let request = world.request(&world.customer, OperationId::new(), list);
        let fault = Fault::from(world.invoices().list_invoices(request).await.unwrap_err());
        assert_eq!(fault.code(), fault::Code::InvalidInput, "{page_size} {cursor}");
    }
}
