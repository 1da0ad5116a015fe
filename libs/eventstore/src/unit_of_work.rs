//! One transaction of a command: claim, load, decide (the caller's part), append, remember, commit.
//!
//! Dropping it without `commit` rolls everything back. After a failed step the transaction is
//! dead in PostgreSQL, where a COMMIT would silently roll back; so `commit` refuses then.

use fault::Fault;
use ids::TenantId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use kernel::{Aggregate, DomainEvent, Position, StoredEvent};
use prost::Message;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::append::{self, Target};
use crate::append_new::{self, NewStream};
use crate::error::unknown_event;
use crate::{CommandContext, EventStore, NewEvent, operations, storage};

/// A transaction that can write events.
pub struct UnitOfWork {
    store: EventStore,
    transaction: Transaction<'static, Postgres>,
    context: Option<CommandContext>,
    position: Position,
    failed: bool,
}

/// A [`UnitOfWork`] that consumers and workers get: the same, begun by the library.
pub type WorkerUnit = UnitOfWork;

/// An aggregate as it was read, or a new one.
#[derive(Debug, Clone)]
pub struct Loaded<A> {
    /// Its stream.
    pub id: Uuid,
    /// Its state.
    pub state: A,
    /// Its last revision; 0 means that nothing has happened yet.
    pub revision: i64,
}

impl<A> Loaded<A> {
    /// Whether nothing has happened to it yet.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.revision == 0
    }
}

impl UnitOfWork {
    pub(crate) fn new(
        store: EventStore,
        transaction: Transaction<'static, Postgres>,
        context: Option<CommandContext>,
    ) -> Self {
        Self { store, transaction, context, position: Position::START, failed: false }
    }

    /// The circumstances that are written beside each event.
    ///
    /// # Errors
    /// A worker transaction that was begun without any: give it one by [`Self::set_context`].
    pub fn context(&self) -> fault::Result<&CommandContext> {
        self.context.as_ref().ok_or_else(|| Fault::internal("this unit of work has no command context"))
    }

    /// Sets the circumstances of the events that follow.
    pub fn set_context(&mut self, context: CommandContext) {
        self.context = Some(context);
    }

    /// Takes the operation: `None` means go on, `Some` is the answer that was given before.
    ///
    /// Concurrent calls with the same operation id wait here for each other. A command of several
    /// commits that was cut off between them is told to go on as well, so its steps must be
    /// idempotent by themselves.
    ///
    /// # Errors
    /// `OperationReused` if the id was used with another body.
    pub async fn claim<M: Message + Default>(&mut self, body_hash: &[u8; 32]) -> fault::Result<Option<M>> {
        let context = self.context()?.clone();
        let answer = operations::claim(&mut self.transaction, &context, body_hash).await;
        let answer = self.checked(answer)?;
        answer.map(|bytes| M::decode(bytes.as_slice()).map_err(Fault::internal)).transpose()
    }

