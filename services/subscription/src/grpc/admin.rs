//! `PlanAdminService`: the catalogue, for the merchant.

use contracts::vbwd::subscription::v1 as proto;
use contracts::vbwd::subscription::v1::plan_admin_service_server::PlanAdminService;
use eventstore::body_hash;
use fault::Fault;
use ids::PlanId;
use subscription_domain::catalogue::Sale;
use tonic::{Request, Response, Status};

use super::Rpcs;
use super::convert::{category_message, edited, new_plan, plan_message, version_body, version_message};
use crate::catalogue::Category;

const CREATE: &str = "/vbwd.subscription.v1.PlanAdminService/CreatePlan";
const PUBLISH: &str = "/vbwd.subscription.v1.PlanAdminService/PublishPlanVersion";

#[tonic::async_trait]
impl PlanAdminService for Rpcs {
    async fn list_all_plans(
        &self,
        call: Request<proto::ListAllPlansRequest>,
    ) -> Result<Response<proto::ListAllPlansResponse>, Status> {
        let caller = auth::caller(&call)?;
        let plans = self.catalogue.list_now(caller.tenant).await?;
        let plans = plans.iter().map(plan_message).collect();
        Ok(Response::new(proto::ListAllPlansResponse { plans }))
    }

    async fn create_plan(
        &self,
        call: Request<proto::CreatePlanRequest>,
    ) -> Result<Response<proto::CreatePlanResponse>, Status> {
        let (_, context) = runtime::context(&call, &*self.clock)?;
        let message = call.into_inner();
        let hash = body_hash(CREATE, &message);
        let new = new_plan(PlanId::new(), message, Sale::Draft)?;
        Ok(Response::new(self.catalogue.create(&context, &hash, new).await?))
    }

    async fn update_plan(
        &self,
        call: Request<proto::UpdatePlanRequest>,
    ) -> Result<Response<proto::UpdatePlanResponse>, Status> {
        let (_, context) = runtime::context(&call, &*self.clock)?;
        let message = call.into_inner();
        let (id, revision) = (plan_id(&message.plan_id)?, message.revision);
        let plan = self.catalogue.edit(&context, id, revision, edited(message)?).await?;
        Ok(Response::new(proto::UpdatePlanResponse { plan: Some(plan_message(&plan)) }))
    }

    async fn publish_plan_version(
        &self,
        call: Request<proto::PublishPlanVersionRequest>,
    ) -> Result<Response<proto::PublishPlanVersionResponse>, Status> {
        let (_, context) = runtime::context(&call, &*self.clock)?;
        let message = call.into_inner();
        let hash = body_hash(PUBLISH, &message);
        let of = (plan_id(&message.plan_id)?, message.revision);
        let version = version_body(message.version)?;
        Ok(Response::new(self.catalogue.publish(&context, &hash, of, version).await?))
    }

    async fn list_plan_versions(
        &self,
        call: Request<proto::ListPlanVersionsRequest>,
    ) -> Result<Response<proto::ListPlanVersionsResponse>, Status> {
        let caller = auth::caller(&call)?;
        let id = plan_id(&call.get_ref().plan_id)?;
        let versions = self.catalogue.versions(caller.tenant, id).await?;
        let versions = versions.iter().map(version_message).collect();
        Ok(Response::new(proto::ListPlanVersionsResponse { versions }))
    }

    async fn put_plan_category(
        &self,
        call: Request<proto::PutPlanCategoryRequest>,
    ) -> Result<Response<proto::PutPlanCategoryResponse>, Status> {
        let (_, context) = runtime::context(&call, &*self.clock)?;
        let proto::PutPlanCategoryRequest { slug, name, exclusive, sort_order } = call.into_inner();
        let category = Category { slug, name, exclusive, sort_order };
        self.catalogue.put_category(&context, &category).await?;
        let category = Some(category_message(&category));
        Ok(Response::new(proto::PutPlanCategoryResponse { category }))
    }

    async fn delete_plan_category(
        &self,
        call: Request<proto::DeletePlanCategoryRequest>,
    ) -> Result<Response<proto::DeletePlanCategoryResponse>, Status> {
        let (_, context) = runtime::context(&call, &*self.clock)?;
        self.catalogue.delete_category(&context, &call.get_ref().slug).await?;
        Ok(Response::new(proto::DeletePlanCategoryResponse {}))
    }
}

/// What is no id names no plan.
fn plan_id(text: &str) -> fault::Result<PlanId> {
    text.parse().map_err(|_| Fault::not_found("plan"))
}
