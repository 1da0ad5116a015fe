//! Categories: put, listed, and kept while a plan is in them.

use contracts::vbwd::subscription::v1::*;
use ids::OperationId;

use crate::world::{answer, new_plan, refused, world};

#[tokio::test]
async fn a_category_is_put_and_replaced() {
    let world = world().await;
    world.put_category("membership", true).await.unwrap();
    world.put_category("membership", false).await.unwrap();
    let list = world.request(&world.merchant, OperationId::new(), ListPlanCategoriesRequest {});
    let found = answer(world.plans().list_plan_categories(list).await).unwrap().categories;
    assert_eq!(found.len(), 1);
    assert!(!found[0].exclusive);
    assert_eq!(
        refused(world.put_category("Not Slug", true).await).1,
        [("/slug".to_owned(), "malformed".to_owned())]
    );
}

#[tokio::test]
async fn a_plan_is_in_a_category_that_exists_and_keeps_it() {
    let world = world().await;
    let plan = |category: &str| CreatePlanRequest { category: category.to_owned(), ..new_plan("pro") };
    let (_, wrong) = refused(world.create(plan("membership")).await);
    assert_eq!(wrong, [("/category".to_owned(), "category_unknown".to_owned())]);
    world.put_category("membership", true).await.unwrap();
    world.create(plan("membership")).await.unwrap();
    assert_eq!(refused(world.delete_category("membership").await).0, "category_in_use");
    world.put_category("empty", false).await.unwrap();
    world.delete_category("empty").await.unwrap();
    world.delete_category("empty").await.unwrap();
}
