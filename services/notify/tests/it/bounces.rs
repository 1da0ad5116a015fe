//! Addresses that get no more mail, and mails that are sent again.

use contracts::vbwd::notify::v1::suppression_service_client::SuppressionServiceClient;
use contracts::vbwd::notify::v1::template_service_client::TemplateServiceClient;
use contracts::vbwd::notify::v1::*;
use fault::Fault;
use futures::future::join_all;
use ids::OperationId;

use crate::world::{World, holder, verification, world, world_with};

impl World {
    fn suppressions(&self) -> SuppressionServiceClient<runtime::Channel> {
        SuppressionServiceClient::new(self.channel())
    }

    fn asked<M>(&self, message: M) -> tonic::Request<M> {
        self.request(&self.admin(), OperationId::new(), message)
    }

    /// Address and reason of those who get no more mail.
    async fn suppressed(&self) -> Vec<(String, String)> {
        let asked = self.asked(ListSuppressionsRequest::default());
        let found = self.suppressions().list_suppressions(asked).await.unwrap().into_inner();
        found.suppressions.into_iter().map(|row| (row.address, row.reason)).collect()
    }

    async fn lift(&self, address: &str) {
        let asked = self.asked(LiftSuppressionRequest { address: address.to_owned() });
        self.suppressions().lift_suppression(asked).await.unwrap();
    }

    async fn resend_mail(&self, mail_id: &str) -> fault::Result<Mail> {
        let asked = self.asked(ResendMailRequest { mail_id: mail_id.to_owned() });
        let answer = TemplateServiceClient::new(self.channel()).resend_mail(asked).await;
        Ok(answer.map_err(Fault::from)?.into_inner().mail.unwrap())
    }
}

#[tokio::test]
async fn an_address_without_a_mailbox_gets_no_more_mail_until_somebody_lifts_it() {
    let world = world().await;
    let first = world.enqueue(OperationId::new(), verification("Never@home.example")).await.unwrap();
    world.wait_for_mail(&first, "dead").await;
    assert_eq!(world.suppressed().await, [("never@home.example".to_owned(), "bounced".to_owned())]);
    let second = world.enqueue(OperationId::new(), verification("never@home.example")).await.unwrap();
    world.wait_for_mail(&second, "suppressed").await;
    assert!(world.mail(&second).await.2.contains("5.1.1 no such user"), "the log says why");
    assert_eq!(world.sink.tries_of("never@home.example"), 0, "the server is not asked again");
    world.lift("NEVER@home.example").await;
    assert!(world.suppressed().await.is_empty());
    let third = world.enqueue(OperationId::new(), verification("never@home.example")).await.unwrap();
    world.wait_for_mail(&third, "dead").await;
}

#[tokio::test]
async fn a_full_mailbox_and_a_policy_suppress_nobody() {
    let world = world().await;
    for recipient in ["always-later@home.example", "disliked@home.example"] {
        let id = world.enqueue(OperationId::new(), verification(recipient)).await.unwrap();
        world.wait_for_mail(&id, "dead").await;
    }
    assert!(world.suppressed().await.is_empty());
    let told = "SELECT count(*) FROM events WHERE name = 'mail.failed' AND payload->>'reason' = ";
    let refused = world.count_where(told, "refused").await;
    assert_eq!((refused, world.count_where(told, "given_up").await), (1, 1));
}

#[tokio::test]
async fn the_list_is_paged_and_one_tenant_does_not_see_anothers() {
    let world = world().await;
    for number in 0..5 {
        let (address, detail) = (format!("ann{number}@home.example"), "asked us to".to_owned());
        let asked = world.asked(SuppressAddressRequest { address, detail });
        world.suppressions().suppress_address(asked).await.unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let asked = world.asked(ListSuppressionsRequest { page_size: 2, cursor });
        let page = world.suppressions().list_suppressions(asked).await.unwrap().into_inner();
        seen.extend(page.suppressions.into_iter().map(|row| row.address));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!((seen.len(), seen.is_sorted()), (5, true), "{seen:?}");
    let stranger = holder(ids::TenantId::new(), &["notify.*"]);
    let asked = world.request(&stranger, OperationId::new(), ListSuppressionsRequest::default());
    let theirs = world.suppressions().list_suppressions(asked).await.unwrap().into_inner();
    assert!(theirs.suppressions.is_empty());
    let asked = world.asked(SuppressAddressRequest { address: "nobody".to_owned(), ..Default::default() });
    let refused = Fault::from(world.suppressions().suppress_address(asked).await.unwrap_err());
    assert_eq!(refused.violations()[0].pointer, "/address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_was_given_up_is_sent_again_once() {
    let world = world_with(|config| config.mail.attempts_max = 2).await;
    let id = world.enqueue(OperationId::new(), verification("later@home.example")).await.unwrap();
    world.wait_for_mail(&id, "dead").await;
    let answers = join_all((0..10).map(|_| world.resend_mail(&id))).await;
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(refused.clone().all(|fault| fault.reason() == "mail_not_dead"));
    assert_eq!(refused.count(), 9, "one of them did it");
    world.wait_for_mail(&id, "sent").await;
    assert_eq!(world.attempts(&id).await, ["deferred", "deferred", "accepted"]);
    let [taken] = &world.sink.taken_by("later@home.example")[..] else { panic!("not once") };
    assert!(taken.data.contains("secret-token"), "it says what it was to say");
    assert_eq!(world.resend_mail(&id).await.unwrap_err().reason(), "mail_not_dead");
}

#[tokio::test]
async fn a_mail_that_is_sent_again_has_all_its_attempts() {
    let world = world_with(|config| config.mail.attempts_max = 2).await;
    let id = world.enqueue(OperationId::new(), verification("always-later@home.example")).await.unwrap();
    for attempts in [2, 4] {
        world.wait_for_mail(&id, "dead").await;
        assert_eq!(world.attempts(&id).await.len(), attempts);
        world.resend_mail(&id).await.unwrap();
    }
}

#[tokio::test]
async fn what_bounced_is_not_sent_again_before_it_is_lifted() {
    let world = world().await;
    let id = world.enqueue(OperationId::new(), verification("never@home.example")).await.unwrap();
    world.wait_for_mail(&id, "dead").await;
    assert_eq!(world.resend_mail(&id).await.unwrap_err().reason(), "address_suppressed");
    world.lift("never@home.example").await;
    assert_eq!(world.resend_mail(&id).await.unwrap().status, "queued");
    let unknown = world.resend_mail(&ids::MailId::new().to_string()).await.unwrap_err();
    assert_eq!(unknown.reason(), "mail_not_found");
}
