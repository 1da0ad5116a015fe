//! `PlanService`: what is on offer, for everybody.

use contracts::vbwd::subscription::v1 as proto;
use contracts::vbwd::subscription::v1::plan_service_server::PlanService;
use fault::Fault;
use money::Currency;
use subscription_domain::catalogue::Sale;
use tonic::{Request, Response, Status};

use super::Rpcs;
use super::convert::{category_message, plan_message};
use crate::catalogue::Plan;

#[tonic::async_trait]
impl PlanService for Rpcs {
    async fn list_plan_categories(
        &self,
        call: Request<proto::ListPlanCategoriesRequest>,
    ) -> Result<Response<proto::ListPlanCategoriesResponse>, Status> {
        let caller = auth::caller(&call)?;
        let categories = self.catalogue.categories(caller.tenant).await?;
        let categories = categories.iter().map(category_message).collect();
        Ok(Response::new(proto::ListPlanCategoriesResponse { categories }))
    }

    async fn list_plans(
        &self,
        call: Request<proto::ListPlansRequest>,
    ) -> Result<Response<proto::ListPlansResponse>, Status> {
        let caller = auth::caller(&call)?;
        let currency = wished_currency(&call.get_ref().currency)?;
        let category = call.get_ref().category.as_str();
        let plans = self.catalogue.list(caller.tenant).await?;
        let plans = plans.iter().filter(|plan| plan.sale == Sale::Active);
        let plans = plans.filter(|plan| category.is_empty() || plan.face.category == category);
        let plans = plans.filter_map(|plan| priced_in(plan, currency)).map(|plan| plan_message(&plan));
        Ok(Response::new(proto::ListPlansResponse { plans: plans.collect() }))
    }

    async fn get_plan(
        &self,
        call: Request<proto::GetPlanRequest>,
    ) -> Result<Response<proto::GetPlanResponse>, Status> {
        let caller = auth::caller(&call)?;
        let wanted = call.get_ref().plan.as_str();
        let plans = self.catalogue.list(caller.tenant).await?;
        let named = |plan: &&Plan| plan.slug == wanted || plan.id.to_string() == wanted;
        let plan = plans.iter().filter(|plan| plan.sale == Sale::Active).find(named);
        let plan = plan.ok_or_else(|| Fault::not_found("plan"))?;
        Ok(Response::new(proto::GetPlanResponse { plan: Some(plan_message(plan)) }))
    }
}

fn wished_currency(text: &str) -> fault::Result<Option<Currency>> {
    if text.is_empty() {
        return Ok(None);
    }
    let unknown = |_| Fault::invalid("/currency", "currency_unknown", "There is no such currency.");
    text.parse().map(Some).map_err(unknown)
}

/// The plan with the prices of one currency; none when it is not sold in it.
fn priced_in(plan: &Plan, currency: Option<Currency>) -> Option<Plan> {
    let version = match currency {
        Some(currency) => plan.version.in_currency(currency)?,
        None => plan.version.clone(),
    };
    Some(Plan { version, ..plan.clone() })
}
