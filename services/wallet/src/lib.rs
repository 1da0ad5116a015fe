//! The token wallet: ledger, statements, token bundles.
//!
//! 1. The ledger's rules are pure (`wallet-domain`); [`engine`] gives them threads and durability.
//! 2. The journal is the one truth. Entries, accounts and published events follow from it:
//!    [`projection`](run_projection) fills tables, [`outbound`](LedgerOutbox) feeds the relay.
//! 3. Token bundles are documents, not streams; [`selling`] sells them through checkout's contract.

pub mod bundles;
mod chart;
pub mod config;
pub mod engine;
mod forwarding;
mod grpc;
mod history;
mod membership;
mod metrics;
mod outbound;
pub mod partitions;
mod position;
mod projection;
pub mod proof;
mod recipients;
mod retention;
mod seed;
pub mod selling;
mod store;
mod teller;

use std::sync::Arc;

use journal::{AnyJournal, PostgresJournal};
use runtime::audit::Trail;
use runtime::{Platform, Role, Service};
use secrecy::ExposeSecret as _;
use sqlx::migrate::Migrator;

use bundles::Catalogue;
use chart::Chart;
use config::JournalKind;
use engine::{Ledger, run_partition};
use forwarding::Forwarding;
use recipients::Recipients;
use selling::Selling;

pub use config::Config;
#[cfg(feature = "sim")]
pub use engine::sim;
pub use history::{EntryLine, Filter, Found, History, Page, PageRequest, StoredEntry};
pub use membership::run_membership;
pub use outbound::LedgerOutbox;
pub use position::{InvalidPosition, Position};
pub use projection::run_projection;
pub use seed::seed_demo;
pub use store::{Store, WORKER};
pub use teller::{Done, Teller};

/// The word after `vbwd.` in the proto package; also the schema.
pub const NAME: &str = "wallet";

/// Names of the roles that own partitions and project them, by partition.
const PARTITIONS: [(&str, &str); config::PARTITIONS_MAX as usize] = [
    ("partition-0", "entries-0"),
    ("partition-1", "entries-1"),
    ("partition-2", "entries-2"),
    ("partition-3", "entries-3"),
    ("partition-4", "entries-4"),
    ("partition-5", "entries-5"),
    ("partition-6", "entries-6"),
    ("partition-7", "entries-7"),
    ("partition-8", "entries-8"),
    ("partition-9", "entries-9"),
    ("partition-10", "entries-10"),
    ("partition-11", "entries-11"),
    ("partition-12", "entries-12"),
    ("partition-13", "entries-13"),
    ("partition-14", "entries-14"),
    ("partition-15", "entries-15"),
];

/// The service: its rpcs and its roles.
///
/// # Errors
/// When the settings are out of range or contradict the installation.
pub async fn service(platform: &Platform, config: Config) -> fault::Result<Service> {
    config.validate()?;
    let store = Store::new(platform.pool(NAME)?);
    let journal = chosen_journal(&config, &store)?;
    let kind = config.journal;
    let ledger = Ledger::new(config, Arc::clone(&platform.clock));
    store.settle_layout(ledger.partitions()).await?;
    settle_journal(&store, kind).await?;
    ledger.announce(platform.readiness.latch("wallet.ledger"));
    let mut roles = roles(platform, &ledger, &journal, &store);
    let trail = Trail::new(store.events().clone(), Arc::clone(&platform.clock));
    roles.push(trail.courier(platform));
    roles.push(on_tenant_purged(platform, &store));
    let catalogue = Catalogue::new(store.clone());
    let history = History::new(store.clone(), ledger.clone(), journal);
    let teller = Teller::new(ledger.clone(), history.clone());
    let parts = grpc::Parts {
        selling: Selling::new(catalogue.clone(), teller.clone()),
        chart: Chart::new(store, ledger.clone()),
        recipients: Recipients::new(platform.peer(NAME, "identity").ok()),
        catalogue,
        forwarding: Forwarding::new(ledger.clone()),
        history,
        teller,
        ledger,
        clock: Arc::clone(&platform.clock),
    };
    Ok(Service { name: NAME, routes: trail.around(grpc::routes(parts)), roles })
}

