//! Plans: added, put on sale, edited, found; and what is refused changes nothing.

use auth::Caller;
use contracts::vbwd::subscription::v1::*;
use futures::future::join_all;
use ids::{OperationId, TenantId};

use crate::world::{World, answer, new_plan, price, refused, with_status, world};

#[tokio::test]
async fn a_plan_is_a_draft_until_it_is_put_on_sale() {
    let world = world().await;
    let plan = world.create(new_plan("pro")).await.unwrap();
    assert_eq!((plan.status(), plan.revision), (PlanStatus::Draft, 1));
    assert_eq!(world.listed(ListPlansRequest::default()).await.unwrap(), []);
    let plan = world.update(with_status(&plan, PlanStatus::Active)).await.unwrap();
    assert_eq!(world.listed(ListPlansRequest::default()).await.unwrap(), std::slice::from_ref(&plan));
    let again = world.update(with_status(&plan, PlanStatus::Draft)).await;
    assert_eq!(refused(again).0, "draft_again");
    world.update(with_status(&plan, PlanStatus::Archived)).await.unwrap();
    assert_eq!(world.listed(ListPlansRequest::default()).await.unwrap(), []);
}

/// Slugs of the plans on sale in a currency, with their prices in minor units.
async fn shown_in(world: &World, currency: &str) -> Vec<(String, Vec<i64>)> {
    let message = ListPlansRequest { currency: currency.to_owned(), category: String::new() };
    let prices = |plan: &Plan| plan.version.clone().unwrap().body.unwrap().prices;
    let minor = |price: PlanPrice| price.price.unwrap().minor;
    let shown = |plan: &Plan| (plan.slug.clone(), prices(plan).into_iter().map(minor).collect());
    world.listed(message).await.unwrap().iter().map(shown).collect()
}

#[tokio::test]
async fn visitors_see_the_prices_of_their_currency() {
    let world = world().await;
    world.on_sale("pro").await;
    let yen = CreatePlanRequest {
        version: Some(VersionBody {
            prices: vec![price(PeriodUnit::Year, 3_000, "JPY")],
            ..crate::world::body()
        }),
        ..new_plan("tokyo")
    };
    let plan = world.create(yen).await.unwrap();
    world.update(with_status(&plan, PlanStatus::Active)).await.unwrap();
    let in_currency = |currency: &'static str| shown_in(&world, currency);
    let shown = |slug: &str, minor| vec![(slug.to_owned(), vec![minor])];
    assert_eq!(in_currency("USD").await, shown("pro", 2_200));
    assert_eq!(in_currency("JPY").await, shown("tokyo", 3_000));
    assert_eq!(in_currency("CHF").await, Vec::new());
    let nonsense = ListPlansRequest { currency: "XYZ".to_owned(), category: String::new() };
    let (_, wrong) = refused(world.listed(nonsense).await);
    assert_eq!(wrong, [("/currency".to_owned(), "currency_unknown".to_owned())]);
}

