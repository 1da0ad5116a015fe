//! When a source of log-ins is blocked.
//!
//! Locks of single addresses do not see who tries one password on a thousand of them. So failures are
//! counted per source too: over how many accounts, how many in all, how many second factors, how many
//! registrations and resets. The figure that is reached first blocks the source, each time twice as
//! long as before, up to a ceiling. The rule does not know whether anybody has an address, which is why
//! a block cannot reveal it.
//!
//! A success takes back the failures of that very account and nothing else: people mistype, and an
//! attacker who has an account of their own must not be able to wipe the slate with it. One account
//! counts [`ONE_ACCOUNT_MAX`] times at most towards the sum, or a program with an old password would
//! block its whole office; guessing at one account is what the lock of the address is for.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How often one account counts at most.
pub const ONE_ACCOUNT_MAX: u32 = 10;

/// The figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Whether the rule blocks at all.
    pub enabled: bool,
    /// Length of the window in which things are counted.
    pub window_seconds: u32,
    /// Different accounts whose log-ins failed.
    pub accounts_max: u32,
    /// Failed log-ins.
    pub failures_max: u32,
    /// Wrong second factors.
    pub second_factors_max: u32,
    /// Registrations and resets that were asked for.
    pub requests_max: u32,
    /// Length of the first block.
    pub first_block_seconds: u32,
    /// Length that no block exceeds.
    pub block_seconds_max: u32,
    /// Silence after which earlier blocks no longer count.
    pub forget_after_seconds: u32,
    /// Networks that are never blocked. The machine itself by default: what comes from there is a
    /// proxy or a probe.
    pub allowed_networks: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            enabled: true,
            window_seconds: 15 * 60,
            accounts_max: 20,
            failures_max: 60,
            second_factors_max: 20,
            requests_max: 40,
            first_block_seconds: 15 * 60,
            block_seconds_max: 24 * 60 * 60,
            forget_after_seconds: 7 * 24 * 60 * 60,
            allowed_networks: vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()],
        }
    }
}

impl Policy {
    /// The first figure that is out of range.
    #[must_use]
    pub fn flaw(&self) -> Option<&'static str> {
        const DAY: u32 = 24 * 60 * 60;
        let counts = 1..=1_000;
        let rules = [
            ("window_seconds", (60..=DAY).contains(&self.window_seconds)),
            ("accounts_max", counts.contains(&self.accounts_max)),
            ("failures_max", counts.contains(&self.failures_max)),
            ("second_factors_max", counts.contains(&self.second_factors_max)),
            ("requests_max", counts.contains(&self.requests_max)),
            ("first_block_seconds", (1..=30 * DAY).contains(&self.first_block_seconds)),
            ("block_seconds_max", (self.first_block_seconds..=30 * DAY).contains(&self.block_seconds_max)),
            ("forget_after_seconds", (self.window_seconds..=90 * DAY).contains(&self.forget_after_seconds)),
        ];
        rules.into_iter().find(|(_, holds)| !holds).map(|(figure, _)| figure)
    }
}

/// Where a figure is in the settings of this service.
#[must_use]
pub fn pointer(figure: &str) -> &'static str {
    match figure {
        "window_seconds" => "sources/window_seconds",
        "accounts_max" => "sources/accounts_max",
        "failures_max" => "sources/failures_max",
        "second_factors_max" => "sources/second_factors_max",
        "requests_max" => "sources/requests_max",
        "first_block_seconds" => "sources/first_block_seconds",
        "block_seconds_max" => "sources/block_seconds_max",
        _ => "sources/forget_after_seconds",
    }
}

/// Something that speaks against a source. Accounts are named by a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A log-in to an account failed, whether or not there is one.
    Password(String),
    /// The second factor of a log-in was wrong.
    SecondFactor(String),
    /// A token, passkey or answer of a provider was none of ours.
    Token,
    /// A registration or a reset was asked for.
    Request,
}

/// Why a source is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Failures over many accounts.
    ManyAccounts,
    /// Many failures.
    ManyFailures,
    /// Many wrong second factors.
    SecondFactors,
    /// Many registrations and resets.
    ManyRequests,
    /// Somebody has blocked it.
    ByHand,
}

impl Why {
    /// The stored and published word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ManyAccounts => "many_accounts",
            Self::ManyFailures => "many_failures",
            Self::SecondFactors => "second_factors",
            Self::ManyRequests => "many_requests",
            Self::ByHand => "by_hand",
        }
    }
}

