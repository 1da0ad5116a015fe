//! At most one replica tails a log under one name.
//!
//! A session advisory lock on a connection of its own. The same connection reads the log and
//! writes the cursor, so a replica that lost the lock (its connection is gone) cannot move the
//! cursor either. Every failure drops the connection; the next `acquire` starts afresh.

use std::time::Duration;

use fault::{Code, Fault};
use kernel::{Position, StoredEvent};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::time::timeout;

use crate::cursors::{cursor, save_cursor};
use crate::store::events_after;
use crate::{EventStore, storage};

/// How long any statement of a leader may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The right to tail a log under one name, held or sought.
pub struct Leadership {
    store: EventStore,
    name: String,
    connection: Option<PgConnection>,
    held: bool,
}

impl EventStore {
    /// A leadership to be won: only one holder of `name` per database at a time.
    #[must_use]
    pub fn leadership(&self, name: &str) -> Leadership {
        Leadership { store: self.clone(), name: name.to_owned(), connection: None, held: false }
    }
}

impl Leadership {
    /// What is led; also the name of the cursor.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The store whose log is tailed.
    #[must_use]
    pub fn store(&self) -> &EventStore {
        &self.store
    }

    /// Whether the lock was held when last asked.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.held
    }

    /// Wins the lock if it is free. Cheap while it is held.
    ///
    /// # Errors
    /// `Unavailable` when there is no connection to be had.
    pub async fn acquire(&mut self) -> fault::Result<bool> {
        if self.held {
            return Ok(true);
        }
        if self.connection.is_none() {
            self.connection = Some(limited(connect(&self.store)).await?);
        }
        let name = self.name.clone();
        let connection = self.connection()?;
        let won = limited(try_lock(connection, &name)).await;
        self.held = self.kept(won)?;
        Ok(self.held)
    }

    /// The connection, with the rights of the worker role.
    ///
    /// # Errors
    /// `Unavailable` when there is none.
    pub fn connection(&mut self) -> fault::Result<&mut PgConnection> {
        self.connection.as_mut().ok_or_else(|| Fault::unavailable("leadership_lost", "no connection"))
    }

    /// Reads on, as [`EventStore::events_after`] does.
    ///
    /// # Errors
    /// Faults of the database; the leadership is given up then.
    pub async fn events_after(
        &mut self,
        position: Position,
        limit: usize,
    ) -> fault::Result<Vec<StoredEvent>> {
        let read = limited(events_after(self.connection()?, position, limit)).await;
        self.kept(read)
    }

    /// How far the log was worked off.
    ///
    /// # Errors
    /// Faults of the database; the leadership is given up then.
    pub async fn cursor(&mut self) -> fault::Result<Position> {
        let name = self.name.clone();
        let read = limited(cursor(self.connection()?, &name)).await;
        self.kept(read)
    }

    /// Notes how far the log was worked off.
    ///
    /// # Errors
    /// Faults of the database; the leadership is given up then.
    pub async fn advance(&mut self, position: Position) -> fault::Result<()> {
        let name = self.name.clone();
        let written = limited(save_cursor(self.connection()?, &name, position)).await;
        self.kept(written)
    }

    /// Makes sure that the lock is still held.
    ///
    /// # Errors
    /// Faults of the database; the leadership is given up then.
    pub async fn confirm(&mut self) -> fault::Result<()> {
        let alive = limited(async { self.connection()?.ping().await.map_err(storage) }).await;
        self.kept(alive)
    }

    /// Lets another replica have it.
    pub async fn resign(&mut self) {
        self.held = false;
        if let Some(connection) = self.connection.take() {
            // The lock ends with the session in any case; unlocking only saves the others a wait.
            let _ = timeout(PATIENCE, unlock(connection)).await;
        }
    }

    fn kept<T>(&mut self, outcome: fault::Result<T>) -> fault::Result<T> {
        if outcome.is_err() {
            self.held = false;
            self.connection = None;
        }
        outcome
    }
}

/// A session outside the pool: the lock must not depend on who borrows the connection next. The
/// keep-alives free the lock soon when this machine vanishes from the network.
async fn connect(store: &EventStore) -> fault::Result<PgConnection> {
    let options = store.pool().connect_options();
    let mut connection = PgConnection::connect_with(&options).await.map_err(storage)?;
    let session = format!(
        "SET ROLE {}; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
         SET tcp_keepalives_count = 3",
        store.worker_role()
    );
    sqlx::raw_sql(AssertSqlSafe(session)).execute(&mut connection).await.map_err(storage)?;
    Ok(connection)
}

async fn try_lock(connection: &mut PgConnection, name: &str) -> fault::Result<bool> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '/' || $1, 0))")
        .bind(name)
        .fetch_one(connection)
        .await
        .map_err(storage)
}

async fn unlock(mut connection: PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("SELECT pg_advisory_unlock_all()").execute(&mut connection).await?;
    connection.close().await
}

async fn limited<T>(step: impl Future<Output = fault::Result<T>>) -> fault::Result<T> {
    let slow = || Fault::new(Code::Timeout, "store_slow", "The store did not answer in time.");
    timeout(PATIENCE, step).await.map_err(|_| slow())?
}
