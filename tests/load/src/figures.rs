//! Figures: printed for people, appended as JSON lines for machines.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use serde_json::json;

/// Where figures go.
pub struct Figures(File);

impl Figures {
    /// Opens `bench-results/latest.jsonl`, empty.
    pub fn open() -> anyhow::Result<Self> {
        std::fs::create_dir_all("bench-results")?;
        Ok(Self(File::create("bench-results/latest.jsonl")?))
    }

    /// One figure.
    pub fn add(&mut self, bench: &str, value: f64, unit: &str) -> anyhow::Result<()> {
        println!("{bench:<34} {value:>12.2} {unit}");
        writeln!(self.0, "{}", json!({"bench": bench, "value": value, "unit": unit}))?;
        Ok(())
    }

    /// Rate, median and 99th percentile of a run.
    pub fn add_run(&mut self, bench: &str, run: &Run, unit: &str) -> anyhow::Result<()> {
        self.add(bench, run.rate(), unit)?;
        self.add(&format!("{bench}.p50_ms"), run.percentile_ms(0.50), "ms")?;
        self.add(&format!("{bench}.p99_ms"), run.percentile_ms(0.99), "ms")?;
        if run.failures > 0 {
            self.add(&format!("{bench}.failures"), figure(run.failures), "requests")?;
        }
        Ok(())
    }
}

/// What a run measured.
#[derive(Debug, Default)]
pub struct Run {
    /// Latency of every successful request.
    pub latencies: Vec<Duration>,
    /// Requests that were refused or failed.
    pub failures: usize,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl Run {
    /// Successful requests per second.
    pub fn rate(&self) -> f64 {
        figure(self.latencies.len()) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The latency below which a share of the requests was, in milliseconds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index for a figure")]
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let index = ((figure(sorted.len()) - 1.0) * share).max(0.0).round() as usize;
        sorted.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
    }

    /// Adds what another worker measured at the same time.
    pub fn join(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.failures += other.failures;
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

/// A count as a figure.
#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub const fn figure(count: usize) -> f64 {
    count as f64
}