/// Failures at one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failures {
    /// Log-ins.
    pub passwords: u32,
    /// Second factors.
    pub second_factors: u32,
}

/// What was counted in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// When the window began.
    pub since: Timestamp,
    /// By account; at most as many as the figures let through.
    #[serde(default)]
    pub accounts: BTreeMap<String, Failures>,
    /// Failures that name no account.
    #[serde(default)]
    pub nameless: u32,
    /// Registrations and resets.
    #[serde(default)]
    pub requests: u32,
}

impl Tally {
    /// Nothing counted yet.
    #[must_use]
    pub const fn new(since: Timestamp) -> Self {
        Self { since, accounts: BTreeMap::new(), nameless: 0, requests: 0 }
    }

    fn add(&mut self, signal: &Signal) {
        match signal {
            Signal::Password(account) => self.accounts.entry(account.clone()).or_default().passwords += 1,
            Signal::SecondFactor(account) => {
                self.accounts.entry(account.clone()).or_default().second_factors += 1;
            }
            Signal::Token => self.nameless += 1,
            Signal::Request => self.requests += 1,
        }
    }

    /// The figure that was reached.
    fn verdict(&self, policy: &Policy) -> Option<Why> {
        let failed = |of: &Failures| of.passwords.saturating_add(of.second_factors).min(ONE_ACCOUNT_MAX);
        let failures = self.accounts.values().map(failed).sum::<u32>().saturating_add(self.nameless);
        let second_factors: u32 =
            self.accounts.values().map(|of| of.second_factors.min(ONE_ACCOUNT_MAX)).sum();
        let accounts = u32::try_from(self.accounts.len()).unwrap_or(u32::MAX);
        let figures = [
            (accounts, policy.accounts_max, Why::ManyAccounts),
            (second_factors, policy.second_factors_max, Why::SecondFactors),
            (failures, policy.failures_max, Why::ManyFailures),
            (self.requests, policy.requests_max, Why::ManyRequests),
        ];
        figures.into_iter().find(|(count, max, _)| count >= max).map(|(_, _, why)| why)
    }
}

/// What is remembered about a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What was counted in the present window.
    pub tally: Tally,
    /// Blocks by the rule so far.
    pub blocks: u32,
    /// End of the latest block.
    pub blocked_until: Option<Timestamp>,
    /// The latest signal.
    pub seen_at: Timestamp,
}

/// A block that a signal has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its end.
    pub until: Timestamp,
    /// Its reason.
    pub why: Why,
}

impl Source {
    /// Nothing is remembered.
    #[must_use]
    pub const fn new(at: Timestamp) -> Self {
        Self { tally: Tally::new(at), blocks: 0, blocked_until: None, seen_at: at }
    }
}

/// What is remembered after one more signal at `at`, and the block it has led to, if it has.
#[must_use]
pub fn after(source: Source, signal: &Signal, policy: &Policy, at: Timestamp) -> (Source, Option<Block>) {
    let last = source.blocked_until.map_or(source.seen_at, |until| until.max(source.seen_at));
    let mut source = if at >= later(last, policy.forget_after_seconds) { Source::new(at) } else { source };
    if at >= later(source.tally.since, policy.window_seconds) {
        source.tally = Tally::new(at);
    }
    source.seen_at = at;
    source.tally.add(signal);
    let Some(why) = source.tally.verdict(policy) else { return (source, None) };
    let until = later(at, block_seconds(policy, source.blocks));
    source.tally = Tally::new(at);
    source.blocks = source.blocks.saturating_add(1);
    source.blocked_until = Some(until);
    (source, Some(Block { until, why }))
}

/// Seconds, rounded up, until `until`; none when that is over.
#[must_use]
pub fn seconds_until(until: Timestamp, at: Timestamp) -> Option<i64> {
    let left = until.duration_since(at);
    (at < until).then(|| left.as_secs() + i64::from(left.subsec_nanos() > 0))
}

