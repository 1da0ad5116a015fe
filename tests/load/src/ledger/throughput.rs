//! Batches: the clients, the sizes, the hot account, with and without what runs beside the writer.

use std::time::{Duration, Instant};

use crate::figures::{Spread, figure};
use crate::ledger::batches::{BATCH, Done, Load, TEMPLATES, drive};
use crate::ledger::plots::Plots;
use crate::ledger::target::Target;
use crate::ledger::usage::Usage;
use crate::ledger::{RUNS, Stage};
use crate::requests::Batch;

const CLIENTS: [usize; 4] = [1, 2, 4, 8];
const SIZES: [usize; 6] = [1, 8, 64, 512, 2_048, BATCH];
/// Posts of one run of the sizes.
const SIZED_POSTS: usize = 400_000;

/// Several runs of a load, each after the history of the one before is complete.
pub async fn repeated(stage: &Stage<'_>, templates: &[Batch], load: &Load) -> anyhow::Result<Spread> {
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        stage.wallet.catch_up().await?;
        rates.push(whole(drive(stage.wallet, templates, load).await?)?.rate());
    }
    Ok(Spread::of(rates))
}

/// Refusals have no place in a bench.
pub fn whole(done: Done) -> anyhow::Result<Done> {
    anyhow::ensure!(done.refused == 0, "{} posts were refused", done.refused);
    Ok(done)
}

/// `ledger.batch`: full batches by 1 to 8 clients. Answers the best load.
pub async fn clients(stage: &mut Stage<'_>, target: &Target) -> anyhow::Result<Load> {
    let templates = target.uniform(BATCH, TEMPLATES)?;
    let one = Load { window: 1, ..Load::of(1) };
    let alone = repeated(stage, &templates, &one).await?;
    stage.figures.add_spread("ledger.batch_clients_1_one_under_way", &alone, "posts/s")?;
    let (mut best, mut best_load) = (alone, one);
    for clients in CLIENTS {
        let load = Load::of(clients);
        let spread = repeated(stage, &templates, &load).await?;
        stage.figures.add_spread(&format!("ledger.batch_clients_{clients}"), &spread, "posts/s")?;
        if spread.median > best.median {
            (best, best_load) = (spread, load);
        }
    }
    stage.figures.add_spread("ledger.batch", &best, "posts/s")?;
    stage.wallet.catch_up().await?;
    let usage = Usage::now(stage.wallet.pid())?;
    whole(drive(stage.wallet, &templates, &best_load).await?)?;
    usage.report("ledger.batch", stage.wallet.pid(), stage.figures)?;
    Ok(best_load)
}

/// The same while the history is not written; so also with one account in every post.
pub async fn variants(stage: &mut Stage<'_>, target: &Target, load: &Load) -> anyhow::Result<()> {
    let templates = target.uniform(BATCH, TEMPLATES)?;
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        stage.wallet.catch_up().await?;
        let hold = stage.wallet.hold_history().await?;
        rates.push(whole(drive(stage.wallet, &templates, load).await?)?.rate());
        hold.rollback().await?;
    }
    stage.figures.add_spread("ledger.batch_history_held", &Spread::of(rates), "posts/s")?;
    // Side by side, for a fair ratio on a machine whose speed changes.
    let hot = target.hot(BATCH, TEMPLATES)?;
    let (mut of_hot, mut of_uniform) = (Vec::new(), Vec::new());
    for nth in 0..RUNS * 2 {
        // Each comes first as often as second: what went before is felt.
        let is_hot = nth % 4 == 1 || nth % 4 == 2;
        let (templates, rates) = if is_hot { (&hot, &mut of_hot) } else { (&templates, &mut of_uniform) };
        stage.wallet.catch_up().await?;
        let hold = stage.wallet.hold_history().await?;
        rates.push(whole(drive(stage.wallet, templates, load).await?)?.rate());
        hold.rollback().await?;
    }
    stage.figures.add_spread("ledger.hot_account", &Spread::of(of_hot), "posts/s")?;
    stage.figures.add_spread("ledger.hot_account_uniform", &Spread::of(of_uniform), "posts/s")
}

/// Throughput against batch size.
pub async fn sizes(stage: &mut Stage<'_>, target: &Target, plots: &mut Plots) -> anyhow::Result<()> {
    for size in SIZES {
        let templates = target.uniform(size, TEMPLATES * if size < 512 { 16 } else { 1 })?;
        let window = if size == BATCH { 1 } else { 4 };
        let load = Load { clients: 8, window, batches: SIZED_POSTS / size, time: Duration::from_secs(2) };
        let spread = repeated(stage, &templates, &load).await?;
        stage.figures.add_spread(&format!("ledger.batch_of_{size}"), &spread, "posts/s")?;
        plots.sizes.push((figure(size), spread.median));
    }
    Ok(())
}

/// The same while events are published: one for either side of every post.
pub async fn published(stage: &mut Stage<'_>, target: &Target, load: &Load) -> anyhow::Result<()> {
    let templates = target.uniform(BATCH, TEMPLATES)?;
    let (begin, started) = (stage.wallet.progress().await?.last, Instant::now());
    let (mut rates, mut operations) = (Vec::new(), 0);
    for _ in 0..RUNS {
        stage.wallet.catch_up().await?;
        let done = whole(drive(stage.wallet, &templates, load).await?)?;
        operations += done.operations;
        rates.push(done.rate());
    }
    stage.wallet.catch_up().await?;
    stage.figures.add_spread("ledger.batch_publishing", &Spread::of(rates), "posts/s")?;
    let rows = (stage.wallet.progress().await?.last - begin).max(1);
    let share = to_f64(stage.wallet.published().await? - begin) / to_f64(rows);
    let rate = share * figure(operations) * 2.0 / started.elapsed().as_secs_f64();
    stage.figures.add("ledger.events_published", rate, "events/s")
}

fn to_f64(count: i64) -> f64 {
    usize::try_from(count).map_or(0.0, figure)
}
