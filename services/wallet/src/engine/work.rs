//! What is asked of a partition, and the answers that wait for durability.

use std::fmt;

use tokio::sync::oneshot;
use wallet_domain::{Answer, Command, OpenAccount, PartitionState, Rejection, Request};

use super::packed::{PackedAnswer, PackedPosts};

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The batch may or may not have become durable.
    OutcomeUnknown,
    /// The lease could not be confirmed, so a read might be stale.
    LeaseUncertain,
}

/// An outcome per command, and the batch up to which the state was when it was decided.
pub(crate) type Decided<T> = Result<T, Lost>;
pub(crate) type Reply<T> = oneshot::Sender<Decided<T>>;
pub(crate) type Ruled = Result<Answer, Rejection>;

/// One request to a partition.
pub(crate) enum Work {
    Open { request: Request, command: OpenAccount, reply: Reply<Ruled> },
    One { request: Request, command: Box<Command>, reply: Reply<Ruled> },
    Many { request: Request, commands: Vec<Command>, reply: Reply<Vec<Ruled>> },
    Packed { request: Request, posts: Box<PackedPosts>, reply: Reply<PackedAnswer> },
    Read(Box<dyn Query>),
}

/// Something that is read from memory.
pub(crate) trait Query: Send {
    /// Looks, and keeps what it saw until it may be told.
    fn look(self: Box<Self>, state: &PartitionState) -> Box<dyn Seen>;
}

/// What was seen, not yet told.
pub(crate) trait Seen: Send {
    fn release(self: Box<Self>);
    fn refuse(self: Box<Self>, why: Lost);
}

/// What was read, and the last batch that it includes.
pub(crate) struct View<T> {
    pub(crate) sequence: u64,
    pub(crate) value: T,
}

/// A query by a function.
pub(crate) struct Reading<T, F> {
    pub(crate) look: F,
    pub(crate) reply: Reply<View<T>>,
}

struct Held<T> {
    view: View<T>,
    reply: Reply<View<T>>,
}

impl<T: Send + 'static, F: FnOnce(&PartitionState) -> T + Send> Query for Reading<T, F> {
    fn look(self: Box<Self>, state: &PartitionState) -> Box<dyn Seen> {
        let view = View { sequence: state.sequence(), value: (self.look)(state) };
        Box::new(Held { view, reply: self.reply })
    }
}

impl<T: Send> Seen for Held<T> {
    fn release(self: Box<Self>) {
        let _ = self.reply.send(Ok(self.view)); // a caller that has gone away is no error
    }

    fn refuse(self: Box<Self>, why: Lost) {
        let _ = self.reply.send(Err(why));
    }
}

/// A decided answer that waits until the batch it rests on is durable.
pub(crate) enum Waiting {
    One(Reply<Ruled>, Ruled),
    Many(Reply<Vec<Ruled>>, Vec<Ruled>),
    Packed(Reply<PackedAnswer>, PackedAnswer),
    Read(Box<dyn Seen>),
}

impl Work {
    /// How much of a batch it may take.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Many { commands, .. } => commands.len().max(1),
            Self::Packed { posts, .. } => posts.len().max(1),
            Self::Open { .. } | Self::One { .. } | Self::Read(_) => 1,
        }
    }
}

impl Waiting {
    /// Answers; a caller that has gone away is no error.
    pub(crate) fn release(self) {
        match self {
            Self::One(reply, answer) => drop(reply.send(Ok(answer))),
            Self::Many(reply, answers) => drop(reply.send(Ok(answers))),
            Self::Packed(reply, answer) => drop(reply.send(Ok(answer))),
            Self::Read(seen) => seen.release(),
        }
    }

    /// Tells the caller that there is no answer.
    pub(crate) fn refuse(self, why: Lost) {
        match self {
            Self::One(reply, _) => drop(reply.send(Err(why))),
            Self::Many(reply, _) => drop(reply.send(Err(why))),
            Self::Packed(reply, _) => drop(reply.send(Err(why))),
            Self::Read(seen) => seen.refuse(why),
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "work of {} operations", self.weight())
    }
}
