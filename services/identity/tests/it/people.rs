//! Users, as staff create, find and edit them.

use auth::Caller;
use contracts::vbwd::identity::v1::account_service_client::AccountServiceClient;
use contracts::vbwd::identity::v1::user_service_client::UserServiceClient;
use contracts::vbwd::identity::v1::*;
use futures::future::join_all;
use ids::UserId;

use crate::fixtures::{OWNER, PASSWORD, World, answer, refused, world};
use crate::mailbox::token;

const ANN: &str = "ann@example.com";

impl World {
    pub fn people(&self) -> UserServiceClient<runtime::Channel> {
        UserServiceClient::new(self.channel())
    }

    pub async fn get(&self, caller: &Caller, user: &str) -> fault::Result<User> {
        let request = self.call(caller, GetUserRequest { user_id: user.to_owned() });
        answer(self.people().get_user(request).await).map(|answered| answered.user.unwrap())
    }

    pub async fn create(&self, caller: &Caller, message: CreateUserRequest) -> fault::Result<User> {
        let request = self.call(caller, message);
        answer(self.people().create_user(request).await).map(|answered| answered.user.unwrap())
    }

    async fn update(
        &self,
        caller: &Caller,
        user: &User,
        revision: i64,
        details: UserDetails,
    ) -> fault::Result<User> {
        let (user_id, display_name) = (user.user_id.clone(), user.display_name.clone());
        let message = UpdateUserRequest { user_id, revision, display_name, details: Some(details) };
        let request = self.call(caller, message);
        answer(self.people().update_user(request).await).map(|answered| answered.user.unwrap())
    }

    async fn invite(&self, caller: &Caller, user: &str) -> fault::Result<InviteUserResponse> {
        let request = self.call(caller, InviteUserRequest { user_id: user.to_owned() });
        answer(self.people().invite_user(request).await)
    }

    async fn accept(&self, token: &str) -> fault::Result<AcceptInvitationResponse> {
        let message = AcceptInvitationRequest { token: token.to_owned(), password: PASSWORD.to_owned() };
        let request = self.call(&self.nobody(), message);
        answer(self.tickets().accept_invitation(request).await)
    }

    async fn found(&self, caller: &Caller, message: ListUsersRequest) -> Vec<String> {
        let request = self.call(caller, message);
        let listed = answer(self.people().list_users(request).await).unwrap();
        listed.users.into_iter().map(|user| user.email).collect()
    }

    async fn erase_user(&self, caller: &Caller, user: UserId) -> fault::Result<EraseUserResponse> {
        let request = self.call(caller, EraseUserRequest { user_id: user.to_string() });
        answer(self.people().erase_user(request).await)
    }
}

fn new(email: &str, roles: &[&str], password: &str) -> CreateUserRequest {
    CreateUserRequest {
        email: email.to_owned(),
        display_name: "Ann".to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        details: None,
        password: password.to_owned(),
    }
}

fn about() -> UserDetails {
    UserDetails {
        given_name: "Ann".to_owned(),
        family_name: "Lee".to_owned(),
        company: "Bees 100% Ltd".to_owned(),
        tax_id: "DE123".to_owned(),
        phone: "+49 30 123456".to_owned(),
        locale: "de-DE".to_owned(),
        addresses: vec![UserAddress {
            label: "billing".to_owned(),
            city: "Berlin".to_owned(),
            country: "de".to_owned(),
            ..UserAddress::default()
        }],
    }
}

#[tokio::test]
async fn an_invited_user_sets_the_password_once() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let created = world.create(&owner, new(ANN, &["support"], "")).await.unwrap();
    assert_eq!((created.status.as_str(), created.roles.as_slice()), ("invited", &["support".to_owned()][..]));
    assert_eq!(refused(world.log_in(ANN, PASSWORD).await), "credentials_invalid");
    let first = world.mailbox.first("identity.invitation", ANN).await;
    assert_eq!(first.variables["inviter"], "Somebody");
    world.invite(&owner, &created.user_id).await.unwrap();
    let second = world.mailbox.nth(1, "identity.invitation", ANN).await;
    assert!(world.accept(&token(&first)).await.is_err(), "a newer invitation voids the older one");
    world.accept(&token(&second)).await.unwrap();
    assert!(world.accept(&token(&second)).await.is_err());
    let user = world.get(&owner, &created.user_id).await.unwrap();
    assert_eq!((user.status.as_str(), user.email_verified), ("active", true));
    assert!(world.log_in(ANN, PASSWORD).await.is_ok());
    assert_eq!(refused(world.invite(&owner, &created.user_id).await), "not_invited");
}

