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
    /// Never, because nobody of that name is there.
    Bounced(String),
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
            Self::Bounced(_) | Self::Refused(_) => "refused",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What the server said.
    pub(crate) fn reply(&self) -> &str {
        match self {
            Self::Accepted(reply)
            | Self::Deferred(reply)
            | Self::Bounced(reply)
            | Self::Refused(reply)
            | Self::Unknown(reply) => reply,
        }
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
    } else if error.is_permanent() && names_nobody(code, &reply) {
        Outcome::Bounced(reply)
    } else if error.is_permanent() {
        Outcome::Refused(reply)
    } else {
        Outcome::Unknown(reply)
    }
}

/// Whether a refusal says that the mailbox does not exist (RFC 3463 and 7505: bad address, moved, null
/// MX, disabled), rather than that the server dislikes us or the mail. Servers without such codes say
/// 550, 551 or 553 (RFC 5321) to a recipient.
fn names_nobody(code: Option<u16>, reply: &str) -> bool {
    const NOBODY: [&str; 7] = ["5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"];
    let enhanced = reply.split([' ', '-', '(', ')', ':', ',']).find(|word| is_enhanced(word));
    enhanced.map_or(matches!(code, Some(550 | 551 | 553)), |found| NOBODY.contains(&found))
}

fn is_enhanced(word: &str) -> bool {
    let parts: Vec<_> = word.split('.').collect();
    let is_number =
        |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts[0] == "5" && parts.iter().all(is_number)
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

    #[test]
    fn only_a_missing_mailbox_names_nobody() {
        for (code, reply, expected) in [
            (550, "permanent error (550): 5.1.1 <x@y.example>: no such user", true),
            (550, "permanent error (550): 5.2.1 mailbox disabled", true),
            (556, "permanent error (556): 5.1.10 null MX", true),
            (550, "permanent error (550): No such user here", true),
            (550, "permanent error (550): 5.7.1 our policy dislikes you", false),
            (552, "permanent error (552): 5.3.4 too large", false),
            (554, "permanent error (554): transaction failed", false),
            (550, "permanent error (550): 5.7.26 see https://1.2.3.4/help about 5.1.1", false),
        ] {
            assert_eq!(names_nobody(Some(code), reply), expected, "{reply}");
        }
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
