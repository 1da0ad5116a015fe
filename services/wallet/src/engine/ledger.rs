//! What callers hold: routes by tenant, refuses what is too much, awaits durable answers.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use fault::{Code, Fault};
use ids::{AccountId, OperationId, TenantId, UserId};
use journal::Holder;
use kernel::Clock;
use runtime::Latch;
use tokio::sync::{Notify, oneshot, watch};
use wallet_domain::{AccountView, Answer, Command, OpenAccount, Outcome, PartitionState, Rejection, Request};

use super::desk::Desk;
use super::mailbox::NotTaken;
use super::packed::{PackedAnswer, PackedPosts};
use super::placing::Placing;
use super::rounds::Limits;
use super::work::{Decided, Lost, Reading, Reply, View, Work};
use crate::{Config, Position};

/// The ledger of this installation; clones share it.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    config: Config,
    holder: Holder,
    clock: Arc<dyn Clock>,
    partitions: Vec<Partition>,
    projection_wakes: watch::Sender<()>,
    ready: OnceLock<Latch>,
}

/// A partition as callers see it.
pub(super) struct Partition {
    pub(super) desk: ArcSwapOption<Desk>,
    pub(super) owner: ArcSwapOption<Holder>,
    durable: watch::Sender<u64>,
    projected: watch::Sender<u64>,
    /// Somebody waits for entries.
    wanted: Notify,
    /// Changes when somebody begins or ceases to serve it.
    pub(super) changed: watch::Sender<()>,
    pub(super) placing: Placing,
}

/// An account is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Pass it on to read the account.
    pub position: Position,
    /// Whether it had been open before.
    pub repeated: bool,
}

/// An operation is done and durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Where it was recorded.
    pub position: Position,
    /// Whether it had been done before; then its figures must be read from its facts.
    pub repeated: bool,
    /// What it came to.
    pub outcome: Outcome,
}

/// Accounts at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balances {
    /// Up to where the figures are complete.
    pub position: Position,
    /// The accounts that were found.
    pub accounts: Vec<AccountView>,
}

