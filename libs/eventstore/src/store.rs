//! The event store of one service on PostgreSQL.
//!
//! Make one per service and process and clone it: clones share the wake-up that readers wait for.
//! The pool's connections must have the service's schema as their `search_path`.

use std::sync::Arc;

use ids::{EventId, TenantId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use kernel::{Aggregate, Position, StoredEvent};
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use tokio::sync::watch;
use uuid::Uuid;

use crate::begin::begin_whole;
use crate::rows::{AFTER, EVENT, EventRow, STREAM, columns};
use crate::{CommandContext, Loaded, Log, NewEvent, Pulse, UnitOfWork, storage, unit_of_work};

const PRUNE_OPERATIONS: &str = "DELETE FROM operations WHERE (tenant_id, operation_id) IN \
     (SELECT tenant_id, operation_id FROM operations WHERE at < $1 ORDER BY at LIMIT $2)";
const PRUNE_INBOX: &str = "DELETE FROM inbox WHERE (consumer, event_id) IN \
     (SELECT consumer, event_id FROM inbox WHERE at < $1 ORDER BY at LIMIT $2)";

/// The facts of one service.
#[derive(Clone)]
pub struct EventStore(Arc<Inner>);

struct Inner {
    pool: PgPool,
    service: &'static str,
    appended: watch::Sender<()>,
}

impl EventStore {
    /// The store of `service`, whose roles are `vbwd_<service>` and `vbwd_<service>_worker`.
    #[must_use]
    pub fn new(pool: PgPool, service: &'static str) -> Self {
        Self(Arc::new(Inner { pool, service, appended: watch::Sender::new(()) }))
    }

    /// Name of the service.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.0.service
    }

    /// The pool behind it.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// Begins the transaction of a command; it sees the context's tenant only.
    ///
    /// # Errors
    /// `Unavailable` when no connection can be had.
    pub async fn begin(&self, context: &CommandContext) -> fault::Result<UnitOfWork> {
        let transaction = self.transaction(tenant_begin("BEGIN", context.tenant)).await?;
        Ok(UnitOfWork::new(self.clone(), transaction, Some(context.clone())))
    }

    /// Begins a transaction that sees every tenant; with `tenant` the setting is made as well, for
    /// statements that read it.
    ///
    /// # Errors
    /// `Unavailable` when no connection can be had.
    pub async fn begin_worker(&self, tenant: Option<TenantId>) -> fault::Result<UnitOfWork> {
        let begin = tenant.map_or_else(|| "BEGIN".to_owned(), |tenant| tenant_begin("BEGIN", tenant));
        let statement = format!("{begin}; SET LOCAL ROLE {}", self.worker_role());
        Ok(UnitOfWork::new(self.clone(), self.transaction(statement).await?, None))
    }

    /// Begins a read-only transaction for queries of one tenant.
    ///
    /// # Errors
    /// `Unavailable` when no connection can be had.
    pub async fn read(&self, tenant: TenantId) -> fault::Result<Transaction<'static, Postgres>> {
        self.transaction(tenant_begin("BEGIN READ ONLY", tenant)).await
    }

    /// Reads an aggregate without the intent to change it.
    ///
    /// # Errors
    /// An event that this program cannot read, or faults of the database.
    pub async fn load<A: Aggregate>(&self, tenant: TenantId, id: Uuid) -> fault::Result<Loaded<A>> {
        let mut transaction = self.read(tenant).await?;
        let loaded = unit_of_work::load(&mut transaction, tenant, id).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(loaded)
    }

    /// Reads an aggregate as it was at `as_of`, in the tenant's time.
    ///
    /// # Errors
    /// An event that this program cannot read, or faults of the database.
    pub async fn load_as_of<A: Aggregate>(
        &self,
        tenant: TenantId,
        id: Uuid,
        as_of: Timestamp,
    ) -> fault::Result<Loaded<A>> {
        let mut transaction = self.read(tenant).await?;
        let loaded = unit_of_work::load_as_of(&mut transaction, tenant, id, Some(as_of)).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(loaded)
    }

    /// Forgets idempotency records and inbox rows from before `before`, at most `limit` of each;
    /// answers how many. Whatever is repeated later than that counts as new, so keep longer than
    /// clients retry and longer than the broker keeps events.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn prune(&self, before: Timestamp, limit: i64) -> fault::Result<u64> {
        let mut worker = self.begin_worker(None).await?;
        let mut gone = 0;
        for statement in [PRUNE_OPERATIONS, PRUNE_INBOX] {
            let done = sqlx::query(statement).bind(before.to_sqlx()).bind(limit);
            gone += done.execute(worker.connection()).await.map_err(storage)?.rows_affected();
        }
        worker.commit().await?;
        Ok(gone)
    }

    /// At most `limit` events of all tenants behind `position`, in order and without gaps: what
    /// appears later always sorts later.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn events_after(&self, position: Position, limit: usize) -> fault::Result<Vec<StoredEvent>> {
        let statement = format!("BEGIN READ ONLY; SET LOCAL ROLE {}", self.worker_role());
        let mut transaction = self.transaction(statement).await?;
        let events = events_after(&mut transaction, position, limit).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(events)
    }

    /// One event of any tenant.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn event(&self, id: EventId) -> fault::Result<Option<StoredEvent>> {
        let mut worker = self.begin_worker(None).await?;
        let row: Option<EventRow> = sqlx::query_as(EVENT)
            .bind(id.as_uuid())
            .fetch_optional(worker.connection())
            .await
            .map_err(storage)?;
        worker.rollback().await?;
        Ok(row.map(StoredEvent::from))
    }

    /// How far the tail `name` has come.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn cursor(&self, name: &str) -> fault::Result<Position> {
        let mut connection = self.0.pool.acquire().await.map_err(storage)?;
        crate::cursors::cursor(&mut connection, name).await
    }

    /// Resolves at the next commit of events by this process. Get it *before* reading, await it
    /// after; commits of other processes are found by polling.
    pub fn appended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut wakes = self.0.appended.subscribe();
        async move { wakes.changed().await.unwrap_or(()) }
    }

    /// The rhythm of a tail of this store: woken by commits of this process, else polling.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        Pulse::new(Some(self.0.appended.subscribe()))
    }

    pub(crate) fn wake(&self) {
        self.0.appended.send_replace(());
    }

    pub(crate) fn worker_role(&self) -> String {
        format!("vbwd_{}_worker", self.0.service)
    }

    /// Statements are built from ids and the service's name alone, never from input.
    ///
    /// After a restart of the server the pool is full of dead connections, each found out by the
    /// first statement on it; nothing has been done by then, so the next one is tried.
    async fn transaction(&self, statement: String) -> fault::Result<Transaction<'static, Postgres>> {
        for _ in 0..self.0.pool.options().get_max_connections() {
            match begin_whole(&self.0.pool, AssertSqlSafe(statement.clone())).await {
                Err(error) if is_dead_connection(&error) => {}
                outcome => return outcome.map_err(storage),
            }
        }
        begin_whole(&self.0.pool, AssertSqlSafe(statement)).await.map_err(storage)
    }
}

