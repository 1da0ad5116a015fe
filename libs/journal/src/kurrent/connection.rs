//! The connection to KurrentDB: bounded in time, made when needed, given up when it fails.
//!
//! The client finds a node when it is made and does not look again when that node is gone; once its
//! search has failed it answers nothing any more. So it is thrown away after every failure that is
//! not an answer, and the next call makes another. Only the leader is asked: a follower may not
//! know yet what has been acknowledged.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kurrentdb::{
    AppendToStreamOptions, Client, ClientSettings, Error, EventData, ReadStreamOptions, StreamPosition,
    StreamState,
};
use tokio::time::timeout;

use super::event::{self, Stored};
use super::line::{self, Line};
use crate::JournalError;

/// How long one answer may take before the outcome counts as unknown.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no result.
#[derive(Debug)]
pub(super) enum Failed {
    /// The stream does not end where it was expected to; nothing was appended.
    Moved,
    /// There is no such stream.
    Missing,
    /// The server is too old for that.
    Unsupported,
    /// Anything else.
    Other(JournalError),
}

pub(super) struct Connection {
    settings: ClientSettings,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    number: u64,
    client: Option<Client>,
}

impl Connection {
    pub(super) fn new(settings: ClientSettings) -> Self {
        Self { settings, made: Mutex::default() }
    }

    /// Appends `event` behind the event `last`, or as the first one; its number when it is durable.
    /// The call that `line` holds open is used, and opened when there is none.
    pub(super) async fn append(
        &self,
        line: &mut Option<Line>,
        stream: &str,
        last: Option<u64>,
        event: EventData,
    ) -> Result<u64, Failed> {
        let (number, client) = self.client().map_err(Failed::Other)?;
        let state = last.map_or(StreamState::NoStream, StreamState::StreamRevision);
        if line.is_none() {
            *line = match self.bounded(number, Line::open(&client, stream)).await {
                Err(Failed::Unsupported) => None,
                opened => Some(opened?),
            };
        }
        let written = match line.take() {
            Some(open) => {
                let written = self.bounded(number, open.append(state, event)).await?;
                *line = Some(open);
                written
            }
            None => Some(self.append_alone(number, &client, stream, state, event).await?),
        };
        let expected = last.map_or(0, |last| last.saturating_add(1));
        if written == Some(expected) {
            return Ok(expected);
        }
        let detail = format!("{stream}: event {expected} was written as {written:?}");
        Err(Failed::Other(JournalError::Corrupt(detail)))
    }

    /// Appends in a call of its own, for servers that know no other.
    async fn append_alone(
        &self,
        number: u64,
        client: &Client,
        stream: &str,
        state: StreamState,
        event: EventData,
    ) -> Result<u64, Failed> {
        let options = AppendToStreamOptions::default().stream_state(state).requires_leader(true);
        let options = options.deadline(PATIENCE);
        let appending = Box::pin(client.append_to_stream(stream, &options, event));
        Ok(self.bounded(number, appending).await?.next_expected_version)
    }

    /// The last event of a stream.
    pub(super) async fn last(&self, stream: &str) -> Result<Option<Stored>, JournalError> {
        let options = ReadStreamOptions::default().position(StreamPosition::End).backwards().max_count(1);
        let mut last = None;
        self.read(stream, options, |stored| {
            last = Some(stored);
            Ok(false)
        })
        .await?;
        Ok(last)
    }

    /// Shows at most `count` events from the event `from` on, for as long as `more` wants more.
    pub(super) async fn forwards(
        &self,
        stream: &str,
        from: u64,
        count: usize,
        more: impl FnMut(Stored) -> Result<bool, JournalError>,
    ) -> Result<(), JournalError> {
        let options = ReadStreamOptions::default().position(StreamPosition::Position(from)).forwards();
        self.read(stream, options.max_count(count), more).await
    }

    async fn read(
        &self,
        stream: &str,
        options: ReadStreamOptions,
        mut more: impl FnMut(Stored) -> Result<bool, JournalError>,
    ) -> Result<(), JournalError> {
        let (number, client) = self.client()?;
        let options = options.requires_leader(true);
        let asking = Box::pin(client.read_stream(stream, &options));
        let mut events = match self.bounded(number, asking).await {
            Ok(events) => events,
            Err(failed) => return unread(failed),
        };
        loop {
            let found = match self.bounded(number, events.next()).await {
                Ok(Some(found)) => found.event,
                Ok(None) => return Ok(()),
                Err(failed) => return unread(failed),
            };
            let found = found.ok_or_else(|| JournalError::Corrupt(format!("{stream}: a link to nothing")))?;
            if !more(event::stored(found)?)? {
                return Ok(());
            }
        }
    }

    async fn bounded<T>(
        &self,
        number: u64,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failed> {
        timeout(PATIENCE, answer).await.unwrap_or(Err(Error::DeadlineExceeded)).map_err(|error| {
            if !is_answer(&error) {
                self.give_up(number);
            }
            failed(error)
        })
    }

    fn client(&self) -> Result<(u64, Client), JournalError> {
        let mut made = self.made();
        if let Some(client) = &made.client {
            return Ok((made.number, client.clone()));
        }
        // Its TLS library cannot choose between two providers by itself; somebody may have chosen.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::new(self.settings.clone()).map_err(JournalError::unavailable)?;
        made.number += 1;
        made.client = Some(client.clone());
        Ok((made.number, client))
    }

    /// Throws the client away, unless another has taken its place.
    fn give_up(&self, number: u64) {
        let mut made = self.made();
        if made.number == number {
            made.client = None;
        }
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server has said no, rather than nothing.
const fn is_answer(error: &Error) -> bool {
    matches!(
        error,
        Error::WrongExpectedVersion { .. }
            | Error::ResourceNotFound
            | Error::ResourceDeleted
            | Error::NotLeaderException(_) // the client turns to the leader by itself
            | Error::AccessDenied
            | Error::UnsupportedFeature
            | Error::Grpc { .. }
    )
}

fn failed(error: Error) -> Failed {
    match error {
        Error::WrongExpectedVersion { .. } => Failed::Moved,
        Error::Grpc { message, .. } if message == line::MOVED => Failed::Moved,
        Error::UnsupportedFeature => Failed::Unsupported,
        Error::ResourceNotFound => Failed::Missing,
        Error::ResourceDeleted => Failed::Other(JournalError::Corrupt("the stream was deleted".to_owned())),
        unknown => Failed::Other(JournalError::unavailable(unknown)),
    }
}

/// A stream that does not exist has no events.
fn unread(failed: Failed) -> Result<(), JournalError> {
    match failed {
        Failed::Missing => Ok(()),
        Failed::Other(error) => Err(error),
        Failed::Moved | Failed::Unsupported => {
            Err(JournalError::unavailable("a read was answered like an append"))
        }
    }
}
