//! API keys and service accounts.

use auth::Caller;
use contracts::vbwd::identity::v1::api_key_service_client::ApiKeyServiceClient;
use contracts::vbwd::identity::v1::authority_service_client::AuthorityServiceClient;
use contracts::vbwd::identity::v1::*;
use futures::future::join_all;
use ids::TenantId;
use sha2::{Digest as _, Sha256};
use sqlx::AssertSqlSafe;

use crate::fixtures::{OWNER, World, answer, refused, world};

const ANN: &str = "ann@example.com";

impl World {
    fn keys(&self) -> ApiKeyServiceClient<runtime::Channel> {
        ApiKeyServiceClient::new(self.channel())
    }

    async fn make(&self, caller: &Caller, scopes: &[&str], days: i32) -> fault::Result<CreateApiKeyResponse> {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let message = CreateApiKeyRequest { name: "ci".to_owned(), scopes, expires_in_days: days };
        let request = self.call(caller, message);
        answer(self.keys().create_api_key(request).await)
    }

    async fn listed(&self, caller: &Caller) -> Vec<ApiKey> {
        let request = self.call(caller, ListApiKeysRequest {});
        answer(self.keys().list_api_keys(request).await).unwrap().keys
    }

    async fn revoke(&self, caller: &Caller, key: &str) -> fault::Result<RevokeApiKeyResponse> {
        let request = self.call(caller, RevokeApiKeyRequest { key_id: key.to_owned() });
        answer(self.keys().revoke_api_key(request).await)
    }

    /// What the edge is told about a key.
    async fn opens(&self, tenant: TenantId, secret: &str) -> fault::Result<Vec<String>> {
        let key_digest = Sha256::digest(secret.as_bytes()).to_vec();
        let gateway = Caller::service("gateway", tenant);
        let origin_address = "198.51.100.9".to_owned();
        let request = self.call(&gateway, ResolveApiKeyRequest { key_digest, origin_address });
        let answered = answer(AuthorityServiceClient::new(self.channel()).resolve_api_key(request).await)?;
        Ok(answered.authority.unwrap().permissions)
    }
}

#[tokio::test]
async fn a_key_is_told_once_and_opens_its_scopes() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let made = world.make(&owner, &["users.read", "invoices.*"], 0).await.unwrap();
    let key = made.key.unwrap();
    assert!(made.secret.starts_with(&key.prefix) && made.secret.len() == 5 + 8 + 1 + 43, "{}", made.secret);
    assert_eq!(world.opens(world.tenant, &made.secret).await.unwrap(), ["invoices.*", "users.read"]);
    let listed = world.listed(&owner).await;
    assert_eq!((listed.len(), listed[0].last_origin_address.as_str()), (1, "198.51.100.9"));
    assert!(listed[0].last_used_at.is_some());
    let superuser = world.database.superuser(identity::NAME);
    for table in ["api_keys", "events", "audit_entries", "operations"] {
        let query = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{}%'", made.secret);
        let found: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&superuser).await.unwrap();
        assert_eq!(found, 0, "{table}");
    }
    assert_eq!(refused(world.opens(world.other, &made.secret).await), "token_invalid");
    assert_eq!(refused(world.opens(world.tenant, "vbwd_00000000_x").await), "token_invalid");
    world.pass(90 * 24 * 60 * 60);
    assert_eq!(refused(world.opens(world.tenant, &made.secret).await), "token_expired");
}

