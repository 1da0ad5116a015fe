//! A rendered letter becomes a message of RFC 5322.
//!
//! The `Message-ID` follows from the mail's id: if a mail is sent twice, because nobody could know
//! whether the server had taken it, receiving systems can see that it is the same one.

use fault::Fault;
use ids::MailId;
use jiff::Timestamp;
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use crate::render::Letter;

/// Who sends, and to whom.
pub(crate) struct Envelope<'a> {
    pub mail: MailId,
    pub from: Mailbox,
    pub reply_to: Option<Mailbox>,
    pub to: Mailbox,
    pub at: Timestamp,
    /// Where one click is enough (RFC 8058).
    pub unsubscribe_url: Option<&'a str>,
}

/// The message to be sent.
pub(crate) fn message(envelope: Envelope<'_>, letter: Letter) -> fault::Result<Message> {
    let domain = envelope.from.email.domain().to_owned();
    let mut builder = Message::builder()
        .message_id(Some(format!("<{}@{domain}>", envelope.mail)))
        .date(envelope.at.into())
        .from(envelope.from)
        .to(envelope.to)
        .subject(letter.subject);
    if let Some(reply_to) = envelope.reply_to {
        builder = builder.reply_to(reply_to);
    }
    let body = MultiPart::alternative_plain_html(letter.text, letter.html);
    let mut message = builder.multipart(body).map_err(Fault::internal)?;
    put(&mut message, "Auto-Submitted", "auto-generated")?;
    if let Some(url) = envelope.unsubscribe_url {
        put(&mut message, "List-Unsubscribe", &format!("<{url}>"))?;
        put(&mut message, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click")?;
    }
    Ok(message)
}

fn put(message: &mut Message, name: &str, value: &str) -> fault::Result<()> {
    let name = HeaderName::new_from_ascii(name.to_owned()).map_err(Fault::internal)?;
    message.headers_mut().insert_raw(HeaderValue::new(name, value.to_owned()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(unsubscribe_url: Option<&str>) -> String {
        let envelope = Envelope {
            mail: MailId::from_uuid(uuid::Uuid::from_u128(7)),
            from: "Shop <no-reply@shop.example>".parse().unwrap(),
            reply_to: Some("help@shop.example".parse().unwrap()),
            to: "ann@home.example".parse().unwrap(),
            at: "2026-11-23T12:00:00Z".parse().unwrap(),
            unsubscribe_url,
        };
        let own = str::to_owned;
        let letter = Letter { subject: own("Grüße"), text: own("text"), html: own("<p>html</p>") };
        String::from_utf8(message(envelope, letter).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_message_has_what_it_needs() {
        let text = written(None);
        for expected in [
            "Message-ID: <00000000-0000-0000-0000-000000000007@shop.example>",
            "Date: Mon, 23 Nov 2026 12:00:00 +0000",
            "Auto-Submitted: auto-generated",
            "Reply-To: help@shop.example",
            "multipart/alternative",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert!(!text.contains("List-Unsubscribe"));
    }

    #[test]
    fn one_click_has_both_headers() {
        let text = written(Some("https://shop.example/api/v1/mail/unsubscribe/abc"));
        assert!(text.contains("List-Unsubscribe: <https://shop.example/api/v1/mail/unsubscribe/abc>"));
        assert!(text.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"));
    }
}
