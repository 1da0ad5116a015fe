//! What the fleet talks to on the internet: a mail server and somebody's webhook endpoint.

use fleet::config::Config;
use runtime::config::Secret;
use testkit::{Receiver, Sink};

/// The doubles of one fleet.
pub struct Outside {
    pub mail: Sink,
    pub hooks: Receiver,
}

impl Outside {
    pub fn start() -> Self {
        Self { mail: Sink::start(), hooks: Receiver::start() }
    }

    /// Points a fleet at them; leases are short, so that crashes are survived quickly.
    pub fn known_to(&self, config: &mut Config) {
        let (mail, webhooks) = (&mut config.notify.mail, &mut config.notify.webhooks);
        mail.smtp_url = Secret::from(self.mail.url.as_str());
        "no-reply@shop.example".clone_into(&mut mail.from_address);
        (mail.lease_seconds, mail.timeout_seconds) = (11, 1);
        (webhooks.lease_seconds, webhooks.timeout_seconds) = (11, 1);
        webhooks.allow_http = true;
        webhooks.allowed_networks = vec!["127.0.0.0/8".to_owned()];
    }
}
