//! Metering over gRPC: reserve, settle, count; quotas hold also for calls in parallel.

use contracts::vbwd::wallet::v1::meter_service_client::MeterServiceClient;
use contracts::vbwd::wallet::v1::*;
use runtime::Channel;

use crate::world::{World, new_id, reason, world};

fn meters(world: &World) -> MeterServiceClient<Channel> {
    MeterServiceClient::new(world.channel())
}

async fn put(world: &World, quota: Option<i64>) {
    let request = PutMeterRequest {
        operation_id: new_id(),
        name: "tokens_out".to_owned(),
        asset: "TOKEN".to_owned(),
        per: 1_000,
        tiers: vec![MeterTier { up_to: Some(10_000), price: 5 }, MeterTier { up_to: None, price: 2 }],
        period: MeterPeriod::Month.into(),
        quota,
    };
    meters(world).put_meter(world.admin_call(request)).await.unwrap();
}

fn a_reservation(world: &World, quantity: i64) -> ReserveUsageRequest {
    ReserveUsageRequest {
        operation_id: new_id(),
        meter: "tokens_out".to_owned(),
        user_id: world.user.to_string(),
        quantity,
        ..ReserveUsageRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worst_case_is_reserved_and_the_actual_charged() {
    let world = world().await;
    let accounts = world.accounts(1_000).await;
    put(&world, None).await;
    let reserved = meters(&world).reserve_usage(world.admin_call(a_reservation(&world, 20_000))).await;
    let reserved = reserved.unwrap().into_inner();
    assert_eq!(reserved.held, 100, "20 000 at the dearest price");
    assert_eq!(world.figures(&accounts.customer).await, (1_000, 100, 900));
    let settle = SettleUsageRequest {
        operation_id: new_id(),
        reservation_id: reserved.reservation_id.clone(),
        quantity: 12_500,
        reference: "chat/1".to_owned(),
    };
    let settled = meters(&world).settle_usage(world.admin_call(settle.clone())).await.unwrap().into_inner();
    assert_eq!((settled.charged, settled.repeated), (55, false));
    let again = meters(&world).settle_usage(world.admin_call(settle)).await.unwrap().into_inner();
    assert_eq!((again.charged, again.repeated), (55, true));
    assert_eq!(world.figures(&accounts.customer).await, (945, 0, 945));
    assert_eq!(world.balance(&accounts.revenue).await.posted, 55);
    let mut client = meters(&world);
    let usage = client.get_my_usage(world.call(&world.customer(), GetMyUsageRequest::default()));
    let usage = usage.await.unwrap().into_inner().usage;
    assert_eq!((usage[0].used, usage[0].reserved), (12_500, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_reservations_do_not_pass_the_quota_together() {
    let world = world().await;
    world.accounts(1_000).await;
    put(&world, Some(5_000)).await;
    let reserve = |_| {
        let (mut client, call) = (meters(&world), world.admin_call(a_reservation(&world, 1_000)));
        async move { client.reserve_usage(call).await }
    };
    let outcomes = futures::future::join_all((0..50).map(reserve)).await;
    let (mut placed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((placed.len(), refused.len()), (5, 45));
    assert!(refused.into_iter().all(|refused| reason(refused) == "quota_exceeded"));
    let reservation_id = placed.pop().unwrap().unwrap().into_inner().reservation_id;
    let cancel = CancelUsageRequest { operation_id: new_id(), reservation_id };
    meters(&world).cancel_usage(world.admin_call(cancel)).await.unwrap();
    let record = RecordUsageRequest {
        operation_id: new_id(),
        meter: "tokens_out".to_owned(),
        user_id: world.user.to_string(),
        quantity: 1_000,
        reference: String::new(),
    };
    let recorded = meters(&world).record_usage(world.admin_call(record)).await.unwrap().into_inner();
    assert_eq!(recorded.charged, 5);
    let one_more = RecordUsageRequest {
        operation_id: new_id(),
        meter: "tokens_out".to_owned(),
        user_id: world.user.to_string(),
        quantity: 1,
        reference: String::new(),
    };
    assert_eq!(reason(meters(&world).record_usage(world.admin_call(one_more)).await), "quota_exceeded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_meter_nobody_defined_cannot_be_used() {
    let world = world().await;
    world.accounts(10).await;
    let refused = meters(&world).reserve_usage(world.admin_call(a_reservation(&world, 1))).await;
    assert_eq!(reason(refused), "meter_unknown");
}
