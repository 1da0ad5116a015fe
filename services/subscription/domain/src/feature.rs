//! Features: what plans and add-ons promise, folded into one answer per key.
//!
//! A customer may hold several subscriptions and add-ons that speak of the same feature. The answer
//! never depends on their order: a switch is on when any is on, limits and quotas add up
//! (unlimited wins), and of several choices the highest rank counts. Each part of the answer keeps
//! its source, so that "why may I" has an answer.

use serde::{Deserialize, Serialize};

/// What one source promises under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Feature {
    /// On or off.
    Switch {
        /// Which.
        on: bool,
    },
    /// How many of something may exist at once.
    Limit {
        /// The most; `None`: unlimited.
        most: Option<i64>,
    },
    /// How many may be used in a stretch of time.
    Quota {
        /// The most; `None`: unlimited.
        most: Option<i64>,
        /// When the count begins anew.
        reset: Reset,
    },
    /// One of a list of words: `standard`, `priority`.
    Choice {
        /// The word.
        value: String,
        /// Which word wins, the higher.
        rank: i32,
    },
}

/// When the count of a quota begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// With every billing period.
    Period,
    /// With every month of the calendar, counted from the beginning of the subscription.
    Month,
    /// With every civil day in the zone of the subscription.
    Day,
    /// Never.
    Never,
}

/// A promise with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise<S> {
    /// Who promises: a subscription's plan, an add-on.
    pub source: S,
    /// How many times it is promised: seats, or the number of an add-on.
    pub quantity: i64,
    /// What.
    pub feature: Feature,
}

/// The answer for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement<S> {
    /// What is given.
    pub feature: Feature,
    /// Whose promises make it up, those that count.
    pub sources: Vec<S>,
}

/// Why promises do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the promises are of different kinds")]
pub struct KindsDiffer;

/// Folds the promises under one key; `None` when there are none.
///
/// # Errors
/// [`KindsDiffer`]: the catalogue calls different things by one key.
pub fn entitlement<S: Clone>(promises: &[Promise<S>]) -> Result<Option<Entitlement<S>>, KindsDiffer> {
    let mut answer: Option<Entitlement<S>> = None;
    for promise in promises {
        let feature = promise.times();
        answer = Some(match answer {
            None => Entitlement { feature, sources: vec![promise.source.clone()] },
            Some(known) => join(known, feature, &promise.source)?,
        });
    }
    Ok(answer)
}

impl<S> Promise<S> {
    /// What the whole quantity promises: limits and quotas are per seat.
    fn times(&self) -> Feature {
        let times = |most: Option<i64>| most.map(|most| most.saturating_mul(self.quantity));
        match self.feature.clone() {
            Feature::Limit { most } => Feature::Limit { most: times(most) },
            Feature::Quota { most, reset } => Feature::Quota { most: times(most), reset },
            plain => plain,
        }
    }
}

