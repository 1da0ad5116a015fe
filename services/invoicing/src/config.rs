//! What can be set for this service. Unknown keys are an error; `validate` runs before a port opens.

use std::collections::BTreeMap;
use std::time::Duration;

use fault::Fault;
use jiff::SignedDuration;
use money::Currency;
use serde::{Deserialize, Serialize};

/// Settings of the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Currency of checkouts that name none, ISO 4217.
    pub default_currency: Currency,
    /// Letters in front of invoice numbers.
    pub series: String,
    /// Which service sells each kind of line.
    pub sellers: BTreeMap<String, String>,
    /// How long an open invoice can be paid before it is voided.
    pub payment_window_hours: u32,
    /// How much longer than the payment window the sellers hold the lines.
    pub hold_margin_minutes: u32,
    /// How long a pending payment may be silent before payments is asked for it.
    pub payment_check_after_seconds: u32,
    /// How often open invoices are looked through.
    pub sweep_interval_seconds: u32,
    /// How many invoices of a tenant one look takes on.
    pub sweep_batch_max: u16,
    /// How long the list of payment methods is remembered.
    pub payment_methods_ttl_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default_currency: Currency::EUR,
            series: "INV".to_owned(),
            sellers: BTreeMap::from([("token_bundle".to_owned(), "wallet".to_owned())]),
            payment_window_hours: 24,
            hold_margin_minutes: 60,
            payment_check_after_seconds: 60,
            sweep_interval_seconds: 5,
            sweep_batch_max: 20,
            payment_methods_ttl_seconds: 10,
        }
    }
}

impl Config {
    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// `InvalidInput` with a pointer to each wrong key.
    pub fn validate(&self) -> fault::Result<()> {
        let series_fits =
            (1..=8).contains(&self.series.len()) && self.series.bytes().all(|byte| byte.is_ascii_uppercase());
        let wrong = [
            ("/series", !series_fits),
            ("/sellers", self.sellers.is_empty()),
            ("/payment_window_hours", !(1..=8760).contains(&self.payment_window_hours)),
            ("/payment_check_after_seconds", self.payment_check_after_seconds == 0),
            ("/sweep_interval_seconds", self.sweep_interval_seconds == 0),
            ("/sweep_batch_max", self.sweep_batch_max == 0),
        ];
        let wrong: Vec<_> = wrong.iter().filter(|(_, wrong)| *wrong).collect();
        let Some((first, _)) = wrong.first() else { return Ok(()) };
        let fault = Fault::invalid(*first, "out_of_range", "The settings of invoicing cannot work.");
        Err(wrong.iter().skip(1).fold(fault, |fault, (key, _)| fault.with_violation(*key, "out_of_range")))
    }

    pub(crate) fn payment_window(&self) -> SignedDuration {
        SignedDuration::from_hours(i64::from(self.payment_window_hours))
    }

    pub(crate) fn hold_window(&self) -> SignedDuration {
        self.payment_window() + SignedDuration::from_mins(i64::from(self.hold_margin_minutes))
    }

    pub(crate) fn payment_check_after(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.payment_check_after_seconds))
    }

    pub(crate) fn sweep_interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.sweep_interval_seconds))
    }

    pub(crate) fn payment_methods_ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.payment_methods_ttl_seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work() {
        assert!(Config::default().validate().is_ok());
    }

    #[test]
    fn every_wrong_key_is_named() {
        let config = Config { series: "inv".to_owned(), sweep_batch_max: 0, ..Config::default() };
        let fault = config.validate().unwrap_err();
        let pointers: Vec<_> = fault.violations().iter().map(|wrong| wrong.pointer.as_str()).collect();
        assert_eq!(pointers, ["/series", "/sweep_batch_max"]);
    }
}
