//! Notifications in the application: the rows, and how open streams hear of new ones.
//!
//! A new row is also a fact in the log, whose readers see no gaps. Each process tails that log and
//! wakes the streams it holds; a stream then reads the rows, so nothing depends on a wake-up coming
//! once, or in order.

use std::sync::Arc;
use std::time::Duration;

use eventstore::{EventStore, WorkerUnit, storage};
use fault::Fault;
use ids::{NotificationId, TenantId, UserId};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use kernel::{Clock, Position};
use runtime::Drain;
use sqlx::PgConnection;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::events::{NOTIFICATION, NotificationCreated, NotifyEvent};

const COLUMNS: &str = "SELECT notification_id, template, title, text, subject, created_at, read_at \
     FROM notifications WHERE tenant_id = $1 AND user_id = $2";
const LOOK_EVERY: Duration = Duration::from_millis(300);
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
const TAIL_AT_A_TIME: usize = 500;
/// Wake-ups that a slow stream may fall behind; it then reads the rows all the same.
const WAKES_HELD: usize = 256;

/// A notification to be made.
pub(crate) struct NewNotification {
    pub user: UserId,
    pub template: &'static str,
    pub title: String,
    pub text: String,
    pub subject: String,
}

/// A notification as it stands.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Notification {
    pub notification_id: Uuid,
    pub template: String,
    pub title: String,
    pub text: String,
    pub subject: String,
    pub created_at: jiff_sqlx::Timestamp,
    pub read_at: Option<jiff_sqlx::Timestamp>,
}

/// Makes a notification, in the transaction of `work`.
pub(crate) async fn put(
    work: &mut WorkerUnit,
    tenant: TenantId,
    new: NewNotification,
    now: Timestamp,
) -> fault::Result<()> {
    let id = NotificationId::new();
    sqlx::query(
        "INSERT INTO notifications (notification_id, tenant_id, user_id, template, title, text, subject, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id.as_uuid())
    .bind(tenant.as_uuid())
    .bind(new.user.as_uuid())
    .bind(new.template)
    .bind(&new.title)
    .bind(&new.text)
    .bind(&new.subject)
    .bind(now.to_sqlx())
    .execute(work.connection())
    .await
    .map_err(storage)?;
    let template = new.template.to_owned();
    let event =
        NotifyEvent::NotificationCreated(NotificationCreated { notification: id, user: new.user, template });
    work.append_fact(NOTIFICATION, id.as_uuid(), event).await.map(drop)
}

/// The notifications of one user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inbox {
    pub tenant: TenantId,
    pub user: UserId,
}

impl Inbox {
    /// At most `limit`, newest first, behind `before`.
    pub(crate) async fn page(
        self,
        on: &mut PgConnection,
        unread_only: bool,
        (before, limit): (Option<Uuid>, i64),
    ) -> fault::Result<Vec<Notification>> {
        let query = format!(
            "{COLUMNS} AND ($3::uuid IS NULL OR notification_id < $3) AND NOT ($4 AND read_at IS NOT NULL) \
             ORDER BY notification_id DESC LIMIT $5"
        );
        let page = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(self.tenant.as_uuid());
        let page = page.bind(self.user.as_uuid()).bind(before).bind(unread_only).bind(limit);
        page.fetch_all(on).await.map_err(storage)
    }

    /// At most `limit`, oldest first, that came after `after`.
    pub(crate) async fn since(
        self,
        on: &mut PgConnection,
        after: Uuid,
        limit: i64,
    ) -> fault::Result<Vec<Notification>> {
        let query = format!("{COLUMNS} AND notification_id > $3 ORDER BY notification_id LIMIT $4");
        let page = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(self.tenant.as_uuid());
        page.bind(self.user.as_uuid()).bind(after).bind(limit).fetch_all(on).await.map_err(storage)
    }

    /// One of them.
    pub(crate) async fn one(self, on: &mut PgConnection, id: Uuid) -> fault::Result<Notification> {
        let query = sqlx::AssertSqlSafe(format!("{COLUMNS} AND notification_id = $3"));
        let one = sqlx::query_as(query).bind(self.tenant.as_uuid()).bind(self.user.as_uuid()).bind(id);
        one.fetch_optional(on).await.map_err(storage)?.ok_or_else(|| Fault::not_found("notification"))
    }