impl Ledger {
    /// A ledger whose partitions nobody serves yet; see [`run_partition`](super::run_partition).
    #[must_use]
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        let made_up = || format!("{}-{}", std::process::id(), ids::OperationId::new());
        let owner = if config.owner.is_empty() { made_up() } else { config.owner.clone() };
        let holder = Holder { owner, address: config.address.clone() };
        let partition = |_| Partition {
            desk: ArcSwapOption::empty(),
            owner: ArcSwapOption::empty(),
            durable: watch::Sender::new(0),
            projected: watch::Sender::new(0),
            wanted: Notify::new(),
            changed: watch::Sender::new(()),
            placing: Placing::default(),
        };
        let partitions = (0..config.partitions).map(partition).collect();
        Self(Arc::new(Inner {
            config,
            holder,
            clock,
            partitions,
            projection_wakes: watch::Sender::new(()),
            ready: OnceLock::new(),
        }))
    }

    /// The partition in which a tenant's ledger lives; the same on every replica for ever.
    #[must_use]
    pub fn partition_of(&self, tenant: TenantId) -> u16 {
        let hash = twox_hash::XxHash3_64::oneshot(tenant.as_uuid().as_bytes());
        u16::try_from(hash % u64::from(self.0.config.partitions)).unwrap_or_default()
    }

    /// Opens an account; durable when it answers.
    ///
    /// # Errors
    /// `unavailable` when the partition is not served here, has too much to do, or the outcome is
    /// unknown; then the call may be repeated.
    pub async fn open_account(
        &self,
        request: Request,
        command: OpenAccount,
    ) -> fault::Result<Result<Opened, Rejection>> {
        let partition = self.partition_of(request.tenant);
        let decided = self.ask(partition, |reply| Work::Open { request, command, reply }).await?;
        Ok(decided.map(|answer| Opened { position: at(partition, &answer), repeated: answer.repeated }))
    }

    /// Executes commands, each on its own; durable when it answers.
    ///
    /// # Errors
    /// As for [`open_account`](Self::open_account).
    pub async fn execute_all(
        &self,
        request: Request,
        commands: Vec<Command>,
    ) -> fault::Result<Vec<Result<Receipt, Rejection>>> {
        let partition = self.partition_of(request.tenant);
        let decided = self.ask(partition, |reply| Work::Many { request, commands, reply }).await?;
        Ok(decided.into_iter().map(|ruled| ruled.map(|answer| receipt(partition, &answer))).collect())
    }

    /// Executes one command; durable when it answers.
    ///
    /// # Errors
    /// As for [`open_account`](Self::open_account).
    pub async fn execute(
        &self,
        request: Request,
        command: Command,
    ) -> fault::Result<Result<Receipt, Rejection>> {
        let (partition, command) = (self.partition_of(request.tenant), Box::new(command));
        let ruled = self.ask(partition, |reply| Work::One { request, command, reply }).await?;
        Ok(ruled.map(|answer| receipt(partition, &answer)))
    }

    /// Executes simple posts, each on its own; durable when it answers. Columns must be even.
    ///
    /// # Errors
    /// As for [`open_account`](Self::open_account).
    pub async fn execute_packed(
        &self,
        request: Request,
        posts: PackedPosts,
    ) -> fault::Result<(Position, PackedAnswer)> {
        let (partition, posts) = (self.partition_of(request.tenant), Box::new(posts));
        let answer = self.ask(partition, |reply| Work::Packed { request, posts, reply }).await?;
        Ok((Position { partition, sequence: answer.sequence }, answer))
    }

    /// Reads the durable state of the tenant's partition.
    ///
    /// # Errors
    /// As for [`open_account`](Self::open_account).
    pub async fn look<T: Send + 'static>(
        &self,
        tenant: TenantId,
        look: impl FnOnce(&PartitionState) -> T + Send + 'static,
    ) -> fault::Result<(Position, T)> {
        let partition = self.partition_of(tenant);
        let asked = self.ask(partition, |reply| Work::Read(Box::new(Reading { look, reply })));
        let View { sequence, value } = asked.await?;
        Ok((Position { partition, sequence }, value))
    }

    /// One account, from durable state.
    ///
    /// # Errors
    /// As for [`open_account`](Self::open_account).
    pub async fn account(&self, tenant: TenantId, account: AccountId) -> fault::Result<Balances> {
        let look = move |state: &PartitionState| state.account(tenant, account).into_iter().collect();
        self.look(tenant, look).await.map(|(position, accounts)| Balances { position, accounts })
    }

    /// A user's own accounts, from durable state.
    ///
    /// # Errors
    /// As for [`open_account`](Self::open_account).
    pub async fn accounts_of(&self, tenant: TenantId, user: UserId) -> fault::Result<Balances> {
        let look = move |state: &PartitionState| state.accounts_of(tenant, user).collect();
        self.look(tenant, look).await.map(|(position, accounts)| Balances { position, accounts })
    }

    /// Where an operation was recorded, if it was and is remembered; from durable state.
    ///
    /// # Errors
    /// As for [`open_account`](Self::open_account).
    pub async fn operation(
        &self,
        tenant: TenantId,
        operation: OperationId,
    ) -> fault::Result<Option<Position>> {
        let look = move |state: &PartitionState| state.operation(tenant, operation);
        let (position, recorded) = self.look(tenant, look).await?;
        Ok(recorded.map(|sequence| Position { sequence, ..position }))
    }

    async fn ask<T>(&self, partition: u16, work: impl FnOnce(Reply<T>) -> Work) -> fault::Result<T> {
        let (reply, answer) = oneshot::channel();
        self.desk(partition).await?.put(work(reply)).map_err(not_taken)?;
        let decided: Decided<T> = answer.await.unwrap_or(Err(Lost::OutcomeUnknown));
        decided.map_err(lost)
    }

    /// Where work is decided. While this process takes the partition over or recovers it, callers wait a
    /// little; when another process serves it, they are told at once.
    async fn desk(&self, partition: u16) -> fault::Result<Arc<Desk>> {
        let slot = self.slot(partition)?;
        if let Some(desk) = slot.desk.load_full() {
            return Ok(desk);
        }
        let mut changed = slot.changed.subscribe();
        let waiting = async {
            loop {
                if let Some(desk) = slot.desk.load_full() {
                    return Ok(desk);
                }
                if slot.owner.load().is_some() || changed.changed().await.is_err() {
                    return Err(self.elsewhere(partition));
                }
            }
        };
        let waited = tokio::time::timeout(self.0.config.service_wait(), waiting).await;
        waited.unwrap_or_else(|_| Err(self.elsewhere(partition)))
    }

    pub(crate) fn elsewhere(&self, partition: u16) -> Fault {
        let owner = self.slot(partition).ok().and_then(|slot| slot.owner.load_full());
        let fault = Fault::unavailable("ledger_not_served_here", "no lease");
        match owner {
            Some(owner) if !owner.owner.is_empty() => fault.with_fact("owner", &owner.owner),
            _ => fault,
        }
    }

    pub(super) fn slot(&self, partition: u16) -> fault::Result<&Partition> {
        let slot = self.0.partitions.get(usize::from(partition));
        slot.ok_or_else(|| Fault::internal(format!("there is no partition {partition}")))
    }

    /// Number of partitions.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.0.config.partitions
    }

    /// Sets `latch` whenever every partition is served, by this process or by another.
    pub(crate) fn announce(&self, latch: Latch) {
        // A second latch would never be looked at; the first stays.
        let _ = self.0.ready.set(latch);
        self.say_whether_ready();
    }

    fn say_whether_ready(&self) {
        if let Some(latch) = self.0.ready.get() {
            let served = |slot: &Partition| slot.desk.load().is_some() || slot.owner.load().is_some();
            latch.set(self.0.partitions.iter().all(served));
        }
    }

    /// Whether every partition is served by this process.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.0.partitions.iter().all(|slot| slot.desk.load().is_some())
    }

    /// The last batch of a partition that this process knows to be durable.
    pub(crate) fn watch_durable(&self, partition: u16) -> fault::Result<watch::Receiver<u64>> {
        Ok(self.slot(partition)?.durable.subscribe())
    }

    /// The last batch of a partition whose entries this process knows to be in the tables.
    pub(crate) fn projected(&self, partition: u16) -> fault::Result<&watch::Sender<u64>> {
        Ok(&self.slot(partition)?.projected)
    }

    /// Says that somebody waits for entries of a partition.
    pub(crate) fn want_projected(&self, partition: u16) {
        if let Ok(slot) = self.slot(partition) {
            slot.wanted.notify_one();
        }
    }

    /// Waits until somebody of this process wants entries of a partition, and has not been heard yet.
    pub(crate) async fn projection_wanted(&self, partition: u16) {
        match self.slot(partition) {
            Ok(slot) => slot.wanted.notified().await,
            Err(_) => std::future::pending().await,
        }
    }

    pub(crate) fn note_projected(&self, partition: u16, sequence: u64) {
        if let Ok(slot) = self.slot(partition) {
            slot.projected.send_replace(sequence);
            self.0.projection_wakes.send_replace(());
        }
    }

    /// Wakes when entries of any partition have been projected by this process.
    pub(crate) fn projection_wakes(&self) -> watch::Receiver<()> {
        self.0.projection_wakes.subscribe()
    }

    pub(crate) fn note_durable(&self, partition: u16, sequence: u64) {
        if let Ok(slot) = self.slot(partition) {
            slot.durable.send_replace(sequence);
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.clock)
    }

    pub(crate) fn holder(&self) -> &Holder {
        &self.0.holder
    }

    pub(crate) fn limits(&self) -> Limits {
        let config = &self.0.config;
        Limits {
            batch_operations: config.batch_operations_max,
            snapshot_operations: config.snapshot_operations,
            snapshot_batches: config.snapshot_batches,
        }
    }

    pub(crate) fn open(&self, partition: u16, desk: Arc<Desk>) {
        if let Ok(slot) = self.slot(partition) {
            slot.owner.store(None);
            slot.desk.store(Some(desk));
            slot.changed.send_replace(());
        }
        self.say_whether_ready();
    }

    pub(crate) fn close(&self, partition: u16) {
        if let Ok(slot) = self.slot(partition) {
            slot.desk.store(None);
        }
        self.say_whether_ready();
    }

    pub(crate) fn owned_by(&self, partition: u16, holder: Holder) {
        if let Ok(slot) = self.slot(partition) {
            slot.owner.store(Some(Arc::new(holder)));
            slot.changed.send_replace(());
        }
        self.say_whether_ready();
    }
}

fn receipt(partition: u16, answer: &Answer) -> Receipt {
    Receipt { position: at(partition, answer), repeated: answer.repeated, outcome: answer.outcome }
}

fn at(partition: u16, answer: &Answer) -> Position {
    Position { partition, sequence: answer.sequence }
}

fn not_taken(why: NotTaken) -> Fault {
    match why {
        NotTaken::Overloaded => Fault::unavailable("ledger_overloaded", "the queue is full"),
        NotTaken::Closed => Fault::unavailable("ledger_not_served_here", "the partition closes"),
    }
}

fn lost(why: Lost) -> Fault {
    let source = format!("{why:?}");
    match why {
        Lost::OutcomeUnknown => Fault::new(
            Code::Unavailable,
            "ledger_outcome_unknown",
            "It is not known whether this was recorded; repeat it with the same operation id.",
        )
        .with_source(source),
        Lost::LeaseUncertain => Fault::unavailable("ledger_lease_uncertain", source),
    }
}
