//! Users, roles, and who may change them.

use auth::Caller;
use ids::UserId;

use crate::fixtures::{OWNER, refused, world};

#[tokio::test]
async fn nobody_hands_out_what_they_do_not_hold() {
    let world = world().await;
    let ann = world.user("ann@example.com", "customer").await;
    world.user("admin@example.com", "admin").await;
    let admin = world.signed_in("admin@example.com").await;
    assert_eq!(refused(world.set_roles(&admin, ann, &["owner"]).await), "privilege_escalation");
    assert_eq!(refused(world.put_role(&admin, "root", &["*"]).await), "privilege_escalation");
    assert_eq!(refused(world.put_role(&admin, "root", &["plugins.install"]).await), "privilege_escalation");
    assert_eq!(world.set_roles(&admin, ann, &["support", "support"]).await.unwrap().roles, ["support"]);
    assert_eq!(world.put_role(&admin, "clerk", &["users.read"]).await.unwrap().permissions, ["users.read"]);
}

#[tokio::test]
async fn nobody_touches_somebody_who_holds_more() {
    let world = world().await;
    world.user("second@one.example", "owner").await;
    world.user("admin@example.com", "admin").await;
    let admin = world.signed_in("admin@example.com").await;
    assert_eq!(refused(world.set_roles(&admin, world.owner, &["customer"]).await), "privilege_escalation");
    assert_eq!(refused(world.suspend(&admin, world.owner).await), "privilege_escalation");
}

#[tokio::test]
async fn what_a_token_still_says_does_not_help_after_a_demotion() {
    let world = world().await;
    let ann = world.user("ann@example.com", "admin").await;
    let former = world.signed_in("ann@example.com").await;
    let owner = world.signed_in(OWNER).await;
    world.set_roles(&owner, ann, &["customer"]).await.unwrap();
    assert_eq!(refused(world.set_roles(&former, ann, &["admin"]).await), "privilege_escalation");
}

