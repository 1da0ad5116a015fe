//! What is asked of a partition, and the answers that wait for durability.

use ids::{AccountId, OperationId, TenantId, UserId};
use tokio::sync::oneshot;
use wallet_domain::{AccountView, Answer, OpenAccount, PartitionState, Post, Rejection, Request};

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

/// One request to a partition.
pub(crate) enum Work {
    Open { request: Request, command: OpenAccount, reply: Reply<Result<Answer, Rejection>> },
    Post { request: Request, commands: Vec<Post>, reply: Reply<Vec<Result<Answer, Rejection>>> },
    Read { query: Query, reply: Reply<View> },
}

/// What can be read from memory.
#[derive(Debug, Clone)]
pub(crate) enum Query {
    Account(TenantId, AccountId),
    AccountsOf(TenantId, UserId),
    Operation(TenantId, OperationId),
}

/// Accounts at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// The last batch the figures include.
    pub(crate) sequence: u64,
    pub(crate) accounts: Vec<AccountView>,
    /// The batch of the operation that was asked for.
    pub(crate) posted: Option<u64>,
}

/// A decided answer that waits until the batch it rests on is durable.
pub(crate) enum Held {
    Open(Reply<Result<Answer, Rejection>>, Result<Answer, Rejection>),
    Post(Reply<Vec<Result<Answer, Rejection>>>, Vec<Result<Answer, Rejection>>),
    Read(Reply<View>, View),
}

impl Work {
    /// How much of a batch it may take.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Post { commands, .. } => commands.len().max(1),
            Self::Open { .. } | Self::Read { .. } => 1,
        }
    }
}

impl Query {
    pub(crate) fn answer(&self, state: &PartitionState) -> View {
        let mut view = View { sequence: state.sequence(), accounts: Vec::new(), posted: None };
        match self {
            Self::Account(tenant, account) => view.accounts.extend(state.account(*tenant, *account)),
            Self::AccountsOf(tenant, user) => view.accounts.extend(state.accounts_of(*tenant, *user)),
            Self::Operation(tenant, operation) => view.posted = state.operation(*tenant, *operation),
        }
        view
    }
}

impl Held {
    /// Answers; a caller that has gone away is no error.
    pub(crate) fn release(self) {
        match self {
            Self::Open(reply, answer) => drop(reply.send(Ok(answer))),
            Self::Post(reply, answers) => drop(reply.send(Ok(answers))),
            Self::Read(reply, view) => drop(reply.send(Ok(view))),
        }
    }

    /// Tells the caller that there is no answer.
    pub(crate) fn refuse(self, why: Lost) {
        match self {
            Self::Open(reply, _) => drop(reply.send(Err(why))),
            Self::Post(reply, _) => drop(reply.send(Err(why))),
            Self::Read(reply, _) => drop(reply.send(Err(why))),
        }
    }
}
