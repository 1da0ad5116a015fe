//! Figures: printed for people, appended as JSON lines for machines.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// Where results lie.
pub const FOLDER: &str = "bench-results";

/// Where figures go.
pub struct Figures {
    file: File,
    values: HashMap<String, f64>,
}

impl Figures {
    /// Opens a file in `bench-results`, empty.
    pub fn open(name: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(FOLDER)?;
        Ok(Self { file: File::create(format!("{FOLDER}/{name}"))?, values: HashMap::new() })
    }

    /// One figure.
    pub fn add(&mut self, bench: &str, value: f64, unit: &str) -> anyhow::Result<()> {
        println!("{bench:<40} {value:>14.2} {unit}");
        self.write(bench, value, &json!({"bench": bench, "value": value, "unit": unit}))
    }

    /// A figure that was measured several times.
    pub fn add_spread(&mut self, bench: &str, spread: &Spread, unit: &str) -> anyhow::Result<()> {
        let Spread { median, min, max, runs } = spread;
        println!("{bench:<40} {median:>14.2} {unit:<8} {min:.2} to {max:.2} in {runs} runs");
        let line =
            json!({"bench": bench, "value": median, "unit": unit, "min": min, "max": max, "runs": runs});
        self.write(bench, *median, &line)
    }

    /// One figure as a multiple of another, if both were measured.
    pub fn add_ratio(&mut self, bench: &str, of: &str) -> anyhow::Result<()> {
        let (Some(value), Some(base)) = (self.value(bench), self.value(of)) else { return Ok(()) };
        let ratio = value / base;
        println!("{bench:<40} {value:>14.2} = {ratio:>8.2} x {of} ({base:.2})");
        let line = json!({"bench": bench, "ratio": ratio, "of": of, "value": value, "base": base});
        Ok(writeln!(self.file, "{line}")?)
    }

    /// A figure of this run.
    pub fn value(&self, bench: &str) -> Option<f64> {
        self.values.get(bench).copied()
    }

    fn write(&mut self, bench: &str, value: f64, line: &Value) -> anyhow::Result<()> {
        self.values.insert(bench.to_owned(), value);
        Ok(writeln!(self.file, "{line}")?)
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

/// The same figure measured several times.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub runs: usize,
}

impl Spread {
    /// Of at least one value.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        let runs = values.len();
        Self { median: at(runs / 2), min: at(0), max: at(runs.saturating_sub(1)), runs }
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
