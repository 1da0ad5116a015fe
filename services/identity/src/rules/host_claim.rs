//! When to look for the proof that a host belongs to a tenant, and when to stop.
//!
//! Whoever claims a host is about to put the proof there, so one looks often at first and ever more
//! rarely; after three days the claim has failed, until somebody asks to look again.

use jiff::{SignedDuration, Timestamp};

const FIRST_PAUSE_SECONDS: i64 = 60;
const PAUSE_SECONDS_MAX: i64 = 60 * 60;
const GIVEN_UP_AFTER_HOURS: i64 = 72;

/// What has become of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nobody has proven anything yet.
    Pending,
    /// The tenant answers on the host.
    Verified,
    /// Nobody looks any more.
    Failed,
}

impl Status {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
            Self::Failed => "failed",
        }
    }

    /// The status with this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::Pending, Self::Verified, Self::Failed].into_iter().find(|status| status.as_str() == word)
    }
}

/// When to look again after so many looks that found nothing; none when it is time to give up.
#[must_use]
pub fn next_look(claimed_at: Timestamp, looks: i32, now: Timestamp) -> Option<Timestamp> {
    let pause =
        FIRST_PAUSE_SECONDS.checked_shl(looks.clamp(0, 30).unsigned_abs()).unwrap_or(PAUSE_SECONDS_MAX);
    let next = now.saturating_add(SignedDuration::from_secs(pause.min(PAUSE_SECONDS_MAX))).ok()?;
    let end = claimed_at.saturating_add(SignedDuration::from_hours(GIVEN_UP_AFTER_HOURS)).ok()?;
    (next <= end).then_some(next)
}

/// Whether a host is one of those that the operator of the installation lets anybody have, as the local
/// ones of a developer: `localhost` lets `localhost` and everything below it through.
#[must_use]
pub fn needs_no_proof(host: &str, trusted: &[String]) -> bool {
    trusted
        .iter()
        .filter(|one| !one.is_empty())
        .any(|one| host == one || host.strip_suffix(one.as_str()).is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn looks_become_rarer_and_end_after_three_days() {
        let rows = [(0, 60), (1, 120), (5, 1_920), (6, 3_600), (30, 3_600), (i32::MAX, 3_600)];
        for (looks, pause) in rows {
            assert_eq!(next_look(at(0), looks, at(0)), Some(at(pause)), "{looks}");
        }
        let end = 72 * 60 * 60;
        assert_eq!(next_look(at(0), 9, at(end - 3_600)), Some(at(end)));
        assert_eq!(next_look(at(0), 9, at(end - 3_599)), None);
    }

    #[test]
    fn only_whole_labels_are_trusted() {
        let trusted = ["localhost".to_owned(), String::new()];
        assert!(needs_no_proof("localhost", &trusted) && needs_no_proof("a.localhost", &trusted));
        for host in ["notlocalhost", "localhost.evil.example", "shop.example", ""] {
            assert!(!needs_no_proof(host, &trusted), "{host}");
        }
    }
}
