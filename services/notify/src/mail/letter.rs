//! A claimed row becomes a message: the tenant's words and looks, the recipient's language, and the
//! way out for whoever wants no more.

use eventstore::storage;
use fault::Fault;
use lettre::Message;
use lettre::message::Mailbox;

use super::address;
use super::envelope::{self, Envelope};
use super::queue::{Claimed, Queue};
use super::suppression;
use crate::catalogue::{self, Kind};
use crate::render::{self, Facts, Letter};
use crate::wishes::{self, Whose};
use crate::wording::{self, Found, Settings};

/// What the installation says where a tenant says nothing.
#[derive(Debug, Clone)]
pub(crate) struct House {
    pub from_name: String,
    pub from_address: String,
    /// Address under which customers reach the installation; empty if it is not known.
    pub public_url: String,
}

/// What is to be done with a claimed mail.
pub(super) enum Prepared {
    Send {
        subject: String,
        message: Box<Message>,
    },
    /// It is not to be sent, and why.
    Withheld(String),
}

/// Makes the message of a claimed mail.
///
/// # Errors
/// Transient faults of the database; any other means that this mail can never become a message.
pub(super) async fn prepare(queue: &Queue, house: &House, claimed: &Claimed) -> fault::Result<Prepared> {
    let kind = catalogue::kind(&claimed.template).ok_or_else(|| Fault::not_found("template"))?;
    let whose = Whose::of(claimed.user, &claimed.recipient);
    let mut reading = queue.store().read(claimed.tenant).await?;
    let wanted = wishes::wants_mail(&mut reading, claimed.tenant, &whose, kind.category).await?;
    let suppressed = suppression::find(&mut reading, claimed.tenant, &claimed.recipient).await?;
    let settings = wording::settings(&mut reading, claimed.tenant).await?;
    let asked = (claimed.locale.as_str(), settings.default_locale.as_str());
    let found = wording::words(&mut reading, claimed.tenant, kind, asked).await?;
    reading.rollback().await.map_err(storage)?;
    if !wanted {
        return Ok(Prepared::Withheld("the recipient has unsubscribed".to_owned()));
    }
    if let Some(row) = suppressed {
        return Ok(Prepared::Withheld(format!("the address is suppressed ({}): {}", row.reason, row.detail)));
    }
    let way_out = way_out(queue, house, claimed, kind, (&settings, &whose))?;
    let letter = letter(claimed, kind, house, (&settings, found), way_out.as_deref())?;
    let subject = letter.subject.clone();
    let envelope = Envelope {
        mail: claimed.mail,
        from: from(&settings, house)?,
        reply_to: reply_to(&settings)?,
        to: Mailbox::new(None, address::recipient(&claimed.recipient)?),
        at: queue.now(),
        unsubscribe_url: way_out.as_deref(),
    };
    Ok(Prepared::Send { subject, message: Box::new(envelope::message(envelope, letter)?) })
}

/// Words that a tenant wrote may fail with values they were not tried with; then those that ship
/// tell it.
fn letter(
    claimed: &Claimed,
    kind: &Kind,
    house: &House,
    (settings, found): (&Settings, Found),
    unsubscribe_url: Option<&str>,
) -> fault::Result<Letter> {
    let brand = settings.brand(&house.from_name);
    let render = |found: &Found| {
        let (values, locale) = (&claimed.variables, found.locale.as_str());
        render::letter(&found.words, &Facts { values, brand: &brand, locale, unsubscribe_url })
    };
    let flaw = match render(&found) {
        Ok(letter) => return Ok(letter),
        Err(flaw) => flaw,
    };
    tracing::warn!(mail = %claimed.mail, template = kind.key, %flaw, "the tenant's words failed");
    let shipped = wording::shipped_words(kind, &found.locale).ok_or_else(|| Fault::not_found("template"))?;
    render(&shipped).map_err(Fault::internal)
}

/// Where the recipient can be rid of such mails by one click.
fn way_out(
    queue: &Queue,
    house: &House,
    claimed: &Claimed,
    kind: &Kind,
    (settings, whose): (&Settings, &Whose),
) -> fault::Result<Option<String>> {
    let base = if settings.public_url.is_empty() { &house.public_url } else { &settings.public_url };
    if !kind.category.is_optional() || base.is_empty() {
        return Ok(None);
    }
    let token = wishes::token(queue.secrets(), claimed.tenant, whose, kind.category)?;
    Ok(Some(format!("{base}/api/v1/mail/unsubscribe/{token}")))
}

fn from(settings: &Settings, house: &House) -> fault::Result<Mailbox> {
    let own = !settings.from_address.is_empty();
    let address = if own { &settings.from_address } else { &house.from_address };
    let name = [&settings.from_name, &settings.product_name, &house.from_name];
    let name = name.into_iter().find(|name| !name.is_empty()).cloned();
    Ok(Mailbox::new(name, address::recipient(address)?))
}

fn reply_to(settings: &Settings) -> fault::Result<Option<Mailbox>> {
    if settings.reply_to.is_empty() {
        return Ok(None);
    }
    Ok(Some(Mailbox::new(None, address::recipient(&settings.reply_to)?)))
}
