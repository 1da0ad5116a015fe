//! Mails: the queue in the database, the letter that is made of a row, the conversation with the
//! mail server, and the loop that brings them together.

mod address;
mod envelope;
mod letter;
mod log;
mod queue;
mod sender;
mod smtp;

pub(crate) use log::{MailAttempt, MailFilter, MailRow};
pub(crate) use queue::{NewMail, Queue, locale_tag};
pub(crate) use sender::Mailer;
