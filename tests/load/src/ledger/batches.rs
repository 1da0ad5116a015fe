//! Batches over PostStream: closed-loop clients, each on a connection of its own with a few batches
//! under way.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use contracts::vbwd::wallet::v1::PostBatchResponse;
use futures::future::try_join_all;
use prost::Message as _;

use crate::figures::figure;
use crate::grpc::Duplex;
use crate::ledger::stand::Wallet;
use crate::requests::{Batch, Random};

/// Posts of a full batch.
pub const BATCH: usize = 8_190;
/// Templates that are sent in turn.
pub const TEMPLATES: usize = 16;
/// Batches of a stream that the wallet takes at once; more would only wait.
const WINDOW_MAX: usize = 4;
/// Full batches that the wallet queues (65 536 operations); it refuses more.
const UNDER_WAY_MAX: usize = 8;

/// How a run is driven; it ends with the count or the time, whichever comes first.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub clients: usize,
    /// Batches under way per client.
    pub window: usize,
    pub batches: usize,
    pub time: Duration,
}

impl Default for Load {
    fn default() -> Self {
        Self { clients: 1, window: WINDOW_MAX, batches: 300, time: Duration::from_secs(20) }
    }
}

impl Load {
    /// So many clients with as many batches under way as the wallet takes.
    pub fn of(clients: usize) -> Self {
        let window = (UNDER_WAY_MAX / clients).clamp(1, WINDOW_MAX);
        Self { clients, window, ..Self::default() }
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Done {
    pub operations: usize,
    pub refused: usize,
    pub elapsed: Duration,
}

impl Done {
    /// Operations per second that were done.
    pub fn rate(&self) -> f64 {
        figure(self.operations) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Runs a load. Connections are opened before the clock starts.
pub async fn drive(wallet: &Wallet, templates: &[Batch], load: &Load) -> anyhow::Result<Done> {
    let mut streams = Vec::new();
    let caller = wallet.caller("PostStream")?;
    for _ in 0..load.clients {
        streams.push(wallet.connect().await?.duplex(caller.call()?).await?);
    }
    let (next, started) = (Cell::new(0), Instant::now());
    let clients = streams.into_iter().map(|stream| client(stream, templates, load, &next, started));
    let mut done = Done::default();
    for (operations, refused) in try_join_all(clients).await? {
        done.operations += operations;
        done.refused += refused;
    }
    done.elapsed = started.elapsed();
    Ok(done)
}

/// One client: how many posts were done, how many refused.
async fn client(
    mut stream: Duplex,
    templates: &[Batch],
    load: &Load,
    next: &Cell<usize>,
    started: Instant,
) -> anyhow::Result<(usize, usize)> {
    let (mut random, mut under_way) = (Random::new(), VecDeque::new());
    let (mut done, mut refused) = (0, 0);
    loop {
        while under_way.len() < load.window && next.get() < load.batches && started.elapsed() < load.time {
            let template = &templates[next.replace(next.get() + 1) % templates.len()];
            stream.send(template.with_ids(&mut random))?;
            under_way.push_back(template.posts);
        }
        let Some(posts) = under_way.pop_front() else { break };
        let answer = PostBatchResponse::decode(stream.next().await?)?;
        if let Some(first) = answer.refused.first().filter(|_| refused == 0) {
            eprintln!("a post was refused: {} ({})", first.code, first.message);
        }
        let of_batch = usize::try_from(answer.done)?;
        done += of_batch;
        refused += posts - of_batch;
    }
    stream.finish()?;
    Ok((done, refused))
}
