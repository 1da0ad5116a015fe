//! What a ticket is good for: one thing, once, for a while.
//!
//! A ticket proves that whoever presents its token has read a letter. The lives differ by what the
//! ticket opens: a password reset is the shortest, because it opens the account.

use jiff::Timestamp;

use crate::rejection::Rejection;

/// What a ticket permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Prove the address the user has.
    VerifyEmail,
    /// Change the address to the one the letter went to.
    ChangeEmail,
    /// Set another password.
    ResetPassword,
    /// Accept an invitation by setting the first password.
    Invitation,
}

/// Letters of one purpose that one user is sent within [`LETTERS_WINDOW_SECONDS`]: a stranger who asks
/// again and again fills nobody's mailbox.
pub const LETTERS_MAX: i64 = 3;
/// See [`LETTERS_MAX`].
pub const LETTERS_WINDOW_SECONDS: u32 = 60 * 60;
/// The same for a day, or who is patient could send three every hour for ever.
pub const LETTERS_PER_DAY_MAX: i64 = 8;

impl Purpose {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ChangeEmail => "change_email",
            Self::ResetPassword => "reset_password",
            Self::Invitation => "invitation",
        }
    }

    /// The purpose with this stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::VerifyEmail, Self::ChangeEmail, Self::ResetPassword, Self::Invitation];
        all.into_iter().find(|purpose| purpose.as_str() == word)
    }

    /// For how long a ticket is good.
    #[must_use]
    pub const fn life_seconds(self) -> u32 {
        const HOUR: u32 = 60 * 60;
        match self {
            Self::ResetPassword => HOUR,
            Self::ChangeEmail => 24 * HOUR,
            Self::VerifyEmail | Self::Invitation => 7 * 24 * HOUR,
        }
    }

    /// The page of the front end that takes the token.
    #[must_use]
    pub const fn page(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify-email",
            Self::ChangeEmail => "confirm-email",
            Self::ResetPassword => "reset-password",
            Self::Invitation => "accept-invitation",
        }
    }
}

/// What is known about the ticket whose token was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketFacts {
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// When it was used, or replaced.
    pub spent_at: Option<Timestamp>,
}

/// Whether the ticket is good at `at`.
///
/// # Errors
/// [`Rejection::TicketSpent`], [`Rejection::TicketExpired`].
pub fn judge(ticket: &TicketFacts, at: Timestamp) -> Result<(), Rejection> {
    match ticket.spent_at {
        Some(_) => Err(Rejection::TicketSpent),
        None if at >= ticket.expires_at => Err(Rejection::TicketExpired),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_tickets() {
        let second = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let fresh = TicketFacts { expires_at: second(3600), spent_at: None };
        let spent = TicketFacts { spent_at: Some(second(5)), ..fresh.clone() };
        let rows = [
            (&fresh, 0, Ok(())),
            (&fresh, 3599, Ok(())),
            (&fresh, 3600, Err(Rejection::TicketExpired)),
            (&spent, 6, Err(Rejection::TicketSpent)),
            (&spent, 9000, Err(Rejection::TicketSpent)),
        ];
        for (ticket, at, expected) in rows {
            assert_eq!(judge(ticket, second(at)), expected, "{ticket:?} at {at}");
        }
    }

    #[test]
    fn purposes_survive_text_and_a_reset_lives_an_hour() {
        for purpose in
            [Purpose::VerifyEmail, Purpose::ChangeEmail, Purpose::ResetPassword, Purpose::Invitation]
        {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
        }
        assert_eq!(Purpose::parse("log_in"), None);
        assert_eq!(Purpose::ResetPassword.life_seconds(), 3600);
    }
}
