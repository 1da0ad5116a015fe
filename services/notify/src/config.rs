//! The settings of this service.

use std::time::Duration;

use fault::Fault;
use jiff::SignedDuration;
use runtime::config::Secret;
use serde::{Deserialize, Serialize};

/// Settings of notify.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// E-mail.
    pub mail: MailConfig,
    /// Outbound webhooks.
    pub webhooks: WebhookConfig,
    /// For how many days notifications in the application are kept.
    pub notifications_kept_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        let (mail, webhooks) = (MailConfig::default(), WebhookConfig::default());
        Self { mail, webhooks, notifications_kept_days: 180 }
    }
}

/// Settings of e-mail.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// The mail server: `smtps://user:password@host:465`, `smtp://user:password@host:587?tls=required`.
    /// Empty: mails wait in the queue.
    pub smtp_url: Secret,
    /// Sender of tenants that have set none.
    pub from_address: String,
    /// Name beside it.
    pub from_name: String,
    /// Address under which customers reach the installation, `https://shop.example`; links to
    /// unsubscribe begin with it where a tenant has set none.
    pub public_url: String,
    /// How long one conversation with the mail server may take.
    pub timeout_seconds: u32,
    /// How long an attempt keeps others away; longer than any conversation.
    pub lease_seconds: u32,
    /// Conversations at a time, per process.
    pub concurrency: u16,
    /// Attempts before a mail is given up.
    pub attempts_max: u16,
    /// Pause after the first failed attempt; it doubles from there.
    pub first_pause_seconds: u32,
    /// The longest pause.
    pub pause_seconds_max: u32,
    /// For how many days ended mails and their log are kept.
    pub kept_days: u32,
}

/// Settings of outbound webhooks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// Whether endpoints may be reached without TLS; for development.
    pub allow_http: bool,
    /// Networks inside which endpoints may be although they are not public (`127.0.0.0/8`); for
    /// development, or for receivers of the operator's own.
    pub allowed_networks: Vec<String>,
    /// How long an endpoint may take to answer.
    pub timeout_seconds: u32,
    /// How long an attempt keeps others away; longer than the timeout.
    pub lease_seconds: u32,
    /// Deliveries at a time, per process, over all endpoints.
    pub concurrency: u16,
    /// Attempts before a delivery is given up.
    pub attempts_max: u16,
    /// Pause after the first failed attempt; each later one is four times as long.
    pub first_pause_seconds: u32,
    /// The longest pause.
    pub pause_seconds_max: u32,
    /// An endpoint at which nothing has succeeded for so long is disabled.
    pub disable_after_hours: u32,
    /// Endpoints of one tenant.
    pub endpoints_max: u16,
    /// For how many days messages, deliveries and their log are kept.
    pub kept_days: u32,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            allow_http: false,
            allowed_networks: Vec::new(),
            timeout_seconds: 15,
            lease_seconds: 60,
            concurrency: 512,
            attempts_max: 12,
            first_pause_seconds: 5,
            pause_seconds_max: 12 * 60 * 60,
            disable_after_hours: 5 * 24,
            endpoints_max: 50,
            kept_days: 30,
        }
    }
}

impl WebhookConfig {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout_seconds))
    }

    pub(crate) fn lease(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.lease_seconds))
    }

    fn rules(&self) -> Vec<(&'static str, bool)> {
        vec![
            ("webhooks/timeout_seconds", (1..=60).contains(&self.timeout_seconds)),
            ("webhooks/lease_seconds", self.lease_seconds >= self.timeout_seconds.saturating_add(10)),
            ("webhooks/concurrency", self.concurrency >= 1),
            ("webhooks/attempts_max", self.attempts_max >= 1),
            ("webhooks/pause_seconds_max", self.pause_seconds_max >= self.first_pause_seconds),
            ("webhooks/endpoints_max", self.endpoints_max >= 1),
            ("webhooks/kept_days", self.kept_days >= 1),
        ]
    }
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            smtp_url: Secret::default(),
            from_address: "no-reply@localhost.localdomain".to_owned(),
            from_name: String::new(),
            public_url: String::new(),
            timeout_seconds: 30,
            lease_seconds: 180,
            concurrency: 8,
            attempts_max: 16,
            first_pause_seconds: 15,
            pause_seconds_max: 4 * 60 * 60,
            kept_days: 90,
        }
    }
}

impl MailConfig {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout_seconds))
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(u64::from(self.lease_seconds))
    }

    fn rules(&self) -> Vec<(&'static str, bool)> {
        vec![
            ("mail/from_address", self.from_address.parse::<lettre::Address>().is_ok()),
            ("mail/timeout_seconds", (1..=300).contains(&self.timeout_seconds)),
            // A conversation is bounded per step, and it has half a dozen of them.
            ("mail/lease_seconds", self.lease_seconds >= self.timeout_seconds.saturating_mul(2)),
            ("mail/concurrency", (1..=256).contains(&self.concurrency)),
            ("mail/attempts_max", self.attempts_max >= 1),
            ("mail/pause_seconds_max", self.pause_seconds_max >= self.first_pause_seconds),
            ("mail/kept_days", self.kept_days >= 1),
        ]
    }
}

impl Config {
    fn rules(&self) -> Vec<(&'static str, bool)> {
        let own = [("notifications_kept_days", self.notifications_kept_days >= 1)];
        self.mail.rules().into_iter().chain(self.webhooks.rules()).chain(own).collect()
    }

    pub(crate) fn notifications_kept(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.notifications_kept_days))
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Invalid input naming every setting that is out of range.
    pub fn validate(&self) -> fault::Result<()> {
        let wrong = self.rules().into_iter().filter(|(_, holds)| !holds);
        let fault = wrong.fold(None, |fault: Option<Fault>, (setting, _)| {
            let pointer = format!("/notify/{setting}");
            Some(match fault {
                None => Fault::invalid(pointer, "out_of_range", "A setting of notify is out of range."),
                Some(fault) => fault.with_violation(pointer, "out_of_range"),
            })
        });
        fault.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert!(Config::default().validate().is_ok());
    }

    #[test]
    fn every_setting_out_of_range_is_named() {
        let mail = MailConfig { concurrency: 0, lease_seconds: 5, ..MailConfig::default() };
        let fault = Config { mail, ..Config::default() }.validate().unwrap_err();
        let pointers: Vec<_> = fault.violations().iter().map(|wrong| wrong.pointer.as_str()).collect();
        assert_eq!(pointers, ["/notify/mail/lease_seconds", "/notify/mail/concurrency"]);
    }
}