/// Length of the block that follows `blocks` earlier ones.
fn block_seconds(policy: &Policy, blocks: u32) -> u32 {
    let doubled = policy.first_block_seconds.saturating_mul(2_u32.saturating_pow(blocks));
    doubled.min(policy.block_seconds_max)
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

    fn at_account(account: usize) -> Signal {
        Signal::Password(format!("{account:04}"))
    }

    /// Sends the signals at their seconds; answers the second, length and reason of every block.
    fn send(signals: impl IntoIterator<Item = (i64, Signal)>) -> (Source, Vec<(i64, i64, Why)>) {
        let (mut source, mut blocks) = (Source::new(second(0)), Vec::new());
        for (at, signal) in signals {
            let (next, block) = after(source, &signal, &Policy::default(), second(at));
            blocks
                .extend(block.map(|block| (at, seconds_until(block.until, second(at)).unwrap(), block.why)));
            source = next;
        }
        (source, blocks)
    }

    #[test]
    fn the_twentieth_account_within_the_window_blocks() {
        assert_eq!(send((0..19).map(|n| (0, at_account(n)))).1, []);
        assert_eq!(send((0..20).map(|n| (0, at_account(n)))).1, [(0, 900, Why::ManyAccounts)]);
        let apart = (0..10).map(|n| (0, at_account(n))).chain((10..20).map(|n| (900, at_account(n))));
        assert_eq!(send(apart).1, [], "another window");
    }

    #[test]
    fn one_account_alone_never_blocks_and_six_do() {
        assert_eq!(send((0..500).map(|_| (0, at_account(1)))).1, []);
        let six = (0..60).map(|n| (0, at_account(n / 10)));
        assert_eq!(send(six).1, [(0, 900, Why::ManyFailures)]);
        assert_eq!(send((0..60).map(|_| (0, Signal::Token))).1, [(0, 900, Why::ManyFailures)]);
    }

    #[test]
    fn wrong_second_factors_and_requests_have_figures_of_their_own() {
        let guesses = (0..20).map(|n| (0, Signal::SecondFactor(format!("{}", n / 5))));
        assert_eq!(send(guesses).1, [(0, 900, Why::SecondFactors)]);
        assert_eq!(send((0..39).map(|_| (0, Signal::Request))).1, []);
        assert_eq!(send((0..40).map(|_| (0, Signal::Request))).1, [(0, 900, Why::ManyRequests)]);
    }

    #[test]
    fn blocks_double_up_to_a_day_and_a_week_of_silence_forgets() {
        const DAY: i64 = 24 * 60 * 60;
        let rounds = (0..9).flat_map(|round| (0..20).map(move |n| (round * 2 * DAY, at_account(n))));
        let lengths: Vec<_> = send(rounds).1.into_iter().map(|(_, length, _)| length).collect();
        assert_eq!(lengths, [900, 1800, 3600, 7200, 14_400, 28_800, 57_600, 86_400, 86_400]);
        let silent = [0, 7 * DAY + 899].into_iter().flat_map(|at| (0..20).map(move |n| (at, at_account(n))));
        assert_eq!(send(silent).1[1].1, 1800, "the silence begins when the block is over");
        let silent = [0, 7 * DAY + 900].into_iter().flat_map(|at| (0..20).map(move |n| (at, at_account(n))));
        assert_eq!(send(silent).1[1].1, 900);
    }

    #[test]
    fn every_figure_out_of_range_is_named() {
        assert_eq!(Policy::default().flaw(), None);
        let rows = [
            (Policy { window_seconds: 59, ..Policy::default() }, "window_seconds"),
            (Policy { accounts_max: 0, ..Policy::default() }, "accounts_max"),
            (Policy { requests_max: 1_001, ..Policy::default() }, "requests_max"),
            (Policy { block_seconds_max: 1, ..Policy::default() }, "block_seconds_max"),
            (Policy { forget_after_seconds: 60, ..Policy::default() }, "forget_after_seconds"),
        ];
        for (policy, figure) in rows {
            assert_eq!(policy.flaw(), Some(figure));
        }
    }

    #[test]
    fn what_is_left_of_a_block_is_rounded_up() {
        let just_before = second(9).saturating_add(SignedDuration::from_millis(1)).unwrap();
        assert_eq!(seconds_until(second(10), just_before), Some(1));
        assert_eq!(seconds_until(second(10), second(10)), None);
    }

    #[test]
    fn extreme_figures_do_not_overflow() {
        let policy =
            Policy { first_block_seconds: u32::MAX, block_seconds_max: u32::MAX, ..Policy::default() };
        assert_eq!(block_seconds(&policy, u32::MAX), u32::MAX);
    }
}
