//! Acting as somebody else.

use auth::{Caller, Via};
use contracts::vbwd::identity::v1::*;
use ids::UserId;

use crate::fixtures::{OWNER, World, answer, refused, user_of, world};

const ANN: &str = "ann@example.com";

impl World {
    async fn impersonate(
        &self,
        caller: &Caller,
        user: UserId,
        reason: &str,
        minutes: i32,
    ) -> fault::Result<Session> {
        let message =
            ImpersonateUserRequest { user_id: user.to_string(), reason: reason.to_owned(), minutes };
        let request = self.call(caller, message);
        answer(self.people().impersonate_user(request).await).map(|answered| answered.session.unwrap())
    }
}

#[tokio::test]
async fn the_token_says_who_really_acts_and_so_does_the_audit_trail() {
    let world = world().await;
    let ann = world.user(ANN, "customer").await;
    let owner = world.signed_in(OWNER).await;
    let session = world.impersonate(&owner, ann, "ticket 42", 15).await.unwrap();
    let acting = world.caller(&session).await;
    assert_eq!((user_of(&acting), acting.via), (ann, Some(Via::Impersonator(world.owner))));
    assert!(acting.permissions.iter().next().is_none(), "what the customer holds, not what the owner does");
    let banner = world.me(&acting).await.unwrap().impersonation.unwrap();
    assert_eq!((banner.impersonator_id, banner.reason.as_str()), (world.owner.to_string(), "ticket 42"));
    assert_eq!(world.me(&owner).await.unwrap().impersonation, None);
    let refreshed = world.caller(&world.refresh(&session.refresh_token).await.unwrap()).await;
    assert_eq!(refreshed.via, acting.via, "a refresh does not wash it off");
    let entries = world.audit(&owner, 200, "").await.entries;
    let entry = entries.iter().find(|entry| entry.action == "user.impersonate").unwrap();
    assert_eq!(
        (entry.actor.as_str(), entry.target.as_str()),
        (format!("user:{}", world.owner).as_str(), format!("user/{ann}").as_str())
    );
    assert!(entry.after_json.contains("ticket 42"));
    world.log_out(&acting, false).await.unwrap();
    let by_both = format!("user:{ann} via user:{}", world.owner);
    let actor =
        "SELECT count(*) FROM events WHERE name = 'session.ended' AND metadata->>'actor' LIKE '% via user:%'";
    assert_eq!((world.count(actor).await, acting.actor()), (1, by_both));
}

#[tokio::test]
async fn it_ends_by_itself_and_no_token_outlives_it() {
    let world = world().await;
    let ann = world.user(ANN, "customer").await;
    let owner = world.signed_in(OWNER).await;
    let session = world.impersonate(&owner, ann, "ticket 42", 1).await.unwrap();
    assert_eq!(session.expires_in_seconds, 60);
    world.pass(50);
    let second = world.refresh(&session.refresh_token).await.unwrap();
    assert_eq!(second.expires_in_seconds, 10);
    world.pass(10);
    assert_eq!(refused(world.refresh(&second.refresh_token).await), "refresh_token_expired");
}

#[tokio::test]
async fn nobody_reaches_higher_by_it() {
    let world = world().await;
    let ann = world.user(ANN, "customer").await;
    world.user("admin@example.com", "admin").await;
    let admin = world.signed_in("admin@example.com").await;
    assert_eq!(refused(world.impersonate(&admin, world.owner, "x", 5).await), "privilege_escalation");
    assert_eq!(refused(world.impersonate(&admin, user_of(&admin), "x", 5).await), "impersonation_unfit");
    assert_eq!(refused(world.impersonate(&admin, ann, "", 5).await), "invalid_input");
    assert_eq!(refused(world.impersonate(&admin, ann, "x", 61).await), "invalid_input");
    assert_eq!(refused(world.impersonate(&admin, UserId::new(), "x", 5).await), "user_not_found");
    let session = world.impersonate(&admin, ann, "x", 5).await.unwrap();
    let acting = Caller { permissions: auth::Permissions::all(), ..world.caller(&session).await };
    assert_eq!(refused(world.impersonate(&acting, world.owner, "x", 5).await), "own_session_required");
    let owner = world.signed_in(OWNER).await;
    world.suspend(&owner, ann).await.unwrap();
    assert_eq!(refused(world.impersonate(&admin, ann, "x", 5).await), "impersonation_unfit");
}

#[tokio::test]
async fn it_ends_when_what_it_rests_on_changes() {
    let world = world().await;
    let ann = world.user(ANN, "customer").await;
    let admin_id = world.user("admin@example.com", "admin").await;
    let owner = world.signed_in(OWNER).await;
    let admin = world.signed_in("admin@example.com").await;
    let open = || async { world.impersonate(&admin, ann, "x", 5).await.unwrap() };
    let session = open().await;
    world.put_role(&owner, "clerk", &["users.read"]).await.unwrap();
    assert_eq!(refused(world.refresh(&session.refresh_token).await), "session_ended", "a role changed");
    let session = open().await;
    world.set_roles(&owner, ann, &["clerk"]).await.unwrap();
    assert_eq!(refused(world.refresh(&session.refresh_token).await), "session_ended", "the target gained");
    let session = open().await;
    world.suspend(&owner, admin_id).await.unwrap();
    assert_eq!(
        refused(world.refresh(&session.refresh_token).await),
        "session_ended",
        "the impersonator fell"
    );
}

#[tokio::test]
async fn the_user_sees_it_in_the_list_of_sessions() {
    let world = world().await;
    let ann_id = world.user(ANN, "customer").await;
    let owner = world.signed_in(OWNER).await;
    world.impersonate(&owner, ann_id, "ticket 42", 5).await.unwrap();
    let ann = world.signed_in(ANN).await;
    let request = world.call(&ann, ListSessionsRequest {});
    let listed = answer(world.account().list_sessions(request).await).unwrap().sessions;
    let shown: Vec<_> = listed.into_iter().filter_map(|session| session.impersonation).collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].impersonator_name, "Somebody");
}
