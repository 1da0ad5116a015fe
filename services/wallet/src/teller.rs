//! Takes orders to the ledger: opens accounts that follow from who somebody is, looks up operation ids
//! that the ledger may have forgotten, reads what is to be reversed, and gives a repeated order its
//! first answer.

use ids::{OperationId, TenantId};
use smallvec::SmallVec;
use wallet_domain::{
    AccountTerms, Command, OpenAccount, Outcome, Part, Rejection, Request, Reverse, Verb, digest,
};

use crate::Position;
use crate::engine::{Ledger, Opened, Receipt};
use crate::history::History;

/// Rounds of opening and looking up after which an order is given back: each settles one account or
/// one id, and a command names at most a few.
const ROUNDS_MAX: usize = 8;

/// Takes orders to the ledger.
#[derive(Clone)]
pub struct Teller {
    ledger: Ledger,
    history: History,
}

/// An order that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Where it was recorded.
    pub position: Position,
    /// Whether it had been done before.
    pub repeated: bool,
    /// What it came to, then or now.
    pub outcome: Outcome,
}

impl Teller {
    /// Takes orders to this ledger.
    #[must_use]
    pub const fn new(ledger: Ledger, history: History) -> Self {
        Self { ledger, history }
    }

    /// Opens an account.
    ///
    /// # Errors
    /// Faults of the ledger.
    pub async fn open(
        &self,
        request: Request,
        terms: AccountTerms,
    ) -> fault::Result<Result<Opened, Rejection>> {
        self.ledger.open_account(request, OpenAccount { terms }).await
    }

    /// Executes a command; accounts in `may_open` are opened when they are missing.
    ///
    /// # Errors
    /// Faults of the ledger.
    pub async fn execute(
        &self,
        request: &Request,
        mut command: Command,
        may_open: &[AccountTerms],
    ) -> fault::Result<Result<Done, Rejection>> {
        for _ in 0..ROUNDS_MAX {
            let rejection = match self.ledger.execute(request.clone(), command.clone()).await? {
                Ok(receipt) => return self.done(request.tenant, command.operation, receipt).await.map(Ok),
                Err(rejection) => rejection,
            };
            match &rejection {
                Rejection::OperationIdUnsettled { through, .. } => {
                    match self.settle(request, &command, *through).await? {
                        Ok(unseen_through) => command.unseen_through = unseen_through,
                        Err(settled) => return Ok(settled),
                    }
                }
                missing => match missing_account(missing, may_open) {
                    Some(terms) => match self.open(request.clone(), terms).await? {
                        Ok(_) => {}
                        Err(rejection) => return Ok(Err(rejection)),
                    },
                    None => return Ok(Err(rejection)),
                },
            }
        }
        Err(fault::Fault::unavailable("ledger_overloaded", "an order did not settle"))
    }

    /// Executes commands, each on its own, and answers each.
    ///
    /// # Errors
    /// Faults of the ledger; then nothing is known of any of them.
    pub async fn execute_all(
        &self,
        request: &Request,
        commands: Vec<Command>,
    ) -> fault::Result<Vec<Result<Done, Rejection>>> {
        let ruled = self.ledger.execute_all(request.clone(), commands.clone()).await?;
        let mut answers = Vec::with_capacity(ruled.len());
        for (ruled, command) in ruled.into_iter().zip(commands) {
            let answer = match ruled {
                Ok(receipt) => Ok(self.done(request.tenant, command.operation, receipt).await?),
                Err(Rejection::OperationIdUnsettled { .. }) => self.execute(request, command, &[]).await?,
                Err(rejection) => Err(rejection),
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    /// The verb that undoes an operation, in parts or as a whole.
    ///
    /// # Errors
    /// Faults of the ledger or the database; none when there is no such operation.
    pub async fn reversal(
        &self,
        tenant: TenantId,
        operation: OperationId,
        parts: impl IntoIterator<Item = Part> + Send,
    ) -> fault::Result<Option<Verb>> {
        let parts: SmallVec<[Part; 1]> = parts.into_iter().collect();
        let found = self.history.operation(tenant, operation).await?;
        Ok(found.map(|found| Verb::Reverse(Box::new(Reverse { original: found.original(), parts }))))
    }

    /// A repeated order gets its first answer, which is read from its facts.
    async fn done(&self, tenant: TenantId, operation: OperationId, receipt: Receipt) -> fault::Result<Done> {
        let done = Done { position: receipt.position, repeated: receipt.repeated, outcome: receipt.outcome };
        if !receipt.repeated {
            return Ok(done);
        }
        let found = self.history.operation(tenant, operation).await?;
        Ok(found.map_or(done, |found| Done { outcome: found.outcome(), position: found.position, ..done }))
    }

    /// What the tables know of an id that the ledger may have forgotten: its answer, or up to which
    /// batch it was not used.
    async fn settle(
        &self,
        request: &Request,
        command: &Command,
        through: u64,
    ) -> fault::Result<Result<u64, Result<Done, Rejection>>> {
        let operation = command.operation;
        Ok(match self.history.settle(request.tenant, operation, through).await? {
            Err(complete) => Ok(complete),
            Ok(found) if found.operation.body == digest(command) => {
                Err(Ok(Done { position: found.position, repeated: true, outcome: found.outcome() }))
            }
            Ok(_) => Err(Err(Rejection::OperationIdReused { operation })),
        })
    }
}

/// The account whose lack was the reason, if it may be opened.
fn missing_account(rejection: &Rejection, may_open: &[AccountTerms]) -> Option<AccountTerms> {
    match rejection {
        Rejection::AccountUnknown { account } => {
            may_open.iter().find(|terms| terms.account == *account).copied()
        }
        Rejection::NoAccounts => may_open.first().copied(),
        _ => None,
    }
}
