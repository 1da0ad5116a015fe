//! Mails: the queue in the database, the letter that is made of a row, the conversation with the
//! mail server, and the loop that brings them together.

mod address;
mod again;
mod ending;
mod envelope;
mod letter;
mod locale;
pub(crate) mod log;
mod once;
mod queue;
mod sender;
mod smtp;
pub(crate) mod suppression;
mod sweep;

pub(crate) use address::recipient;
pub(crate) use again::send_again;
pub(crate) use locale::locale_tag;
pub(crate) use log::{MailAttempt, MailFilter, MailRow};
pub(crate) use once::NewMail;
pub(crate) use queue::Queue;
pub(crate) use sender::Mailer;
