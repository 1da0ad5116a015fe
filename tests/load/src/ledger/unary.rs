//! Single calls: posts at several numbers in flight, balances, and one durable commit of the same
//! PostgreSQL to compare with.

use std::time::{Duration, Instant};

use bytes::Bytes;
use contracts::vbwd::wallet::v1 as proto;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::figures::{Run, Spread, figure};
use crate::grpc::{Connection, framed};
use crate::ledger::caller::Caller;
use crate::ledger::plots::Plots;
use crate::ledger::stand::Wallet;
use crate::ledger::target::Target;
use crate::ledger::usage::Usage;
use crate::ledger::{RUNS, Stage};
use crate::requests::{Post, Random};
use crate::workload::{self, Worker};

const CONNECTIONS: usize = 4;
/// Templates that are sent in turn.
const TEMPLATES: usize = 4_096;
const READS_IN_FLIGHT: usize = 256;
const BATCHED_READS_IN_FLIGHT: usize = 16;
const BATCHED_READ: usize = 100;

/// Messages that are sent as they are, or posts that need an id.
enum Messages {
    Posts(Vec<Post>),
    Same(Vec<Bytes>),
}

struct Calls<'a> {
    connection: Connection,
    caller: &'a Caller,
    messages: &'a Messages,
    random: Random,
}

impl Worker for Calls<'_> {
    async fn once(&mut self, nth: usize) -> anyhow::Result<bool> {
        let message = match self.messages {
            Messages::Posts(posts) => posts[nth % posts.len()].with_id(&mut self.random),
            Messages::Same(messages) => messages[nth % messages.len()].clone(),
        };
        let answer = self.connection.unary(self.caller.call()?, message).await?;
        if let Err(refusal) = &answer {
            eprintln!("refused: {refusal}");
        }
        Ok(answer.is_ok())
    }
}

async fn run(
    wallet: &Wallet,
    rpc: &str,
    messages: &Messages,
    in_flight: usize,
    time: Duration,
) -> anyhow::Result<Run> {
    let caller = wallet.caller(rpc)?;
    let mut connections = Vec::new();
    for _ in 0..in_flight.min(CONNECTIONS) {
        connections.push(wallet.connect().await?);
    }
    let worker = |nth: usize| Calls {
        connection: connections[nth % connections.len()].clone(),
        caller: &caller,
        messages,
        random: Random::new(),
    };
    workload::run((0..in_flight).map(worker).collect(), time).await
}

/// Posts at every number in flight.
pub async fn posts(
    stage: &mut Stage<'_>,
    target: &Target,
    in_flight: &[usize],
    plots: &mut Plots,
) -> anyhow::Result<()> {
    let mut random = Random::new();
    let post = |_| {
        let (debit, credit) = random.pair_below(target.customers.len());
        Post::new((target.customers[debit], target.customers[credit], 1))
    };
    let messages = Messages::Posts((0..TEMPLATES).map(post).collect::<anyhow::Result<_>>()?);
    for &in_flight in in_flight {
        let (mut rates, mut middle, mut tail, mut commits) = (vec![], vec![], vec![], vec![]);
        let usage = Usage::now(stage.wallet.pid())?;
        for _ in 0..RUNS {
            let run = run(stage.wallet, "Post", &messages, in_flight, stage.time).await?;
            anyhow::ensure!(run.failures == 0, "{} posts failed", run.failures);
            rates.push(run.rate());
            middle.push(run.percentile_ms(0.5));
            tail.push(run.percentile_ms(0.99));
            if in_flight == 64 {
                plots.unary_64 = run.latencies;
            }
            if in_flight == 1 {
                commits.push(commit_ms(stage.wallet).await?);
            }
        }
        let name = format!("ledger.unary_{in_flight}");
        let (rates, tail) = (Spread::of(rates), Spread::of(tail));
        stage.figures.add_spread(&name, &rates, "posts/s")?;
        stage.figures.add_spread(&format!("{name}_p50_ms"), &Spread::of(middle), "ms")?;
        stage.figures.add_spread(&format!("{name}_p99_ms"), &tail, "ms")?;
        if in_flight == 1 {
            stage.figures.add_spread("postgres.commit_p50_ms", &Spread::of(commits), "ms")?;
        }
        if in_flight == 512 {
            usage.report(&name, stage.wallet.pid(), stage.figures)?;
        }
        plots.in_flight.push((figure(in_flight), rates.median, tail.median));
    }
    Ok(())
}

/// One durable commit: a row of 200 bytes over one connection, again and again for a while. Median.
async fn commit_ms(wallet: &Wallet) -> anyhow::Result<f64> {
    let mut connection = PgConnection::connect(&wallet.postgres.url()).await?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS bench_commits (number bigserial PRIMARY KEY, row bytea)")
        .execute(&mut connection)
        .await?;
    let (mut run, started, row) = (Run::default(), Instant::now(), vec![7_u8; 200]);
    while started.elapsed() < Duration::from_secs(2) {
        let before = Instant::now();
        sqlx::query("INSERT INTO bench_commits (row) VALUES ($1)")
            .bind(&row)
            .execute(&mut connection)
            .await?;
        run.latencies.push(before.elapsed());
    }
    Ok(run.percentile_ms(0.5))
}

/// Balances of single accounts, and of a hundred at a time.
pub async fn reads(stage: &mut Stage<'_>, target: &Target) -> anyhow::Result<()> {
    let single = |account: &uuid::Uuid| {
        framed(&proto::GetBalanceRequest { account_id: account.to_string(), ..Default::default() })
    };
    let single = target.customers.iter().map(single);
    let several = |accounts: &[uuid::Uuid]| {
        let account_ids = accounts.iter().map(ToString::to_string).collect();
        framed(&proto::BatchGetBalancesRequest { account_ids, ..Default::default() })
    };
    let several = target.customers.chunks(BATCHED_READ).map(several);
    let single = Messages::Same(single.map(|read| read.map(Bytes::from)).collect::<anyhow::Result<_>>()?);
    let several = Messages::Same(several.map(|read| read.map(Bytes::from)).collect::<anyhow::Result<_>>()?);
    // What a call costs that commits nothing: the way there and back.
    let mut alone = Vec::new();
    for _ in 0..RUNS {
        alone.push(run(stage.wallet, "GetBalance", &single, 1, stage.time).await?.percentile_ms(0.5));
    }
    stage.figures.add_spread("ledger.balance_read_1_p50_ms", &Spread::of(alone), "ms")?;
    read(stage, ("ledger.balance_reads", 1), "GetBalance", &single, READS_IN_FLIGHT).await?;
    let name = ("ledger.balance_reads_batched", BATCHED_READ);
    read(stage, name, "BatchGetBalances", &several, BATCHED_READS_IN_FLIGHT).await
}

async fn read(
    stage: &mut Stage<'_>,
    (name, balances): (&str, usize),
    rpc: &str,
    messages: &Messages,
    in_flight: usize,
) -> anyhow::Result<()> {
    let (mut rates, mut tail) = (vec![], vec![]);
    for _ in 0..RUNS {
        let run = run(stage.wallet, rpc, messages, in_flight, stage.time).await?;
        anyhow::ensure!(run.failures == 0, "{} reads failed", run.failures);
        rates.push(run.rate() * figure(balances));
        tail.push(run.percentile_ms(0.99));
    }
    stage.figures.add_spread(name, &Spread::of(rates), "reads/s")?;
    stage.figures.add_spread(&format!("{name}_p99_ms"), &Spread::of(tail), "ms")
}
