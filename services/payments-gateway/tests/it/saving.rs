//! Saved methods: by a set-up, on the way of a payment, charged while the customer is away, removed.

use contracts::vbwd::payments::v1::customer_payment_service_client::CustomerPaymentServiceClient;
use contracts::vbwd::payments::v1::*;
use fault::{Code, Fault};
use ids::{OperationId, UserId};
use runtime::Channel;

use crate::fixtures::{World, as_operation, webhooks_only};

fn customers(world: &World) -> CustomerPaymentServiceClient<Channel> {
    CustomerPaymentServiceClient::new(world.channel())
}

async fn set_up(world: &World, method: &str, operation: OperationId) -> Result<Setup, Fault> {
    let return_url = "https://shop.example/back".to_owned();
    let message = StartSetupRequest { method: method.to_owned(), return_url };
    let request = as_operation(world.request(&world.customer(), message), operation);
    Ok(customers(world).start_setup(request).await?.into_inner().setup.unwrap())
}

async fn saved(world: &World) -> Vec<SavedMethod> {
    let request = world.request(&world.customer(), ListSavedMethodsRequest {});
    customers(world).list_saved_methods(request).await.unwrap().into_inner().methods
}

async fn charge(world: &World, saved: &str) -> Result<Payment, Fault> {
    let payment_method_id = saved.to_owned();
    let order = CreatePaymentRequest { payment_method_id, off_session: true, ..world.order("") };
    world.create(order).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_method_is_charged_while_its_owner_is_away() {
    let world = World::start(webhooks_only()).await;
    let operation = OperationId::new();
    let first = set_up(&world, "sandbox_card", operation).await.unwrap();
    let again = set_up(&world, "sandbox_card", operation).await.unwrap();
    assert_eq!((first.status(), &first), (SetupStatus::Succeeded, &again), "once per operation");
    let methods = saved(&world).await;
    assert_eq!(methods.len(), 1);
    assert_eq!((methods[0].last4.as_str(), methods[0].is_default), ("4242", true));
    let payment = charge(&world, &first.payment_method_id).await.unwrap();
    assert_eq!((payment.status(), payment.method.as_str()), (PaymentStatus::Captured, "sandbox_card"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decline_says_what_can_be_done_about_it() {
    let world = World::start(webhooks_only()).await;
    let rows = [
        ("sandbox_insufficient_funds", "insufficient_funds", DeclineClass::Soft),
        ("sandbox_stolen_card", "stolen_card", DeclineClass::Hard),
    ];
    for (method, decline, class) in rows {
        let setup = set_up(&world, method, OperationId::new()).await.unwrap();
        let payment = charge(&world, &setup.payment_method_id).await.unwrap();
        assert_eq!(payment.status(), PaymentStatus::Failed);
        assert_eq!((payment.decline.as_str(), payment.decline_class()), (decline, class));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_needs_its_owner_is_saved_after_the_page_and_not_charged_alone() {
    let world = World::start(webhooks_only()).await;
    let setup = set_up(&world, "sandbox_card_3ds", OperationId::new()).await.unwrap();
    assert_eq!(setup.status(), SetupStatus::RequiresAction);
    let page = setup.action.clone().unwrap().redirect_url;
    world.client.post(format!("{page}/approve")).send().await.unwrap();
    let message = GetSetupRequest { setup_id: setup.setup_id };
    let request = world.request(&world.customer(), message);
    let done = customers(&world).get_setup(request).await.unwrap().into_inner().setup.unwrap();
    assert_eq!(done.status(), SetupStatus::Succeeded, "asked for, before any webhook");
    let payment = charge(&world, &done.payment_method_id).await.unwrap();
    assert_eq!(payment.decline_class(), DeclineClass::Authentication);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_paid_with_is_saved_on_request_once() {
    let world = World::start(webhooks_only()).await;
    let order = CreatePaymentRequest { save_method: true, ..world.order("sandbox_card") };
    let calls = (0..10).map(|_| world.create(order.clone()));
    assert!(futures::future::join_all(calls).await.iter().all(Result::is_ok));
    world.wait_for_inbox(1).await;
    assert_eq!(saved(&world).await.len(), 1);
    let refused = world.create(CreatePaymentRequest { save_method: true, ..world.order("sandbox_pending") });
    assert_eq!(refused.await.unwrap_err().violations()[0].code, "payment_method_not_saved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_saved_at_once_one_is_the_default_and_its_removal_passes_it_on() {
    let world = World::start(webhooks_only()).await;
    let calls = (0..8).map(|_| set_up(&world, "sandbox_card", OperationId::new()));
    assert!(futures::future::join_all(calls).await.iter().all(Result::is_ok));
    let methods = saved(&world).await;
    assert_eq!(methods.len(), 8);
    assert_eq!(methods.iter().filter(|method| method.is_default).count(), 1);
    let chosen = SetDefaultMethodRequest { payment_method_id: methods[3].payment_method_id.clone() };
    customers(&world).set_default_method(world.request(&world.customer(), chosen.clone())).await.unwrap();
    assert_eq!(saved(&world).await[0].payment_method_id, chosen.payment_method_id);
    let removed = RemoveSavedMethodRequest { payment_method_id: chosen.payment_method_id.clone() };
    customers(&world).remove_saved_method(world.request(&world.customer(), removed)).await.unwrap();
    let left = saved(&world).await;
    assert_eq!((left.len(), left[0].is_default), (7, true));
    let refused = charge(&world, &chosen.payment_method_id).await.unwrap_err();
    assert_eq!(refused.violations()[0].code, "payment_method_unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_elses_methods_are_seen_chosen_removed_or_charged() {
    let world = World::start(webhooks_only()).await;
    let setup = set_up(&world, "sandbox_card", OperationId::new()).await.unwrap();
    let stranger = auth::Caller { subject: auth::Subject::User(UserId::new()), ..world.customer() };
    let id = setup.payment_method_id.clone();
    let request = world.request(&stranger, ListSavedMethodsRequest {});
    let list = customers(&world).list_saved_methods(request).await.unwrap();
    assert!(list.into_inner().methods.is_empty());
    let default = SetDefaultMethodRequest { payment_method_id: id.clone() };
    let remove = RemoveSavedMethodRequest { payment_method_id: id.clone() };
    let read = GetSetupRequest { setup_id: setup.setup_id };
    let refusals = [
        customers(&world).set_default_method(world.request(&stranger, default)).await.map(drop),
        customers(&world).remove_saved_method(world.request(&stranger, remove)).await.map(drop),
        customers(&world).get_setup(world.request(&stranger, read)).await.map(drop),
    ];
    for refusal in refusals {
        assert_eq!(Fault::from(refusal.unwrap_err()).code(), Code::NotFound);
    }
    let theirs = CreatePaymentRequest {
        user_id: UserId::new().to_string(),
        payment_method_id: id,
        ..world.order("sandbox_card")
    };
    assert_eq!(world.create(theirs).await.unwrap_err().violations()[0].code, "payment_method_unknown");
}
