//! What tenants may change about mails, and what recipients may.

use contracts::vbwd::notify::v1::preference_service_client::PreferenceServiceClient;
use contracts::vbwd::notify::v1::template_service_client::TemplateServiceClient;
use contracts::vbwd::notify::v1::*;
use fault::Fault;
use ids::{OperationId, TenantId};
use runtime::Channel;
use tonic::{Response, Status};

use crate::world::{World, world, world_with};

fn answer<M>(outcome: Result<Response<M>, Status>) -> fault::Result<M> {
    outcome.map(Response::into_inner).map_err(Fault::from)
}

impl World {
    fn templates(&self) -> TemplateServiceClient<Channel> {
        TemplateServiceClient::new(self.channel())
    }

    fn preferences(&self) -> PreferenceServiceClient<Channel> {
        PreferenceServiceClient::new(self.channel())
    }

    fn as_admin<M>(&self, message: M) -> tonic::Request<M> {
        self.request(&self.admin(), OperationId::new(), message)
    }

    async fn put_words(&self, locale: &str, words: TemplateWords) -> fault::Result<()> {
        let (template, locale) = ("invoice.paid".to_owned(), locale.to_owned());
        let message = PutTemplateRequest { template, locale, words: Some(words) };
        answer(self.templates().put_template(self.as_admin(message)).await).map(drop)
    }

    async fn get_words(&self, locale: &str) -> GetTemplateResponse {
        let message = GetTemplateRequest { template: "invoice.paid".to_owned(), locale: locale.to_owned() };
        answer(self.templates().get_template(self.as_admin(message)).await).unwrap()
    }

    async fn send_test(&self, template: &str, locale: &str, recipient: &str) -> String {
        let own = str::to_owned;
        let message =
            SendTestMailRequest { template: own(template), locale: own(locale), recipient: own(recipient) };
        let id = answer(self.templates().send_test_mail(self.as_admin(message)).await).unwrap().mail_id;
        self.wait_for_mail(&id, "sent").await;
        self.sink.taken_by(recipient).pop().unwrap().data
    }

    pub async fn settings(&self, settings: MailSettings) -> fault::Result<()> {
        let message = PutMailSettingsRequest { settings: Some(settings) };
        answer(self.templates().put_mail_settings(self.as_admin(message)).await).map(drop)
    }
}

fn words(subject: &str, text: &str, html: &str) -> TemplateWords {
    let own = str::to_owned;
    TemplateWords { subject: own(subject), text: own(text), html: own(html), notice: String::new() }
}

#[tokio::test]
async fn a_tenants_own_words_replace_those_that_ship_until_they_are_reset() {
    let world = world().await;
    assert!(!world.get_words("de").await.own);
    world
        .put_words("de", words("Bezahlt {{ number }}", "Danke {{ name }}", "<b>{{ name }}</b>"))
        .await
        .unwrap();
    let found = world.get_words("de-CH").await;
    assert_eq!((found.own, found.locale.as_str()), (true, "de"));
    let data = world.send_test("invoice.paid", "de", "ann@home.example").await;
    assert!(data.contains("Subject: Bezahlt INV-000042"), "{data}");
    let english = world.send_test("invoice.paid", "en", "bob@home.example").await;
    assert!(english.contains("Subject: Payment received: invoice INV-000042"), "{english}");
    let reset = ResetTemplateRequest { template: "invoice.paid".to_owned(), locale: "de".to_owned() };
    answer(world.templates().reset_template(world.as_admin(reset)).await).unwrap();
    assert!(!world.get_words("de").await.own);
}

#[tokio::test]
async fn words_with_mistakes_are_refused_with_their_place() {
    let world = world().await;
    let rows = [
        (words("s", "{{ password }}", "h"), "/words/text", "undeclared_variable"),
        (words("{{ number", "t", "h"), "/words/subject", "malformed"),
        (words("s", "t", ""), "/words/html", "missing"),
        (words("s", "t", "{% include 'x' %}"), "/words/html", "fails"),
    ];
    for (words, pointer, code) in rows {
        let fault = world.put_words("en", words).await.unwrap_err();
        let found = &fault.violations()[0];
        assert_eq!((found.pointer.as_str(), found.code.as_str()), (pointer, code));
    }
    let unknown = PutTemplateRequest { template: "no.such".to_owned(), ..Default::default() };
    let fault = answer(world.templates().put_template(world.as_admin(unknown)).await).unwrap_err();
    assert_eq!(fault.reason(), "template_not_found");
}

#[tokio::test]
async fn a_preview_has_samples_and_branding_and_sends_nothing() {
    let world = world().await;
    let settings = MailSettings {
        product_name: "Ada's <Shop>".to_owned(),
        accent_colour: "#aa0011".to_owned(),
        ..Default::default()
    };
    world.settings(settings).await.unwrap();
    let message = PreviewTemplateRequest {
        template: "invoice.paid".to_owned(),
        locale: "en".to_owned(),
        words: Some(words("{{ number }} at {{ brand.product_name }}", "t", "<i>{{ total }}</i>")),
    };
    let found = answer(world.templates().preview_template(world.as_admin(message)).await).unwrap();
    assert_eq!(found.subject, "INV-000042 at Ada's <Shop>");
    assert!(found.html.contains("<i>19.99 EUR</i>") && found.html.contains("#aa0011"));
    assert!(found.html.contains("&lt;Shop&gt;") && !found.html.contains("<Shop>"));
    assert_eq!(world.count("SELECT count(*) FROM mails").await, 0);
}

