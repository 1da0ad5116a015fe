//! A running service, and the words in which the tests speak.

use std::sync::Arc;

use auth::{Caller, Permissions, Subject};
use bus::Bus;
use contracts::vbwd::money::v1::Money;
use contracts::vbwd::subscription::v1::plan_admin_service_client::PlanAdminServiceClient;
use contracts::vbwd::subscription::v1::plan_service_client::PlanServiceClient;
use contracts::vbwd::subscription::v1::*;
use fault::Fault;
use ids::{OperationId, TenantId, UserId};
use kernel::{Clock, FixedClock};
use runtime::{Channel, Directory, Drain, Environment, Platform};
use secrecy::SecretString;
use testkit::{Nats, TestDatabase};
use tonic::{Response, Status};

const SECRET: &str = "a-fleet-secret-for-tests-that-is-long-enough-0123456789";

/// A running service.
pub struct World {
    pub platform: Platform,
    pub tenant: TenantId,
    pub merchant: Caller,
    pub database: TestDatabase,
    _nats: Nats,
}

impl Drop for World {
    fn drop(&mut self) {
        self.platform.tasks.drain().cancel();
    }
}

pub async fn world() -> World {
    let database = testkit::database("subscription", subscription::migrations()).await;
    let nats = testkit::nats();
    let bus = Bus::connect(&nats.url(), "").await.unwrap();
    let platform = Platform::new(
        Environment::Test,
        Arc::new(FixedClock::new("2026-11-23T12:00:00Z".parse().unwrap())) as Arc<dyn Clock>,
        SecretString::from(SECRET.to_owned()),
        database.config().clone(),
        bus,
        Directory::new(["subscription", "identity"], []).unwrap(),
        Drain::new(),
    )
    .unwrap();
    let service = subscription::service(&platform, subscription::Config::default()).await.unwrap();
    platform.install(service);
    let tenant = TenantId::new();
    let merchant = holder(tenant, "plans.*");
    World { platform, tenant, merchant, database, _nats: nats }
}

pub fn user(tenant: TenantId) -> Caller {
    Caller { subject: Subject::User(UserId::new()), ..Caller::anonymous(tenant) }
}

pub fn holder(tenant: TenantId, permission: &str) -> Caller {
    Caller { permissions: Permissions::new([permission]).unwrap(), ..user(tenant) }
}

pub fn money(minor: i64, currency: &str) -> Option<Money> {
    Some(Money { minor, currency: currency.to_owned() })
}

pub fn price(unit: PeriodUnit, minor: i64, currency: &str) -> PlanPrice {
    PlanPrice {
        price_id: String::new(),
        period_unit: unit.into(),
        period_count: 1,
        price: money(minor, currency),
        setup_fee: None,
    }
}

/// 20 euros or 22 dollars a month, 14 days of trial, 100 tokens, a thousand messages.
pub fn body() -> VersionBody {
    let quota = FeatureQuota { most: Some(1_000), reset: QuotaReset::Period.into() };
    VersionBody {
        prices: vec![price(PeriodUnit::Month, 2_000, "EUR"), price(PeriodUnit::Month, 2_200, "USD")],
        trial_days: 14,
        tax_class: "digital".to_owned(),
        grant: Some(TokenGrant { units: 100, rolls_over: false }),
        features: vec![PlanFeature {
            key: "chat.messages".to_owned(),
            value: Some(plan_feature::Value::Quota(quota)),
        }],
        access_levels: vec!["pro".to_owned()],
    }
}

pub fn new_plan(slug: &str) -> CreatePlanRequest {
    CreatePlanRequest {
        kind: PlanKind::Plan.into(),
        slug: slug.to_owned(),
        name: format!("Plan {slug}"),
        description: String::new(),
        category: String::new(),
        sort_order: 1,
        plan_ids: Vec::new(),
        version: Some(body()),
    }
}

/// What puts a plan on sale, or takes it off.
pub fn with_status(plan: &Plan, status: PlanStatus) -> UpdatePlanRequest {
    UpdatePlanRequest {
        plan_id: plan.plan_id.clone(),
        name: plan.name.clone(),
        description: plan.description.clone(),
        category: plan.category.clone(),
        sort_order: plan.sort_order,
        plan_ids: plan.plan_ids.clone(),
        status: status.into(),
        revision: plan.revision,
    }
}

