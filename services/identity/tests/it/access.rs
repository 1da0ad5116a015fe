//! The matrix of roles and permissions, why somebody may do something, and access levels.

use auth::Caller;
use contracts::vbwd::identity::v1::access_level_service_client::AccessLevelServiceClient;
use contracts::vbwd::identity::v1::authority_service_client::AuthorityServiceClient;
use contracts::vbwd::identity::v1::permission_service_client::PermissionServiceClient;
use contracts::vbwd::identity::v1::*;
use futures::future::join_all;
use ids::UserId;

use crate::fixtures::{OWNER, World, answer, refused, user_of, world};

const ANN: &str = "ann@example.com";

impl World {
    fn permissions(&self) -> PermissionServiceClient<runtime::Channel> {
        PermissionServiceClient::new(self.channel())
    }

    fn levels(&self) -> AccessLevelServiceClient<runtime::Channel> {
        AccessLevelServiceClient::new(self.channel())
    }

    async fn cell(
        &self,
        caller: &Caller,
        name: &str,
        permission: &str,
        granted: bool,
    ) -> fault::Result<Role> {
        let (name, permission) = (name.to_owned(), permission.to_owned());
        let request = self.call(caller, SetRolePermissionRequest { name, permission, granted });
        answer(self.permissions().set_role_permission(request).await).map(|answered| answered.role.unwrap())
    }

    async fn delete_role(&self, caller: &Caller, name: &str) -> fault::Result<DeleteRoleResponse> {
        let request = self.call(caller, DeleteRoleRequest { name: name.to_owned() });
        answer(self.permissions().delete_role(request).await)
    }

    async fn explain(
        &self,
        caller: &Caller,
        user: UserId,
        permission: &str,
    ) -> fault::Result<ExplainPermissionResponse> {
        let message =
            ExplainPermissionRequest { user_id: user.to_string(), permission: permission.to_owned() };
        let request = self.call(caller, message);
        answer(self.permissions().explain_permission(request).await)
    }

    async fn put_level(&self, caller: &Caller, level: &str, plans: &[&str]) -> fault::Result<()> {
        let plans = plans.iter().map(|plan| (*plan).to_owned()).collect();
        let message =
            PutAccessLevelRequest { level: level.to_owned(), name: level.to_owned(), rank: 1, plans };
        let request = self.call(caller, message);
        answer(self.levels().put_access_level(request).await).map(|_| ())
    }

    async fn set_plans(&self, user: UserId, plans: &[&str]) -> fault::Result<Vec<String>> {
        let plans = plans.iter().map(|plan| (*plan).to_owned()).collect();
        let service = Caller::service("subscription", self.tenant);
        let request = self.call(&service, SetUserPlansRequest { user_id: user.to_string(), plans });
        answer(self.levels().set_user_plans(request).await).map(|answered| answered.levels)
    }

    async fn give(
        &self,
        caller: &Caller,
        user: UserId,
        levels: &[&str],
        expires_at: Option<i64>,
    ) -> fault::Result<Vec<String>> {
        let levels = levels.iter().map(|level| (*level).to_owned()).collect();
        let expires_at = expires_at.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 });
        let message = SetUserAccessLevelsRequest { user_id: user.to_string(), levels, expires_at };
        let request = self.call(caller, message);
        answer(self.levels().set_user_access_levels(request).await).map(|answered| answered.levels)
    }

    /// What the edge is told about a caller.
    async fn held(&self, caller: &Caller) -> fault::Result<Authority> {
        let (user_id, session_id) = (user_of(caller).to_string(), caller.session.unwrap().to_string());
        let gateway = Caller::service("gateway", caller.tenant);
        let request = self.call(&gateway, ResolveSessionRequest { user_id, session_id });
        let mut client = AuthorityServiceClient::new(self.channel());
        answer(client.resolve_session(request).await).map(|answered| answered.authority.unwrap())
    }
}

#[tokio::test]
async fn a_cell_of_the_matrix_is_set_alone_and_effective_at_once() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.user(ANN, "customer").await;
    world.put_role(&owner, "clerk", &["users.read"]).await.unwrap();
    world.set_roles(&owner, ann, &["clerk"]).await.unwrap();
    let clerk = world.signed_in(ANN).await;
    world.cell(&owner, "clerk", "invoices.read", true).await.unwrap();
    assert_eq!(world.held(&clerk).await.unwrap().permissions, ["invoices.read", "users.read"]);
    world.cell(&owner, "clerk", "users.read", false).await.unwrap();
    assert_eq!(world.held(&clerk).await.unwrap().permissions, ["invoices.read"]);
    world.cell(&owner, "clerk", "invoices.*", true).await.unwrap();
    assert_eq!(refused(world.cell(&owner, "clerk", "invoices.read", false).await), "granted_by_wildcard");
    assert_eq!(refused(world.cell(&owner, "admin", "users.read", false).await), "role_built_in");
    assert_eq!(refused(world.cell(&owner, "wizard", "users.read", true).await), "role_not_found");
    assert_eq!(refused(world.cell(&owner, "clerk", "nonsense", true).await), "invalid_input");
    world.suspend(&owner, ann).await.unwrap();
    assert_eq!(refused(world.held(&clerk).await), "session_ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_edits_of_different_cells_lose_nothing() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    world.put_role(&owner, "clerk", &[]).await.unwrap();
    let cells: Vec<_> = (0..20).map(|number| format!("resource_{number}.read")).collect();
    let outcomes = join_all(cells.iter().map(|cell| world.cell(&owner, "clerk", cell, true))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let roles = world.roles(&owner).await;
    assert_eq!(roles.iter().find(|role| role.name == "clerk").unwrap().permissions.len(), 20);
}

#[tokio::test]
async fn nobody_climbs_by_editing_the_own_role() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.user(ANN, "customer").await;
    world.put_role(&owner, "keeper", &["roles.*", "users.roles"]).await.unwrap();
    world.set_roles(&owner, ann, &["keeper"]).await.unwrap();
    let keeper = world.signed_in(ANN).await;
    for permission in ["payments.refund", "users.*", "payments.*"] {
        assert_eq!(refused(world.cell(&keeper, "keeper", permission, true).await), "privilege_escalation");
    }
    assert_eq!(refused(world.put_role(&keeper, "keeper", &["*"]).await), "privilege_escalation");
    assert_eq!(refused(world.set_roles(&keeper, ann, &["admin"]).await), "privilege_escalation");
    let forged = Caller { permissions: auth::Permissions::all(), ..keeper.clone() };
    let refusal = world.cell(&forged, "keeper", "payments.refund", true).await;
    assert_eq!(refused(refusal), "privilege_escalation", "the tables decide, not the token");
    world.cell(&keeper, "keeper", "roles.read", true).await.unwrap();
}

