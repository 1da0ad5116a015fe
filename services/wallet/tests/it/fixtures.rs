//! A ledger that is served in this process, over any journal.

use std::sync::Arc;
use std::time::Duration;

use ids::OperationId;
use journal::Journal;
use kernel::SystemClock;
use runtime::Drain;
use tokio::task::JoinHandle;
use wallet::Config;
use wallet::engine::{Ledger, run_partition};
use wallet_domain::samples::{a_customer, a_request, an_issuance};
use wallet_domain::{AccountTerms, Command, OpenAccount, Request};

/// One process that owns all partitions it can get.
pub struct Process {
    pub ledger: Ledger,
    pub drain: Drain,
    partitions: Vec<JoinHandle<fault::Result<()>>>,
}

/// Quick to give up, so that tests need not wait.
pub fn config() -> Config {
    Config {
        partitions: 2,
        lease_milliseconds: 400,
        append_patience_milliseconds: 300,
        service_wait_milliseconds: 200,
        ..Config::default()
    }
}

impl Process {
    pub fn start<J: Journal>(journal: &J, config: Config) -> Self {
        let (ledger, drain) = (Ledger::new(config, Arc::new(SystemClock)), Drain::new());
        let own = |partition| {
            tokio::spawn(run_partition(ledger.clone(), journal.clone(), partition, drain.clone()))
        };
        let partitions = (0..ledger.partitions()).map(own).collect();
        Self { ledger, drain, partitions }
    }

    pub async fn serving<J: Journal>(journal: &J, config: Config) -> Self {
        let process = Self::start(journal, config);
        process.served().await;
        process
    }

    pub async fn served(&self) {
        let waiting = async {
            while !self.ledger.is_served() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("the ledger is served");
    }

    /// Ends without a word, as `kill -9` does: nothing is released.
    pub fn kill(&self) {
        self.partitions.iter().for_each(JoinHandle::abort);
    }

    pub async fn stop(self) {
        self.drain.cancel();
        for partition in self.partitions {
            partition.await.unwrap().unwrap();
        }
    }

    pub async fn open(&self, terms: impl IntoIterator<Item = AccountTerms>) {
        for terms in terms {
            self.ledger.open_account(a_request(), OpenAccount { terms }).await.unwrap().unwrap();
        }
    }

    /// Issuance and some customers.
    pub async fn open_customers(&self, count: u32) {
        self.open([an_issuance()]).await;
        self.open((1..=count).map(a_customer)).await;
    }

    pub async fn balance(&self, account: ids::AccountId) -> i64 {
        for _ in 0..500 {
            match self.ledger.account(wallet_domain::samples::tenant(), account).await {
                Ok(found) => return found.accounts[0].balance,
                Err(fault) if fault.is_transient() => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(fault) => panic!("{fault:?}"),
            }
        }
        panic!("no answer");
    }

    /// Repeats while the ledger cannot answer, as clients do.
    pub async fn insist(
        &self,
        request: &Request,
        post: &Command,
    ) -> Result<wallet::engine::Receipt, wallet_domain::Rejection> {
        for _ in 0..500 {
            match self.ledger.execute(request.clone(), post.clone()).await {
                Ok(outcome) => return outcome,
                Err(fault) if fault.is_transient() => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(fault) => panic!("{fault:?}"),
            }
        }
        panic!("no answer");
    }
}

/// The same sample operation under an id that says its time.
pub fn timed(post: Command) -> Command {
    Command { operation: OperationId::new(), ..post }
}