#[tokio::test]
async fn the_last_owner_stays() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    assert_eq!(refused(world.set_roles(&owner, world.owner, &["admin"]).await), "last_owner");
    assert_eq!(refused(world.suspend(&owner, world.owner).await), "last_owner");
    let second = world.user("second@one.example", "owner").await;
    world.suspend(&owner, second).await.unwrap();
    assert_eq!(
        refused(world.set_roles(&owner, world.owner, &[]).await),
        "last_owner",
        "a suspended one does not count"
    );
    world.activate(&owner, second).await.unwrap();
    assert_eq!(world.set_roles(&owner, world.owner, &["admin"]).await.unwrap().roles, ["admin"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_who_demote_each_other_leave_one() {
    let world = world().await;
    for round in 0..10 {
        let email = format!("owner-{round}@one.example");
        let second = world.user(&email, "owner").await;
        let (one, two) = (world.signed_in(OWNER).await, world.signed_in(&email).await);
        let (first, other) =
            tokio::join!(world.set_roles(&one, second, &[]), world.set_roles(&two, world.owner, &[]));
        assert!(first.is_ok() != other.is_ok(), "{first:?} {other:?}");
        let owners = "SELECT count(*) FROM user_roles r JOIN users u USING (tenant_id, user_id) \
                      WHERE role = 'owner' AND email LIKE '%@one.example'";
        assert_eq!(world.count(owners).await, 1);
        if other.is_ok() {
            world.set_roles(&two, world.owner, &["owner"]).await.unwrap();
            world.set_roles(&world.signed_in(OWNER).await, second, &[]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn roles_take_effect_with_the_next_token() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.user("ann@example.com", "customer").await;
    world.put_role(&owner, "clerk", &["users.read", "invoices.*"]).await.unwrap();
    world.set_roles(&owner, ann, &["clerk", "customer"]).await.unwrap();
    let clerk = world.signed_in("ann@example.com").await;
    assert!(clerk.permissions.allows("invoices.refund") && !clerk.permissions.allows("users.suspend"));
    world.put_role(&owner, "clerk", &["users.read"]).await.unwrap();
    assert!(!world.signed_in("ann@example.com").await.permissions.allows("invoices.read"));
    assert_eq!(
        world.me(&clerk).await.unwrap().permissions,
        ["users.read"],
        "the profile shows what is granted now"
    );
}

#[tokio::test]
async fn built_in_roles_are_listed_and_protected() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    world.put_role(&owner, "clerk", &["users.read"]).await.unwrap();
    let roles = world.roles(&owner).await;
    let named: Vec<_> = roles.iter().map(|role| (role.name.as_str(), role.built_in)).collect();
    let expected = [
        ("owner", true),
        ("admin", true),
        ("support", true),
        ("editor", true),
        ("customer", true),
        ("clerk", false),
    ];
    assert_eq!(named, expected);
    assert_eq!(refused(world.put_role(&owner, "admin", &["users.read"]).await), "role_built_in");
    assert_eq!(refused(world.put_role(&owner, "Clerk!", &[]).await), "invalid_input");
    assert_eq!(refused(world.put_role(&owner, "clerk", &["users"]).await), "invalid_input");
    let unknown = world.set_roles(&owner, world.owner, &["owner", "wizard"]).await;
    assert_eq!(unknown.unwrap_err().violations()[0].code, "unknown_role");
}

#[tokio::test]
async fn users_and_roles_of_another_tenant_do_not_exist() {
    let world = world().await;
    let stranger = Caller { tenant: world.other, ..world.signed_in(OWNER).await };
    let service = Caller::service("support-desk", world.other);
    for caller in [&stranger, &service] {
        for outcome in [
            world.suspend(caller, world.owner).await,
            world.activate(caller, world.owner).await,
            world.set_roles(caller, world.owner, &[]).await,
            world.suspend(caller, UserId::new()).await,
        ] {
            assert_eq!(refused(outcome), "user_not_found");
        }
    }
    world.put_role(&world.signed_in(OWNER).await, "clerk", &["users.read"]).await.unwrap();
    assert!(world.roles(&service).await.iter().all(|role| role.built_in));
    assert_eq!(world.users(&service, 0, "").await.users.len(), 1);
}

#[tokio::test]
async fn repeating_an_act_changes_nothing_more() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.user("ann@example.com", "customer").await;
    for _ in 0..2 {
        world.suspend(&owner, ann).await.unwrap();
    }
    for _ in 0..2 {
        world.activate(&owner, ann).await.unwrap();
        world.set_roles(&owner, ann, &["support"]).await.unwrap();
        world.put_role(&owner, "clerk", &["users.read"]).await.unwrap();
    }
    for name in ["user.suspend", "user.activate", "user.roles", "role.put"] {
        let entries = world.audit(&owner, 200, "").await.entries;
        assert_eq!(entries.iter().filter(|entry| entry.action == name).count(), 1, "{name}");
    }
    assert_eq!(world.count("SELECT count(*) FROM events WHERE name = 'user.suspended'").await, 1);
}

#[tokio::test]
async fn users_are_paged_newest_first() {
    let world = world().await;
    for number in 0..5 {
        world.user(&format!("user-{number}@example.com"), "customer").await;
    }
    let owner = world.signed_in(OWNER).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.users(&owner, 2, &cursor).await;
        assert!(page.users.len() <= 2);
        seen.extend(page.users.into_iter().map(|user| user.email));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    let newest_first: Vec<_> = (0..5).rev().map(|number| format!("user-{number}@example.com")).collect();
    assert_eq!(seen[..5], newest_first);
    assert_eq!(seen[5..], [OWNER]);
}

#[tokio::test]
async fn the_audit_trail_says_who_did_what_from_where() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.user("ann@example.com", "customer").await;
    world.suspend(&owner, ann).await.unwrap();
    let newest = world.audit(&owner, 1, "").await;
    let entry = &newest.entries[0];
    assert_eq!(
        (entry.action.as_str(), entry.target.as_str()),
        ("user.suspend", format!("user/{ann}").as_str())
    );
    assert_eq!(
        (entry.actor.as_str(), entry.origin_address.as_str()),
        (format!("user:{}", world.owner).as_str(), "192.0.2.7")
    );
    assert_eq!(entry.before_json, r#"{"status":"active"}"#);
    let after: serde_json::Value = serde_json::from_str(&entry.after_json).unwrap();
    assert_eq!(after, serde_json::json!({ "reason": "chargeback", "status": "suspended" }));
    assert_eq!(entry.trace_id.len(), 32);
    let older = world.audit(&owner, 200, &newest.next_cursor).await;
    assert!(
        older.next_cursor.is_empty() && older.entries.iter().all(|older| older.entry_id != entry.entry_id)
    );
    assert_eq!(older.entries[0].action, "user.register");
}

#[tokio::test]
async fn nobody_holds_more_than_fits_into_a_token() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.user("ann@example.com", "customer").await;
    let many: Vec<_> = (0..5_000).map(|number| format!("role-{number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let refusal = world.set_roles(&owner, ann, &many).await.unwrap_err();
    assert_eq!(refusal.violations()[0].code, "too_many");
}

#[tokio::test]
async fn nobody_becomes_more_by_editing_themself_or_their_role() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let admin_id = world.user("admin@example.com", "admin").await;
    let ann_id = world.user("ann@example.com", "customer").await;
    world.put_role(&owner, "clerk", &["roles.read", "roles.write", "users.read"]).await.unwrap();
    world.set_roles(&owner, ann_id, &["clerk"]).await.unwrap();
    let (admin, ann) = (world.signed_in("admin@example.com").await, world.signed_in("ann@example.com").await);
    assert_eq!(refused(world.set_roles(&ann, ann_id, &["owner"]).await), "permission_denied");
    assert_eq!(refused(world.set_roles(&admin, admin_id, &["owner"]).await), "privilege_escalation");
    assert_eq!(refused(world.set_roles(&admin, admin_id, &["admin", "owner"]).await), "privilege_escalation");
    for more in
        [&["*"][..], &["roles.*"], &["users.read", "users.roles"], &["roles.write", "payments.refund"]]
    {
        assert_eq!(refused(world.put_role(&ann, "clerk", more).await), "privilege_escalation", "{more:?}");
    }
    assert_eq!(refused(world.put_role(&ann, "owner", &["users.read"]).await), "role_built_in");
    assert_eq!(world.me(&ann).await.unwrap().permissions, ["roles.read", "roles.write", "users.read"]);
}
