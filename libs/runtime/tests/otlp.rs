//! Spans reach an OTLP collector, below the span of the caller.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use runtime::telemetry::{self, Config};
use runtime::trace;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans;
        let spans =
            resources.into_iter().flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        self.0.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_of_work_is_exported_below_its_callers_span() {
    let collector = Collector::default();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let service = TraceServiceServer::new(collector.clone());
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    let config = Config { log_filter: "info".to_owned(), otlp_endpoint: format!("http://{address}") };
    let telemetry = telemetry::start(&config).unwrap();

    let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    let span = tracing::info_span!("work", trace_id = tracing::field::Empty);
    let sent_along = trace::scope(caller, span, async { trace::current() }).await.unwrap();
    tokio::task::spawn_blocking(move || telemetry.finish()).await.unwrap();

    let spans = collector.0.lock().unwrap();
    let work = spans.iter().find(|span| span.name == "work").expect("the span was exported");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&work.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&work.parent_span_id), "00f067aa0ba902b7");
    assert!(sent_along.to_string().contains(&hex(&work.span_id)), "calls name the exported span");
}
