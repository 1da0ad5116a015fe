//! Throughput with a past: the sustained rate with a queryable history, and batches after millions of
//! operations.

use std::time::{Duration, Instant};

use futures::future::join;

use crate::figures::{Figures, figure};
use crate::ledger::Stage;
use crate::ledger::batches::{BATCH, Load, TEMPLATES, drive};
use crate::ledger::plots::Plots;
use crate::ledger::stand::Wallet;
use crate::ledger::target::Target;
use crate::ledger::throughput::{repeated, whole};
use crate::requests::Batch;

const MILLION: usize = 1_000_000;
/// How often the lag is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Operations of the sustained run at most.
const SUSTAINED_MAX: usize = 20 * MILLION;

/// `ledger.batch_at_<n>m`: batches after so many million operations.
pub async fn growing(
    stage: &mut Stage<'_>,
    target: &Target,
    millions: &[usize],
    plots: &mut Plots,
) -> anyhow::Result<()> {
    let templates = target.uniform(BATCH, TEMPLATES)?;
    let load = Load { batches: 50, ..Load::of(2) };
    for at in millions {
        let missing = (at * MILLION).saturating_sub(operations(stage.wallet).await?);
        let started = Instant::now();
        fill(stage.wallet, &templates, missing).await?;
        if missing > MILLION / 2 {
            let rate = figure(missing) / started.elapsed().as_secs_f64();
            stage.figures.add(&format!("ledger.projected_up_to_{at}m"), rate, "posts/s")?;
        }
        let past = figure(operations(stage.wallet).await?);
        let spread = repeated(stage, &templates, &load).await?;
        stage.figures.add_spread(&format!("ledger.batch_at_{at}m"), &spread, "posts/s")?;
        plots.past.push((past / figure(MILLION), spread.median));
        let bytes: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
            .fetch_one(stage.wallet.pool())
            .await?;
        let all = figure(operations(stage.wallet).await?);
        let per_operation = usize::try_from(bytes).map_or(0.0, figure) / all;
        stage.figures.add(&format!("ledger.disk_bytes_per_operation_at_{at}m"), per_operation, "bytes")?;
    }
    Ok(())
}

/// Operations whose history is complete.
async fn operations(wallet: &Wallet) -> anyhow::Result<usize> {
    wallet.catch_up().await?;
    let count: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM ledger_operations) \
         + (SELECT coalesce(sum(operations), 0) FROM ledger_operation_chunks)",
    )
    .fetch_one(wallet.pool())
    .await?;
    Ok(usize::try_from(count)?)
}

/// Posts so many operations, and waits until their history is complete.
pub async fn fill(wallet: &Wallet, templates: &[Batch], operations: usize) -> anyhow::Result<()> {
    let batches = operations.div_ceil(BATCH);
    let load = Load { batches, time: Duration::from_secs(900), ..Load::of(2) };
    whole(drive(wallet, templates, &load).await?)?;
    wallet.catch_up().await?;
    Ok(())
}

/// `ledger.batch_projected`: batches without a pause for `time`, and the history until it is complete.
/// The rate is all operations by the whole time.
pub async fn sustained(
    stage: &mut Stage<'_>,
    target: &Target,
    time: Duration,
    load: &Load,
    plots: &mut Plots,
) -> anyhow::Result<()> {
    let (wallet, templates) = (stage.wallet, target.uniform(BATCH, TEMPLATES)?);
    let load = Load { batches: SUSTAINED_MAX / BATCH, time, ..*load };
    wallet.catch_up().await?;
    let (begin, started) = (wallet.progress().await?.last, Instant::now());
    let driving = async {
        let done = drive(wallet, &templates, &load).await?;
        anyhow::Ok((whole(done)?, started.elapsed()))
    };
    let (driven, lags) = join(driving, watch(wallet, started, time)).await;
    let ((done, written), lags) = (driven?, lags?);
    let all = started.elapsed();
    let rows = usize::try_from(wallet.progress().await?.last - begin)?.max(1);
    let per_row = figure(done.operations) / figure(rows);
    plots.lag = lags.iter().map(|(at, rows)| (*at, rows * per_row)).collect();
    report(&plots.lag, stage.figures)?;
    let rate = |elapsed: Duration| figure(done.operations) / elapsed.as_secs_f64();
    stage.figures.add("ledger.batch_projected.written", rate(written), "posts/s")?;
    stage.figures.add("ledger.batch_projected.catch_up_s", (all - written).as_secs_f64(), "s")?;
    stage.figures.add("ledger.batch_projected", rate(all), "posts/s")
}

/// How many batches the history is behind, until the load has ended and it is complete.
async fn watch(wallet: &Wallet, started: Instant, time: Duration) -> anyhow::Result<Vec<(f64, f64)>> {
    let mut lags = Vec::new();
    loop {
        let progress = wallet.progress().await?;
        let lag = usize::try_from(progress.last - progress.projected).unwrap_or_default();
        lags.push((started.elapsed().as_secs_f64(), figure(lag)));
        let over = started.elapsed() > time + LOOK;
        if (over && lag == 0) || started.elapsed() > time + Duration::from_secs(600) {
            return Ok(lags);
        }
        tokio::time::sleep(if over { LOOK / 5 } else { LOOK }).await;
    }
}

fn report(lag: &[(f64, f64)], figures: &mut Figures) -> anyhow::Result<()> {
    let most = lag.iter().map(|(_, lag)| *lag).fold(0.0, f64::max);
    let mut next = 0.0;
    for (at, lag) in lag {
        if *at >= next {
            println!("  lag after {at:>6.1} s: {lag:>12.0} operations");
            next = at + 2.0;
        }
    }
    figures.add("ledger.batch_projected.lag_max", most, "operations")
}
