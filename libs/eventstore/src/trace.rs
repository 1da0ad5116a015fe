//! Spans of work that follows from an event belong to the trace of the event.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Makes `span` part of the trace that a W3C `traceparent` names. The span's empty field
/// `trace_id`, if it has one, is filled for the logs; a missing or malformed text changes nothing.
#[must_use]
pub fn traced(traceparent: Option<&str>, span: Span) -> Span {
    if let Some(parent) = traceparent.and_then(parse) {
        span.record("trace_id", parent.trace_id().to_string());
        // Without an exporter there is nobody to tell.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
    }
    span
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_and_anything_else_ignored() {
        let context = parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.is_sampled());
        for text in ["", "00", "00-x-y-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