#[tokio::test]
async fn a_key_never_opens_more_than_its_owner_holds() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann_id = world.user(ANN, "support").await;
    let ann = world.signed_in(ANN).await;
    for scope in ["*", "users.*", "payments.refund"] {
        assert_eq!(refused(world.make(&ann, &[scope], 1).await), "privilege_escalation", "{scope}");
    }
    let secret = world.make(&ann, &["users.read", "invoices.read"], 1).await.unwrap().secret;
    world.put_role(&owner, "clerk", &["users.*"]).await.unwrap();
    world.set_roles(&owner, ann_id, &["clerk"]).await.unwrap();
    assert_eq!(world.opens(world.tenant, &secret).await.unwrap(), ["users.read"]);
    world.suspend(&owner, ann_id).await.unwrap();
    assert_eq!(refused(world.opens(world.tenant, &secret).await), "token_invalid");
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_and_others_cannot_revoke_it() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    world.user(ANN, "support").await;
    let ann = world.signed_in(ANN).await;
    let made = world.make(&ann, &["users.read"], 1).await.unwrap();
    let id = made.key.unwrap().key_id;
    assert_eq!(refused(world.revoke(&owner, &id).await), "api_key_not_found");
    world.revoke(&ann, &id).await.unwrap();
    assert_eq!(refused(world.revoke(&ann, &id).await), "api_key_not_found");
    assert_eq!(refused(world.opens(world.tenant, &made.secret).await), "token_invalid");
    assert!(world.listed(&ann).await.is_empty());
}

#[tokio::test]
async fn keys_are_made_in_an_own_session_only() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let key = auth::Via::Key(ids::UserId::new().as_uuid());
    let through_a_key = Caller { via: Some(key), session: None, ..owner.clone() };
    assert_eq!(refused(world.make(&through_a_key, &["users.read"], 1).await), "own_session_required");
    world.log_out(&owner, false).await.unwrap();
    assert_eq!(refused(world.make(&owner, &["users.read"], 1).await), "session_ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_makers_do_not_exceed_the_number_of_keys() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let outcomes = join_all((0..60).map(|_| world.make(&owner, &["users.read"], 1))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 50);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(refused(outcome), "too_many_keys");
    }
}

#[tokio::test]
async fn a_service_account_signs_in_with_keys_only() {
    let world = world().await;
    world.user("admin@example.com", "admin").await;
    let admin = world.signed_in("admin@example.com").await;
    let account = |name: &str, role: &str| {
        let message = CreateServiceAccountRequest { name: name.to_owned(), roles: vec![role.to_owned()] };
        world.call(&admin, message)
    };
    let refusal = answer(world.keys().create_service_account(account("erp", "owner")).await);
    assert_eq!(refused(refusal), "privilege_escalation");
    let made = answer(world.keys().create_service_account(account("erp", "support")).await).unwrap();
    let user = made.user.unwrap();
    assert_eq!((user.kind.as_str(), user.email.as_str()), ("service", ""));
    let wish = |user_id: &str, scope: &str| {
        let (name, scopes) = ("nightly".to_owned(), vec![scope.to_owned()]);
        let user_id = user_id.to_owned();
        world.call(&admin, CreateServiceAccountKeyRequest { user_id, name, scopes, expires_in_days: 30 })
    };
    let beyond = answer(world.keys().create_service_account_key(wish(&user.user_id, "users.suspend")).await);
    assert_eq!(refused(beyond), "privilege_escalation", "the account does not hold it");
    let person = answer(world.keys().create_service_account_key(wish(&world.owner.to_string(), "a.b")).await);
    assert_eq!(refused(person), "privilege_escalation");
    let key =
        answer(world.keys().create_service_account_key(wish(&user.user_id, "users.read")).await).unwrap();
    assert_eq!(world.opens(world.tenant, &key.secret).await.unwrap(), ["users.read"]);
    let list = ListServiceAccountKeysRequest { user_id: user.user_id.clone() };
    let listed = answer(world.keys().list_service_account_keys(world.call(&admin, list)).await).unwrap().keys;
    let revoke = RevokeServiceAccountKeyRequest { user_id: user.user_id, key_id: listed[0].key_id.clone() };
    answer(world.keys().revoke_service_account_key(world.call(&admin, revoke)).await).unwrap();
    assert_eq!(refused(world.opens(world.tenant, &key.secret).await), "token_invalid");
}