#[tokio::test]
async fn staff_creates_users_with_no_more_than_it_holds() {
    let world = world().await;
    world.user("admin@example.com", "admin").await;
    let admin = world.signed_in("admin@example.com").await;
    assert_eq!(refused(world.create(&admin, new(ANN, &["owner"], PASSWORD)).await), "privilege_escalation");
    let unknown = world.create(&admin, new(ANN, &["wizard"], PASSWORD)).await.unwrap_err();
    assert_eq!(unknown.violations()[0].code, "unknown_role");
    let ann = world.create(&admin, new(ANN, &[], PASSWORD)).await.unwrap();
    assert_eq!((ann.status.as_str(), ann.roles.as_slice()), ("active", &["customer".to_owned()][..]));
    assert_eq!(refused(world.create(&admin, new("ANN@example.com", &[], PASSWORD)).await), "email_taken");
    let weak = world.create(&admin, new("bob@example.com", &[], "short")).await.unwrap_err();
    assert_eq!(weak.violations()[0].pointer, "/password");
    assert!(world.log_in(ANN, PASSWORD).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_creations_of_one_address_make_one_user() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let outcomes = join_all((0..20).map(|_| world.create(&owner, new(ANN, &[], "")))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(refused(outcome), "email_taken");
    }
}

#[tokio::test]
async fn details_are_edited_at_a_revision_and_sealed_in_the_audit_trail() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.create(&owner, new(ANN, &[], PASSWORD)).await.unwrap();
    let edited = world.update(&owner, &ann, ann.revision, about()).await.unwrap();
    assert_eq!(edited.revision, ann.revision + 1);
    let details = edited.details.clone().unwrap();
    assert_eq!((details.city(), details.company.as_str()), ("Berlin", "Bees 100% Ltd"));
    assert_eq!(
        refused(world.update(&owner, &ann, ann.revision, UserDetails::default()).await),
        "revision_stale"
    );
    let same = world.update(&owner, &edited, 0, about()).await.unwrap();
    assert_eq!(same.revision, edited.revision, "nothing changed");
    let unfit = UserDetails { phone: "call me".to_owned(), ..about() };
    let refusal = world.update(&owner, &ann, 0, unfit).await.unwrap_err();
    assert_eq!(refusal.violations()[0].pointer, "/details/phone");
    let entries = world.audit(&owner, 200, "").await.entries;
    let entry = entries.iter().find(|entry| entry.action == "user.update").unwrap();
    assert!(entry.after_json.contains("Berlin"), "{}", entry.after_json);
    let plain = "SELECT count(*) FROM audit_entries WHERE after_json LIKE '%Berlin%'";
    assert_eq!(world.count(plain).await, 0);
}

trait City {
    fn city(&self) -> &str;
}

