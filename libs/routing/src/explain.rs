//! Which rule would answer, and why: every rule in its order, with what kept it from answering.
//!
//! This is the definition of what rules mean, and the slow way to find out; [`crate::Table`] is the
//! fast one.

use crate::question::Question;
use crate::rule::{Miss, Rule};

/// One rule that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// Which.
    pub rule: &'a Rule,
    /// Why it does not answer; `None` for the one that does.
    pub miss: Option<Miss>,
}

/// How a question is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// The rules in the order they were tried, the last one answers if one does.
    pub steps: Vec<Step<'a>>,
    /// The rule that answers.
    pub rule: Option<&'a Rule>,
    /// Rules that would have answered, had the other not stood before them.
    pub shadowed: Vec<&'a Rule>,
}

/// Tries the rules of one tenant, one after the other.
#[must_use]
pub fn explain<'a>(rules: &'a [Rule], question: &Question) -> Explanation<'a> {
    let mut ordered: Vec<&Rule> = rules.iter().collect();
    ordered.sort_by_cached_key(|rule| rule.order());
    let mut explanation = Explanation { steps: Vec::new(), rule: None, shadowed: Vec::new() };
    for rule in ordered {
        let miss = rule.mismatch(question);
        if explanation.rule.is_some() {
            explanation.shadowed.extend(miss.is_none().then_some(rule));
            continue;
        }
        explanation.steps.push(Step { rule, miss });
        if miss.is_none() {
            explanation.rule = Some(rule);
        }
    }
    explanation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::samples::{redirect, rule};

    #[test]
    fn every_rule_up_to_the_one_that_answers_says_why_not() {
        let rules =
            [redirect(1, "/", "/home"), rule(2, "/blog"), redirect(3, "/blog", "/x"), rule(4, "/other/long")];
        let question = Question::new("shop.example", "/blog/1", "", None);
        let told = explain(&rules, &question);
        let steps: Vec<_> = told.steps.iter().map(|step| (step.rule.id.as_u128(), step.miss)).collect();
        assert_eq!(steps, [(4, Some(Miss::Path)), (2, None)]);
        assert_eq!(told.shadowed.iter().map(|rule| rule.id.as_u128()).collect::<Vec<_>>(), [3, 1]);
    }
}