    /// How many were not read.
    pub(crate) async fn unread(self, on: &mut PgConnection) -> fault::Result<i64> {
        sqlx::query_scalar(
            "SELECT count(*) FROM notifications WHERE tenant_id = $1 AND user_id = $2 AND read_at IS NULL",
        )
        .bind(self.tenant.as_uuid())
        .bind(self.user.as_uuid())
        .fetch_one(on)
        .await
        .map_err(storage)
    }

    /// Notes that one was read, or all; the first reading counts. Answers how many were unread.
    pub(crate) async fn mark_read(
        self,
        on: &mut PgConnection,
        one: Option<Uuid>,
        now: Timestamp,
    ) -> fault::Result<u64> {
        let done = sqlx::query(
            "UPDATE notifications SET read_at = $4 WHERE tenant_id = $1 AND user_id = $2 AND read_at IS NULL \
             AND ($3::uuid IS NULL OR notification_id = $3)",
        )
        .bind(self.tenant.as_uuid())
        .bind(self.user.as_uuid())
        .bind(one)
        .bind(now.to_sqlx())
        .execute(on)
        .await
        .map_err(storage)?;
        Ok(done.rows_affected())
    }
}

/// Who has just been told something, and which row it is.
pub(crate) type Wake = (TenantId, UserId, NotificationId);

/// Wakes the streams of this process.
#[derive(Clone)]
pub(crate) struct Hub(broadcast::Sender<Wake>);

impl Hub {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(WAKES_HELD))
    }

    /// Everything that is told from now on, to anybody.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Wake> {
        self.0.subscribe()
    }

    /// Tails the log from its present end until told to stop.
    pub(crate) async fn tail(self, store: EventStore, drain: Drain) -> fault::Result<()> {
        let mut position = end(&store).await?;
        while !drain.is_cancelled() {
            let events = store.events_after(position, TAIL_AT_A_TIME).await?;
            for event in &events {
                position = event.position;
                if let Ok(NotifyEvent::NotificationCreated(created)) = event.decode::<NotifyEvent>() {
                    // Nobody listening is no fault.
                    let _ = self.0.send((event.tenant, created.user, created.notification));
                }
            }
            if events.is_empty() {
                let woken = async {
                    tokio::select! {
                        () = store.appended() => {}
                        () = tokio::time::sleep(LOOK_EVERY) => {}
                    }
                };
                drain.run_until_cancelled(woken).await;
            }
        }
        Ok(())
    }
}

/// Forgets old notifications, once an hour.
pub(crate) async fn sweep(
    store: EventStore,
    clock: Arc<dyn Clock>,
    kept: SignedDuration,
    drain: Drain,
) -> fault::Result<()> {
    loop {
        let before = clock.wall().saturating_sub(kept).map_err(Fault::internal)?;
        while sweep_some(&store, before).await? > 0 && !drain.is_cancelled() {}
        if drain.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_none() {
            return Ok(());
        }
    }
}

async fn sweep_some(store: &EventStore, before: Timestamp) -> fault::Result<u64> {
    let mut worker = store.begin_worker(None).await?;
    let gone = sqlx::query(
        "DELETE FROM notifications WHERE notification_id IN \
         (SELECT notification_id FROM notifications WHERE created_at < $1 ORDER BY created_at LIMIT 1000)",
    );
    let gone =
        gone.bind(before.to_sqlx()).execute(worker.connection()).await.map_err(storage)?.rows_affected();
    worker.commit().await?;
    Ok(gone)
}

/// The end of the log. What is in flight at this moment sorts behind it, or is read by the streams
/// themselves when they begin.
async fn end(store: &EventStore) -> fault::Result<Position> {
    let mut worker = store.begin_worker(None).await?;
    let last: Option<i64> = sqlx::query_scalar("SELECT max(transaction) FROM events")
        .fetch_one(worker.connection())
        .await
        .map_err(storage)?;
    worker.rollback().await?;
    let before = last.unwrap_or_default().saturating_sub(1);
    Ok(Position { transaction: u64::try_from(before).unwrap_or_default(), sequence: u64::MAX >> 1 })
}
