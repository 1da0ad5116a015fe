//! Versions: published in order, and never changed.

use contracts::vbwd::subscription::v1::*;
use futures::future::join_all;
use sqlx::AssertSqlSafe;

use crate::world::{body, new_plan, price, refused, world};

fn dearer() -> VersionBody {
    VersionBody { prices: vec![price(PeriodUnit::Month, 3_000, "EUR")], ..body() }
}

#[tokio::test]
async fn a_new_version_is_what_is_sold_and_the_old_one_stays_as_it_was() {
    let world = world().await;
    let plan = world.on_sale("pro").await;
    let first = plan.version.clone().unwrap();
    let plan = world.publish(&plan, dearer()).await.unwrap();
    let second = plan.version.clone().unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(world.listed(ListPlansRequest::default()).await.unwrap(), std::slice::from_ref(&plan));
    assert_eq!(world.versions(&plan).await, [second.clone(), first.clone()]);
    let ids = |version: &PlanVersion| -> Vec<String> {
        version.body.clone().unwrap().prices.into_iter().map(|price| price.price_id).collect()
    };
    assert!(ids(&first).iter().all(|id| !ids(&second).contains(id)), "prices are never shared");
}

#[tokio::test]
async fn what_says_the_same_is_no_new_version() {
    let world = world().await;
    let plan = world.create(new_plan("pro")).await.unwrap();
    assert_eq!(refused(world.publish(&plan, body()).await).0, "version_same");
}

#[tokio::test]
async fn of_many_who_publish_at_once_one_wins_and_numbers_have_no_gap() {
    let world = world().await;
    let plan = world.create(new_plan("pro")).await.unwrap();
    let versions =
        (1..=10).map(|minor| VersionBody { prices: vec![price(PeriodUnit::Month, minor, "EUR")], ..body() });
    let outcomes = join_all(versions.map(|version| world.publish(&plan, version))).await;
    let lost = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert_eq!(lost, 9);
    let plan = outcomes.into_iter().find_map(Result::ok).unwrap();
    world.publish(&plan, dearer()).await.unwrap();
    let numbers: Vec<_> = world.versions(&plan).await.iter().map(|version| version.version).collect();
    assert_eq!(numbers, [3, 2, 1]);
}

#[tokio::test]
async fn the_service_itself_cannot_change_a_version_or_a_price() {
    let world = world().await;
    world.on_sale("pro").await;
    let pool = world.database.pool("subscription");
    for table in ["plan_versions SET trial_days = 0", "plan_prices SET price_minor = 1"] {
        let mut transaction = pool.begin().await.unwrap();
        let tenant = format!("SET LOCAL vbwd.tenant_id = '{}'", world.tenant);
        sqlx::raw_sql(AssertSqlSafe(tenant)).execute(&mut *transaction).await.unwrap();
        let update = format!("UPDATE {table}");
        let refused = sqlx::raw_sql(AssertSqlSafe(update)).execute(&mut *transaction).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{refused}");
    }
}
