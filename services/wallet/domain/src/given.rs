//! Given accounts and operations, when a command, then facts or a rejection.

use crate::effect::Change;
use crate::plan::Facts;
use crate::samples::{NOON_MS, a_command, a_request, customer};
use crate::{
    AccountChange, AccountTerms, AccountView, Batch, ChangeAccount, Command, Freeze, LotView, OpenAccount,
    Outcome, PartitionState, Rejection, Request, Verb, Verdict, Writer, decide, original, outcome,
};

/// A ledger with a past.
pub(crate) struct Given {
    writer: Writer,
    batches: Vec<Batch>,
}

impl Clone for Given {
    fn clone(&self) -> Self {
        Self { writer: Writer::new(self.state().clone(), 0), batches: self.batches.clone() }
    }
}

/// What the ledger said.
#[derive(Debug)]
pub(crate) struct Said<F>(Result<Verdict<F>, Rejection>);

/// A ledger with these accounts, opened in its first batch.
pub(crate) fn given(accounts: impl IntoIterator<Item = AccountTerms>) -> Given {
    let mut writer = Writer::new(PartitionState::default(), 0);
    for terms in accounts {
        writer.open_account(&a_request(), &OpenAccount { terms }, NOON_MS).expect("a valid opening");
    }
    let batches = writer.cut().map(|(_, batch)| batch).into_iter().collect();
    Given { writer, batches }
}

/// The user may owe so much.
pub(crate) fn an_overdraft(number: u32, user: u32, most: i64) -> Command {
    a_change(number, user, AccountChange::Overdraft(most))
}

/// The user's account is frozen, or is not any more.
pub(crate) fn a_freeze(number: u32, user: u32, freeze: Freeze) -> Command {
    a_change(number, user, AccountChange::Freeze(freeze))
}

/// The user's account is changed.
pub(crate) fn a_change(number: u32, user: u32, change: AccountChange) -> Command {
    a_command(number, Verb::ChangeAccount(ChangeAccount { account: customer(user), change }))
}

impl Given {
    /// The operation has been done, in a batch of its own.
    pub(crate) fn and(self, command: Command) -> Self {
        self.and_by(&a_request(), command)
    }

    /// The operations have been done in one batch.
    pub(crate) fn and_together(mut self, commands: impl IntoIterator<Item = Command>) -> Self {
        for command in commands {
            self.writer.execute(&a_request(), &command, NOON_MS).expect("a valid operation");
        }
        self.batches.extend(self.writer.cut().map(|(_, batch)| batch));
        self
    }

    /// The operation has been done by this request.
    pub(crate) fn and_by(mut self, request: &Request, command: Command) -> Self {
        self.writer.execute(request, &command, NOON_MS).expect("a valid operation");
        self.batches.extend(self.writer.cut().map(|(_, batch)| batch));
        self
    }

    /// The operation has been done at this time of the machine.
    pub(crate) fn and_at(mut self, now_ms: i64, command: Command) -> Self {
        self.writer.execute(&a_request(), &command, now_ms).expect("a valid operation");
        self.batches.extend(self.writer.cut().map(|(_, batch)| batch));
        self
    }

    /// The account has been opened by this request.
    pub(crate) fn and_opened_by(mut self, request: &Request, terms: AccountTerms) -> Self {
        self.writer.open_account(request, &OpenAccount { terms }, NOON_MS).expect("a valid opening");
        self.batches.extend(self.writer.cut().map(|(_, batch)| batch));
        self
    }

    /// What was due has expired.
    pub(crate) fn and_expired(mut self, request: &Request) -> Self {
        self.writer.expire_due(request, 100, NOON_MS).expect("a sound state");
        self.batches.extend(self.writer.cut().map(|(_, batch)| batch));
        self
    }

    pub(crate) fn when(self, command: &Command) -> Said<Facts> {
        self.when_by(&a_request(), command)
    }

