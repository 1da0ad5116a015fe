//! The loop that empties the queue: claim, render, hand over, end.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use runtime::{Drain, Environment};

use super::letter::{self, House, Prepared};
use super::queue::{Claimed, Queue};
use super::smtp::{Outcome, Smtp};
use crate::config::MailConfig;
use crate::metrics;

/// How often the queue is looked at when nothing says that there is something.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Sends what is in the queue.
#[derive(Clone)]
pub(crate) struct Mailer {
    queue: Queue,
    smtp: Option<Smtp>,
    house: House,
    concurrency: usize,
}

impl Mailer {
    /// # Errors
    /// When the mail server's address cannot be used.
    pub(crate) fn new(queue: Queue, environment: Environment, config: &MailConfig) -> fault::Result<Self> {
        let smtp = Smtp::new(&config.smtp_url, config.timeout(), environment)?;
        let house = House {
            from_name: config.from_name.clone(),
            from_address: config.from_address.clone(),
            public_url: config.public_url.trim_end_matches('/').to_owned(),
        };
        Ok(Self { queue, smtp, house, concurrency: usize::from(config.concurrency) })
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
        let (subject, outcome) = match letter::prepare(&self.queue, &self.house, &claimed).await {
            Ok(Prepared::Send { subject, message }) => (subject, smtp.send(*message).await),
            Ok(Prepared::Withheld(why)) => return kept(&claimed, self.queue.suppress(&claimed, &why).await),
            Err(fault) if fault.is_transient() => (String::new(), Outcome::Deferred(fault.to_string())),
            // Words or addresses that cannot become a message will not do so later either.
            Err(fault) => (String::new(), Outcome::Refused(fault.to_string())),
        };
        metrics::mail_attempt(outcome.name());
        if !matches!(outcome, Outcome::Accepted(_)) {
            tracing::warn!(mail = %claimed.mail, attempt = claimed.attempt, ?outcome, "a mail was not accepted");
        }
        kept(&claimed, self.queue.end(&claimed, &subject, &outcome).await);
    }
}

fn kept(claimed: &Claimed, ended: fault::Result<bool>) {
    match ended {
        Ok(true) => {}
        Ok(false) => tracing::warn!(mail = %claimed.mail, "an attempt outlived its lease"),
        // The lease runs out, and the mail is sent again.
        Err(fault) => tracing::warn!(mail = %claimed.mail, ?fault, "the end of an attempt was not kept"),
    }
}
