//! From an event on the broker to the people it concerns: mails and notifications.

use std::time::Duration;

use contracts::vbwd::invoicing::v1::{InvoiceOpened, InvoicePaid};
use contracts::vbwd::money::v1::Money;
use contracts::vbwd::notify::v1::notification_service_client::NotificationServiceClient;
use contracts::vbwd::notify::v1::preference_service_client::PreferenceServiceClient;
use contracts::vbwd::notify::v1::template_service_client::TemplateServiceClient;
use contracts::vbwd::notify::v1::*;
use contracts::vbwd::payments::v1::PaymentFailed;
use contracts::vbwd::wallet::v1::{BalanceLow, TokensTransferred};
use fault::Fault;
use futures::StreamExt as _;
use ids::{EventId, InvoiceId, OperationId, UserId};
use runtime::Channel;

use crate::world::{World, eventually, signed_in, world};

impl World {
    fn inbox(&self) -> NotificationServiceClient<Channel> {
        NotificationServiceClient::new(self.channel())
    }

    async fn paid(&self, user: UserId, number: &str) {
        let message = InvoicePaid {
            invoice_id: InvoiceId::new().to_string(),
            number: number.to_owned(),
            user_id: user.to_string(),
            total: Some(Money { minor: 1999, currency: "EUR".to_owned() }),
            ..Default::default()
        };
        let schema = "vbwd.invoicing.v1.InvoicePaid";
        self.publish(("invoicing", "invoice", "invoice.paid"), number, (schema, &message)).await;
    }

    async fn low(&self, user: UserId) {
        let message =
            BalanceLow { user_id: user.to_string(), available: 5, threshold: 10, ..Default::default() };
        self.publish(("wallet", "balance", "balance.low"), "a", ("vbwd.wallet.v1.BalanceLow", &message))
            .await;
    }

    async fn notifications(&self, user: UserId) -> Vec<Notification> {
        let message = ListMyNotificationsRequest::default();
        let request = self.request(&signed_in(self.tenant, user), OperationId::new(), message);
        self.inbox().list_my_notifications(request).await.unwrap().into_inner().notifications
    }

    async fn notified(&self, user: UserId, count: usize) -> Vec<Notification> {
        eventually("notifications", || async { self.notifications(user).await.len() >= count }).await;
        self.notifications(user).await
    }

    async fn unread(&self, user: UserId) -> i64 {
        let request =
            self.request(&signed_in(self.tenant, user), OperationId::new(), GetMyUnreadCountRequest {});
        self.inbox().get_my_unread_count(request).await.unwrap().into_inner().unread
    }

    async fn mailed(&self, address: &str, count: usize) -> String {
        eventually("a mail", || async { self.sink.taken_by(address).len() >= count }).await;
        self.sink.taken_by(address).pop().unwrap().data
    }

    /// Waits until every event published so far was heard.
    async fn heard(&self, count: i64) {
        let query = "SELECT count(*) FROM inbox WHERE consumer = 'notify_messages'";
        eventually("the events are heard", || async { self.count(query).await >= count }).await;
    }
}

#[tokio::test]
async fn a_paid_invoice_is_told_by_mail_and_in_the_application_in_the_persons_language() {
    let world = world().await;
    let ann = world.people.add("ann@home.example", "de");
    world.paid(ann, "INV-7").await;
    let data = world.mailed("ann@home.example", 1).await;
    assert!(data.contains("Subject: Zahlung erhalten: Rechnung INV-7"), "{data}");
    assert!(data.contains("19.99 EUR") && data.contains("Ann"));
    let [told] = &world.notified(ann, 1).await[..] else { panic!("one notification") };
    assert_eq!(told.title, "Zahlung erhalten: Rechnung INV-7");
    assert!(told.text.contains("19.99 EUR"), "{}", told.text);
    assert_eq!(told.subject, "INV-7", "what it is about");
}

