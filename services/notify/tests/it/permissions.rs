//! Every rpc times every kind of caller. An rpc that is missing here fails the test.

use std::collections::BTreeSet;
use std::time::Duration;

use auth::Caller;
use fault::Fault;
use ids::OperationId;
use tonic::codegen::http::uri::PathAndQuery;

use crate::world::{World, holder, user, world};

const CALLERS: [&str; 5] = ["anonymous", "customer", "reader", "admin", "service"];

const READ: &[&str] = &["reader", "admin", "service"];
const SIGNED_IN: &[&str] = &["customer", "reader", "admin", "service"];
const WRITE: &[&str] = &["admin", "service"];

/// The rpcs, and who gets past the guard.
const TABLE: &[(&str, &[&str])] = &[
    ("MailService/EnqueueMail", &["service"]),
    ("WebhookService/ListWebhookEndpoints", READ),
    ("WebhookService/GetWebhookEndpoint", READ),
    ("WebhookService/CreateWebhookEndpoint", WRITE),
    ("WebhookService/UpdateWebhookEndpoint", WRITE),
    ("WebhookService/DeleteWebhookEndpoint", WRITE),
    ("WebhookService/GetWebhookSecret", WRITE),
    ("WebhookService/RotateWebhookSecret", WRITE),
    ("WebhookService/SendTestWebhook", WRITE),
    ("WebhookService/ReplayWebhooks", WRITE),
    ("WebhookService/ListWebhookDeliveries", READ),
    ("WebhookService/GetWebhookDelivery", READ),
    ("WebhookService/ResendWebhookDelivery", WRITE),
    ("WebhookService/ListWebhookEventTypes", READ),
    ("TemplateService/ListTemplates", READ),
    ("TemplateService/GetTemplate", READ),
    ("TemplateService/PutTemplate", WRITE),
    ("TemplateService/ResetTemplate", WRITE),
    ("TemplateService/SwitchTemplate", WRITE),
    ("TemplateService/PreviewTemplate", READ),
    ("TemplateService/SendTestMail", WRITE),
    ("TemplateService/GetMailSettings", READ),
    ("TemplateService/PutMailSettings", WRITE),
    ("TemplateService/ListMails", READ),
    ("TemplateService/GetMail", READ),
    ("TemplateService/ResendMail", WRITE),
    ("SuppressionService/ListSuppressions", READ),
    ("SuppressionService/SuppressAddress", WRITE),
    ("SuppressionService/LiftSuppression", WRITE),
    ("PreferenceService/GetMyPreferences", SIGNED_IN),
    ("PreferenceService/SetMyPreference", SIGNED_IN),
    ("PreferenceService/GetUnsubscription", &CALLERS),
    ("PreferenceService/Unsubscribe", &CALLERS),
    ("NotificationService/ListMyNotifications", SIGNED_IN),
    ("NotificationService/GetMyUnreadCount", SIGNED_IN),
    ("NotificationService/MarkNotificationRead", SIGNED_IN),
    ("NotificationService/MarkAllNotificationsRead", SIGNED_IN),
    ("NotificationService/WatchMyNotifications", SIGNED_IN),
];

fn caller(world: &World, kind: &str) -> Caller {
    match kind {
        "customer" => user(world.tenant),
        "reader" => holder(world.tenant, &["notify.read"]),
        "admin" => holder(world.tenant, &["notify.*"]),
        "service" => Caller::service("gateway", world.tenant),
        _ => Caller::anonymous(world.tenant),
    }
}

/// Sends an empty message; whatever the handler says to it, the guard has let it pass.
async fn passes(world: &World, caller: &Caller, rpc: &str) -> bool {
    let mut client = tonic::client::Grpc::new(world.channel());
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(format!("/vbwd.notify.v1.{rpc}")).unwrap();
    let codec: tonic_prost::ProstCodec<(), ()> = tonic_prost::ProstCodec::default();
    let call = client.unary(world.request(caller, OperationId::new(), ()), path, codec);
    // A stream that stays open has let its caller in.
    let Ok(answer) = tokio::time::timeout(Duration::from_secs(2), call).await else { return true };
    let refusals = ["permission_denied", "not_callable"];
    match answer.map_err(Fault::from) {
        Err(fault) if fault.reason() == "authentication_required" => !caller.is_anonymous(),
        Err(fault) => !refusals.contains(&fault.reason()),
        Ok(_) => true,
    }
}

#[tokio::test]
async fn the_table_of_rpcs_and_callers() {
    let world = world().await;
    for (rpc, allowed) in TABLE {
        for kind in CALLERS {
            let caller = caller(&world, kind);
            assert_eq!(passes(&world, &caller, rpc).await, allowed.contains(&kind), "{rpc} as {kind}");
        }
    }
}

#[test]
fn no_rpc_is_missing_in_the_table() {
    let listed: BTreeSet<_> = TABLE.iter().map(|(rpc, _)| format!("/vbwd.notify.v1.{rpc}")).collect();
    let ours = contracts::methods().iter().filter(|rpc| rpc.service == notify::NAME);
    let existing: BTreeSet<_> = ours.map(|rpc| rpc.path.clone()).collect();
    assert_eq!(listed, existing);
}