fn join<S: Clone>(
    known: Entitlement<S>,
    feature: Feature,
    source: &S,
) -> Result<Entitlement<S>, KindsDiffer> {
    let Entitlement { feature: mine, mut sources } = known;
    let sum = |a: Option<i64>, b: Option<i64>| a.zip(b).map(|(a, b)| a.saturating_add(b));
    let feature = match (mine, feature) {
        (Feature::Switch { on: mine }, Feature::Switch { on }) => match (mine, on) {
            (true, false) => return Ok(Entitlement { feature: Feature::Switch { on: true }, sources }),
            (false, true) => {
                sources.clear();
                Feature::Switch { on: true }
            }
            _ => Feature::Switch { on },
        },
        (Feature::Limit { most: mine }, Feature::Limit { most }) => Feature::Limit { most: sum(mine, most) },
        (Feature::Quota { most: mine, reset }, Feature::Quota { most, reset: other }) if reset == other => {
            Feature::Quota { most: sum(mine, most), reset }
        }
        (Feature::Choice { value, rank }, Feature::Choice { value: other, rank: its }) => {
            // Equal ranks are broken by the word, so that the order of the promises does not matter.
            if (rank, &value) >= (its, &other) {
                return Ok(Entitlement { feature: Feature::Choice { value, rank }, sources });
            }
            sources.clear();
            Feature::Choice { value: other, rank: its }
        }
        _ => return Err(KindsDiffer),
    };
    sources.push(source.clone());
    Ok(Entitlement { feature, sources })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn promise(source: &'static str, feature: Feature) -> Promise<&'static str> {
        Promise { source, quantity: 1, feature }
    }

    fn limit(most: Option<i64>) -> Feature {
        Feature::Limit { most }
    }

    fn answer(promises: &[Promise<&'static str>]) -> (Feature, Vec<&'static str>) {
        let answer = entitlement(promises).unwrap().unwrap();
        (answer.feature, answer.sources)
    }

    #[test]
    fn nobody_promises_nothing() {
        assert_eq!(entitlement::<&str>(&[]), Ok(None));
    }

    #[test]
    fn a_switch_is_on_when_any_is_and_says_which() {
        let promises =
            [promise("free", Feature::Switch { on: false }), promise("pro", Feature::Switch { on: true })];
        assert_eq!(answer(&promises), (Feature::Switch { on: true }, vec!["pro"]));
    }

    #[test]
    fn limits_add_up_and_unlimited_wins() {
        let promises = [promise("plan", limit(Some(5))), promise("add_on", limit(Some(3)))];
        assert_eq!(answer(&promises), (limit(Some(8)), vec!["plan", "add_on"]));
        let promises = [promise("plan", limit(None)), promise("add_on", limit(Some(3)))];
        assert_eq!(answer(&promises).0, limit(None));
    }

    #[test]
    fn a_limit_is_per_seat() {
        let seats = Promise { source: "plan", quantity: 4, feature: limit(Some(5)) };
        assert_eq!(answer(&[seats]).0, limit(Some(20)));
    }

    #[test]
    fn the_highest_choice_counts() {
        let choice = |value: &str, rank| Feature::Choice { value: value.to_owned(), rank };
        let promises = [promise("a", choice("priority", 2)), promise("b", choice("standard", 1))];
        assert_eq!(answer(&promises), (choice("priority", 2), vec!["a"]));
    }

    #[test]
    fn one_key_has_one_kind() {
        let quota = |reset| Feature::Quota { most: Some(1), reset };
        for pair in [[limit(Some(1)), Feature::Switch { on: true }], [quota(Reset::Day), quota(Reset::Month)]]
        {
            let promises = pair.map(|feature| promise("plan", feature));
            assert_eq!(entitlement(&promises), Err(KindsDiffer));
        }
    }

    fn features() -> impl Strategy<Value = Vec<Feature>> {
        let switches = proptest::collection::vec(any::<bool>().prop_map(|on| Feature::Switch { on }), 1..6);
        let most = || proptest::option::of(0..1_000_i64);
        let limits = proptest::collection::vec(most().prop_map(limit), 1..6);
        let quota = |most| Feature::Quota { most, reset: Reset::Period };
        let quotas = proptest::collection::vec(most().prop_map(quota), 1..6);
        let choice = |(value, rank)| Feature::Choice { value, rank };
        let choices = proptest::collection::vec(("[a-c]", 0..3).prop_map(choice), 1..6);
        prop_oneof![switches, limits, quotas, choices]
    }

    proptest! {
        #[test]
        fn the_order_of_promises_does_not_matter(features in features(), turn in 0_usize..6) {
            let promises: Vec<_> = features.into_iter().map(|feature| promise("plan", feature)).collect();
            let mut turned = promises.clone();
            turned.rotate_left(turn.min(promises.len()));
            prop_assert_eq!(answer(&promises).0, answer(&turned).0);
        }
    }
}
