//! The loop that empties the queue: claim, render, hand over, end.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use lettre::message::Mailbox;
use runtime::{Drain, Environment};

use super::envelope::{self, Envelope};
use super::queue::{Claimed, Queue};
use super::smtp::{Outcome, Smtp};
use crate::catalogue::{LANGUAGES, shipped};
use crate::config::MailConfig;
use crate::metrics;
use crate::render::{self, Brand, Facts, Letter};

/// How often the queue is looked at when nothing says that there is something.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const ACCENT: &str = "#2457d6";

/// Sends what is in the queue.
#[derive(Clone)]
pub(crate) struct Mailer {
    queue: Queue,
    smtp: Option<Smtp>,
    from: (String, String),
    concurrency: usize,
}

impl Mailer {
    /// # Errors
    /// When the mail server's address cannot be used.
    pub(crate) fn new(queue: Queue, environment: Environment, config: &MailConfig) -> fault::Result<Self> {
        let smtp = Smtp::new(&config.smtp_url, config.timeout(), environment)?;
        let from = (config.from_name.clone(), config.from_address.clone());
        Ok(Self { queue, smtp, from, concurrency: usize::from(config.concurrency) })
    }

    /// Sends until told to stop; what has begun is finished.
    pub(crate) async fn run(self, drain: Drain) -> fault::Result<()> {
        let Some(smtp) = self.smtp.clone() else {
            tracing::warn!("no mail server is configured (notify.mail.smtp_url): mails wait in the queue");
            drain.cancelled().await;
            return Ok(());
        };
        let mut running = FuturesUnordered::new();
        loop {
            let free = self.concurrency.saturating_sub(running.len());
            let taken = if free > 0 && !drain.is_cancelled() { self.take(free).await } else { vec![] };
            let full = taken.len() == free;
            running.extend(taken.into_iter().map(|claimed| self.send(&smtp, claimed)));
            if drain.is_cancelled() && running.is_empty() {
                return Ok(());
            }
            tokio::select! {
                Some(()) = running.next() => {}
                () = self.queue.arrived(), if !full => {}
                () = tokio::time::sleep(LOOK_EVERY), if !full => {}
                () = drain.cancelled(), if running.is_empty() => {}
            }
        }
    }

    /// What runs goes on while the database is away.
    async fn take(&self, free: usize) -> Vec<Claimed> {
        self.queue.claim(free).await.unwrap_or_else(|fault| {
            tracing::warn!(?fault, "mails cannot be claimed for now");
            Vec::new()
        })
    }

    async fn send(&self, smtp: &Smtp, claimed: Claimed) {
        let (subject, outcome) = match self.message(&claimed) {
            Ok((subject, message)) => (subject, smtp.send(message).await),
            // Words or addresses that cannot become a message will not do so later either.
            Err(fault) => (String::new(), Outcome::Refused(format!("{fault}"))),
        };
        metrics::mail_attempt(outcome.name());
        if !matches!(outcome, Outcome::Accepted(_)) {
            tracing::warn!(mail = %claimed.mail, attempt = claimed.attempt, ?outcome, "a mail was not accepted");
        }
        match self.queue.end(&claimed, &subject, &outcome).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(mail = %claimed.mail, "an attempt outlived its lease"),
            // The lease runs out, and the mail is sent again.
            Err(fault) => tracing::warn!(mail = %claimed.mail, ?fault, "the end of an attempt was not kept"),
        }
    }

    fn message(&self, claimed: &Claimed) -> fault::Result<(String, lettre::Message)> {
        let brand =
            Brand { product_name: self.from.0.clone(), accent_colour: ACCENT.to_owned(), ..Brand::default() };
        let letter = self.letter(claimed, &brand)?;
        let subject = letter.subject.clone();
        let from = mailbox(&self.from.0, &self.from.1)?;
        let envelope = Envelope {
            mail: claimed.mail,
            from,
            reply_to: None,
            to: mailbox("", &claimed.recipient)?,
            at: self.queue.now(),
            unsubscribe_url: None,
        };
        Ok((subject, envelope::message(envelope, letter)?))
    }

    fn letter(&self, claimed: &Claimed, brand: &Brand) -> fault::Result<Letter> {
        let language = claimed.locale.split('-').next().unwrap_or_default();
        let [fallback, ..] = LANGUAGES;
        let found = [language, fallback]
            .into_iter()
            .find_map(|language| shipped(&claimed.template, language).map(|words| (words, language)));
        let (words, locale) = found.ok_or_else(|| fault::Fault::not_found("template"))?;
        let facts = Facts { values: &claimed.variables, brand, locale, unsubscribe_url: None };
        render::letter(words, &facts).map_err(fault::Fault::internal)
    }
}

fn mailbox(name: &str, address: &str) -> fault::Result<Mailbox> {
    let name = (!name.is_empty()).then(|| name.to_owned());
    Ok(Mailbox::new(name, super::address::recipient(address)?))
}
