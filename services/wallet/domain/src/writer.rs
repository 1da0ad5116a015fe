//! The single writer of a partition, without its threads: decides, applies, collects facts.
//!
//! The state runs ahead of the journal by the batch in the making and the one being appended. Who
//! drives the writer answers nobody before the batch named in the [`Answer`] is durable, and throws
//! the writer away when an append fails.

use crate::{Batch, Broken, Draft, OpenAccount, PartitionState, Post, Rejection, Request, Verdict, decide};

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The batch that must be durable before anybody may learn the outcome.
    pub sequence: u64,
    /// Whether it had been done before.
    pub repeated: bool,
}

impl Refused {
    /// The rule that said no, if one did.
    #[must_use]
    pub const fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Broken(_) => None,
        }
    }
}

/// Decides and applies; one per partition.
#[derive(Debug)]
pub struct Writer {
    state: PartitionState,
    draft: Option<Draft>,
    window: usize,
}

/// Why a command has no answer: a rule said no, or the state is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The rule.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A bug: what was decided could not be applied. The writer must be thrown away.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl Writer {
    /// A writer over the state after the last durable batch, which remembers at least the last
    /// `window` operations whose id says its time.
    #[must_use]
    pub const fn new(state: PartitionState, window: usize) -> Self {
        Self { state, draft: None, window }
    }

    /// The state, ahead of the journal.
    #[must_use]
    pub const fn state(&self) -> &PartitionState {
        &self.state
    }

    /// Operations and openings in the batch in the making.
    #[must_use]
    pub fn drafted(&self) -> usize {
        self.draft.as_ref().map_or(0, Draft::len)
    }

    /// Opens an account. `now_ms` is the machine's time.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open_account(
        &mut self,
        request: &Request,
        command: &OpenAccount,
        now_ms: i64,
    ) -> Result<Answer, Refused> {
        match decide::open_account(&self.state, request.tenant, command)? {
            Verdict::Done { sequence } => Ok(Answer { sequence, repeated: true }),
            Verdict::New(()) => {
                let draft = begin(&mut self.draft, &mut self.state, self.window, now_ms)?;
                let opening = draft.open(request, &command.terms);
                self.state.apply_opening(&opening, Some(command.terms.asset.code()))?;
                Ok(Answer { sequence: self.state.sequence(), repeated: false })
            }
        }
    }

    /// Posts an operation. `now_ms` is the machine's time.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn post(&mut self, request: &Request, command: &Post, now_ms: i64) -> Result<Answer, Refused> {
        match decide::post(&self.state, request.tenant, command)? {
            Verdict::Done { sequence } => Ok(Answer { sequence, repeated: true }),
            Verdict::New(posted) => {
                let draft = begin(&mut self.draft, &mut self.state, self.window, now_ms)?;
                let at_ms = draft.at_ms();
                let operation = draft.post(request, command, &posted);
                self.state.apply_operation(at_ms, operation, &posted.postings)?;
                Ok(Answer { sequence: self.state.sequence(), repeated: false })
            }
        }
    }

    /// Takes the batch in the making, with its number.
    pub fn cut(&mut self) -> Option<(u64, Batch)> {
        self.draft.take().map(|draft| (self.state.sequence(), draft.finish()))
    }
}

/// The batch in the making; a new one when there is none.
fn begin<'a>(
    draft: &'a mut Option<Draft>,
    state: &mut PartitionState,
    window: usize,
    now_ms: i64,
) -> Result<&'a mut Draft, Broken> {
    if draft.is_none() {
        let forget_pages = state.surplus_pages(window);
        state.begin(state.sequence().saturating_add(1), forget_pages)?;
        *draft = Some(Draft::new(now_ms, forget_pages));
    }
    Ok(draft.get_or_insert_with(|| Draft::new(now_ms, 0)))
}