#[tokio::test]
async fn settings_are_checked_and_used() {
    let world = world().await;
    let wrong = MailSettings {
        logo_url: "javascript:alert(1)".to_owned(),
        accent_colour: "red;background:url(x)".to_owned(),
        from_address: "nobody".to_owned(),
        ..Default::default()
    };
    let fault = world.settings(wrong).await.unwrap_err();
    let pointers: Vec<_> = fault.violations().iter().map(|one| one.pointer.as_str()).collect();
    assert_eq!(pointers, ["/settings/logo_url", "/settings/accent_colour", "/settings/from_address"]);
    let settings = MailSettings {
        from_address: "hello@ada.example".to_owned(),
        from_name: "Ada".to_owned(),
        reply_to: "help@ada.example".to_owned(),
        default_locale: "de".to_owned(),
        ..Default::default()
    };
    world.settings(settings).await.unwrap();
    let data = world.send_test("invoice.paid", "", "ann@home.example").await;
    assert!(data.contains("From: Ada <hello@ada.example>"), "{data}");
    assert!(data.contains("Reply-To: help@ada.example"));
    assert!(data.contains("Rechnung INV-000042"), "the tenant's language");
}

#[tokio::test]
async fn the_log_is_found_by_recipient_and_shows_the_replies() {
    let world = world().await;
    world.send_test("invoice.paid", "en", "ann@home.example").await;
    world.send_test("invoice.paid", "en", "bob@home.example").await;
    let message = ListMailsRequest { recipient: "Ann@Home.example".to_owned(), ..Default::default() };
    let found = answer(world.templates().list_mails(world.as_admin(message)).await).unwrap().mails;
    let [mail] = &found[..] else { panic!("one mail: {found:?}") };
    assert_eq!((mail.status.as_str(), mail.recipient.as_str()), ("sent", "ann@home.example"));
    let message = GetMailRequest { mail_id: mail.mail_id.clone() };
    let found = answer(world.templates().get_mail(world.as_admin(message.clone())).await).unwrap();
    assert!(found.attempts[0].reply.starts_with("250"), "{:?}", found.attempts);
    let foreign = world.request(&World::stranger(), OperationId::new(), message);
    let fault = answer(world.templates().get_mail(foreign).await).unwrap_err();
    assert_eq!(fault.reason(), "mail_not_found");
}

#[tokio::test]
async fn one_click_ends_what_is_optional_and_nothing_else() {
    let world = world_with(|config| config.mail.public_url = "https://shop.example".to_owned()).await;
    let data = world.send_test("balance.low", "en", "ann@home.example").await;
    let unfolded = data.replace("\n ", "");
    let link = unfolded.lines().find_map(|line| line.strip_prefix("List-Unsubscribe:")).unwrap().trim();
    let token = link.trim_matches(['<', '>']).rsplit('/').next().unwrap().to_owned();
    assert!(link.starts_with("<https://shop.example/api/v1/mail/unsubscribe/"), "{link}");
    assert!(unfolded.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"));
    let owed = world.send_test("invoice.paid", "en", "ann@home.example").await;
    assert!(!owed.contains("List-Unsubscribe"), "what is owed has no such link");

    let anybody = auth::Caller::anonymous(world.tenant);
    let look = GetUnsubscriptionRequest { token: token.clone() };
    let looked = world.request(&anybody, OperationId::new(), look);
    let found = answer(world.preferences().get_unsubscription(looked).await).unwrap();
    assert_eq!(found.category, "alerts");
    assert!(
        world.send_test("balance.low", "en", "ann@home.example").await.contains("low"),
        "looking changes nothing"
    );
    let click = UnsubscribeRequest {
        token: token.clone(),
        body: b"List-Unsubscribe=One-Click".to_vec(),
        ..Default::default()
    };
    let clicked = world.request(&anybody, OperationId::new(), click.clone());
    answer(world.preferences().unsubscribe(clicked).await).unwrap();
    let again = SendTestMailRequest {
        template: "balance.low".to_owned(),
        locale: "en".to_owned(),
        recipient: "ANN@home.example".to_owned(),
    };
    let id = answer(world.templates().send_test_mail(world.as_admin(again)).await).unwrap().mail_id;
    world.wait_for_mail(&id, "suppressed").await;
    world.send_test("invoice.paid", "en", "ann@home.example").await;

    let elsewhere = auth::Caller::anonymous(TenantId::new());
    let foreign = world.request(&elsewhere, OperationId::new(), click);
    let fault = answer(world.preferences().unsubscribe(foreign).await).unwrap_err();
    assert_eq!(fault.reason(), "unsubscription_not_found");
}

#[tokio::test]
async fn preferences_are_a_persons_own_and_only_what_is_optional_can_be_silenced() {
    let world = world().await;
    let (one, other) = (crate::world::user(world.tenant), crate::world::user(world.tenant));
    let set =
        |category: &str| SetMyPreferenceRequest { category: category.to_owned(), email: false, in_app: true };
    let request = world.request(&one, OperationId::new(), set("alerts"));
    answer(world.preferences().set_my_preference(request).await).unwrap();
    let request = world.request(&one, OperationId::new(), set("account"));
    let fault = answer(world.preferences().set_my_preference(request).await).unwrap_err();
    assert_eq!(fault.reason(), "category_not_optional");
    for (caller, email) in [(&one, false), (&other, true)] {
        let request = world.request(caller, OperationId::new(), GetMyPreferencesRequest {});
        let found = answer(world.preferences().get_my_preferences(request).await).unwrap().preferences;
        let alerts = found.iter().find(|one| one.category == "alerts").unwrap();
        assert_eq!((alerts.email, alerts.in_app, alerts.optional), (email, true, true));
        assert!(!found.iter().any(|one| one.category == "operations"));
    }
}