impl City for UserDetails {
    fn city(&self) -> &str {
        &self.addresses[0].city
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_parallel_edits_at_one_revision_one_wins() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.create(&owner, new(ANN, &[], PASSWORD)).await.unwrap();
    let edits = (0..20).map(|number| UserDetails { given_name: format!("Ann {number}"), ..about() });
    let outcomes = join_all(edits.map(|edit| world.update(&owner, &ann, ann.revision, edit))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(refused(outcome), "revision_stale");
    }
}

#[tokio::test]
async fn users_edit_themselves_and_nothing_that_is_not_theirs_to_edit() {
    let world = world().await;
    world.user(ANN, "customer").await;
    let ann = world.signed_in(ANN).await;
    let message =
        UpdateAccountRequest { revision: 1, display_name: "Ann Lee".to_owned(), details: Some(about()) };
    let request = world.call(&ann, message);
    let edited = answer(AccountServiceClient::new(world.channel()).update_account(request).await).unwrap();
    let me = world.me(&ann).await.unwrap().user.unwrap();
    assert_eq!(edited.user.unwrap(), me);
    assert_eq!((me.display_name.as_str(), me.roles.as_slice()), ("Ann Lee", &["customer".to_owned()][..]));
}

#[tokio::test]
async fn users_are_found_by_what_is_known_about_them() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let ann = world.create(&owner, new(ANN, &["support"], PASSWORD)).await.unwrap();
    world.update(&owner, &ann, 0, about()).await.unwrap();
    world.create(&owner, new("bob@example.com", &[], "")).await.unwrap();
    let query = |query: &str| ListUsersRequest { query: query.to_owned(), ..ListUsersRequest::default() };
    for text in ["ANN@exam", "ann lee", "bees 100%", "30 123", "de123", &ann.user_id] {
        assert_eq!(world.found(&owner, query(text)).await, [ANN], "{text}");
    }
    for text in ["100_", "%", "'; DROP TABLE users; --"] {
        let expected: &[&str] = if text == "%" { &[ANN] } else { &[] };
        assert_eq!(world.found(&owner, query(text)).await, expected, "{text}");
    }
    let by = |change: fn(&mut ListUsersRequest)| {
        let mut message = ListUsersRequest::default();
        change(&mut message);
        message
    };
    let invited = by(|message| message.status = "invited".to_owned());
    assert_eq!(world.found(&owner, invited).await, ["bob@example.com"]);
    let support = by(|message| message.role = "support".to_owned());
    assert_eq!(world.found(&owner, support).await, [ANN]);
    let unproven = by(|message| message.email_verified = "false".to_owned());
    assert_eq!(world.found(&owner, unproven).await.len(), 3);
    for unfit in [
        by(|message| message.status = "gone".to_owned()),
        by(|message| message.kind = "robot".to_owned()),
        by(|message| message.email_verified = "maybe".to_owned()),
    ] {
        let request = world.call(&owner, unfit);
        assert_eq!(refused(answer(world.people().list_users(request).await)), "invalid_input");
    }
}

#[tokio::test]
async fn staff_erases_whom_it_may_and_the_erased_are_out_of_reach() {
    let world = world().await;
    world.user("admin@example.com", "admin").await;
    let admin = world.signed_in("admin@example.com").await;
    let ann = world.user(ANN, "customer").await;
    assert_eq!(refused(world.erase_user(&admin, world.owner).await), "privilege_escalation");
    world.erase_user(&admin, ann).await.unwrap();
    world.mailbox.first("identity.account_deleted", ANN).await;
    assert_eq!(refused(world.erase_user(&admin, ann).await), "user_not_found");
    assert_eq!(refused(world.suspend(&admin, ann).await), "user_not_found");
    assert_eq!(refused(world.activate(&admin, ann).await), "user_not_found");
    let left = world.found(&admin, ListUsersRequest::default()).await;
    assert_eq!(left, ["admin@example.com", OWNER]);
    assert_eq!(world.get(&admin, &ann.to_string()).await.unwrap().status, "erased");
}

#[tokio::test]
async fn staff_sees_and_ends_the_sessions_of_a_user() {
    let world = world().await;
    let ann = world.user(ANN, "customer").await;
    let session = world.log_in(ANN, PASSWORD).await.unwrap();
    let owner = world.signed_in(OWNER).await;
    let request = world.call(&owner, ListUserSessionsRequest { user_id: ann.to_string() });
    let listed = answer(world.people().list_user_sessions(request).await).unwrap().sessions;
    assert_eq!(listed[0].session_id, session.session_id);
    let message = EndUserSessionsRequest { user_id: ann.to_string(), session_id: String::new() };
    let request = world.call(&owner, message);
    assert_eq!(answer(world.people().end_user_sessions(request).await).unwrap().sessions_ended, 1);
    assert_eq!(refused(world.refresh(&session.refresh_token).await), "session_ended");
}

#[tokio::test]
async fn letters_speak_the_language_of_the_user() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let message = CreateUserRequest { details: Some(about()), ..new(ANN, &[], "") };
    world.create(&owner, message).await.unwrap();
    assert_eq!(world.mailbox.first("identity.invitation", ANN).await.locale, "de-DE");
    assert_eq!(world.mailbox.first("identity.verify_email", OWNER).await.locale, "en");
}
