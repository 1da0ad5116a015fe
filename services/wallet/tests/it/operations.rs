//! The past: operations by id, reversals, balances as of a time, filtered statements, conversions,
//! ids that memory has forgotten.

use contracts::vbwd::wallet::v1::*;
use ids::OperationId;
use kernel::{Clock as _, SystemClock};

use crate::world::{Accounts, World, in_milliseconds, new_id, reason, world, world_of};

fn a_reversal(operation: &str, parts: Vec<ReversedPart>) -> ReverseRequest {
    ReverseRequest {
        operation_id: new_id(),
        reversed_operation_id: operation.to_owned(),
        parts,
        reason: "mistake".to_owned(),
        ..ReverseRequest::default()
    }
}

async fn operation(world: &World, id: &str) -> Operation {
    let asked = GetOperationRequest { operation_id: id.to_owned() };
    world.ledger().get_operation(world.admin_call(asked)).await.unwrap().into_inner().operation.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_is_reversed_in_parts_and_never_twice() {
    let world = world().await;
    let accounts = world.accounts(100).await;
    let spent = world.post(&accounts.customer, &accounts.revenue, 60).await.unwrap().operation_id;
    let part = a_reversal(&spent, vec![ReversedPart { leg: 0, amount: 20 }]);
    world.ledger().reverse(world.admin_call(part.clone())).await.unwrap();
    assert!(world.ledger().reverse(world.admin_call(part.clone())).await.unwrap().into_inner().repeated);
    assert_eq!(world.figures(&accounts.customer).await, (60, 0, 60));
    let too_much = a_reversal(&spent, vec![ReversedPart { leg: 0, amount: 41 }]);
    assert_eq!(reason(world.ledger().reverse(world.admin_call(too_much)).await), "amount_exceeds_original");
    world.ledger().reverse(world.admin_call(a_reversal(&spent, vec![]))).await.unwrap();
    assert_eq!(world.figures(&accounts.customer).await, (100, 0, 100));
    let again = world.ledger().reverse(world.admin_call(a_reversal(&spent, vec![]))).await;
    assert_eq!(reason(again), "already_reversed");
    let of_reversal = a_reversal(&part.operation_id, vec![]);
    assert_eq!(reason(world.ledger().reverse(world.admin_call(of_reversal)).await), "not_reversible");
    let found = operation(&world, &spent).await;
    assert_eq!((found.postings[0].amount, found.postings[0].reversed), (60, 60));
    let found = operation(&world, &part.operation_id).await;
    assert_eq!((found.kind(), found.reversed_operation_id), (OperationKind::Reverse, spent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_parallel_reversals_of_one_operation_one_succeeds() {
    let world = world().await;
    let accounts = world.accounts(100).await;
    let spent = world.post(&accounts.customer, &accounts.revenue, 60).await.unwrap().operation_id;
    let reverse = |_| {
        let (mut ledger, call) = (world.ledger(), world.admin_call(a_reversal(&spent, vec![])));
        async move { ledger.reverse(call).await }
    };
    let outcomes = futures::future::join_all((0..50).map(reverse)).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(world.figures(&accounts.customer).await, (100, 0, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balances_can_be_asked_as_of_any_time() {
    let world = world().await;
    let accounts = world.accounts(0).await;
    let mut times = vec![in_milliseconds(0)];
    for amount in [10, 20, 30] {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        world.post(&accounts.issuance, &accounts.customer, amount).await.unwrap();
        times.push(in_milliseconds(0));
    }
    for (as_of, expected) in times.into_iter().zip([0, 10, 30, 60]) {
        let asked = GetBalanceRequest {
            account_id: accounts.customer.clone(),
            as_of,
            ..GetBalanceRequest::default()
        };
        let balance = world.ledger().get_balance(world.admin_call(asked)).await.unwrap().into_inner().balance;
        assert_eq!(balance.unwrap().posted, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_filtered_over_all_pages() {
    let world = world().await;
    let accounts = world.accounts(1_000).await;
    let mut last = String::new();
    for number in 0..30 {
        let amount = 1 + i64::from(number % 3);
        last = world.post(&accounts.customer, &accounts.revenue, amount).await.unwrap().position;
    }
    let filter = EntryFilter {
        direction: EntryDirection::Out.into(),
        from: in_milliseconds(-60_000),
        kind: OperationKind::Post.into(),
        reason: "adjustment".to_owned(),
        ..EntryFilter::default()
    };
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let asked = ListEntriesRequest {
            account_id: accounts.customer.clone(),
            page_size: 7,
            cursor,
            min_position: last.clone(),
            filter: Some(filter.clone()),
        };
        let page = world.ledger().list_entries(world.admin_call(asked)).await.unwrap().into_inner();
        seen.extend(page.entries.iter().map(|entry| entry.amount));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    let expected: Vec<_> = (0..30).rev().map(|number| -1 - i64::from(number % 3)).collect();
    assert_eq!(seen, expected);
    let future = EntryFilter { from: in_milliseconds(60_000), ..EntryFilter::default() };
    let asked = ListEntriesRequest {
        account_id: accounts.customer.clone(),
        filter: Some(future),
        ..ListEntriesRequest::default()
    };
    let page = world.ledger().list_entries(world.admin_call(asked)).await.unwrap().into_inner();
    assert_eq!((page.entries, page.next_cursor), (vec![], String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversion_passes_through_liquidity_and_keeps_both_assets_balanced() {
    let world = world().await;
    let accounts = world.accounts(100).await;
    let euros = OpenAccountRequest {
        kind: AccountKind::Customer.into(),
        asset: "EUR".to_owned(),
        owner_user_id: world.user.to_string(),
        ..OpenAccountRequest::default()
    };
    let euros = world.ledger().open_account(world.admin_call(euros)).await.unwrap().into_inner();
    let euros = euros.account.unwrap().account_id;
    let convert = ConvertRequest {
        operation_id: new_id(),
        from_account_id: accounts.customer.clone(),
        to_account_id: euros.clone(),
        amount: 100,
        rate_numerator: 199,
        rate_denominator: 150,
        reason: "cash_out".to_owned(),
        ..ConvertRequest::default()
    };
    let done = world.ledger().convert(world.admin_call(convert.clone())).await.unwrap().into_inner();
    assert_eq!((done.credited, done.repeated), (132, false));
    assert!(world.ledger().convert(world.admin_call(convert)).await.unwrap().into_inner().repeated);
    assert_eq!(
        (world.balance(&euros).await.posted, world.balance(&accounts.customer).await.posted),
        (132, 0)
    );
    let mut ledger = world.ledger();
    let trial = ledger.get_trial_balance(world.admin_call(GetTrialBalanceRequest::default()));
    let lines = trial.await.unwrap().into_inner().lines;
    for asset in ["TOKEN", "EUR"] {
        let of_asset = lines.iter().filter(|line| line.asset == asset);
        assert_eq!(of_asset.map(|line| line.posted.parse::<i64>().unwrap()).sum::<i64>(), 0, "{asset}");
    }
}

/// Ids without a time, which the memory of this ledger forgets soon.
fn a_timeless_post(accounts: &Accounts, number: u32) -> PostRequest {
    let posting = Posting {
        debit_account_id: accounts.issuance.clone(),
        credit_account_id: accounts.customer.clone(),
        amount: 1,
    };
    PostRequest {
        operation_id: OperationId::derived(&["line", &number.to_string()]).to_string(),
        postings: vec![posting],
        reason: "purchase".to_owned(),
        ..PostRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_memory_has_forgotten_is_looked_up_and_never_done_twice() {
    let world = world_of(wallet::Config { remembered_operations: 1_024, ..wallet::Config::default() }).await;
    let accounts = world.accounts(0).await;
    let began = SystemClock.wall();
    let first =
        world.ledger().post(world.admin_call(a_timeless_post(&accounts, 0))).await.unwrap().into_inner();
    for batch in 0..4 {
        let posts = (1..=1_000).map(|number| a_timeless_post(&accounts, batch * 1_000 + number));
        let commands = posts.map(|post| LedgerCommand { command: Some(ledger_command::Command::Post(post)) });
        let request = ExecuteBatchRequest { commands: commands.collect() };
        let done = world.ledger().execute_batch(world.admin_call(request)).await.unwrap().into_inner();
        assert!(done.results.iter().all(|result| result.code.is_empty()), "{:?}", done.results);
    }
    let again =
        world.ledger().post(world.admin_call(a_timeless_post(&accounts, 0))).await.unwrap().into_inner();
    assert_eq!((again.position, again.repeated), (first.position, true));
    let mut other = a_timeless_post(&accounts, 0);
    other.reason = "another".to_owned();
    assert_eq!(reason(world.ledger().post(world.admin_call(other)).await), "operation_id_reused");
    assert_eq!(world.balance(&accounts.customer).await.posted, 4_001);
    assert!(began < SystemClock.wall());
}
