//! The wallet's database beside the journal: transactions of one tenant, and of the worker.

use eventstore::{CommandContext, EventStore, UnitOfWork, begin_whole, storage};
use ids::TenantId;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

/// The role that may see all tenants.
pub const WORKER: &str = "vbwd_wallet_worker";

/// Transactions on the wallet's schema.
#[derive(Clone)]
pub struct Store {
    events: EventStore,
}

impl Store {
    /// The store behind `pool`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { events: EventStore::new(pool, crate::NAME) }
    }

    pub(crate) const fn events(&self) -> &EventStore {
        &self.events
    }

    pub(crate) async fn begin(&self, context: &CommandContext) -> fault::Result<UnitOfWork> {
        self.events.begin(context).await
    }

    pub(crate) async fn read(&self, tenant: TenantId) -> fault::Result<Transaction<'static, Postgres>> {
        self.events.read(tenant).await
    }

    pub(crate) async fn worker(&self) -> fault::Result<Transaction<'static, Postgres>> {
        let begin = AssertSqlSafe(format!("BEGIN; SET LOCAL ROLE {WORKER}"));
        begin_whole(self.pool(), begin).await.map_err(storage)
    }

    /// The last batch of a partition that is in the tables.
    pub(crate) async fn projected(&self, partition: u16) -> fault::Result<u64> {
        let query = "SELECT projected FROM ledger_progress WHERE partition = $1";
        let found: Option<i64> = sqlx::query_scalar(query)
            .bind(i32::from(partition))
            .fetch_optional(self.pool())
            .await
            .map_err(storage)?;
        Ok(u64::try_from(found.unwrap_or_default()).unwrap_or_default())
    }

    pub(crate) fn leadership(&self, name: &str) -> eventstore::Leadership {
        self.events.leadership(name)
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.events.pool()
    }

    /// Checks the number of partitions against the one the installation began with.
    ///
    /// # Errors
    /// `ledger_layout_differs`: with another number tenants would be looked for in the wrong place.
    pub async fn settle_layout(&self, partitions: u16) -> fault::Result<()> {
        let mut unit = self.worker().await?;
        sqlx::query("INSERT INTO ledger_layout (partitions) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(i32::from(partitions))
            .execute(&mut *unit)
            .await
            .map_err(storage)?;
        let settled: i32 = sqlx::query_scalar("SELECT partitions FROM ledger_layout")
            .fetch_one(&mut *unit)
            .await
            .map_err(storage)?;
        unit.commit().await.map_err(storage)?;
        if settled == i32::from(partitions) {
            return Ok(());
        }
        Err(fault::Fault::invalid(
            "/wallet/partitions",
            "ledger_layout_differs",
            "The number of ledger partitions cannot be changed.",
        )
        .with_fact("present", settled)
        .with_fact("configured", partitions))
    }
}
