//! The second wall: what the database refuses when the code forgets.

use sqlx::{AssertSqlSafe, Row as _};

use crate::fixtures::{OWNER, PASSWORD, World, refused, world};

/// Something in every table, of both tenants.
async fn lived_in() -> World {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let two = auth::Caller::service("desk", world.other);
    let session = world.log_in_at(world.other, "owner@two.example", PASSWORD).await.unwrap();
    world.refresh_at(world.other, &session.refresh_token).await.unwrap();
    for caller in [&owner, &two] {
        world.put_role(caller, "clerk", &["users.read"]).await.unwrap();
        world.claim(caller, "claimed.test").await.unwrap();
    }
    for tenant in [world.tenant, world.other] {
        let _ = world.log_in_at(tenant, "nobody@example.com", "not the password").await;
    }
    world.register("ann@example.com", PASSWORD).await.unwrap();
    for email in ["ann@example.com", "owner@two.example"] {
        world.mailbox.first("identity.verify_email", email).await;
    }
    world
}

async fn tables(world: &World, condition: &str) -> Vec<String> {
    let query = format!(
        "SELECT DISTINCT t.table_name::text FROM information_schema.tables t \
         LEFT JOIN information_schema.columns c ON c.table_schema = t.table_schema \
           AND c.table_name = t.table_name AND c.column_name = 'tenant_id' \
         WHERE t.table_schema = 'identity' AND t.table_name <> '_sqlx_migrations' AND {condition} ORDER BY 1"
    );
    let superuser = world.database.superuser(identity::NAME);
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&superuser).await.unwrap()
}

