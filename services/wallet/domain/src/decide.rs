//! One file per command: a ladder of guards, each with its own named rejection, then the facts.
//!
//! What all commands share comes first, in this order: a repeated id is answered before any other
//! rule, because what was done once stays done even if the accounts could not do it again; an id that
//! may have been forgotten is refused; the note must be well formed. Then the verb's own rule works on
//! a [`Plan`].

mod capture;
mod change_account;
mod convert;
mod expire;
mod grant;
mod hold;
#[cfg(test)]
mod matrix;
mod open_account;
mod post;
mod put_meter;
#[cfg(test)]
mod refusals;
mod release;
mod reverse;
mod set_limits;
mod transfer;
mod usage;

pub(crate) use open_account::open_account;

use crate::plan::{Facts, Plan};
use crate::state::Novelty;
use crate::{
    Command, Expire, Kind, METADATA_BYTES_MAX, Note, PartitionState, REASON_LENGTH_MAX, REFERENCE_LENGTH_MAX,
    Rejection, Request, Verb, body,
};

/// What a command comes to when no rule refuses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<F> {
    /// It was done before, in the batch with this number at the latest.
    Done {
        /// The batch.
        sequence: u64,
    },
    /// These facts follow.
    New(F),
}

pub(crate) fn decide(
    state: &PartitionState,
    request: &Request,
    command: &Command,
) -> Result<Verdict<Facts>, Rejection> {
    let operation = command.operation;
    let Some(tenant) = state.tenants.find(&request.tenant) else {
        well_formed(&command.note)?;
        return Err(without_accounts(&command.verb));
    };
    let body = body::digest(command);
    if let Some(seen) = state.operations.find(tenant, operation) {
        return match seen.body == body {
            true => Ok(Verdict::Done { sequence: seen.sequence }),
            false => Err(Rejection::OperationIdReused { operation }),
        };
    }
    match state.operations.novelty(operation, command.unseen_through) {
        Novelty::New => {}
        Novelty::MayBeForgotten => return Err(Rejection::OperationIdExpired { operation }),
        Novelty::LookItUp(through) => {
            return Err(Rejection::OperationIdUnsettled { operation, through });
        }
    }
    well_formed(&command.note)?;
    let at_ms = state.books(tenant).map_or(request.at_ms, |books| request.at_ms.max(books.last_ms));
    let mut plan = Plan::new(state, operation, kind(&command.verb), (tenant, at_ms, body));
    rule(&mut plan, &command.verb, &request.roles)?;
    plan.watch();
    Ok(Verdict::New(plan.facts()))
}

fn rule(plan: &mut Plan<'_>, verb: &Verb, roles: &[String]) -> Result<(), Rejection> {
    match verb {
        Verb::Post(legs) => post::post(plan, legs, roles),
        Verb::Hold(command) => hold::hold(plan, command, roles),
        Verb::Capture(command) => capture::capture(plan, command),
        Verb::Release(command) => release::release(plan, command),
        Verb::Reverse(command) => reverse::reverse(plan, command),
        Verb::Convert(command) => convert::convert(plan, command, roles),
        Verb::Grant(command) => grant::grant(plan, command),
        Verb::Transfer(leg) => transfer::transfer(plan, leg, roles),
        Verb::ChangeAccount(command) => change_account::change_account(plan, command),
        Verb::SetLimits(rules) => set_limits::set_limits(plan, rules),
        Verb::PutMeter(meter) => put_meter::put_meter(plan, meter),
        Verb::ReserveUsage(command) => usage::reserve(plan, command, roles),
        Verb::SettleUsage(command) => usage::settle(plan, command),
        Verb::RecordUsage(command) => usage::record(plan, command, roles),
        Verb::Expire(due) => expire::expire(plan, *due),
    }
}

const fn kind(verb: &Verb) -> Kind {
    match verb {
        Verb::Post(_) => Kind::Post,
        Verb::Hold(_) => Kind::Hold,
        Verb::Capture(_) => Kind::Capture,
        Verb::Release(_) => Kind::Release,
        Verb::Reverse(_) => Kind::Reverse,
        Verb::Convert(_) => Kind::Convert,
        Verb::Grant(_) => Kind::Grant,
        Verb::Transfer(_) => Kind::Transfer,
        Verb::ChangeAccount(_) => Kind::ChangeAccount,
        Verb::SetLimits(_) => Kind::SetLimits,
        Verb::PutMeter(_) => Kind::PutMeter,
        Verb::ReserveUsage(_) => Kind::ReserveUsage,
        Verb::SettleUsage(_) => Kind::SettleUsage,
        Verb::RecordUsage(_) => Kind::RecordUsage,
        Verb::Expire(Expire::Lot(_)) => Kind::ExpireLot,
        Verb::Expire(Expire::Hold(_)) => Kind::ExpireHold,
    }
}

/// In a tenant without accounts every account is unknown; malformed commands are so first.
fn without_accounts(verb: &Verb) -> Rejection {
    let account = match verb {
        Verb::Post(legs) => {
            return post::well_formed(legs).err().unwrap_or_else(|| post::first_unknown(legs));
        }
        Verb::Hold(command) => command.leg.debit,
        Verb::Grant(command) => command.leg.debit,
        Verb::Transfer(leg) => leg.debit,
        Verb::Convert(command) => command.from,
        Verb::ChangeAccount(command) => command.account,
        Verb::ReserveUsage(command) => command.account,
        Verb::RecordUsage(command) => command.account,
        Verb::Capture(command) => return Rejection::HoldUnknown { hold: command.hold },
        Verb::Release(command) => return Rejection::HoldUnknown { hold: command.hold },
        Verb::SettleUsage(command) => return Rejection::HoldUnknown { hold: command.hold },
        Verb::Reverse(_) | Verb::SetLimits(_) | Verb::PutMeter(_) | Verb::Expire(_) => {
            return Rejection::NoAccounts;
        }
    };
    Rejection::AccountUnknown { account }
}

fn well_formed(note: &Note) -> Result<(), Rejection> {
    if note.reason.is_empty() || longer_than(&note.reason, REASON_LENGTH_MAX) {
        return Err(Rejection::ReasonOutOfRange { limit: REASON_LENGTH_MAX });
    }
    if longer_than(&note.reference, REFERENCE_LENGTH_MAX) {
        return Err(Rejection::ReferenceTooLong { limit: REFERENCE_LENGTH_MAX });
    }
    if note.metadata.len() > METADATA_BYTES_MAX {
        return Err(Rejection::MetadataTooLong { limit: METADATA_BYTES_MAX });
    }
    Ok(())
}

fn longer_than(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().count() > limit
}

/// A word: 1 to 40 characters.
fn word(text: &str, pointer: &str) -> Result<(), Rejection> {
    if text.is_empty() || longer_than(text, REASON_LENGTH_MAX) {
        return Err(Rejection::malformed(pointer, "1 to 40 characters"));
    }
    Ok(())
}