    pub(crate) fn when_by(self, request: &Request, command: &Command) -> Said<Facts> {
        Said(decide::decide(self.writer.state(), request, command))
    }

    pub(crate) fn when_opened(self, terms: AccountTerms) -> Said<()> {
        Said(decide::open_account(self.writer.state(), a_request().tenant, &OpenAccount { terms }))
    }

    /// The id of the operation that was done last.
    pub(crate) fn last_operation(&self) -> ids::OperationId {
        let last = self.batches.iter().flat_map(|batch| &batch.operations).next_back();
        ids::OperationId::from_uuid(last.expect("something was done").id())
    }

    /// The operation as the journal has it.
    pub(crate) fn recorded(&self, operation: ids::OperationId) -> crate::Original {
        let all = self.batches.iter().flat_map(|batch| batch.recorded().map(move |found| (batch, found)));
        let found = all.filter(|(_, found)| found.operation.id() == operation.as_uuid());
        found
            .map(|(batch, found)| original(found, batch.time_of(found.operation)))
            .next()
            .expect("it was done")
    }

    pub(crate) fn state(&self) -> &PartitionState {
        self.writer.state()
    }

    /// What the journal says the operation came to.
    pub(crate) fn outcome_of(&self, command: &Command) -> Outcome {
        let all = self.batches.iter().flat_map(Batch::recorded);
        let mut found = all.filter(|found| found.operation.id() == command.operation.as_uuid());
        found.next().map(|found| outcome(found.postings, found.effects)).expect("it was done")
    }

    /// Kinds of effects of the last operation.
    pub(crate) fn last_changes(&self) -> Vec<Change> {
        let last = self.batches.last().into_iter().flat_map(|batch| batch.effects.iter());
        last.filter_map(|effect| effect.change.clone()).collect()
    }

    /// When the next lot or hold expires.
    pub(crate) fn due(&self) -> Option<i64> {
        self.writer.next_due().map(|(_, due_ms)| due_ms).next()
    }

    pub(crate) fn account(&self, terms: AccountTerms) -> AccountView {
        self.state().account(a_request().tenant, terms.account).expect("it is open")
    }

    /// Free and held units of the account's lots, in the order in which they are spent.
    pub(crate) fn lots(&self, terms: AccountTerms) -> Vec<(i64, i64)> {
        self.lot_views(terms).iter().map(|lot| (lot.free, lot.held)).collect()
    }

    pub(crate) fn lot_views(&self, terms: AccountTerms) -> Vec<LotView> {
        self.state().lots_of(self.account(terms).number).collect()
    }
}

impl<F: PartialEq + std::fmt::Debug> Said<F> {
    #[track_caller]
    pub(crate) fn then(self, expected: Verdict<F>) {
        assert_eq!(self.0, Ok(expected));
    }

    #[track_caller]
    pub(crate) fn then_rejected(self, expected: Rejection) {
        assert_eq!(self.0, Err(expected));
    }

    /// The code of the rejection, or `done`.
    pub(crate) fn code(&self) -> &'static str {
        self.0.as_ref().map_or_else(Rejection::code, |_| "done")
    }

    #[track_caller]
    pub(crate) fn refused(self) -> Rejection {
        self.0.expect_err("it should be refused")
    }

    #[track_caller]
    pub(crate) fn then_refused_with(self, code: &str) {
        assert_eq!(self.0.as_ref().map_err(Rejection::code).err(), Some(code), "{:?}", self.0);
    }
}

impl Said<Facts> {
    /// Debit, credit, amount and the balances afterwards of every posting.
    #[track_caller]
    pub(crate) fn then_posted(self, expected: &[(u32, u32, i64, i64, i64)]) {
        let Ok(Verdict::New(facts)) = self.0 else { panic!("{:?}", self.0) };
        let posted = facts.postings.iter();
        let posted: Vec<_> =
            posted.map(|p| (p.debit, p.credit, p.amount, p.debit_after, p.credit_after)).collect();
        assert_eq!(posted, expected);
    }
}
