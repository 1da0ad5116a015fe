//! Checkouts: created, and whole sales until the tokens are in the wallet.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::postgres::PgPool;

use crate::connection::Connection;
use crate::figures::{Figures, Run, figure};
use crate::stand::{Stand, User};
use crate::workload::{self, Worker};

struct Checkout {
    connection: Connection,
    user: User,
    body: Value,
}

impl Worker for Checkout {
    async fn once(&mut self, _: usize) -> anyhow::Result<bool> {
        let key = uuid::Uuid::now_v7().to_string();
        let answer = self.connection.post("/api/v1/checkout", Some(&self.user.token), Some(&key), &self.body);
        Ok(answer.await?.0 == hyper::StatusCode::CREATED)
    }
}

/// Checkouts created (invoice opened, payment started at the provider) over 32 connections. The
/// method stays pending, so that nothing but the checkout is measured.
pub async fn created(stand: &Stand, time: Duration, figures: &mut Figures) -> anyhow::Result<()> {
    let run = workload::run(workers(stand, "sandbox_pending").await?, time).await?;
    figures.add_run("checkout.created", &run, "req/s")
}

/// Whole sales: checkout, payment, webhook, invoice paid, wallet credited. The rate is what was
/// credited per second from the first checkout until the last credit.
pub async fn whole_sales(stand: &Stand, time: Duration, figures: &mut Figures) -> anyhow::Result<()> {
    let ledger = stand.superuser("wallet");
    let before = credited(&ledger).await?;
    let started = Instant::now();
    let run = workload::run(workers(stand, "sandbox_card").await?, time).await?;
    let checkouts = started.elapsed();
    let after = settled(&ledger).await?;
    let sold = usize::try_from(after.0 - before)?;
    let rate = figure(sold) / after.1.duration_since(started).as_secs_f64();
    figures.add("sale.whole", rate, "sales/s")?;
    figures.add("sale.checkout_while_selling", figure(sold) / checkouts.as_secs_f64(), "req/s")?;
    figures.add("sale.drain_after_last_checkout_s", (after.1 - started - checkouts).as_secs_f64(), "s")?;
    latency(&run, figures)
}

fn latency(run: &Run, figures: &mut Figures) -> anyhow::Result<()> {
    figures.add("sale.checkout.p50_ms", run.percentile_ms(0.5), "ms")?;
    figures.add("sale.checkout.p99_ms", run.percentile_ms(0.99), "ms")
}

async fn workers(stand: &Stand, method: &str) -> anyhow::Result<Vec<Checkout>> {
    let body = json!({
        "lines": [{"kind": "token_bundle", "item_id": stand.bundle, "quantity": "1"}],
        "currency": "EUR", "billing_country": "DE", "payment_method": method,
        "return_url": "https://shop.example/return",
    });
    let mut workers = Vec::new();
    for nth in 0..32 {
        let user = stand.users[nth % stand.users.len()].clone();
        workers.push(Checkout { connection: stand.connect().await?, user, body: body.clone() });
    }
    Ok(workers)
}

async fn credited(ledger: &PgPool) -> anyhow::Result<i64> {
    let query = "SELECT count(*) FROM ledger_lots WHERE source = 'purchase'";
    Ok(sqlx::query_scalar(query).fetch_one(ledger).await?)
}

/// Waits until no more credits arrive; answers how many there are and when the last came.
async fn settled(ledger: &PgPool) -> anyhow::Result<(i64, Instant)> {
    let mut last = (credited(ledger).await?, Instant::now());
    while last.1.elapsed() < Duration::from_secs(3) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = credited(ledger).await?;
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
    Ok(last)
}