    /// Keeps the answer of the operation for repeated calls.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn remember<M: Message>(&mut self, body_hash: &[u8; 32], answer: &M) -> fault::Result<()> {
        let context = self.context()?.clone();
        let answer = answer.encode_to_vec();
        let done = operations::remember(&mut self.transaction, &context, body_hash, answer).await;
        self.checked(done)
    }

    /// Reads an aggregate of the context's tenant; a missing one is new.
    ///
    /// # Errors
    /// An event that this program cannot read, or faults of the database.
    pub async fn load<A: Aggregate>(&mut self, id: Uuid) -> fault::Result<Loaded<A>> {
        let tenant = self.context()?.tenant;
        let loaded = load(&mut self.transaction, tenant, id).await;
        self.checked(loaded)
    }

    /// Appends what was decided and evolves the state by it.
    ///
    /// # Errors
    /// `StaleRevision` if somebody else appended since it was loaded.
    pub async fn append<A: Aggregate>(
        &mut self,
        loaded: &mut Loaded<A>,
        events: Vec<A::Event>,
    ) -> fault::Result<Vec<StoredEvent>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let new = events.iter().map(NewEvent::of).collect();
        let stored = self.append_raw(A::KIND, loaded.id, loaded.revision, new).await?;
        for event in &events {
            loaded.state.evolve(event);
        }
        loaded.revision = stored.last().map_or(loaded.revision, |last| last.revision);
        Ok(stored)
    }

    /// Appends the first events of several streams in one statement; each stream has circumstances
    /// of its own. Answers each aggregate with the position of its last event, in order.
    ///
    /// # Errors
    /// `StaleRevision` if one of the streams exists already; then nothing is written.
    pub async fn append_new<A: Aggregate>(
        &mut self,
        streams: &[NewStream<A>],
    ) -> fault::Result<Vec<(Loaded<A>, Position)>> {
        let done = append_new::append_new(&mut self.transaction, streams).await;
        let begun = self.checked(done)?;
        self.position = begun.last().map_or(self.position, |(_, position)| *position);
        Ok(begun)
    }

    /// Appends a fact without an aggregate, at the next revision of its stream. A kind of stream
    /// is written either by this or by [`Self::append`], never by both.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn append_fact<E: DomainEvent>(
        &mut self,
        kind: &str,
        stream: Uuid,
        event: E,
    ) -> fault::Result<StoredEvent> {
        let context = self.context()?.clone();
        let target = Target { context: &context, kind, stream };
        let done = append::append_fact(&mut self.transaction, &target, NewEvent::of(&event)).await;
        let stored = self.checked(done)?;
        self.position = stored.position;
        Ok(stored)
    }

    pub(crate) async fn append_raw(
        &mut self,
        kind: &str,
        stream: Uuid,
        expected: i64,
        events: Vec<NewEvent>,
    ) -> fault::Result<Vec<StoredEvent>> {
        let context = self.context()?.clone();
        let target = Target { context: &context, kind, stream };
        let done = append::append(&mut self.transaction, &target, expected, events).await;
        let stored = self.checked(done)?;
        self.position = stored.last().map_or(self.position, |last| last.position);
        Ok(stored)
    }

    /// The connection, for inline projections and the service's own tables.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Makes everything durable and wakes the readers of this process. Answers the position of the
    /// last event, or the start if there was none.
    ///
    /// # Errors
    /// A step before failed, or the database did not confirm: then the outcome is unknown and the
    /// same operation id may be sent again.
    pub async fn commit(self) -> fault::Result<Position> {
        if self.failed {
            return Err(Fault::internal("commit after a failed step would lose it silently"));
        }
        self.transaction.commit().await.map_err(storage)?;
        if self.position > Position::START {
            self.store.wake();
        }
        Ok(self.position)
    }

    /// Gives everything up.
    ///
    /// # Errors
    /// Faults of the database; it is given up all the same.
    pub async fn rollback(self) -> fault::Result<()> {
        self.transaction.rollback().await.map_err(storage)
    }

    fn checked<T>(&mut self, outcome: fault::Result<T>) -> fault::Result<T> {
        self.failed |= outcome.is_err();
        outcome
    }
}

/// Folds the stream of an aggregate.
pub(crate) async fn load<A: Aggregate>(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: Uuid,
) -> fault::Result<Loaded<A>> {
    load_as_of(connection, tenant, id, None).await
}

/// Folds the stream of an aggregate as far as it had happened at `as_of`.
pub(crate) async fn load_as_of<A: Aggregate>(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: Uuid,
    as_of: Option<Timestamp>,
) -> fault::Result<Loaded<A>> {
    let rows: Vec<(String, i16, serde_json::Value, i64)> = sqlx::query_as(
        "SELECT name, version, payload, revision FROM events \
         WHERE tenant_id = $1 AND kind = $2 AND stream_id = $3 AND ($4::timestamptz IS NULL OR at <= $4) \
         ORDER BY revision",
    )
    .bind(tenant.as_uuid())
    .bind(A::KIND)
    .bind(id)
    .bind(as_of.map(|at| at.to_sqlx()))
    .fetch_all(connection)
    .await
    .map_err(storage)?;
    let mut loaded = Loaded { id, state: A::default(), revision: 0 };
    for (name, version, payload, revision) in rows {
        let event = A::Event::restore(&name, version.cast_unsigned(), payload).map_err(unknown_event)?;
        loaded.state.evolve(&event);
        loaded.revision = revision;
    }
    Ok(loaded)
}
