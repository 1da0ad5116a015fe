//! Every metric of this service, one line and one sentence each.

use std::time::Duration;

/// How long one Argon2id computation took, without the wait for its turn.
pub fn password_hashed(took: Duration) {
    metrics::histogram!("identity_password_hash_seconds").record(took.as_secs_f64());
}

/// Log-ins by outcome: `ok`, `challenged`, `credentials_invalid`, `account_locked`, `account_suspended`.
pub fn log_in(outcome: &'static str) {
    metrics::counter!("identity_log_ins_total", "outcome" => outcome).increment(1);
}

/// Sources blocked by the rule, by reason: `many_accounts`, `many_failures`, `second_factors`, `many_requests`.
pub fn source_blocked(why: &'static str) {
    metrics::counter!("identity_sources_blocked_total", "why" => why).increment(1);
}

/// Calls that were refused because their source is blocked.
pub fn source_refused() {
    metrics::counter!("identity_source_refusals_total").increment(1);
}

/// Refreshes by outcome: `ok`, `just_spent`, `reused`, `refused`.
pub fn refresh(outcome: &'static str) {
    metrics::counter!("identity_refreshes_total", "outcome" => outcome).increment(1);
}

/// Signing keys made, on schedule or on demand.
pub fn signing_key_made() {
    metrics::counter!("identity_signing_keys_made_total").increment(1);
}
