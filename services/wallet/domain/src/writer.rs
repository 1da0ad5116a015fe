//! The single writer of a partition, without its threads: decides, applies, collects facts.
//!
//! The state runs ahead of the journal by the batch in the making and the one being appended. Who
//! drives the writer answers nobody before the batch named in the [`Answer`] is durable, and throws
//! the writer away when an append fails.

mod agenda;

use ids::TenantId;

use crate::{
    AccountKind, AccountTerms, Batch, Broken, Command, Draft, OpenAccount, Outcome, PartitionState,
    Rejection, Request, Verdict, decide, outcome,
};
use agenda::Agenda;

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The batch that must be durable before anybody may learn the outcome.
    pub sequence: u64,
    /// Whether it had been done before; then the figures of the outcome must be read from the facts.
    pub repeated: bool,
    /// What it came to.
    pub outcome: Outcome,
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
    agenda: Agenda,
}

impl Writer {
    /// A writer over the state after the last durable batch, which remembers at least the last
    /// `window` operations whose id says its time, and as many whose id does not.
    #[must_use]
    pub fn new(state: PartitionState, window: usize) -> Self {
        let agenda = Agenda::of(&state);
        Self { state, draft: None, window, agenda }
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
        let outcome = Outcome::default();
        match decide::open_account(&self.state, request.tenant, command)? {
            Verdict::Done { sequence } => Ok(Answer { sequence, repeated: true, outcome }),
            Verdict::New(()) => {
                let draft = begin(&mut self.draft, &mut self.state, self.window, now_ms)?;
                let opening = draft.open(request, &command.terms);
                self.state.apply_opening(&opening, Some(command.terms.asset.code()))?;
                Ok(Answer { sequence: self.state.sequence(), repeated: false, outcome })
            }
        }
    }

    /// Does what a command says, or nothing. `now_ms` is the machine's time.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn execute(&mut self, request: &Request, command: &Command, now_ms: i64) -> Result<Answer, Refused> {
        match decide::decide(&self.state, request, command)? {
            Verdict::Done { sequence } => {
                Ok(Answer { sequence, repeated: true, outcome: Outcome::default() })
            }
            Verdict::New(facts) => {
                let draft = begin(&mut self.draft, &mut self.state, self.window, now_ms)?;
                let at_ms = draft.at_ms();
                let outcome = outcome(&facts.postings, &facts.effects);
                let (tenant, recorded) = (facts.tenant, draft.record(request, command, facts));
                self.state.apply_operation(at_ms, recorded)?;
                self.agenda.follow(&self.state, tenant, recorded);
                Ok(Answer { sequence: self.state.sequence(), repeated: false, outcome })
            }
        }
    }

    /// When the next lot or hold of each tenant expires, the tenant's time.
    pub fn next_due(&self) -> impl Iterator<Item = (TenantId, i64)> {
        self.agenda.next().filter_map(|(tenant, at_ms)| Some((*self.state.tenants.get(tenant)?, at_ms)))
    }

    /// Lets at most `limit` lots and holds of a tenant expire that are due at the request's time.
    /// Answers how many did.
    ///
    /// # Errors
    /// [`Broken`]; what cannot expire for now is left for later.
    pub fn expire_due(&mut self, request: &Request, limit: usize, now_ms: i64) -> Result<usize, Broken> {
        let Some(tenant) = self.state.tenants.find(&request.tenant) else { return Ok(0) };
        let due = self.agenda.due(tenant, request.at_ms, limit);
        let mut expired: usize = 0;
        for item in due {
            let Some((command, breakage)) = agenda::command(&self.state, request.tenant, item) else {
                continue;
            };
            let outcome = self.expire(request, &command, breakage, now_ms);
            match outcome {
                Ok(answer) => expired = expired.saturating_add(usize::from(!answer.repeated)),
                Err(Refused::Broken(broken)) => return Err(broken),
                Err(Refused::Rejected(_)) => {}
            }
        }
        Ok(expired)
    }

    fn expire(
        &mut self,
        request: &Request,
        command: &Command,
        breakage: Option<AccountTerms>,
        now_ms: i64,
    ) -> Result<Answer, Refused> {
        if let Some(terms) = breakage {
            debug_assert_eq!(terms.kind, AccountKind::Breakage, "lots expire to breakage");
            self.open_account(request, &OpenAccount { terms }, now_ms)?;
        }
        self.execute(request, command, now_ms)
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
        let forget = state.surplus_pages(window);
        let at_ms = now_ms.max(state.at_ms);
        state.begin(state.sequence().saturating_add(1), at_ms, forget)?;
        *draft = Some(Draft::new(at_ms, forget));
    }
    Ok(draft.get_or_insert_with(|| Draft::new(now_ms, (0, 0))))
}

#[cfg(test)]
mod tests;
