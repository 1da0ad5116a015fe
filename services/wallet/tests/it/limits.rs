//! Limits over gRPC: data that holds from the next operation on, also for calls in parallel.

use contracts::vbwd::wallet::v1::*;

use crate::world::{World, new_id, violation, world};

async fn set(world: &World, rules: Vec<LimitRule>) {
    let request = SetLimitsRequest { operation_id: new_id(), rules, reason: String::new() };
    world.ledger().set_limits(world.admin_call(request)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_calls_do_not_slip_through_a_daily_cap() {
    let world = world().await;
    let accounts = world.accounts(1_000).await;
    let daily = LimitRule {
        name: "daily".to_owned(),
        asset: "TOKEN".to_owned(),
        window_seconds: 86_400,
        window_amount_max: Some(25),
        ..LimitRule::default()
    };
    set(&world, vec![daily.clone()]).await;
    let found = world.ledger().get_limits(world.admin_call(GetLimitsRequest {})).await.unwrap().into_inner();
    assert_eq!(found.rules, [daily]);
    let spend = |_| world.post(&accounts.customer, &accounts.revenue, 1);
    let outcomes = futures::future::join_all((0..100).map(spend)).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 25);
    let refused = outcomes.into_iter().find_map(Result::err).unwrap();
    assert_eq!(refused.reason(), "limit_exceeded");
    assert!(refused.facts().any(|fact| fact == ("rule", "daily")), "{refused:?}");

    set(&world, vec![]).await;
    world.post(&accounts.customer, &accounts.revenue, 100).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_cannot_be_are_refused_with_a_pointer() {
    let world = world().await;
    let nameless = SetLimitsRequest {
        operation_id: new_id(),
        rules: vec![LimitRule { operation_max: Some(1), asset: "TOKEN".to_owned(), ..LimitRule::default() }],
        reason: String::new(),
    };
    let refused = world.ledger().set_limits(world.admin_call(nameless)).await.unwrap_err();
    let fault = fault::Fault::from(refused);
    assert_eq!((fault.reason(), fault.violations()[0].pointer.as_str()), ("malformed", "/rules/0/name"));
    let unknown = SetLimitsRequest {
        operation_id: new_id(),
        rules: vec![LimitRule { name: "a".to_owned(), verbs: vec![9], ..LimitRule::default() }],
        reason: String::new(),
    };
    assert_eq!(violation(world.ledger().set_limits(world.admin_call(unknown)).await), "unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn little_left_is_said_once() {
    let world = world().await;
    let nats = async_nats::connect(world.nats.url()).await.unwrap();
    let mut published = nats.subscribe(format!("evt.{}.wallet.balance.>", world.tenant)).await.unwrap();
    nats.flush().await.unwrap();
    let accounts = world.accounts(100).await;
    let alerts = SetBalanceAlertsRequest {
        operation_id: new_id(),
        account_id: accounts.customer.clone(),
        low_below: Some(50),
        top_up_below: Some(20),
        top_up_amount: 500,
        reason: String::new(),
    };
    world.ledger().set_balance_alerts(world.admin_call(alerts)).await.unwrap();
    for amount in [60, 5, 20] {
        world.post(&accounts.customer, &accounts.revenue, amount).await.unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..2 {
        let message = futures::StreamExt::next(&mut published);
        let message =
            tokio::time::timeout(std::time::Duration::from_secs(10), message).await.unwrap().unwrap();
        let event: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
        seen.push((
            event["type"].as_str().unwrap().to_owned(),
            event["data"]["available"].as_str().unwrap().to_owned(),
        ));
    }
    let expected = [("balance.low", "40"), ("balance.top_up_requested", "15")];
    assert_eq!(seen, expected.map(|(event, available)| (event.to_owned(), available.to_owned())));
}