/// Code of the fault and of each wrong part.
pub fn refused<T: std::fmt::Debug>(outcome: fault::Result<T>) -> (String, Vec<(String, String)>) {
    let fault = outcome.unwrap_err();
    let wrong = fault.violations().iter().map(|wrong| (wrong.pointer.clone(), wrong.code.clone())).collect();
    (fault.reason().to_owned(), wrong)
}

pub fn answer<T>(outcome: Result<Response<T>, Status>) -> fault::Result<T> {
    outcome.map(Response::into_inner).map_err(Fault::from)
}

impl World {
    pub fn request<M>(&self, caller: &Caller, operation: OperationId, message: M) -> tonic::Request<M> {
        let peer = self.platform.peer("gateway", "subscription").unwrap();
        let mut request = peer.request_as(caller, message).unwrap();
        request.metadata_mut().insert(runtime::OPERATION_ID, operation.to_string().parse().unwrap());
        request
    }

    pub fn plans(&self) -> PlanServiceClient<Channel> {
        PlanServiceClient::new(self.platform.peer("gateway", "subscription").unwrap().channel())
    }

    pub fn admin(&self) -> PlanAdminServiceClient<Channel> {
        PlanAdminServiceClient::new(self.platform.peer("gateway", "subscription").unwrap().channel())
    }

    pub async fn create(&self, message: CreatePlanRequest) -> fault::Result<Plan> {
        self.create_as(OperationId::new(), message).await
    }

    pub async fn create_as(&self, operation: OperationId, message: CreatePlanRequest) -> fault::Result<Plan> {
        let request = self.request(&self.merchant, operation, message);
        Ok(answer(self.admin().create_plan(request).await)?.plan.unwrap())
    }

    pub async fn update(&self, message: UpdatePlanRequest) -> fault::Result<Plan> {
        let request = self.request(&self.merchant, OperationId::new(), message);
        Ok(answer(self.admin().update_plan(request).await)?.plan.unwrap())
    }

    pub async fn publish(&self, plan: &Plan, version: VersionBody) -> fault::Result<Plan> {
        let message = PublishPlanVersionRequest {
            plan_id: plan.plan_id.clone(),
            revision: plan.revision,
            version: Some(version),
        };
        let request = self.request(&self.merchant, OperationId::new(), message);
        Ok(answer(self.admin().publish_plan_version(request).await)?.plan.unwrap())
    }

    pub async fn on_sale(&self, slug: &str) -> Plan {
        let plan = self.create(new_plan(slug)).await.unwrap();
        self.update(with_status(&plan, PlanStatus::Active)).await.unwrap()
    }

    pub async fn listed(&self, message: ListPlansRequest) -> fault::Result<Vec<Plan>> {
        let visitor = Caller::anonymous(self.tenant);
        let request = self.request(&visitor, OperationId::new(), message);
        Ok(answer(self.plans().list_plans(request).await)?.plans)
    }

    pub async fn versions(&self, plan: &Plan) -> Vec<PlanVersion> {
        let message = ListPlanVersionsRequest { plan_id: plan.plan_id.clone() };
        let request = self.request(&self.merchant, OperationId::new(), message);
        answer(self.admin().list_plan_versions(request).await).unwrap().versions
    }

    pub async fn put_category(&self, slug: &str, exclusive: bool) -> fault::Result<PlanCategory> {
        let message = PutPlanCategoryRequest {
            slug: slug.to_owned(),
            name: format!("Category {slug}"),
            exclusive,
            sort_order: 0,
        };
        let request = self.request(&self.merchant, OperationId::new(), message);
        Ok(answer(self.admin().put_plan_category(request).await)?.category.unwrap())
    }

    pub async fn delete_category(&self, slug: &str) -> fault::Result<()> {
        let message = DeletePlanCategoryRequest { slug: slug.to_owned() };
        let request = self.request(&self.merchant, OperationId::new(), message);
        answer(self.admin().delete_plan_category(request).await).map(drop)
    }
}