fn roles(platform: &Platform, ledger: &Ledger, journal: &AnyJournal, store: &Store) -> Vec<Role> {
    let (bus, outbox) = (platform.bus(), (ledger.clone(), journal.clone(), store.clone()));
    let mut roles = vec![Role::task("relay", move |drain| {
        let (ledger, journal, store) = outbox.clone();
        bus::run_relay(bus.clone(), LedgerOutbox::new(ledger, journal, store), drain)
    })];
    roles.push(Role::task("membership", {
        let (ledger, placement) = (ledger.clone(), self::journal(store).placement());
        let readiness = platform.readiness.clone();
        move |drain| run_membership(ledger.clone(), placement.clone(), readiness.clone(), drain)
    }));
    for ((owning, projecting), partition) in PARTITIONS.into_iter().zip(0..ledger.partitions()) {
        let parts = (ledger.clone(), journal.clone(), store.clone());
        roles.push(Role::task(owning, {
            let (ledger, journal, _) = parts.clone();
            move |drain| run_partition(ledger.clone(), journal.clone(), partition, drain)
        }));
        roles.push(Role::task(projecting, move |drain| {
            let (ledger, journal, store) = parts.clone();
            run_projection(ledger, journal, store, partition, drain)
        }));
    }
    roles
}

fn on_tenant_purged(platform: &Platform, store: &Store) -> Role {
    let (bus, store) = (platform.bus(), store.events().clone());
    let consumer = bus::OnTenantPurged { name: "wallet_on_tenant_purged", retention: retention::RETENTION };
    Role::task("on_tenant_purged", move |drain| {
        bus::run_consumer(bus.clone(), store.clone(), consumer, drain)
    })
}

/// The migrations of the schema `wallet`.
#[must_use]
pub fn migrations() -> Migrator {
    sqlx::migrate!("../../migrations/wallet")
}

/// The ledger's journal as an outbox, for publishing again.
///
/// # Errors
/// When the settings are out of range or the database's address is malformed.
pub fn outbox(platform: &Platform, config: &Config) -> fault::Result<LedgerOutbox<AnyJournal>> {
    config.validate()?;
    let store = Store::new(platform.pool(NAME)?);
    let ledger = Ledger::new(config.clone(), Arc::clone(&platform.clock));
    Ok(LedgerOutbox::new(ledger, chosen_journal(config, &store)?, store))
}

/// The journal that the settings name.
///
/// # Errors
/// When they name a KurrentDB that cannot be used: the address is malformed, or the client is not in
/// this program.
pub fn chosen_journal(config: &Config, store: &Store) -> fault::Result<AnyJournal> {
    let leases = journal(store);
    if config.journal == JournalKind::Postgres {
        return Ok(AnyJournal::Postgres(leases));
    }
    let (address, prefix) = (config.kurrentdb_url.expose().expose_secret(), &config.kurrentdb_stream_prefix);
    AnyJournal::kurrentdb(address, prefix, leases).map_err(|unusable| {
        let pointer = "/wallet/kurrentdb_url";
        fault::Fault::invalid(pointer, "unusable", format!("KurrentDB cannot be used: {unusable}."))
    })
}

/// Checks the journal against the one the installation began with; the first start decides.
///
/// # Errors
/// `ledger_journal_differs`: with another journal the ledger would begin anew.
pub async fn settle_journal(store: &Store, chosen: JournalKind) -> fault::Result<()> {
    let mut unit = store.worker().await?;
    let settle = "UPDATE ledger_layout SET journal = coalesce(journal, $1) RETURNING journal";
    let settled: String = sqlx::query_scalar(settle)
        .bind(chosen.name())
        .fetch_one(&mut *unit)
        .await
        .map_err(eventstore::storage)?;
    unit.commit().await.map_err(eventstore::storage)?;
    if settled == chosen.name() {
        return Ok(());
    }
    let message = "The ledger's journal cannot be changed.";
    let refused = fault::Fault::invalid("/wallet/journal", "ledger_journal_differs", message);
    Err(refused.with_fact("present", settled).with_fact("configured", chosen.name()))
}

/// The journal in this store's database.
#[must_use]
pub fn journal(store: &Store) -> PostgresJournal {
    PostgresJournal::new((*store.pool().connect_options()).clone(), WORKER)
}