async fn rows_seen(world: &World, setting: &str, table: &str, foreign_to: &str) -> (i64, i64) {
    let pool = world.database.pool(identity::NAME);
    let mut transaction = pool.begin_with(AssertSqlSafe(format!("BEGIN; {setting}"))).await.unwrap();
    let query =
        format!("SELECT count(*), count(*) FILTER (WHERE tenant_id::text <> '{foreign_to}') FROM {table}");
    let row = sqlx::query(AssertSqlSafe(query)).fetch_one(&mut *transaction).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn a_connection_of_one_tenant_sees_no_row_of_another_in_any_table() {
    let world = lived_in().await;
    let tables = tables(&world, "c.column_name IS NOT NULL").await;
    assert!(tables.len() >= 12, "{tables:?}");
    let unused = [
        "dead_letters",
        "timers",
        "letters",
        "reset_wishes",
        "user_details",
        "access_levels",
        "user_access_levels",
        "user_plans",
        "api_keys",
        "totp_factors",
        "recovery_codes",
        "log_in_challenges",
        "second_factor_policies",
        "routing_rules",
        "routing_guest_hosts",
        "allowed_origins",
        "identity_providers",
        "linked_identities",
        "federated_attempts",
        "passkeys",
        "passkey_ceremonies",
        "sources",
        "source_policies",
    ];
    for table in tables {
        let setting = format!("SET LOCAL vbwd.tenant_id = '{}'", world.tenant);
        let (seen, foreign) = rows_seen(&world, &setting, &table, &world.tenant.to_string()).await;
        assert_eq!(foreign, 0, "{table} shows foreign rows");
        assert!(seen > 0 || unused.contains(&table.as_str()), "{table} is empty: the test proves nothing");
        let (seen, _) = rows_seen(&world, "SET LOCAL work_mem = '4MB'", &table, "").await;
        assert_eq!(seen, 0, "{table} shows rows to a connection without a tenant");
        let worker = "SET LOCAL ROLE vbwd_identity_worker";
        let (_, foreign) = rows_seen(&world, worker, &table, &world.tenant.to_string()).await;
        let both = [
            "operations",
            "dead_letters",
            "timers",
            "letters",
            "reset_wishes",
            "user_details",
            "access_levels",
            "user_access_levels",
            "user_plans",
            "api_keys",
            "totp_factors",
            "recovery_codes",
            "log_in_challenges",
            "second_factor_policies",
            "routing_rules",
            "routing_guest_hosts",
            "allowed_origins",
            "identity_providers",
            "linked_identities",
            "federated_attempts",
            "passkeys",
            "passkey_ceremonies",
            "sources",
            "source_policies",
        ];
        assert!(
            foreign > 0 || both.contains(&table.as_str()),
            "{table} has no foreign rows: the test proves nothing"
        );
    }
}

#[tokio::test]
async fn a_connection_of_one_tenant_cannot_write_into_another() {
    let world = lived_in().await;
    let pool = world.database.pool(identity::NAME);
    let statements = [
        format!("INSERT INTO roles VALUES ('{}', 'root', '{{*}}')", world.other),
        format!("UPDATE roles SET tenant_id = '{}'", world.other),
        "INSERT INTO tenants VALUES (gen_random_uuid(), 'x', 'x', 'EUR', 'en', 'active', now())".to_owned(),
    ];
    for statement in statements {
        let begin = format!("BEGIN; SET LOCAL vbwd.tenant_id = '{}'", world.tenant);
        let mut transaction = pool.begin_with(AssertSqlSafe(begin)).await.unwrap();
        let refused = sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut *transaction).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("row-level security"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn signing_keys_are_out_of_reach_of_a_tenants_transaction() {
    let world = lived_in().await;
    let pool = world.database.pool(identity::NAME);
    let refused = sqlx::query("SELECT * FROM signing_keys").fetch_all(&pool).await.unwrap_err().to_string();
    assert!(refused.contains("permission denied"), "{refused}");
    let plain = "SELECT count(*) FROM signing_keys WHERE length(sealed_seed) <> 12 + 32 + 16";
    assert_eq!(world.count(plain).await, 0);
}

#[tokio::test]
async fn the_service_cannot_alter_its_audit_trail() {
    let world = lived_in().await;
    let pool = world.database.pool(identity::NAME);
    let tenant = format!("SET LOCAL vbwd.tenant_id = '{}'", world.tenant);
    for role in [tenant.as_str(), "SET LOCAL ROLE vbwd_identity_worker"] {
        for statement in [
            "UPDATE audit_entries SET actor = 'x'",
            "DELETE FROM audit_entries",
            "TRUNCATE audit_entries",
            "DELETE FROM audit_heads",
        ] {
            let mut transaction = pool.begin_with(AssertSqlSafe(format!("BEGIN; {role}"))).await.unwrap();
            let refused = sqlx::query(statement).execute(&mut *transaction).await.unwrap_err().to_string();
            assert!(refused.contains("permission denied"), "{statement} as {role}: {refused}");
        }
    }
}

#[tokio::test]
async fn the_audit_chain_verifies_until_somebody_tampers_with_it() {
    let world = lived_in().await;
    let identity = identity::build(&world.platform, world.config.clone()).unwrap();
    assert!(identity.verify_audit(world.tenant).await.unwrap() >= 3);
    let tampering = [
        "UPDATE audit_entries SET actor = 'user:somebody-else' WHERE sequence = 2",
        "UPDATE audit_entries SET after_json = '{}' WHERE sequence = 1",
        "UPDATE audit_entries SET at = at + interval '1 second' WHERE sequence = 2",
        "DELETE FROM audit_entries WHERE sequence = 2",
        "DELETE FROM audit_entries WHERE sequence = (SELECT max(sequence) FROM audit_entries)",
    ];
    let superuser = world.database.superuser(identity::NAME);
    let stopped = sqlx::query(tampering[0]).execute(&superuser).await.unwrap_err().to_string();
    assert!(stopped.contains("append-only"), "{stopped}");
    sqlx::query("ALTER TABLE audit_entries DISABLE TRIGGER USER").execute(&superuser).await.unwrap();
    sqlx::query("CREATE TABLE untouched AS SELECT * FROM audit_entries").execute(&superuser).await.unwrap();
    for statement in tampering {
        sqlx::query(statement).execute(&superuser).await.unwrap();
        assert_eq!(refused(identity.verify_audit(world.tenant).await), "audit_chain_broken", "{statement}");
        sqlx::query("DELETE FROM audit_entries").execute(&superuser).await.unwrap();
        sqlx::query("INSERT INTO audit_entries SELECT * FROM untouched").execute(&superuser).await.unwrap();
        identity.verify_audit(world.tenant).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_chain_does_not_fork_under_parallel_writers() {
    let world = world().await;
    let names: Vec<_> = (0..30).map(|number| format!("user-{number}@example.com")).collect();
    let done = futures::future::join_all(names.iter().map(|email| world.register(email, PASSWORD))).await;
    assert!(done.iter().all(Result::is_ok));
    let identity = identity::build(&world.platform, world.config.clone()).unwrap();
    assert_eq!(identity.verify_audit(world.tenant).await.unwrap(), 31);
}

#[tokio::test]
async fn no_personal_data_is_in_events_or_the_audit_trail() {
    let world = lived_in().await;
    for column in ["payload", "metadata"] {
        let query = format!("SELECT count(*) FROM events WHERE {column}::text ~* 'example|somebody'");
        let superuser = world.database.superuser(identity::NAME);
        let found: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&superuser).await.unwrap();
        assert_eq!(found, 0, "{column}");
    }
    let audited = "SELECT count(*) FROM audit_entries WHERE (target || before_json || after_json) ~* 'example|somebody'";
    assert_eq!(world.count(audited).await, 0);
}
