//! What a refresh token is good for.
//!
//! A token is good once; using it gives a successor of the same family (the session). A token that
//! is used again was copied: somebody else has it, and the whole family ends. One case looks the
//! same and is innocent: a client that sends the same refresh twice at once (two browser tabs, a
//! retry after a lost answer). Within a grace of a few seconds after the first use the second one
//! is therefore refused without ending the family. It never gets a second successor.

use jiff::{SignedDuration, Timestamp};

/// What is known about the token that was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFacts {
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// When it was used.
    pub spent_at: Option<Timestamp>,
    /// When its session stops being good.
    pub session_expires_at: Timestamp,
    /// Whether its session was ended.
    pub session_ended: bool,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Spend it and issue its successor.
    Rotate,
    /// It was used a moment ago; the family goes on, this caller gets nothing.
    JustSpent,
    /// It was used before: end the family.
    Reused,
    /// Too late.
    Expired,
    /// The session was ended.
    SessionEnded,
}

/// What follows from presenting a token with these facts at `at`.
#[must_use]
pub fn judge(token: &TokenFacts, at: Timestamp, grace_seconds: u32) -> Verdict {
    if token.session_ended {
        return Verdict::SessionEnded;
    }
    match token.spent_at {
        // A caller whose request arrived before the first use was recorded is within the grace too.
        Some(spent_at) if at <= later(spent_at, grace_seconds) => Verdict::JustSpent,
        Some(_) => Verdict::Reused,
        None if at >= token.expires_at || at >= token.session_expires_at => Verdict::Expired,
        None => Verdict::Rotate,
    }
}

fn later(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn the_table_of_refresh_tokens() {
        let fresh = TokenFacts {
            expires_at: second(1_000),
            spent_at: None,
            session_expires_at: second(2_000),
            session_ended: false,
        };
        let spent = TokenFacts { spent_at: Some(second(100)), ..fresh.clone() };
        let ended = TokenFacts { session_ended: true, ..fresh.clone() };
        let ended_and_spent = TokenFacts { session_ended: true, ..spent.clone() };
        let old_session = TokenFacts { session_expires_at: second(500), ..fresh.clone() };
        let rows = [
            (&fresh, 0, Verdict::Rotate),
            (&fresh, 999, Verdict::Rotate),
            (&fresh, 1_000, Verdict::Expired),
            (&old_session, 500, Verdict::Expired),
            (&spent, 95, Verdict::JustSpent),
            (&spent, 100, Verdict::JustSpent),
            (&spent, 110, Verdict::JustSpent),
            (&spent, 111, Verdict::Reused),
            (&spent, 5_000, Verdict::Reused),
            (&ended, 0, Verdict::SessionEnded),
            (&ended_and_spent, 5_000, Verdict::SessionEnded),
        ];
        for (token, at, expected) in rows {
            assert_eq!(judge(token, second(at), 10), expected, "{token:?} at {at}");
        }
    }
}
