//! What the run collects for its pictures, and the pictures.

use std::path::Path;
use std::time::Duration;

use crate::figures::{FOLDER, figure};
use crate::plot::{Axis, Marks, Panel, Scale, svg};

/// Where published pictures lie.
const PUBLISHED: &str = "docs/explanation/ledger";
/// Bars of the histogram; the last percent of the calls is left out.
const BARS: u16 = 60;

/// Points by picture; a picture without points is not drawn.
#[derive(Default)]
pub struct Plots {
    /// Batch size, posts/s.
    pub sizes: Vec<(f64, f64)>,
    /// In flight, posts/s, p99 in ms.
    pub in_flight: Vec<(f64, f64, f64)>,
    /// Of single posts at 64 in flight.
    pub unary_64: Vec<Duration>,
    /// Millions of past operations, posts/s.
    pub past: Vec<(f64, f64)>,
    /// Seconds, operations.
    pub lag: Vec<(f64, f64)>,
}

impl Plots {
    /// Writes the pictures, also where the documentation shows them if they are to be published.
    pub fn write(&self, note: &str, publish: bool) -> anyhow::Result<()> {
        for (name, panels) in self.pictures() {
            if panels.iter().any(|panel| panel.points.is_empty()) {
                continue;
            }
            let picture = svg(&panels, note);
            let folders = [Some(FOLDER), publish.then_some(PUBLISHED)];
            for folder in folders.into_iter().flatten().map(Path::new) {
                std::fs::create_dir_all(folder)?;
                std::fs::write(folder.join(name), &picture)?;
                println!("plot: {}", folder.join(name).display());
            }
        }
        Ok(())
    }

    fn pictures(&self) -> [(&'static str, Vec<Panel>); 5] {
        let posts = "posts per second";
        let dots = |title: &str, x: &'static str, x_scale, y: &'static str, y_scale, points| Panel {
            title: title.to_owned(),
            x: Axis { label: x, scale: x_scale },
            y: Axis { label: y, scale: y_scale },
            points,
            marks: Marks::Dots,
        };
        let sizes = ("Throughput against batch size", "posts per batch (logarithmic)");
        let sizes = dots(sizes.0, sizes.1, Scale::Log, posts, Scale::Log, self.sizes.clone());
        let flight = "single posts in flight (logarithmic)";
        let rate = self.in_flight.iter().map(|(at, rate, _)| (*at, *rate)).collect();
        let rate = dots(
            "Throughput of single posts against in-flight",
            flight,
            Scale::Log,
            posts,
            Scale::Linear,
            rate,
        );
        let tail = self.in_flight.iter().map(|(at, _, tail)| (*at, *tail)).collect();
        let (title, label) = ("Latency against in-flight", "99th percentile, ms");
        let tail = dots(title, flight, Scale::Log, label, Scale::Linear, tail);
        let title = "Full batches against past operations";
        let label = "past operations, millions";
        let past = dots(title, label, Scale::Linear, posts, Scale::Linear, self.past.clone());
        let lag = dots(
            "History behind the journal, batches without a pause",
            "seconds since the first batch",
            Scale::Linear,
            "operations not yet queryable",
            Scale::Linear,
            self.lag.clone(),
        );
        [
            ("throughput-batch-size.svg", vec![sizes]),
            ("throughput-in-flight.svg", vec![rate, tail]),
            ("latency-64.svg", vec![self.histogram()]),
            ("throughput-past-operations.svg", vec![past]),
            ("history-lag.svg", vec![Panel { marks: Marks::Line, ..lag }]),
        ]
    }

    fn histogram(&self) -> Panel {
        let mut sorted: Vec<f64> =
            self.unary_64.iter().map(|latency| latency.as_secs_f64() * 1_000.0).collect();
        sorted.sort_by(f64::total_cmp);
        let end = sorted.get(sorted.len() * 995 / 1_000).copied().unwrap_or_default();
        let edge = |bar: u16| end * f64::from(bar) / f64::from(BARS);
        let below = |value: f64| sorted.partition_point(|latency| *latency < value);
        let share = |bar: u16| {
            let count = below(edge(bar + 1)) - below(edge(bar));
            figure(count) * 100.0 / figure(sorted.len().max(1))
        };
        let bars = (0..=BARS).map(|bar| (edge(bar), if bar < BARS { share(bar) } else { 0.0 }));
        Panel {
            title: "Latency of single posts, 64 in flight".to_owned(),
            x: Axis { label: "milliseconds (the slowest 0.5 % lie beyond)", scale: Scale::Linear },
            y: Axis { label: "share of posts, %", scale: Scale::Linear },
            points: if sorted.is_empty() { Vec::new() } else { bars.collect() },
            marks: Marks::Bars,
        }
    }
}
