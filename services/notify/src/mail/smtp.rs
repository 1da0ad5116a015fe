//! One conversation with the mail server, and what its end means.
//!
//! A reply of the 5xx class ends a mail, one of the 4xx class puts it off. When the connection is
//! lost nobody knows whether the server has taken the mail; it is sent again, with the same
//! `Message-ID`. A refusal of our own log-in says nothing about the recipient and puts off too.

use std::time::Duration;

use fault::Fault;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use runtime::Environment;
use runtime::config::Secret;
use secrecy::ExposeSecret as _;

const REPLY_LENGTH_MAX: usize = 1_000;
/// Replies about us, not about the mail: log-in demanded, too weak, wrong, or encryption missing.
const ABOUT_US: [u16; 4] = [530, 534, 535, 538];

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server has taken responsibility.
    Accepted(String),
    /// Not now.
    Deferred(String),
    /// Never.
    Refused(String),
    /// Nobody knows: the conversation broke off.
    Unknown(String),
}

impl Outcome {
    /// Its name in the log.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Deferred(_) => "deferred",
            Self::Refused(_) => "refused",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What the server said.
    pub(crate) fn reply(&self) -> &str {
        let (Self::Accepted(reply) | Self::Deferred(reply) | Self::Refused(reply) | Self::Unknown(reply)) =
            self;
        reply
    }
}

/// The mail server.
#[derive(Clone)]
pub(crate) struct Smtp(AsyncSmtpTransport<Tokio1Executor>);

impl Smtp {
    /// The server at `url`; none when none is configured.
    ///
    /// # Errors
    /// When the address cannot be used, or would send log-in and mails in clear through the
    /// network of a production.
    pub(crate) fn new(
        url: &Secret,
        timeout: Duration,
        environment: Environment,
    ) -> fault::Result<Option<Self>> {
        if url.is_empty() {
            return Ok(None);
        }
        let text = url.expose().expose_secret();
        if environment == Environment::Production && !is_private_enough(text) {
            return Err(wrong("needs_tls"));
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(text);
        let transport = transport.map_err(|_| wrong("malformed"))?.timeout(Some(timeout)).build();
        Ok(Some(Self(transport)))
    }

    /// Hands a message over.
    pub(crate) async fn send(&self, message: Message) -> Outcome {
        match self.0.send(message).await {
            Ok(response) => {
                let first = response.message().next().unwrap_or_default();
                Outcome::Accepted(bounded(&format!("{} {first}", response.code())))
            }
            Err(error) => outcome(&error),
        }
    }
}

fn outcome(error: &lettre::transport::smtp::Error) -> Outcome {
    let reply = bounded(&with_causes(error));
    let code = error.status().map(u16::from);
    if code.is_some_and(|code| ABOUT_US.contains(&code)) || error.is_transient() {
        Outcome::Deferred(reply)
    } else if error.is_permanent() {
        Outcome::Refused(reply)
    } else {
        Outcome::Unknown(reply)
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

fn bounded(text: &str) -> String {
    text.replace('\0', "\u{fffd}").chars().take(REPLY_LENGTH_MAX).collect()
}

/// Encrypted, or not leaving the machine.
fn is_private_enough(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| {
        let required = url.query_pairs().any(|(name, value)| name == "tls" && value == "required");
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        url.scheme() == "smtps" || required || local
    })
}

fn wrong(code: &'static str) -> Fault {
    Fault::invalid("/notify/mail/smtp_url", code, "The address of the mail server cannot be used.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(url: &str, environment: Environment) -> Result<bool, String> {
        let smtp = Smtp::new(&Secret::from(url), Duration::from_secs(1), environment);
        smtp.map(|smtp| smtp.is_some()).map_err(|fault| fault.violations()[0].code.clone())
    }

    #[tokio::test]
    async fn production_does_not_send_in_clear() {
        let production = Environment::Production;
        assert_eq!(build("", production), Ok(false));
        assert_eq!(build("smtp://mail.example:587", production), Err("needs_tls".to_owned()));
        assert_eq!(build("smtp://u:p@mail.example:587?tls=required", production), Ok(true));
        assert_eq!(build("smtps://u:p@mail.example", production), Ok(true));
        assert_eq!(build("smtp://127.0.0.1:25", production), Ok(true));
        assert_eq!(build("smtp://mail.example:25", Environment::Development), Ok(true));
        assert_eq!(build("http://mail.example", Environment::Development), Err("malformed".to_owned()));
    }
}