#[tokio::test]
async fn a_payment_finds_the_owner_of_its_invoice_even_if_it_is_heard_of_first() {
    let world = world().await;
    let (ann, invoice) = (world.people.add("ann@home.example", "en"), InvoiceId::new().to_string());
    let failed = PaymentFailed {
        invoice_id: invoice.clone(),
        failure_code: "card_declined".to_owned(),
        ..Default::default()
    };
    let schema = "vbwd.payments.v1.PaymentFailed";
    world.publish(("payments", "payment", "payment.failed"), "p", (schema, &failed)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let opened = InvoiceOpened {
        invoice_id: invoice,
        number: "INV-8".to_owned(),
        user_id: ann.to_string(),
        ..Default::default()
    };
    let schema = "vbwd.invoicing.v1.InvoiceOpened";
    world.publish(("invoicing", "invoice", "invoice.opened"), "i", (schema, &opened)).await;
    let data = world.mailed("ann@home.example", 1).await;
    assert!(data.contains("Payment failed: invoice INV-8") && data.contains("card_declined"), "{data}");
    assert_eq!(world.sink.taken_by("ann@home.example").len(), 1, "an opened invoice is not told by default");
}

#[tokio::test]
async fn a_gift_is_told_to_the_one_who_gets_it() {
    let world = world().await;
    let (ann, bob) = (world.people.add("ann@home.example", "en"), world.people.add("bob@home.example", "en"));
    let gift = TokensTransferred {
        from_user_id: ann.to_string(),
        to_user_id: bob.to_string(),
        asset: "TOKEN".to_owned(),
        amount: 5,
        reference: "<b>hi</b>".to_owned(),
        to_balance_after: 9,
        ..Default::default()
    };
    let schema = "vbwd.wallet.v1.TokensTransferred";
    world.publish(("wallet", "tokens", "tokens.transferred"), "t", (schema, &gift)).await;
    let data = world.mailed("bob@home.example", 1).await;
    assert!(data.contains("You received 5 TOKEN") && !data.contains("<p><b>hi</b>"), "{data}");
    assert!(world.sink.taken_by("ann@home.example").is_empty());
}

#[tokio::test]
async fn the_same_event_twice_is_told_once_and_strangers_are_not_told() {
    let world = world().await;
    let ann = world.people.add("ann@home.example", "en");
    let low = |user: UserId| BalanceLow { user_id: user.to_string(), available: 5, ..Default::default() };
    let (noun, schema) = (("wallet", "balance", "balance.low"), "vbwd.wallet.v1.BalanceLow");
    let twice = EventId::new();
    for (event, user) in [(twice, ann), (twice, ann), (EventId::new(), UserId::new())] {
        world.publish_as(event, noun, "a", (schema, &low(user))).await;
    }
    world.heard(2).await;
    world.mailed("ann@home.example", 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.count("SELECT count(*) FROM mails").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM notifications").await, 1);
}

#[tokio::test]
async fn what_the_tenant_switches_off_and_what_the_person_silences_is_not_told() {
    let world = world().await;
    let ann = world.people.add("ann@home.example", "en");
    let switch = SwitchTemplateRequest { template: "invoice.paid".to_owned(), enabled: false };
    let request = world.request(&world.admin(), OperationId::new(), switch);
    TemplateServiceClient::new(world.channel()).switch_template(request).await.unwrap();
    let needed = SwitchTemplateRequest { template: "identity.password_reset".to_owned(), enabled: false };
    let request = world.request(&world.admin(), OperationId::new(), needed);
    let fault =
        Fault::from(TemplateServiceClient::new(world.channel()).switch_template(request).await.unwrap_err());
    assert_eq!(fault.reason(), "template_needed");
    world.paid(ann, "INV-1").await;
    let wish = SetMyPreferenceRequest { category: "alerts".to_owned(), email: false, in_app: true };
    let request = world.request(&signed_in(world.tenant, ann), OperationId::new(), wish);
    PreferenceServiceClient::new(world.channel()).set_my_preference(request).await.unwrap();
    world.low(ann).await;
    world.heard(2).await;
    let told = world.notified(ann, 1).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].template, "balance.low");
    assert_eq!(world.count("SELECT count(*) FROM mails").await, 0);
}

