//! What an account at Stripe is to us: keys. Where the API is, is the operator's to say.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

/// Whether money moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing moves.
    Test,
    /// Money moves.
    Live,
}

/// The settings of an account.
#[derive(Clone)]
pub struct Settings {
    /// Where the API is, `https://api.stripe.com`.
    pub base_url: String,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// Whether money moves; must fit the keys.
    pub mode: Mode,
    /// `sk_…` or `rk_…`.
    pub secret_key: SecretString,
    /// `pk_…`, for the form in the browser.
    pub publishable_key: String,
    /// `whsec_…`; during a rotation two.
    pub webhook_secrets: Vec<SecretString>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("mode", &self.mode).finish_non_exhaustive()
    }
}
