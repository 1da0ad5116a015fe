//! The law of the index: it answers what trying every rule in order answers.
#![allow(clippy::unwrap_used, reason = "tests")]

use ids::TenantId;
use proptest::prelude::*;
use routing::{Action, HostPattern, Question, Rule, Table, explain};
use uuid::Uuid;

const HOSTS: [&str; 6] = ["", "a.example", "b.a.example", "*.a.example", "*.b.a.example", "c.example"];
const PATHS: [&str; 7] = ["/", "/x", "/x/y", "/x/y/z", "/xy", "/api", "/api/v1"];

fn owner() -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(1))
}

fn some(of: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(of, 0..=of.len())
        .prop_map(|list| list.into_iter().map(str::to_owned).collect())
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Block { reason: String::new() }),
        Just(Action::FrontEnd("user".to_owned())),
        Just(Action::Rewrite { target: "/api/v1/x".to_owned() }),
    ]
}

prop_compose! {
    fn rule()(
        number in 0..u128::MAX, enabled in prop::bool::weighted(0.9), priority in -1..2_i32,
        host in proptest::sample::select(&HOSTS[..]), path in proptest::sample::select(&PATHS[..]),
        locales in some(&["de", "de-at", "fr"]), countries in some(&["DE", "AT"]), action in action(),
    ) -> Rule {
        let host = HostPattern::parse(host).unwrap();
        let (id, name) = (Uuid::from_u128(number), String::new());
        Rule { id, tenant: owner(), name, enabled, priority, host, path: path.to_owned(), locales, countries, action }
    }
}

prop_compose! {
    fn question()(
        host in proptest::sample::select(&["a.example", "b.a.example", "z.b.a.example", "q.a.example", "c.example"][..]),
        path in proptest::sample::select(&["/", "/x", "/x/y/q", "/x/y/z/1/2", "/xyz", "/api/v1/admin/x", "/api/v1/me", "//x/../x"][..]),
        language in proptest::sample::select(&["", "de", "de-AT", "fr;q=0.5,en", "fr"][..]),
        country in proptest::option::of(proptest::sample::select(&["DE", "AT", "US"][..])),
    ) -> Question {
        Question::new(host, path, language, country)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_index_answers_what_trying_every_rule_answers(
        rules in prop::collection::vec(rule(), 0..40), questions in prop::collection::vec(question(), 1..10),
    ) {
        let hosts = HOSTS[1..].iter().map(|host| (HostPattern::parse(host).unwrap(), owner()));
        let table = Table::new(hosts, rules.clone(), []);
        for question in questions {
            let fast = table.answer(&question).and_then(|answer| answer.rule);
            prop_assert_eq!(fast, explain(&rules, &question).rule, "{:?}", question);
        }
    }
}