#[tokio::test]
async fn a_role_goes_when_nobody_holds_it() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.user(ANN, "customer").await;
    world.put_role(&owner, "clerk", &["users.read"]).await.unwrap();
    world.set_roles(&owner, ann, &["clerk"]).await.unwrap();
    assert_eq!(refused(world.delete_role(&owner, "clerk").await), "role_in_use");
    world.set_roles(&owner, ann, &[]).await.unwrap();
    world.delete_role(&owner, "clerk").await.unwrap();
    assert_eq!(refused(world.delete_role(&owner, "clerk").await), "role_not_found");
    assert_eq!(refused(world.delete_role(&owner, "owner").await), "role_built_in");
}

#[tokio::test]
async fn why_somebody_may_do_something_is_told_with_the_path() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.user(ANN, "customer").await;
    world.put_role(&owner, "clerk", &["invoices.*"]).await.unwrap();
    world.set_roles(&owner, ann, &["clerk", "support"]).await.unwrap();
    let why = world.explain(&owner, ann, "invoices.read").await.unwrap();
    let paths: Vec<_> =
        why.paths.iter().map(|path| (path.role.as_str(), path.built_in, path.grant.as_str())).collect();
    assert_eq!(
        (why.allowed, paths),
        (true, vec![("clerk", false, "invoices.*"), ("support", true, "invoices.read")])
    );
    let not = world.explain(&owner, ann, "payments.refund").await.unwrap();
    assert_eq!((not.allowed, not.paths.len()), (false, 0));
    world.suspend(&owner, ann).await.unwrap();
    let suspended = world.explain(&owner, ann, "invoices.read").await.unwrap();
    assert_eq!((suspended.allowed, suspended.user_status.as_str()), (false, "suspended"));
    assert_eq!(refused(world.explain(&owner, ann, "invoices.*").await), "invalid_input");
    assert_eq!(refused(world.explain(&owner, UserId::new(), "a.b").await), "user_not_found");
}

#[tokio::test]
async fn permissions_are_declared_by_rpcs_and_plugins() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let declare = |permissions: &[&str]| {
        let permissions = permissions.iter().map(|permission| PermissionInfo {
            permission: (*permission).to_owned(),
            source: "ignored".to_owned(),
            description: "Reads bees".to_owned(),
        });
        let message = DeclarePermissionsRequest {
            source: "plugin:bees".to_owned(),
            permissions: permissions.collect(),
        };
        world.call(&Caller::service("plugins", world.tenant), message)
    };
    let mut client = world.permissions();
    client.declare_permissions(declare(&["bees.read", "bees.write"])).await.unwrap();
    client.declare_permissions(declare(&["bees.read"])).await.unwrap();
    assert!(client.declare_permissions(declare(&["bees.*"])).await.is_err());
    let request = world.call(&owner, ListPermissionsRequest {});
    let listed = client.list_permissions(request).await.unwrap().into_inner().permissions;
    let of = |source: &str| listed.iter().filter(|one| one.source == source).count();
    assert_eq!(of("plugin:bees"), 1);
    let suspend = listed.iter().find(|one| one.permission == "users.suspend").unwrap();
    assert!(suspend.source == "identity" && suspend.description.contains("SuspendUser"));
}

#[tokio::test]
async fn access_levels_come_from_plans_and_gifts() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann_id = world.user(ANN, "customer").await;
    let ann = world.signed_in(ANN).await;
    world.put_level(&owner, "gold", &["plan-a", "plan-b"]).await.unwrap();
    world.put_level(&owner, "press", &[]).await.unwrap();
    assert_eq!(world.set_plans(ann_id, &["plan-b"]).await.unwrap(), ["gold"]);
    let tomorrow = 24 * 60 * 60 + "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
    assert_eq!(world.give(&owner, ann_id, &["press"], Some(tomorrow)).await.unwrap(), ["gold", "press"]);
    assert_eq!(world.held(&ann).await.unwrap().levels, ["gold", "press"]);
    assert_eq!(world.signed_in(ANN).await.levels, ["gold", "press"], "the token says so too");
    world.put_level(&owner, "gold", &["plan-a"]).await.unwrap();
    assert_eq!(world.held(&ann).await.unwrap().levels, ["press"], "relinked");
    world.pass(24 * 60 * 60);
    assert_eq!(world.held(&ann).await.unwrap().levels, Vec::<String>::new(), "expired");
    assert_eq!(refused(world.give(&owner, ann_id, &["silver"], None).await), "access_level_not_found");
    assert_eq!(refused(world.put_level(&owner, "No!", &[]).await), "invalid_input");
}
