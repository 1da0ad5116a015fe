//! Who may do what: every rpc against every kind of caller.

use auth::Caller;
use contracts::vbwd::subscription::v1::*;
use fault::Fault;
use ids::OperationId;
use tonic::{Response, Status};

use crate::world::{World, holder, new_plan, user, world};

/// Every rpc of the service; the test fails when one is missing.
const RPCS: [&str; 10] = [
    "PlanService/ListPlanCategories",
    "PlanService/ListPlans",
    "PlanService/GetPlan",
    "PlanAdminService/ListAllPlans",
    "PlanAdminService/ListPlanVersions",
    "PlanAdminService/CreatePlan",
    "PlanAdminService/UpdatePlan",
    "PlanAdminService/PublishPlanVersion",
    "PlanAdminService/PutPlanCategory",
    "PlanAdminService/DeletePlanCategory",
];

/// What `caller` is answered: `no` for a missing permission, `in` for everything behind it.
async fn call(world: &World, rpc: &str, caller: &Caller) -> &'static str {
    fn word<T>(outcome: Result<Response<T>, Status>) -> &'static str {
        match outcome.map_err(|status| Fault::from(status).reason().to_owned()) {
            Err(reason) if reason == "permission_denied" || reason == "authentication_required" => "no",
            _ => "in",
        }
    }
    macro_rules! ask {
        ($client:ident, $rpc:ident, $message:expr) => {
            word(world.$client().$rpc(world.request(caller, OperationId::new(), $message)).await)
        };
    }
    match rpc {
        "PlanService/ListPlanCategories" => ask!(plans, list_plan_categories, ListPlanCategoriesRequest {}),
        "PlanService/ListPlans" => ask!(plans, list_plans, ListPlansRequest::default()),
        "PlanService/GetPlan" => ask!(plans, get_plan, GetPlanRequest::default()),
        "PlanAdminService/ListAllPlans" => ask!(admin, list_all_plans, ListAllPlansRequest {}),
        "PlanAdminService/ListPlanVersions" => {
            ask!(admin, list_plan_versions, ListPlanVersionsRequest::default())
        }
        "PlanAdminService/CreatePlan" => ask!(admin, create_plan, new_plan("pro")),
        "PlanAdminService/UpdatePlan" => ask!(admin, update_plan, UpdatePlanRequest::default()),
        "PlanAdminService/PublishPlanVersion" => {
            ask!(admin, publish_plan_version, PublishPlanVersionRequest::default())
        }
        "PlanAdminService/PutPlanCategory" => {
            ask!(admin, put_plan_category, PutPlanCategoryRequest::default())
        }
        "PlanAdminService/DeletePlanCategory" => {
            ask!(admin, delete_plan_category, DeletePlanCategoryRequest::default())
        }
        other => panic!("no call for {other}"),
    }
}

#[tokio::test]
async fn every_rpc_answers_every_caller_as_the_table_says() {
    let world = world().await;
    let (visitor, customer) = (Caller::anonymous(world.tenant), user(world.tenant));
    let (reader, writer) = (holder(world.tenant, "plans.read"), holder(world.tenant, "plans.write"));
    let callers = [&visitor, &customer, &reader, &writer];
    for (place, rpc) in RPCS.into_iter().enumerate() {
        let expected = match place {
            0..=2 => ["in", "in", "in", "in"],
            3..=4 => ["no", "no", "in", "no"],
            _ => ["no", "no", "no", "in"],
        };
        for (caller, expected) in callers.iter().zip(expected) {
            assert_eq!(call(&world, rpc, caller).await, expected, "{rpc} by {}", caller.subject);
        }
    }
}

#[test]
fn no_rpc_is_left_out() {
    for rpc in contracts::methods().iter().filter(|rpc| rpc.service == "subscription") {
        let name = rpc.path.trim_start_matches("/vbwd.subscription.v1.");
        assert!(RPCS.contains(&name), "{name} has no row");
    }
}
