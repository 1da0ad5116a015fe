//! A call that stays open and takes one append after another.
//!
//! An append in a call of its own needs several small packets, and the client leaves Nagle's algorithm
//! on: the last of them waits for an acknowledgement that the server delays, 40 ms on Linux. In an open
//! call an append is one message and takes a round trip. Each writer has its own, because the client
//! ends it with the first append that is refused.

use futures::FutureExt as _;
use kurrentdb::{BatchAppendClient, BatchAppendOptions, Client, Error, EventData, StreamState};

/// What the server says in an open call when a stream does not end where it was expected to.
pub(super) const MOVED: &str = "WrongExpectedVersion";

/// No stream gets as long as this.
const NEVER: StreamState = StreamState::StreamRevision(i64::MAX as u64 - 1);

pub(super) struct Line {
    call: BatchAppendClient,
    stream: String,
}

impl Line {
    pub(super) async fn open(client: &Client, stream: &str) -> Result<Self, Error> {
        let options = BatchAppendOptions::default().requires_leader(true);
        let call = client.batch_append(&options).await?;
        Ok(Self { call, stream: stream.to_owned() })
    }

    pub(super) async fn append(&self, state: StreamState, event: EventData) -> Result<Option<u64>, Error> {
        let written = self.call.append_to_stream(&self.stream, state, vec![event]).await?;
        Ok(written.current_revision())
    }
}

/// The client keeps a call open that nobody holds any more, and ends it when an append is refused: so
/// one that must be is left behind. When the call has ended already, it is not sent.
impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.call.append_to_stream(&self.stream, NEVER, Vec::new()).now_or_never();
    }
}
