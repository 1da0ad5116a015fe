//! Simple posts in columns: the form in which thousands arrive at once. Nothing is allocated per
//! post; each becomes an ordinary command for the moment in which it is decided.

use ids::{AccountId, OperationId};
use smallvec::smallvec;
use uuid::Uuid;
use wallet_domain::{Broken, Command, Leg, Note, Refused, Rejection, Request, Verb, Writer};

/// Posts of one leg each; columns have the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedPosts {
    /// Shared by all.
    pub note: Note,
    /// Operation ids, two halves each.
    pub operations: Vec<u64>,
    /// Accounts that give, two halves each.
    pub debits: Vec<u64>,
    /// Accounts that take, two halves each.
    pub credits: Vec<u64>,
    /// Amounts.
    pub amounts: Vec<i64>,
}

/// What became of them; those that are not named were done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackedAnswer {
    /// The batch that must be durable before anybody may learn the outcome.
    pub sequence: u64,
    /// Places of those that had been done before.
    pub repeated: Vec<u32>,
    /// Places of those that were refused, and why.
    pub refused: Vec<(u32, Rejection)>,
}

impl PackedPosts {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.amounts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.amounts.is_empty()
    }

    /// Whether all columns have the same length.
    #[must_use]
    pub fn is_even(&self) -> bool {
        let halves = Some(self.len().saturating_mul(2));
        [&self.operations, &self.debits, &self.credits].iter().all(|column| Some(column.len()) == halves)
    }

    /// The post at a place, as a command.
    #[must_use]
    pub fn command(&self, place: u32) -> Option<Command> {
        let nth = place as usize;
        let pair = |column: &[u64]| column.chunks_exact(2).nth(nth).map(id);
        let leg = Leg {
            debit: AccountId::from_uuid(pair(&self.debits)?),
            credit: AccountId::from_uuid(pair(&self.credits)?),
            amount: *self.amounts.get(nth)?,
        };
        Some(Command {
            operation: OperationId::from_uuid(pair(&self.operations)?),
            note: self.note.clone(),
            verb: Verb::Post(smallvec![leg]),
            unseen_through: 0,
        })
    }

    /// Decides all of them, in their order.
    pub(crate) fn execute(
        &self,
        writer: &mut Writer,
        request: &Request,
        now_ms: i64,
    ) -> Result<PackedAnswer, Broken> {
        let mut answer = PackedAnswer::default();
        let Some(mut command) = self.command(0) else { return Ok(answer) };
        let parties = self.debits.chunks_exact(2).zip(self.credits.chunks_exact(2));
        let posts = self.operations.chunks_exact(2).zip(parties).zip(&self.amounts);
        for (place, ((operation, (debit, credit)), amount)) in (0..).zip(posts) {
            command.operation = OperationId::from_uuid(id(operation));
            if let Verb::Post(legs) = &mut command.verb
                && let Some(leg) = legs.first_mut()
            {
                leg.debit = AccountId::from_uuid(id(debit));
                leg.credit = AccountId::from_uuid(id(credit));
                leg.amount = *amount;
            }
            match writer.execute(request, &command, now_ms) {
                Ok(done) if done.repeated => answer.repeated.push(place),
                Ok(_) => {}
                Err(Refused::Rejected(rejection)) => answer.refused.push((place, rejection)),
                Err(Refused::Broken(broken)) => return Err(broken),
            }
        }
        answer.sequence = writer.state().sequence();
        Ok(answer)
    }
}

fn id(halves: &[u64]) -> Uuid {
    match halves {
        [high, low] => Uuid::from_u64_pair(*high, *low),
        _ => Uuid::nil(),
    }
}
