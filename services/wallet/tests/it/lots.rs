//! Lots over gRPC: spent in order, expired by themselves, rolled over, listed with their movements.

use std::time::Duration;

use contracts::vbwd::wallet::v1::*;

use crate::world::{Accounts, World, in_milliseconds, new_id, world};

fn a_grant(accounts: &Accounts, amount: i64, source: &str) -> GrantRequest {
    GrantRequest {
        operation_id: new_id(),
        debit_account_id: accounts.issuance.clone(),
        credit_account_id: accounts.customer.clone(),
        amount,
        source: source.to_owned(),
        reason: "grant".to_owned(),
        ..GrantRequest::default()
    }
}

async fn grant(world: &World, request: GrantRequest) -> GrantResponse {
    world.ledger().grant(world.admin_call(request)).await.unwrap().into_inner()
}

async fn free(world: &World, accounts: &Accounts) -> Vec<(String, i64)> {
    let lots = world.balance(&accounts.customer).await.lots;
    lots.into_iter().map(|lot| (lot.source, lot.free)).collect()
}

fn lots(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(source, free)| ((*source).to_owned(), *free)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gifts_on_the_same_terms_are_one_lot_and_each_is_a_movement() {
    let world = world().await;
    let accounts = world.accounts(0).await;
    let friend = world.open(AccountKind::Customer, Some(ids::UserId::new())).await.account_id;
    grant(&world, GrantRequest { expires_at: in_milliseconds(7_200_000), ..a_grant(&accounts, 10, "plan") })
        .await;
    let mut last = world.post(&accounts.customer, &friend, 3).await.unwrap();
    for amount in [4, 2] {
        last = world.post(&accounts.customer, &friend, amount).await.unwrap();
    }
    let [lot] = &world.balance(&friend).await.lots[..] else { panic!("one lot") };
    assert_eq!((lot.source.as_str(), lot.granted, lot.free), ("plan", 3, 9));
    let asked = ListLotMovementsRequest {
        lot_id: lot.lot_id.clone(),
        min_position: last.position,
        ..ListLotMovementsRequest::default()
    };
    let listed = world.ledger().list_lot_movements(world.admin_call(asked)).await.unwrap().into_inner();
    let moved: Vec<_> = listed.movements.iter().map(|moved| (moved.left, moved.free_after)).collect();
    assert_eq!(moved, [(0, 9), (0, 7), (0, 3)], "the last one first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lots_are_spent_by_priority_then_expiry_and_show_their_movements() {
    let world = world().await;
    let accounts = world.accounts(5).await;
    let later = GrantRequest { expires_at: in_milliseconds(7_200_000), ..a_grant(&accounts, 10, "plan") };
    let sooner = GrantRequest { expires_at: in_milliseconds(3_600_000), ..a_grant(&accounts, 10, "gift") };
    let first = GrantRequest { priority: 1, ..a_grant(&accounts, 10, "promo") };
    grant(&world, later).await;
    let gift = grant(&world, sooner).await.lot_id;
    grant(&world, first).await;
    assert_eq!(free(&world, &accounts).await, lots(&[("promo", 10), ("gift", 10), ("plan", 10)]));

    let spent = world.post(&accounts.customer, &accounts.revenue, 15).await.unwrap();
    assert_eq!(free(&world, &accounts).await, lots(&[("gift", 5), ("plan", 10)]));
    let asked = ListLotMovementsRequest {
        lot_id: gift.clone(),
        min_position: spent.position,
        ..ListLotMovementsRequest::default()
    };
    let listed = world.ledger().list_lot_movements(world.admin_call(asked)).await.unwrap().into_inner();
    let moved: Vec<_> = listed.movements.iter().map(|moved| (moved.left, moved.free_after)).collect();
    assert_eq!((moved, listed.lot.unwrap().granted), (vec![(5, 5), (0, 10)], 10));
    world.post(&accounts.customer, &accounts.revenue, 20).await.unwrap();
    assert_eq!((free(&world, &accounts).await, world.balance(&accounts.customer).await.posted), (vec![], 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expires_moves_to_breakage_by_itself_and_is_published() {
    let world = world().await;
    let nats = async_nats::connect(world.nats.url()).await.unwrap();
    let mut published =
        nats.subscribe(format!("evt.{}.wallet.tokens.expired.>", world.tenant)).await.unwrap();
    nats.flush().await.unwrap();
    let accounts = world.accounts(5).await;
    grant(&world, GrantRequest { expires_at: in_milliseconds(600), ..a_grant(&accounts, 10, "gift") }).await;
    world.post(&accounts.customer, &accounts.revenue, 4).await.unwrap();
    let message = futures::StreamExt::next(&mut published);
    let message = tokio::time::timeout(Duration::from_secs(10), message).await.unwrap().unwrap();
    let event: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!((&event["data"]["amount"], &event["data"]["balanceAfter"]), (&"6".into(), &"5".into()));
    assert_eq!(world.figures(&accounts.customer).await, (5, 0, 5));
    let asked = ListAccountsRequest { kind: AccountKind::Breakage.into(), ..ListAccountsRequest::default() };
    let breakage = world.ledger().list_accounts(world.admin_call(asked)).await.unwrap().into_inner();
    assert_eq!(breakage.balances[0].posted, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recurring_grant_carries_over_as_much_as_its_policy_says() {
    let world = world().await;
    let accounts = world.accounts(0).await;
    let monthly = |roll_over: RollOver, roll_over_cap| GrantRequest {
        series: "subscription/1".to_owned(),
        roll_over: roll_over.into(),
        roll_over_cap,
        ..a_grant(&accounts, 100, "plan")
    };
    grant(&world, monthly(RollOver::Capped, 30)).await;
    world.post(&accounts.customer, &accounts.revenue, 20).await.unwrap();
    grant(&world, monthly(RollOver::Capped, 30)).await;
    assert_eq!(free(&world, &accounts).await, lots(&[("plan", 130)]));
    grant(&world, monthly(RollOver::All, 0)).await;
    assert_eq!(free(&world, &accounts).await, lots(&[("plan", 230)]));
    grant(&world, monthly(RollOver::None, 0)).await;
    assert_eq!(free(&world, &accounts).await, lots(&[("plan", 100)]));
    let mut ledger = world.ledger();
    let trial = ledger.get_trial_balance(world.admin_call(GetTrialBalanceRequest::default()));
    let lines = trial.await.unwrap().into_inner().lines;
    let posted = |kind: AccountKind| lines.iter().find(|line| line.kind() == kind).unwrap().posted.clone();
    assert_eq!(posted(AccountKind::Breakage), "280");
    assert_eq!(lines.iter().map(|line| line.posted.parse::<i64>().unwrap()).sum::<i64>(), 0);
}
