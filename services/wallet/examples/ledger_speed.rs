//! How fast the engine is on this machine, without the network: batched and unary posts, durable in
//! a private PostgreSQL with fsync as the test server has it. Prints one line per figure.
//! `cargo run -p wallet --example ledger_speed [-- seconds]`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a yardstick"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ids::{AccountId, OperationId};
use kernel::SystemClock;
use runtime::Drain;
use wallet::engine::{Ledger, run_partition};
use wallet::{Config, Store};
use wallet_domain::samples::{a_customer, a_request, an_issuance, customer, issuance};
use wallet_domain::{Command, Leg, OpenAccount};

const ACCOUNTS: u32 = 10_000;
const BATCH: u32 = 8_190;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    let database = testkit::database(wallet::NAME, wallet::migrations()).await;
    let journal = wallet::journal(&Store::new(database.pool(wallet::NAME)));
    let (ledger, drain) = (Ledger::new(Config::default(), Arc::new(SystemClock)), Drain::new());
    for partition in 0..ledger.partitions() {
        tokio::spawn(run_partition(ledger.clone(), journal.clone(), partition, drain.clone()));
    }
    let accounts = open(&ledger).await;
    for clients in [1, 4] {
        let done = batched(&ledger, &accounts, clients, seconds).await;
        println!("batched, {clients} clients: {done:.0} operations/s");
    }
    for in_flight in [1, 64, 512] {
        let done = unary(&ledger, &accounts, in_flight, seconds).await;
        println!("unary, {in_flight} in flight: {done:.0} operations/s");
    }
    drain.cancel();
}

async fn open(ledger: &Ledger) -> Arc<[AccountId]> {
    let all = std::iter::once(an_issuance()).chain((1..=ACCOUNTS).map(a_customer));
    let opening = all.map(|terms| ledger.open_account(a_request(), OpenAccount { terms }));
    for opened in futures::future::join_all(opening).await {
        opened.unwrap().unwrap();
    }
    std::iter::once(issuance()).chain((1..=ACCOUNTS).map(customer)).collect()
}

fn post(accounts: &[AccountId], number: u64) -> Command {
    let place =
        usize::try_from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33).unwrap() % (accounts.len() - 1);
    let leg = Leg { debit: accounts[0], credit: accounts[place + 1], amount: 1 };
    Command::post(OperationId::new(), [leg], "bench", "")
}

async fn batched(ledger: &Ledger, accounts: &Arc<[AccountId]>, clients: usize, seconds: u64) -> f64 {
    let posting = |ledger: Ledger, accounts: Arc<[AccountId]>, numbers: Arc<AtomicU64>| async move {
        let first = numbers.fetch_add(u64::from(BATCH), Ordering::Relaxed);
        let posts = (first..first + u64::from(BATCH)).map(|number| post(&accounts, number)).collect();
        let outcomes = ledger.execute_all(a_request(), posts).await.unwrap();
        outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64
    };
    rate(ledger, accounts, clients, seconds, posting).await
}

async fn unary(ledger: &Ledger, accounts: &Arc<[AccountId]>, in_flight: usize, seconds: u64) -> f64 {
    let posting = |ledger: Ledger, accounts: Arc<[AccountId]>, numbers: Arc<AtomicU64>| async move {
        let post = post(&accounts, numbers.fetch_add(1, Ordering::Relaxed));
        ledger.execute(a_request(), post).await.unwrap().unwrap();
        1
    };
    rate(ledger, accounts, in_flight, seconds, posting).await
}

/// Operations per second of so many callers, each with one call under way.
async fn rate<F>(
    ledger: &Ledger,
    accounts: &Arc<[AccountId]>,
    callers: usize,
    seconds: u64,
    posting: impl Fn(Ledger, Arc<[AccountId]>, Arc<AtomicU64>) -> F + Copy + Send + 'static,
) -> f64
where
    F: Future<Output = u64> + Send + 'static,
{
    let numbers = Arc::new(AtomicU64::new(0));
    let (began, until) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    let caller = |_| {
        let (ledger, accounts, numbers) = (ledger.clone(), Arc::clone(accounts), Arc::clone(&numbers));
        tokio::spawn(async move {
            let mut done = 0;
            while Instant::now() < until {
                done += posting(ledger.clone(), Arc::clone(&accounts), Arc::clone(&numbers)).await;
            }
            done
        })
    };
    let callers: Vec<_> = (0..callers).map(caller).collect();
    let mut done = 0;
    for caller in callers {
        done += caller.await.unwrap();
    }
    done as f64 / began.elapsed().as_secs_f64()
}
