//! Holds over gRPC: placed, captured in parts, released, expired; accounts frozen and closed.

use contracts::vbwd::wallet::v1::*;

use crate::world::{Accounts, World, in_milliseconds, new_id, reason, world};

fn a_hold(accounts: &Accounts, amount: i64) -> HoldRequest {
    HoldRequest {
        operation_id: new_id(),
        account_id: accounts.customer.clone(),
        credit_account_id: accounts.revenue.clone(),
        amount,
        reason: "order".to_owned(),
        ..HoldRequest::default()
    }
}

fn a_capture(hold: &str, amount: i64) -> CaptureRequest {
    CaptureRequest {
        operation_id: new_id(),
        hold_id: hold.to_owned(),
        amount,
        reason: "order".to_owned(),
        ..CaptureRequest::default()
    }
}

async fn hold(world: &World, accounts: &Accounts, amount: i64) -> String {
    let placed = world.ledger().hold(world.admin_call(a_hold(accounts, amount))).await.unwrap();
    placed.into_inner().hold_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_captured_in_parts_and_its_rest_released() {
    let world = world().await;
    let accounts = world.accounts(100).await;
    let id = hold(&world, &accounts, 80).await;
    assert_eq!(world.figures(&accounts.customer).await, (100, 80, 20));
    assert_eq!(
        world.post(&accounts.customer, &accounts.revenue, 21).await.unwrap_err().reason(),
        "insufficient_funds"
    );

    let first = a_capture(&id, 30);
    let captured = world.ledger().capture(world.admin_call(first.clone())).await.unwrap().into_inner();
    assert_eq!((captured.captured, captured.left, captured.repeated), (30, 50, false));
    let again = world.ledger().capture(world.admin_call(first)).await.unwrap().into_inner();
    assert_eq!((again.captured, again.left, again.repeated), (30, 50, true), "the first answer");
    assert_eq!(
        reason(world.ledger().capture(world.admin_call(a_capture(&id, 51))).await),
        "amount_exceeds_hold"
    );

    let last = CaptureRequest { release_rest: true, ..a_capture(&id, 10) };
    let captured = world.ledger().capture(world.admin_call(last)).await.unwrap().into_inner();
    assert_eq!((captured.captured, captured.left), (10, 0));
    assert_eq!(world.figures(&accounts.customer).await, (60, 0, 60));
    assert_eq!(world.balance(&accounts.revenue).await.posted, 40);
    assert_eq!(reason(world.ledger().capture(world.admin_call(a_capture(&id, 1))).await), "hold_ended");
    assert_eq!(
        reason(world.ledger().capture(world.admin_call(a_capture(&new_id(), 1))).await),
        "hold_unknown"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_ends_by_itself_at_its_time() {
    let world = world().await;
    let accounts = world.accounts(100).await;
    let request = HoldRequest { expires_at: in_milliseconds(700), ..a_hold(&accounts, 80) };
    let id = world.ledger().hold(world.admin_call(request)).await.unwrap().into_inner().hold_id;
    let open = GetOperationRequest { operation_id: id.clone() };
    let operation = world.ledger().get_operation(world.admin_call(open.clone())).await.unwrap().into_inner();
    assert_eq!(operation.operation.unwrap().hold.unwrap().left, 80);
    for _ in 0..100 {
        if world.figures(&accounts.customer).await == (100, 0, 100) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(world.figures(&accounts.customer).await, (100, 0, 100));
    assert_eq!(reason(world.ledger().capture(world.admin_call(a_capture(&id, 1))).await), "hold_ended");
    let operation = world.ledger().get_operation(world.admin_call(open)).await.unwrap().into_inner();
    assert_eq!(operation.operation.unwrap().hold, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_parallel_holds_of_the_last_token_one_succeeds() {
    let world = world().await;
    let accounts = world.accounts(1).await;
    let place = |_| {
        let (mut ledger, call) = (world.ledger(), world.admin_call(a_hold(&accounts, 1)));
        tokio::spawn(async move { ledger.hold(call).await })
    };
    let outcomes = futures::future::join_all((0..1_000).map(place)).await;
    let (placed, refused): (Vec<_>, Vec<_>) =
        outcomes.into_iter().map(Result::unwrap).partition(Result::is_ok);
    assert_eq!((placed.len(), refused.len()), (1, 999));
    assert!(refused.into_iter().all(|refused| reason(refused) == "insufficient_funds"));
    assert_eq!(world.figures(&accounts.customer).await, (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_account_gives_nothing_and_an_empty_one_can_be_closed() {
    let world = world().await;
    let accounts = world.accounts(10).await;
    let freeze = |status: AccountStatus| FreezeAccountRequest {
        operation_id: new_id(),
        account_id: accounts.customer.clone(),
        status: status.into(),
        reason: "fraud_suspected".to_owned(),
    };
    world.ledger().freeze_account(world.admin_call(freeze(AccountStatus::DebitsFrozen))).await.unwrap();
    let refused = world.post(&accounts.customer, &accounts.revenue, 1).await.unwrap_err();
    assert_eq!(refused.reason(), "account_frozen");
    world.post(&accounts.issuance, &accounts.customer, 1).await.unwrap();
    world.ledger().freeze_account(world.admin_call(freeze(AccountStatus::Open))).await.unwrap();

    let close = CloseAccountRequest {
        operation_id: new_id(),
        account_id: accounts.customer.clone(),
        reason: String::new(),
    };
    assert_eq!(
        reason(world.ledger().close_account(world.admin_call(close.clone())).await),
        "account_not_empty"
    );
    world.post(&accounts.customer, &accounts.revenue, 11).await.unwrap();
    world.ledger().close_account(world.admin_call(close)).await.unwrap();
    let refused = world.post(&accounts.issuance, &accounts.customer, 1).await.unwrap_err();
    assert_eq!(refused.reason(), "account_closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overdraft_is_what_an_account_may_owe() {
    let world = world().await;
    let accounts = world.accounts(0).await;
    let overdraft = SetOverdraftLimitRequest {
        operation_id: new_id(),
        account_id: accounts.customer.clone(),
        overdraft_limit: 50,
        reason: "credit_line".to_owned(),
    };
    world.ledger().set_overdraft_limit(world.admin_call(overdraft)).await.unwrap();
    assert_eq!(world.figures(&accounts.customer).await, (0, 0, 50));
    world.post(&accounts.customer, &accounts.revenue, 50).await.unwrap();
    assert_eq!(world.figures(&accounts.customer).await, (-50, 0, 0));
    let refused = world.post(&accounts.customer, &accounts.revenue, 1).await.unwrap_err();
    assert_eq!(refused.reason(), "insufficient_funds");
}
