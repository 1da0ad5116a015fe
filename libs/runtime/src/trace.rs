//! W3C trace context (<https://www.w3.org/TR/trace-context/>) across HTTP, gRPC and NATS.
//!
//! Every unit of work runs in a [`scope`]: it has a trace id that its logs show and that its calls
//! and events carry on. This works with and without an OpenTelemetry exporter; with one, the
//! scope's span is exported with the caller's span as its parent.

use std::fmt;
use std::future::Future;
use std::str::FromStr;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Name of the header and metadata key.
pub const TRACEPARENT: &str = "traceparent";

/// Which trace a unit of work belongs to, and which span it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

/// A text that is no trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTraceparent;

tokio::task_local! {
    static CURRENT: TraceContext;
}

impl TraceContext {
    /// The start of a new trace.
    #[must_use]
    pub fn new() -> Self {
        Self { trace: rand::random(), span: rand::random(), flags: 1 }
    }

    /// What a caller sent, or a new trace when it sent nothing usable.
    #[must_use]
    pub fn incoming(traceparent: Option<&str>) -> Self {
        traceparent.and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// The trace id in hexadecimal, as logs and problem documents show it.
    #[must_use]
    pub fn trace_id(&self) -> String {
        TraceId::from_bytes(self.trace).to_string()
    }

    fn remote(self) -> SpanContext {
        let flags = TraceFlags::new(self.flags);
        let (trace, span) = (TraceId::from_bytes(self.trace), SpanId::from_bytes(self.span));
        SpanContext::new(trace, span, flags, true, TraceState::default())
    }

    fn of(span: &SpanContext) -> Self {
        Self {
            trace: span.trace_id().to_bytes(),
            span: span.span_id().to_bytes(),
            flags: span.trace_flags().to_u8(),
        }
    }
}

impl Default for TraceContext {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs `work` as part of the trace `parent`, inside `span`. The span should have an empty field
/// `trace_id`, which is filled here.
pub async fn scope<F: Future>(parent: TraceContext, span: Span, work: F) -> F::Output {
    if span.is_disabled() {
        // Nobody records it: the trace only lives in headers and events.
        let own = TraceContext { span: rand::random(), ..parent };
        return CURRENT.scope(own, work).await;
    }
    span.record("trace_id", parent.trace_id());
    let context = opentelemetry::Context::new().with_remote_span_context(parent.remote());
    // Without an exporter there is nobody to tell; the trace then lives in logs and headers.
    let _ = span.set_parent(context);
    let exported = span.context().span().span_context().clone();
    let own = if exported.is_valid() {
        TraceContext::of(&exported)
    } else {
        TraceContext { span: rand::random(), ..parent }
    };
    CURRENT.scope(own, work.instrument(span)).await
}

/// The trace context of the present unit of work, to be sent along.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span));
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", self.flags)
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceparent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceparent> {
        let mut parts = text.split('-');
        let (Some(version), Some(trace), Some(span), Some(flags)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidTraceparent);
        };
        let shape = version.len() == 2 && trace.len() == 32 && span.len() == 16 && flags.len() == 2;
        if !shape || version == "ff" || (version == "00" && parts.next().is_some()) {
            return Err(InvalidTraceparent);
        }
        let trace = TraceId::from_hex(trace).map_err(|_| InvalidTraceparent)?;
        let span = SpanId::from_hex(span).map_err(|_| InvalidTraceparent)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| InvalidTraceparent)?;
        if trace == TraceId::INVALID || span == SpanId::INVALID {
            return Err(InvalidTraceparent);
        }
        Ok(Self { trace: trace.to_bytes(), span: span.to_bytes(), flags })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_specifications_example_survives() {
        let context: TraceContext = EXAMPLE.parse().unwrap();
        assert_eq!(context.to_string(), EXAMPLE);
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn malformed_contexts_start_a_new_trace() {
        let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for text in ["", "00", zero, &EXAMPLE.replace("00-4", "ff-4"), &format!("{EXAMPLE}-x")] {
            assert!(text.parse::<TraceContext>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn work_inside_a_scope_stays_in_the_trace_with_a_span_of_its_own() {
        let parent: TraceContext = EXAMPLE.parse().unwrap();
        let seen = scope(parent, tracing::info_span!("work"), async { current() }).await.unwrap();
        assert_eq!(seen.trace_id(), parent.trace_id());
        assert_ne!(seen, parent);
        assert_eq!(current(), None);
    }
}