#[tokio::test]
async fn a_plan_is_found_by_its_id_and_by_its_slug() {
    let world = world().await;
    let plan = world.on_sale("pro").await;
    let find = |name: String| {
        let visitor = Caller::anonymous(world.tenant);
        let request = world.request(&visitor, OperationId::new(), GetPlanRequest { plan: name });
        let mut plans = world.plans();
        async move { answer(plans.get_plan(request).await) }
    };
    for name in [plan.plan_id.clone(), "pro".to_owned()] {
        assert_eq!(find(name).await.unwrap().plan, Some(plan.clone()));
    }
    for name in ["Pro", "", "nothing"] {
        assert_eq!(refused(find(name.to_owned()).await).0, "plan_not_found");
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_named_and_nothing_is_written() {
    let world = world().await;
    let mut wrong = new_plan("Not A Slug");
    wrong.name = " ".to_owned();
    wrong.version.as_mut().unwrap().prices.push(price(PeriodUnit::Month, -5, "EUR"));
    let (reason, parts) = refused(world.create(wrong).await);
    let named: Vec<_> = parts.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
    assert_eq!(reason, "invalid_input");
    assert_eq!(
        named,
        [
            ("/name", "out_of_range"),
            ("/version/prices/2/price", "out_of_range"),
            ("/version/prices/2", "duplicate"),
            ("/slug", "malformed"),
        ]
    );
    let missing = CreatePlanRequest { version: None, ..new_plan("pro") };
    assert_eq!(refused(world.create(missing).await).1, [("/version".to_owned(), "missing".to_owned())]);
    let pool = world.database.superuser("subscription");
    let plans: i64 = sqlx::query_scalar("SELECT count(*) FROM plans").fetch_one(&pool).await.unwrap();
    assert_eq!(plans, 0);
}

#[tokio::test]
async fn a_slug_is_given_once_however_many_ask_at_once() {
    let world = world().await;
    let outcomes = join_all((0..20).map(|_| world.create(new_plan("pro")))).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 19));
    assert!(lost.into_iter().all(|lost| refused(lost).0 == "slug_taken"));
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let world = world().await;
    let operation = OperationId::new();
    let first = world.create_as(operation, new_plan("pro")).await.unwrap();
    assert_eq!(world.create_as(operation, new_plan("pro")).await.unwrap(), first);
    assert_eq!(refused(world.create_as(operation, new_plan("team")).await).0, "operation_id_reused");
}

#[tokio::test]
async fn an_add_on_goes_with_plans_that_exist() {
    let world = world().await;
    let plan = world.create(new_plan("pro")).await.unwrap();
    let add_on = |plan_ids: Vec<String>| {
        let version = VersionBody { trial_days: 0, ..crate::world::body() };
        CreatePlanRequest {
            kind: PlanKind::AddOn.into(),
            plan_ids,
            version: Some(version),
            ..new_plan("more-messages")
        }
    };
    let foreign = OperationId::new().to_string();
    let (_, wrong) = refused(world.create(add_on(vec![plan.plan_id.clone(), foreign])).await);
    assert_eq!(wrong, [("/plan_ids/1".to_owned(), "plan_unknown".to_owned())]);
    let made = world.create(add_on(vec![plan.plan_id.clone()])).await.unwrap();
    assert_eq!((made.kind(), made.plan_ids.as_slice()), (PlanKind::AddOn, [plan.plan_id].as_slice()));
}

#[tokio::test]
async fn of_two_editors_one_is_told_that_the_plan_has_changed() {
    let world = world().await;
    let plan = world.create(new_plan("pro")).await.unwrap();
    let edit = |name: &str| {
        let edited = UpdatePlanRequest { name: name.to_owned(), ..with_status(&plan, PlanStatus::Active) };
        world.update(edited)
    };
    let (one, other) = tokio::join!(edit("One"), edit("Other"));
    let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
    assert_eq!(won.unwrap().revision, 2);
    assert_eq!(refused(lost).0, "stale_revision");
}

#[tokio::test]
async fn a_tenant_sees_its_own_catalogue_only() {
    let world = world().await;
    let plan = world.on_sale("pro").await;
    let stranger = crate::world::holder(TenantId::new(), "plans.*");
    let list = world.request(&stranger, OperationId::new(), ListAllPlansRequest {});
    assert_eq!(answer(world.admin().list_all_plans(list).await).unwrap().plans, []);
    let edit = world.request(&stranger, OperationId::new(), with_status(&plan, PlanStatus::Archived));
    assert_eq!(refused(answer(world.admin().update_plan(edit).await)).0, "plan_not_found");
    let versions = ListPlanVersionsRequest { plan_id: plan.plan_id.clone() };
    let versions = world.request(&stranger, OperationId::new(), versions);
    assert_eq!(refused(answer(world.admin().list_plan_versions(versions).await)).0, "plan_not_found");
}
