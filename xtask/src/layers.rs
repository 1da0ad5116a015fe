//! Who may depend on whom: the floors of the house.
//!
//! Libs stand on floors and use lower floors only. Service crates never depend on each other; they
//! meet in `proto/`. Domain crates are pure: rules without a runtime, a database or a network.
//! Every crate takes the workspace's lints and the workspace's dependency versions.

mod crates;

use anyhow::{Result, bail};

use crate::place::Place;
use crate::shell;
pub use crates::{Crate, Kind};

/// Name and floor of every lib. When you add a lib, also: design table in ARCHITECTURE.md.
const FLOORS: &[(&str, u8)] = &[
    ("ids", 1),
    ("money", 1),
    ("fault", 1),
    ("servers", 1),
    ("routing", 2),
    ("kernel", 2),
    ("contracts", 2),
    ("auth", 2),
    ("egress", 2),
    ("eventstore", 3),
    ("journal", 3),
    ("projection", 4),
    ("bus", 4),
    ("runtime", 5),
    ("testkit", 6),
];

/// Neighbours on one floor who may talk, and why.
const NEIGHBOURS: &[(&str, &str)] = &[
    ("auth", "contracts"), // the access option of an rpc is a contracts type
    ("auth", "kernel"),    // time is an argument: its type is the kernel's
    ("bus", "projection"), // both move a cursor over the same log
];

/// For tests and tools only: no product crate starts private servers.
const DEVELOPMENT_ONLY: &[&str] = &["servers", "testkit"];

/// What a domain crate must not know.
const IMPURE: &[&str] = &[
    "tokio",
    "sqlx",
    "tonic",
    "async-nats",
    "axum",
    "hyper",
    "reqwest",
    "rand",
    "tracing",
    "metrics",
    "contracts",
];

/// Runs the verb.
pub fn run(place: &Place) -> Result<()> {
    let crates = crates::read(&shell::metadata(place)?)?;
    let mut found = Vec::new();
    for one in &crates {
        found.extend(one.manifest_complaints()?);
        found.extend(complaints(one, &crates));
    }
    if found.is_empty() {
        return Ok(());
    }
    bail!("The layers are broken:\n  {}", found.join("\n  "))
}

fn complaints(one: &Crate, all: &[Crate]) -> Vec<String> {
    let kind_of = |name: &str| all.iter().find(|other| other.name == name).map(|other| &other.kind);
    let mut found = Vec::new();
    if one.kind == Kind::Lib && floor(&one.name).is_none() {
        found.push(format!("{} has no floor; give it one in xtask/src/layers.rs", one.name));
    }
    for used in &one.uses {
        if one.kind == Kind::Domain && IMPURE.contains(&used.name.as_str()) && !used.development {
            found.push(format!("{} is a domain crate and must not use {}", one.name, used.name));
        }
        let Some(other) = kind_of(&used.name) else { continue };
        if used.development || may_use(one, &used.name, other) {
            continue;
        }
        found.push(format!("{} must not use {}", one.name, used.name));
    }
    found
}

fn may_use(one: &Crate, used: &str, other: &Kind) -> bool {
    if DEVELOPMENT_ONLY.contains(&used) {
        return matches!(one.kind, Kind::Tool | Kind::Test) || one.name == "testkit";
    }
    match (&one.kind, other) {
        (Kind::Lib, Kind::Lib) => is_below(used, &one.name),
        (Kind::Domain, Kind::Lib) => floor(used).is_some_and(|floor| floor <= 2),
        (Kind::Service(_) | Kind::Domain, Kind::Service(_)) | (Kind::Lib | Kind::Domain | Kind::Tool, _) => {
            false
        }
        (Kind::Service(mine), Kind::Domain) => used == format!("{mine}-domain"),
        (Kind::Service(_), other) => *other == Kind::Lib,
        (Kind::Gateway, other) => *other == Kind::Lib,
        (Kind::Binary | Kind::Test, _) => true,
    }
}

fn is_below(used: &str, user: &str) -> bool {
    NEIGHBOURS.contains(&(user, used))
        || matches!((floor(used), floor(user)), (Some(lower), Some(upper)) if lower < upper)
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(lib, _)| *lib == name).map(|(_, floor)| *floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a(name: &str, kind: Kind, uses: &[&str]) -> Crate {
        Crate::sample(name, kind, uses)
    }

    fn service(name: &str, uses: &[&str]) -> Crate {
        a(name, Kind::Service(name.to_owned()), uses)
    }

    #[test]
    fn services_do_not_know_each_other() {
        let all = [service("wallet", &["invoicing"]), service("invoicing", &[])];
        assert_eq!(complaints(&all[0], &all), ["wallet must not use invoicing"]);
    }

    #[test]
    fn a_service_uses_its_own_domain_and_nobody_elses() {
        let mine = a("wallet-domain", Kind::Domain, &[]);
        let other = a("invoicing-domain", Kind::Domain, &[]);
        let all = [service("wallet", &["wallet-domain", "invoicing-domain"]), mine, other];
        assert_eq!(complaints(&all[0], &all), ["wallet must not use invoicing-domain"]);
    }

    #[test]
    fn a_lib_uses_lower_floors_only() {
        let all = [
            a("kernel", Kind::Lib, &["ids", "runtime"]),
            a("ids", Kind::Lib, &[]),
            a("runtime", Kind::Lib, &[]),
        ];
        assert_eq!(complaints(&all[0], &all), ["kernel must not use runtime"]);
    }

    #[test]
    fn a_domain_crate_is_pure() {
        let all = [a("wallet-domain", Kind::Domain, &["sqlx", "kernel"]), a("kernel", Kind::Lib, &[])];
        assert_eq!(complaints(&all[0], &all), ["wallet-domain is a domain crate and must not use sqlx"]);
    }

    #[test]
    fn the_product_starts_no_private_servers() {
        let all = [service("wallet", &["servers"]), a("servers", Kind::Lib, &[])];
        assert_eq!(complaints(&all[0], &all), ["wallet must not use servers"]);
    }

    #[test]
    fn a_new_lib_needs_a_floor() {
        let all = [a("helpers", Kind::Lib, &[])];
        assert!(complaints(&all[0], &all)[0].starts_with("helpers has no floor"));
    }
}
