//! `NotificationService`.
//!
//! A stream begins to listen before it reads what was missed, so nothing falls between; each
//! wake-up names a row, which is read and sent once. Should a wake-up be lost (the stream was too
//! slow, the process has just started), a look every few seconds finds the row.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use contracts::vbwd::notify::v1 as proto;
use contracts::vbwd::notify::v1::notification_service_server::NotificationService;
use eventstore::{EventStore, storage};
use fault::Fault;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::Rpcs;
use super::convert::{page, stored};
use crate::notifications::{Inbox, Notification, Wake};

const LOOK_EVERY: Duration = Duration::from_secs(5);
const MISSED_MAX: i64 = 200;
const SENT_REMEMBERED: usize = 1_000;

type Answer<M> = Result<Response<M>, Status>;

#[tonic::async_trait]
impl NotificationService for Rpcs {
    type WatchMyNotificationsStream =
        Pin<Box<dyn Stream<Item = Result<proto::WatchMyNotificationsResponse, Status>> + Send>>;

    async fn list_my_notifications(
        &self,
        request: Request<proto::ListMyNotificationsRequest>,
    ) -> Answer<proto::ListMyNotificationsResponse> {
        let inbox = self.inbox(&request)?;
        let message = request.get_ref();
        let page = page::<Uuid>(message.page_size, &message.cursor)?;
        let mut reading = self.store.read(inbox.tenant).await?;
        let mut found = inbox.page(&mut reading, message.unread_only, (page.before, page.fetched())).await?;
        reading.rollback().await.map_err(storage)?;
        let next_cursor = page.cut(&mut found, |last| last.notification_id);
        let notifications = found.into_iter().map(notification).collect();
        Ok(Response::new(proto::ListMyNotificationsResponse { notifications, next_cursor }))
    }

    async fn get_my_unread_count(
        &self,
        request: Request<proto::GetMyUnreadCountRequest>,
    ) -> Answer<proto::GetMyUnreadCountResponse> {
        let inbox = self.inbox(&request)?;
        let mut reading = self.store.read(inbox.tenant).await?;
        let unread = inbox.unread(&mut reading).await?;
        reading.rollback().await.map_err(storage)?;
        Ok(Response::new(proto::GetMyUnreadCountResponse { unread }))
    }

    async fn mark_notification_read(
        &self,
        request: Request<proto::MarkNotificationReadRequest>,
    ) -> Answer<proto::MarkNotificationReadResponse> {
        let (inbox, (_, context)) = (self.inbox(&request)?, self.context(&request)?);
        let id = request.get_ref().notification_id.parse().map_err(|_| Fault::not_found("notification"))?;
        let mut unit = self.store.begin(&context).await?;
        inbox.mark_read(unit.connection(), Some(id), self.clock.wall()).await?;
        let found = inbox.one(unit.connection(), id).await?;
        unit.commit().await?;
        Ok(Response::new(proto::MarkNotificationReadResponse { notification: Some(notification(found)) }))
    }

    async fn mark_all_notifications_read(
        &self,
        request: Request<proto::MarkAllNotificationsReadRequest>,
    ) -> Answer<proto::MarkAllNotificationsReadResponse> {
        let (inbox, (_, context)) = (self.inbox(&request)?, self.context(&request)?);
        let mut unit = self.store.begin(&context).await?;
        let marked = inbox.mark_read(unit.connection(), None, self.clock.wall()).await?;
        unit.commit().await?;
        let marked = i64::try_from(marked).unwrap_or(i64::MAX);
        Ok(Response::new(proto::MarkAllNotificationsReadResponse { marked }))
    }

