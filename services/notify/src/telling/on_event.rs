//! Tells people: the consumer.
//!
//! Payments name an invoice and not a person, so the owner of each invoice is remembered when the
//! invoice is heard of. The two come on lanes of their own; an event that is ahead of its invoice is
//! tried again for a while.

use bus::{CloudEvent, Consumer, Limits};
use eventstore::{WorkerUnit, storage};
use fault::Fault;
use ids::{OperationId, TenantId, UserId};
use kernel::Clock;
use sqlx::PgConnection;
use std::sync::Arc;
use uuid::Uuid;

use super::facts::{Telling, Whom, tellings};
use crate::catalogue::{self, Kind};
use crate::mail::{NewMail, Queue};
use crate::notifications::{self, NewNotification};
use crate::people::{People, Person};
use crate::render::{self, Facts};
use crate::{wishes, wording};

/// Tells people what concerns them.
#[derive(Clone)]
pub(crate) struct OnEvent {
    pub clock: Arc<dyn Clock>,
    pub people: People,
    pub mails: Queue,
    /// Name of installations whose tenants have set none.
    pub product_name: String,
}

impl Consumer for OnEvent {
    fn name(&self) -> &'static str {
        "notify_messages"
    }

    fn subjects(&self) -> &'static str {
        "evt.>"
    }

    /// An event whose invoice never comes is an operator's matter after some minutes.
    fn limits(&self) -> Limits {
        Limits { transient_attempts_max: 60, ..Limits::default() }
    }

    async fn handle(&self, work: &mut WorkerUnit, event: &CloudEvent) -> fault::Result<()> {
        remember_owner(work.connection(), event).await?;
        for telling in tellings(event) {
            self.tell(work, event, telling).await?;
        }
        Ok(())
    }
}

impl OnEvent {
    async fn tell(&self, work: &mut WorkerUnit, event: &CloudEvent, telling: Telling) -> fault::Result<()> {
        let kind = catalogue::kind(telling.kind).ok_or_else(|| Fault::internal("a telling of no kind"))?;
        if !wording::is_told(work.connection(), event.tenant, kind).await? {
            return Ok(());
        }
        let Some((user, telling)) = whom(work.connection(), event.tenant, telling).await? else {
            return Ok(());
        };
        let context = work.context()?.clone();
        let Some(person) = self.people.find(&context, user).await? else { return Ok(()) };
        let mut values = telling.values;
        if !person.name.is_empty() {
            values.insert("name".to_owned(), person.name.clone());
        }
        let told = Told { event, kind, person: &person, values };
        self.notify(work, &told).await?;
        self.write(work, &told).await
    }

    async fn write(&self, work: &mut WorkerUnit, told: &Told<'_>) -> fault::Result<()> {
        let (event, kind, person) = (told.event, told.kind, told.person);
        let wish = wishes::wish(work.connection(), event.tenant, person.user, kind.category).await?;
        if !wish.email {
            return Ok(());
        }
        let mail = NewMail {
            template: kind.key.to_owned(),
            locale: person.locale.clone(),
            recipient: person.email.clone(),
            user: Some(person.user),
            variables: told.values.clone(),
        };
        let operation = OperationId::derived(&["telling", &event.id.to_string(), kind.key]);
        self.mails.put(work.connection(), event.tenant, operation, &mail).await.map(drop)
    }

    async fn notify(&self, work: &mut WorkerUnit, told: &Told<'_>) -> fault::Result<()> {
        let (event, kind, person) = (told.event, told.kind, told.person);
        let on = work.connection();
        if !wishes::wish(on, event.tenant, person.user, kind.category).await?.in_app {
            return Ok(());
        }
        let settings = wording::settings(on, event.tenant).await?;
        let asked = (person.locale.as_str(), settings.default_locale.as_str());
        let found = wording::words(on, event.tenant, kind, asked).await?;
        if found.words.notice.is_empty() {
            return Ok(());
        }
        let brand = settings.brand(&self.product_name);
        let facts =
            Facts { values: &told.values, brand: &brand, locale: &found.locale, unsubscribe_url: None };
        let (title, text) = render::notice(&found.words, &facts).map_err(Fault::internal)?;
        let new = NewNotification {
            user: person.user,
            template: kind.key,
            title,
            text,
            subject: event.subject.clone(),
        };
        notifications::put(work, event.tenant, new, self.clock.wall()).await
    }
}

/// A telling whose person was found.
struct Told<'a> {
    event: &'a CloudEvent,
    kind: &'static Kind,
    person: &'a Person,
    values: std::collections::BTreeMap<String, String>,
}

/// The account that is concerned; none when the event concerns nobody with one.
async fn whom(
    on: &mut PgConnection,
    tenant: TenantId,
    mut telling: Telling,
) -> fault::Result<Option<(UserId, Telling)>> {
    let invoice = match &telling.whom {
        Whom::User(id) => return Ok(id.parse().ok().map(|user| (user, telling))),
        Whom::OwnerOf(invoice) => invoice.parse::<Uuid>(),
    };
    let Ok(invoice) = invoice else { return Ok(None) };
    let owner: Option<(Uuid, String)> =
        sqlx::query_as("SELECT user_id, number FROM invoice_owners WHERE tenant_id = $1 AND invoice_id = $2")
            .bind(tenant.as_uuid())
            .bind(invoice)
            .fetch_optional(on)
            .await
            .map_err(storage)?;
    let (user, number) =
        owner.ok_or_else(|| Fault::unavailable("invoice_unheard_of", "its invoice was not heard of yet"))?;
    telling.values.insert("number".to_owned(), number);
    Ok(Some((UserId::from_uuid(user), telling)))
}

async fn remember_owner(on: &mut PgConnection, event: &CloudEvent) -> fault::Result<()> {
    if !matches!(event.r#type.as_str(), "invoice.opened" | "invoice.paid") {
        return Ok(());
    }
    let id = |field: &str| event.data[field].as_str().and_then(|text| text.parse::<Uuid>().ok());
    let (Some(invoice), Some(user)) = (id("invoiceId"), id("userId")) else { return Ok(()) };
    sqlx::query(
        "INSERT INTO invoice_owners (tenant_id, invoice_id, user_id, number) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(event.tenant.as_uuid())
    .bind(invoice)
    .bind(user)
    .bind(event.data["number"].as_str().unwrap_or_default())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}
