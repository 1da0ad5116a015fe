//! Given accounts and operations, when a command, then a verdict or a rejection.

use crate::samples::{NOON_MS, a_request, tenant};
use crate::{AccountTerms, OpenAccount, PartitionState, Post, Posted, Rejection, Verdict, Writer, decide};

/// A ledger with a past.
pub(crate) struct Given(Writer);

/// What the ledger said.
#[derive(Debug)]
pub(crate) struct Said<F>(Result<Verdict<F>, Rejection>);

/// A ledger with these accounts, opened in its first batch.
pub(crate) fn given(accounts: impl IntoIterator<Item = AccountTerms>) -> Given {
    let mut writer = Writer::new(PartitionState::default(), 0);
    for terms in accounts {
        writer.open_account(&a_request(), &OpenAccount { terms }, NOON_MS).expect("a valid opening");
    }
    writer.cut();
    Given(writer)
}

impl Given {
    /// The operation has been posted, in a batch of its own.
    pub(crate) fn and(mut self, post: Post) -> Self {
        self.0.post(&a_request(), &post, NOON_MS).expect("a valid operation");
        self.0.cut();
        self
    }

    pub(crate) fn when(self, post: &Post) -> Said<Posted> {
        Said(decide::post(self.0.state(), tenant(), post))
    }

    pub(crate) fn when_opened(self, terms: AccountTerms) -> Said<()> {
        Said(decide::open_account(self.0.state(), tenant(), &OpenAccount { terms }))
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
}