#[tokio::test]
async fn notifications_are_listed_read_and_counted_by_their_owner_only() {
    let world = world().await;
    let (ann, bob) = (world.people.add("ann@home.example", "en"), world.people.add("bob@home.example", "en"));
    for number in 0..5 {
        world.paid(ann, &format!("INV-{number}")).await;
    }
    let told = world.notified(ann, 5).await;
    assert_eq!((world.unread(ann).await, world.unread(bob).await), (5, 0));
    let message = MarkNotificationReadRequest { notification_id: told[0].notification_id.clone() };
    let foreign = world.request(&signed_in(world.tenant, bob), OperationId::new(), message.clone());
    let fault = Fault::from(world.inbox().mark_notification_read(foreign).await.unwrap_err());
    assert_eq!(fault.reason(), "notification_not_found");
    for _ in 0..2 {
        let request = world.request(&signed_in(world.tenant, ann), OperationId::new(), message.clone());
        let read = world.inbox().mark_notification_read(request).await.unwrap().into_inner();
        assert!(read.notification.unwrap().read_at.is_some());
    }
    assert_eq!(world.unread(ann).await, 4);
    let first = ListMyNotificationsRequest { unread_only: true, page_size: 3, ..Default::default() };
    let request = world.request(&signed_in(world.tenant, ann), OperationId::new(), first.clone());
    let page = world.inbox().list_my_notifications(request).await.unwrap().into_inner();
    assert_eq!(page.notifications.len(), 3);
    let next = ListMyNotificationsRequest { cursor: page.next_cursor, ..first };
    let request = world.request(&signed_in(world.tenant, ann), OperationId::new(), next);
    let page = world.inbox().list_my_notifications(request).await.unwrap().into_inner();
    assert_eq!((page.notifications.len(), page.next_cursor.as_str()), (1, ""));
    let request =
        world.request(&signed_in(world.tenant, ann), OperationId::new(), MarkAllNotificationsReadRequest {});
    assert_eq!(world.inbox().mark_all_notifications_read(request).await.unwrap().into_inner().marked, 4);
    assert_eq!(world.unread(ann).await, 0);
}

#[tokio::test]
async fn an_open_stream_says_what_was_missed_and_then_what_comes_on_any_replica() {
    let world = world().await;
    let replica = world.replica().await;
    let (ann, bob) = (world.people.add("ann@home.example", "en"), world.people.add("bob@home.example", "en"));
    world.paid(ann, "INV-1").await;
    world.paid(ann, "INV-2").await;
    let told = world.notified(ann, 2).await;
    let caller = signed_in(world.tenant, ann);
    let mut streams = Vec::new();
    for platform in [&world.platform, &replica] {
        let peer = platform.peer("gateway", notify::NAME).unwrap();
        let after = WatchMyNotificationsRequest { after_notification_id: told[1].notification_id.clone() };
        let request = peer.request_as(&caller, after).unwrap();
        let mut inbox = NotificationServiceClient::new(peer.channel());
        streams.push(inbox.watch_my_notifications(request).await.unwrap().into_inner());
    }
    world.paid(bob, "INV-99").await;
    for number in 3..13 {
        world.paid(ann, &format!("INV-{number}")).await;
    }
    for mut stream in streams {
        let mut titles = Vec::new();
        while titles.len() < 11 {
            let next = tokio::time::timeout(Duration::from_secs(10), stream.next()).await.expect("in time");
            titles.push(next.unwrap().unwrap().notification.unwrap().title);
        }
        assert_eq!(titles[0], told[0].title, "what was missed comes first");
        titles.sort();
        titles.dedup();
        assert_eq!(titles.len(), 11, "each once");
        assert!(!titles.iter().any(|title| title.contains("INV-99")), "nothing of others");
    }
}
