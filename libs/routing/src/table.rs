//! All rules of all tenants, indexed: a lookup costs what the host's labels and the path's parts
//! cost, however many rules there are.
//!
//! Per tenant, rules are sorted once; a bucket by host and path prefix keeps the ranks of its rules in
//! order. A lookup visits the few buckets that can fit and keeps the lowest rank whose conditions hold.

use std::collections::{HashMap, HashSet};

use ids::TenantId;

use crate::host::{self, HostPattern};
use crate::path::prefixes;
use crate::question::Question;
use crate::rule::{Action, Rule};

/// The rules, ready to answer.
#[derive(Debug, Default)]
pub struct Table {
    hosts: HashMap<String, TenantId>,
    tenants: HashMap<TenantId, Rules>,
    guests: HashSet<(TenantId, String)>,
}

#[derive(Debug, Default)]
struct Rules {
    sorted: Vec<Rule>,
    buckets: HashMap<String, HashMap<String, Vec<usize>>>,
}

/// What answers a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Who answers.
    pub tenant: TenantId,
    /// The rule by which another tenant than the host's answers.
    pub through: Option<&'a Rule>,
    /// The rule that says what happens; without one, the platform's own paths answer.
    pub rule: Option<&'a Rule>,
}

impl Table {
    /// A table of who has which hosts, all rules, and on which foreign hosts a tenant agrees to answer.
    #[must_use]
    pub fn new(
        hosts: impl IntoIterator<Item = (HostPattern, TenantId)>,
        rules: impl IntoIterator<Item = Rule>,
        guests: impl IntoIterator<Item = (TenantId, String)>,
    ) -> Self {
        let hosts = hosts.into_iter().map(|(pattern, tenant)| (pattern.key().to_owned(), tenant));
        let mut tenants: HashMap<TenantId, Rules> = HashMap::new();
        for rule in rules.into_iter().filter(|rule| rule.enabled) {
            tenants.entry(rule.tenant).or_default().sorted.push(rule);
        }
        tenants.values_mut().for_each(Rules::index);
        Self { hosts: hosts.collect(), tenants, guests: guests.into_iter().collect() }
    }

    /// The tenant that has `host`: by name, else by the longest wildcard.
    #[must_use]
    pub fn tenant_of(&self, host: &str) -> Option<TenantId> {
        host::keys(host).filter(|key| !key.is_empty()).find_map(|key| self.hosts.get(key).copied())
    }

    /// What answers; `None` when nobody has the host.
    #[must_use]
    pub fn answer(&self, question: &Question) -> Option<Answer<'_>> {
        let owner = self.tenant_of(&question.host)?;
        let first = self.first(owner, question, |rule| self.is_agreed(rule, &question.host));
        match first.map(|rule| (rule, &rule.action)) {
            Some((rule, Action::Tenant(other))) => {
                let inner = self.first(*other, question, |rule| !matches!(rule.action, Action::Tenant(_)));
                Some(Answer { tenant: *other, through: Some(rule), rule: inner })
            }
            _ => Some(Answer { tenant: owner, through: None, rule: first }),
        }
    }

    /// Whether the other tenant agrees, where a rule hands over to one.
    fn is_agreed(&self, rule: &Rule, host: &str) -> bool {
        let Action::Tenant(other) = rule.action else { return true };
        host::keys(host).any(|key| self.guests.contains(&(other, key.to_owned())))
    }

    fn first(&self, tenant: TenantId, question: &Question, fits: impl Fn(&Rule) -> bool) -> Option<&Rule> {
        self.tenants.get(&tenant)?.first(question, fits)
    }

    /// How many rules are tried.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tenants.values().map(|rules| rules.sorted.len()).sum()
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Rules {
    fn index(&mut self) {
        self.sorted.sort_by_cached_key(Rule::order);
        for (rank, rule) in self.sorted.iter().enumerate() {
            let of_host = self.buckets.entry(rule.host.key().to_owned()).or_default();
            of_host.entry(rule.path.clone()).or_default().push(rank);
        }
    }

    fn first(&self, question: &Question, fits: impl Fn(&Rule) -> bool) -> Option<&Rule> {
        let mut best = usize::MAX;
        for of_host in host::keys(&question.host).filter_map(|key| self.buckets.get(key)) {
            for ranks in prefixes(&question.path).filter_map(|prefix| of_host.get(prefix)) {
                let holds = |rank: &usize| {
                    let rule = &self.sorted[*rank];
                    rule.condition_missed(question).is_none() && fits(rule)
                };
                let found = ranks.iter().copied().take_while(|rank| *rank < best).find(holds);
                best = found.unwrap_or(best);
            }
        }
        self.sorted.get(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::samples::{redirect, rule};
    use uuid::Uuid;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    fn hosts() -> Vec<(HostPattern, TenantId)> {
        let host = |text| HostPattern::parse(text).unwrap();
        vec![
            (host("shop.example"), tenant(7)),
            (host("*.shops.example"), tenant(7)),
            (host("b.shops.example"), tenant(8)),
        ]
    }

    fn asked(host: &str, path: &str) -> Question {
        Question::new(host, path, "", None)
    }

    #[test]
    fn a_host_belongs_to_who_names_it_before_who_has_the_wildcard() {
        let table = Table::new(hosts(), [], []);
        assert_eq!(table.tenant_of("a.shops.example"), Some(tenant(7)));
        assert_eq!(table.tenant_of("b.shops.example"), Some(tenant(8)));
        assert_eq!(table.tenant_of("shops.example"), None);
        assert_eq!(table.answer(&asked("nobody.example", "/")), None);
    }

    #[test]
    fn the_longest_path_of_the_same_priority_answers() {
        let table = Table::new(
            hosts(),
            [redirect(1, "/", "/home"), redirect(2, "/blog", "/news"), rule(3, "/blog/x")],
            [],
        );
        let answered = |path: &str| {
            let question = asked("shop.example", path);
            table.answer(&question).unwrap().rule.unwrap().id.as_u128()
        };
        assert_eq!((answered("/"), answered("/blog"), answered("/blog/x/y"), answered("/b")), (1, 2, 3, 1));
        assert_eq!(table.answer(&asked("shop.example", "/api/v1/me")).unwrap().rule, None);
    }

    #[test]
    fn another_tenant_answers_only_where_it_agrees() {
        let to_guest = Rule { action: Action::Tenant(tenant(8)), ..rule(1, "/guest") };
        let theirs = Rule { tenant: tenant(8), ..redirect(2, "/guest/x", "/y") };
        let rules = || [to_guest.clone(), theirs.clone()];
        let refused = Table::new(hosts(), rules(), []);
        assert_eq!(refused.answer(&asked("shop.example", "/guest")).unwrap().tenant, tenant(7));
        let agreed = Table::new(hosts(), rules(), [(tenant(8), "shop.example".to_owned())]);
        let question = asked("shop.example", "/guest/x");
        let answer = agreed.answer(&question).unwrap();
        assert_eq!((answer.tenant, answer.through.unwrap().id.as_u128()), (tenant(8), 1));
        assert_eq!(answer.rule.unwrap().id.as_u128(), 2);
        assert_eq!(agreed.answer(&asked("shop.example", "/")).unwrap().tenant, tenant(7));
    }
}