impl Log for EventStore {
    async fn append(
        &self,
        context: &CommandContext,
        kind: &str,
        stream: Uuid,
        expected: i64,
        events: Vec<NewEvent>,
    ) -> fault::Result<Vec<StoredEvent>> {
        let mut unit = self.begin(context).await?;
        let stored = unit.append_raw(kind, stream, expected, events).await?;
        unit.commit().await?;
        Ok(stored)
    }

    async fn stream(&self, tenant: TenantId, kind: &str, stream: Uuid) -> fault::Result<Vec<StoredEvent>> {
        let mut transaction = self.read(tenant).await?;
        let rows: Vec<EventRow> = sqlx::query_as(STREAM)
            .bind(tenant.as_uuid())
            .bind(kind)
            .bind(stream)
            .fetch_all(&mut *transaction)
            .await
            .map_err(storage)?;
        transaction.rollback().await.map_err(storage)?;
        Ok(rows.into_iter().map(StoredEvent::from).collect())
    }

    async fn after(&self, position: Position, limit: usize) -> fault::Result<Vec<StoredEvent>> {
        self.events_after(position, limit).await
    }
}

/// Reads behind `position` on a connection that may see all tenants.
pub(crate) async fn events_after(
    connection: &mut sqlx::PgConnection,
    position: Position,
    limit: usize,
) -> fault::Result<Vec<StoredEvent>> {
    let (transaction, sequence) = columns(position);
    let rows: Vec<EventRow> = sqlx::query_as(AFTER)
        .bind(transaction)
        .bind(sequence)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(storage)?;
    Ok(rows.into_iter().map(StoredEvent::from).collect())
}

fn is_dead_connection(error: &sqlx::Error) -> bool {
    let stopped = |state: &str| matches!(state, "57P01" | "57P02");
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().as_deref().is_some_and(stopped),
        _ => false,
    }
}

fn tenant_begin(begin: &str, tenant: TenantId) -> String {
    format!("{begin}; SET LOCAL vbwd.tenant_id = '{tenant}'")
}
