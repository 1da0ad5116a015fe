//! Logs, traces and metrics of a process.
//!
//! Logs are JSON lines with the trace id on standard output. Traces are exported over OTLP when an
//! endpoint is configured. Metrics are kept for Prometheus and served by the admin port.

use std::sync::OnceLock;

use fault::Fault;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

/// What to tell, and whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which log lines are written, in the syntax of `EnvFilter`.
    pub log_filter: String,
    /// OTLP endpoint for traces, `http://collector:4317`; empty means no export.
    pub otlp_endpoint: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { log_filter: "info,sqlx::postgres::notice=warn".to_owned(), otlp_endpoint: String::new() }
    }
}

/// The telemetry of this process.
#[derive(Clone)]
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
    metrics: PrometheusHandle,
    traces: Option<SdkTracerProvider>,
}

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts telemetry; once per process.
///
/// # Errors
/// `InvalidInput` when the filter or the endpoint is malformed.
pub fn start(config: &Config) -> fault::Result<Telemetry> {
    let (filter, handle) = reload::Layer::new(parse_filter(&config.log_filter)?);
    let traces = exporter(&config.otlp_endpoint)?;
    let export = traces
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("vbwd")).boxed());
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false);
    // A second start in one process (tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(filter).with(lines).with(export).try_init();
    Ok(Telemetry { filter: handle, metrics: metrics_recorder()?, traces })
}

/// The process's metrics; usable without [`start`] in tests.
///
/// # Errors
/// When another recorder is installed.
pub fn metrics_recorder() -> fault::Result<PrometheusHandle> {
    if let Some(handle) = METRICS.get() {
        return Ok(handle.clone());
    }
    let buckets = [0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let builder = PrometheusBuilder::new().set_buckets(&buckets).map_err(Fault::internal)?;
    let handle = builder.install_recorder().map_err(Fault::internal)?;
    Ok(METRICS.get_or_init(|| handle).clone())
}

impl Telemetry {
    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        self.metrics.run_upkeep();
        self.metrics.render()
    }

    /// The present log filter.
    #[must_use]
    pub fn log_filter(&self) -> String {
        self.filter.with_current(ToString::to_string).unwrap_or_default()
    }

    /// Changes which log lines are written, at once.
    ///
    /// # Errors
    /// `InvalidInput` when the filter is malformed.
    pub fn set_log_filter(&self, text: &str) -> fault::Result<()> {
        self.filter.reload(parse_filter(text)?).map_err(Fault::internal)
    }

    /// Sends what is left; the last step of a drain.
    pub fn finish(&self) {
        if let Some(traces) = &self.traces {
            // The process is ending; a collector that does not answer cannot be waited for.
            let _ = traces.shutdown();
        }
    }
}

fn parse_filter(text: &str) -> fault::Result<EnvFilter> {
    EnvFilter::try_new(text)
        .map_err(|error| Fault::invalid("/telemetry/log_filter", "malformed", error.to_string()))
}

fn exporter(endpoint: &str) -> fault::Result<Option<SdkTracerProvider>> {
    if endpoint.is_empty() {
        return Ok(None);
    }
    let exporter =
        opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .map_err(|error| Fault::invalid("/telemetry/otlp_endpoint", "malformed", error.to_string()))?;
    let resource = opentelemetry_sdk::Resource::builder().with_service_name("vbwd").build();
    Ok(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
}