    async fn watch_my_notifications(
        &self,
        request: Request<proto::WatchMyNotificationsRequest>,
    ) -> Answer<Self::WatchMyNotificationsStream> {
        let inbox = self.inbox(&request)?;
        let after = request.get_ref().after_notification_id.as_str();
        let after = match after {
            "" => None,
            id => Some(id.parse::<Uuid>().map_err(|_| Fault::not_found("notification"))?),
        };
        let mut watch = Watch {
            store: self.store.clone(),
            inbox,
            wakes: self.hub.listen(),
            after: after.unwrap_or_default(),
            sent: VecDeque::new(),
        };
        let first = if after.is_some() { watch.missed().await? } else { watch.begin_now().await? };
        let rest = stream::try_unfold(watch, |mut watch| async move {
            let news = watch.news().await?;
            Ok::<_, Fault>(Some((stream::iter(news.into_iter().map(Ok::<_, Fault>)), watch)))
        });
        let all = stream::iter(first.into_iter().map(Ok::<_, Fault>)).chain(rest.try_flatten());
        let answers = all
            .map_err(Status::from)
            .map_ok(|row| proto::WatchMyNotificationsResponse { notification: Some(notification(row)) });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Rpcs {
    fn inbox<T>(&self, request: &Request<T>) -> fault::Result<Inbox> {
        let (caller, _) = self.context(request)?;
        Ok(Inbox { tenant: caller.tenant, user: caller.user()? })
    }
}

/// One open stream.
struct Watch {
    store: EventStore,
    inbox: Inbox,
    wakes: Receiver<Wake>,
    /// The newest that was sent.
    after: Uuid,
    /// What was sent lately, so that nothing is sent twice.
    sent: VecDeque<Uuid>,
}

impl Watch {
    /// Starts behind what there is.
    async fn begin_now(&mut self) -> fault::Result<Vec<Notification>> {
        let mut reading = self.store.read(self.inbox.tenant).await?;
        let newest = self.inbox.page(&mut reading, false, (None, 1)).await?;
        reading.rollback().await.map_err(storage)?;
        self.after = newest.first().map_or(Uuid::nil(), |newest| newest.notification_id);
        self.sent.extend(newest.first().map(|newest| newest.notification_id));
        Ok(Vec::new())
    }

    /// What came after the newest that was sent.
    async fn missed(&mut self) -> fault::Result<Vec<Notification>> {
        let mut reading = self.store.read(self.inbox.tenant).await?;
        let rows = self.inbox.since(&mut reading, self.after, MISSED_MAX).await?;
        reading.rollback().await.map_err(storage)?;
        Ok(self.unsent(rows))
    }

    /// The next that come; perhaps none, after a while.
    async fn news(&mut self) -> fault::Result<Vec<Notification>> {
        loop {
            let wake = tokio::time::timeout(LOOK_EVERY, self.wakes.recv()).await;
            match wake {
                Ok(Ok((tenant, user, id))) if (tenant, user) == (self.inbox.tenant, self.inbox.user) => {
                    let mut reading = self.store.read(tenant).await?;
                    let row = self.inbox.one(&mut reading, id.as_uuid()).await?;
                    reading.rollback().await.map_err(storage)?;
                    return Ok(self.unsent(vec![row]));
                }
                Ok(Ok(_)) => {} // somebody else's
                Ok(Err(RecvError::Lagged(_))) | Err(_) => return self.missed().await,
                Ok(Err(RecvError::Closed)) => {
                    return Err(Fault::unavailable("draining", "this process is ending"));
                }
            }
        }
    }

    fn unsent(&mut self, rows: Vec<Notification>) -> Vec<Notification> {
        let mut fresh = Vec::new();
        for row in rows {
            if self.sent.contains(&row.notification_id) {
                continue;
            }
            self.after = self.after.max(row.notification_id);
            self.sent.push_back(row.notification_id);
            if self.sent.len() > SENT_REMEMBERED {
                self.sent.pop_front();
            }
            fresh.push(row);
        }
        fresh
    }
}

fn notification(row: Notification) -> proto::Notification {
    proto::Notification {
        notification_id: row.notification_id.to_string(),
        template: row.template,
        title: row.title,
        text: row.text,
        subject: row.subject,
        created_at: Some(stored(row.created_at)),
        read_at: row.read_at.map(stored),
    }
}
