//! Mails: the queue in the database, the letter that is made of a row, the conversation with the
//! mail server, and the loop that brings them together.

mod address;
mod envelope;
mod queue;
mod sender;
mod smtp;

pub(crate) use queue::{NewMail, Queue};
pub(crate) use sender::Mailer;
