//! The journal on PostgreSQL: the default.
//!
//! The lease is checked in the statement that inserts, under a share lock on the lease row: a
//! takeover waits for appends in flight, and an append after a takeover inserts nothing. Every
//! partition has a connection of its own for appends, so that a batch is one round trip and never
//! queues behind others. Connections take the worker role, because the journal's tables are closed
//! to everybody else.

mod placement;
mod snapshots;
mod sql;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, Row as _};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::{Claim, Holder, Journal, JournalError, Lease, Row, Snapshot};
pub use placement::{Placement, Replica, Wish};

/// How long a statement may take before its outcome counts as unknown.
const PATIENCE: Duration = Duration::from_secs(5);

/// The journal in the tables of `migrations/wallet`.
#[derive(Clone)]
pub struct PostgresJournal(Arc<Inner>);

struct Inner {
    pool: PgPool,
    options: PgConnectOptions,
    role: &'static str,
    appenders: std::sync::Mutex<HashMap<u16, Appender>>,
}

type Appender = Arc<Mutex<Option<PgConnection>>>;

impl PostgresJournal {
    /// The journal reached by these options, whose log-in may take `role`. No connection is made
    /// before it is needed.
    #[must_use]
    pub fn new(options: PgConnectOptions, role: &'static str) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(PATIENCE)
            .after_connect(move |connection, _| Box::pin(take_role(connection, role)))
            .connect_lazy_with(options.clone());
        Self(Arc::new(Inner { pool, options, role, appenders: std::sync::Mutex::default() }))
    }

    /// Who shall own which partition.
    #[must_use]
    pub fn placement(&self) -> Placement {
        Placement::new(self.0.pool.clone())
    }

    fn appender(&self, partition: u16) -> Appender {
        let mut all = self.0.appenders.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(partition).or_default())
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = PgConnection::connect_with(&self.0.options).await?;
        take_role(&mut connection, self.0.role).await?;
        Ok(connection)
    }

    /// Inserts on the partition's own connection, which is given up whenever anything goes wrong.
    async fn insert(&self, lease: Lease, row: &Row) -> Result<u64, sqlx::Error> {
        let appender = self.appender(lease.partition);
        let mut slot = appender.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let inserted = sqlx::query(sql::APPEND)
            .bind(i32::from(lease.partition))
            .bind(signed(row.sequence))
            .bind(signed(lease.epoch))
            .bind(row.payload.as_slice())
            .bind(row.hash.as_slice())
            .execute(&mut connection)
            .await;
        if inserted.is_ok() || inserted.as_ref().is_err_and(is_duplicate) {
            *slot = Some(connection);
        }
        inserted.map(|done| done.rows_affected())
    }

    /// Why an append inserted nothing.
    async fn explain(&self, lease: Lease, sequence: u64) -> Result<(), JournalError> {
        let epoch: Option<i64> = patient(
            sqlx::query_scalar(sql::EPOCH).bind(i32::from(lease.partition)).fetch_optional(&self.0.pool),
        )
        .await?;
        if epoch == Some(signed(lease.epoch)) {
            return Err(JournalError::Gap { partition: lease.partition, sequence });
        }
        Err(JournalError::Fenced { lease })
    }
}

impl Journal for PostgresJournal {
    async fn acquire(&self, partition: u16, holder: &Holder, ttl: Duration) -> Result<Claim, JournalError> {
        let granted: Option<i64> = patient(
            sqlx::query_scalar(sql::ACQUIRE)
                .bind(i32::from(partition))
                .bind(&holder.owner)
                .bind(&holder.address)
                .bind(ttl.as_secs_f64())
                .fetch_optional(&self.0.pool),
        )
        .await?;
        if let Some(epoch) = granted {
            return Ok(Claim::Granted(Lease { partition, epoch: unsigned(epoch)? }));
        }
        let other = self.holder(partition).await?;
        Ok(Claim::Held(other.unwrap_or_else(|| Holder { owner: String::new(), address: String::new() })))
    }

    async fn renew(&self, lease: Lease, ttl: Duration) -> Result<(), JournalError> {
        let renewed = patient(
            sqlx::query(sql::RENEW)
                .bind(i32::from(lease.partition))
                .bind(signed(lease.epoch))
                .bind(ttl.as_secs_f64())
                .execute(&self.0.pool),
        )
        .await?;
        if renewed.rows_affected() == 1 { Ok(()) } else { Err(JournalError::Fenced { lease }) }
    }

    async fn release(&self, lease: Lease) -> Result<(), JournalError> {
        match self.renew(lease, Duration::ZERO).await {
            Err(JournalError::Fenced { .. }) => Ok(()),
            other => other,
        }
    }

    async fn holder(&self, partition: u16) -> Result<Option<Holder>, JournalError> {
        let found: Option<(String, String)> =
            patient(sqlx::query_as(sql::HOLDER).bind(i32::from(partition)).fetch_optional(&self.0.pool))
                .await?;
        Ok(found.map(|(owner, address)| Holder { owner, address }))
    }

    async fn append(&self, lease: Lease, row: &Row) -> Result<(), JournalError> {
        match timeout(PATIENCE, self.insert(lease, row)).await {
            Ok(Ok(1)) => Ok(()),
            Ok(Ok(_)) => self.explain(lease, row.sequence).await,
            Ok(Err(error)) if is_duplicate(&error) => {
                Err(JournalError::Taken { partition: lease.partition, sequence: row.sequence })
            }
            Ok(Err(error)) => Err(JournalError::unavailable(error)),
            Err(late) => Err(JournalError::unavailable(late)),
        }
    }

    async fn read(&self, partition: u16, after: u64, limit: u32) -> Result<Vec<Row>, JournalError> {
        let rows = patient(
            sqlx::query(sql::READ)
                .bind(i32::from(partition))
                .bind(signed(after))
                .bind(i64::from(limit))
                .fetch_all(&self.0.pool),
        )
        .await?;
        rows.iter().map(row).collect()
    }

    async fn save_snapshot(&self, lease: Lease, snapshot: &Snapshot) -> Result<(), JournalError> {
        snapshots::save(&self.0.pool, lease, snapshot).await
    }

    async fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, JournalError> {
        snapshots::latest(&self.0.pool, partition).await
    }
}

async fn take_role(connection: &mut PgConnection, role: &'static str) -> Result<(), sqlx::Error> {
    connection.execute(AssertSqlSafe(format!("SET ROLE {role}; SET synchronous_commit = on"))).await.map(drop)
}

async fn patient<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, JournalError> {
    match timeout(PATIENCE, statement).await {
        Ok(done) => done.map_err(JournalError::unavailable),
        Err(late) => Err(JournalError::unavailable(late)),
    }
}

fn row(stored: &PgRow) -> Result<Row, JournalError> {
    let damaged = |error: sqlx::Error| JournalError::Corrupt(error.to_string());
    let hash: Vec<u8> = stored.try_get("hash").map_err(damaged)?;
    Ok(Row {
        sequence: unsigned(stored.try_get("sequence").map_err(damaged)?)?,
        epoch: unsigned(stored.try_get("epoch").map_err(damaged)?)?,
        payload: stored.try_get("payload").map_err(damaged)?,
        hash: hash.try_into().map_err(|_| JournalError::Corrupt("a hash has 32 bytes".to_owned()))?,
    })
}

fn is_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Sequences and epochs count up from one and never reach 2⁶³.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> Result<u64, JournalError> {
    u64::try_from(number).map_err(|_| JournalError::Corrupt(format!("{number} is below zero")))
}
