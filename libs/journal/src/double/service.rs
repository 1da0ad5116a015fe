//! The calls as gRPC services, written out because four calls are not worth a generator.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{
    ClientStreamingService, Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService,
};
use tonic::{Request, Response, Status, Streaming, body::Body};
use tonic_prost::ProstCodec;

use super::State;
use super::protocol::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, Empty, ReadReq, ReadResp, SupportedMethod,
    SupportedMethods,
};

/// What the server takes in one message.
const MESSAGE_BYTES_MAX: usize = 17 * 1024 * 1024;

#[derive(Clone)]
pub(super) struct StreamsServer(pub(super) Arc<State>);

impl NamedService for StreamsServer {
    const NAME: &'static str = "event_store.client.streams.Streams";
}

impl Service<http::Request<Body>> for StreamsServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            Ok(match path.rsplit('/').next() {
                Some("Append") => {
                    let codec = ProstCodec::<AppendResp, AppendReq>::default();
                    let mut grpc =
                        Grpc::new(codec).apply_max_message_size_config(Some(MESSAGE_BYTES_MAX), None);
                    grpc.client_streaming(Append(state), request).await
                }
                Some("BatchAppend") => {
                    let codec = ProstCodec::<BatchAppendResp, BatchAppendReq>::default();
                    let mut grpc =
                        Grpc::new(codec).apply_max_message_size_config(Some(MESSAGE_BYTES_MAX), None);
                    grpc.streaming(BatchAppend(state), request).await
                }
                Some("Read") => {
                    let codec = ProstCodec::<ReadResp, ReadReq>::default();
                    Grpc::new(codec).server_streaming(Read(state), request).await
                }
                _ => Status::unimplemented(path).into_http(),
            })
        })
    }
}

struct Append(Arc<State>);

impl ClientStreamingService<AppendReq> for Append {
    type Response = AppendResp;
    type Future = BoxFuture<Response<AppendResp>, Status>;

    fn call(&mut self, request: Request<Streaming<AppendReq>>) -> Self::Future {
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            let (mut messages, mut options, mut events) = (request.into_inner(), None, Vec::new());
            while let Some(message) = messages.message().await? {
                options = options.or(message.options);
                events.extend(message.proposed_message);
            }
            let options = options.ok_or_else(|| Status::invalid_argument("no options"))?;
            state.append(options, events).await.map(Response::new)
        })
    }
}

struct BatchAppend(Arc<State>);

impl StreamingService<BatchAppendReq> for BatchAppend {
    type Response = BatchAppendResp;
    type ResponseStream = BoxStream<'static, Result<BatchAppendResp, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<BatchAppendReq>>) -> Self::Future {
        let begin = (request.into_inner(), OpenCall::of(&self.0));
        let answers = stream::try_unfold(begin, |(mut messages, call)| async move {
            let Some(message) = messages.message().await? else { return Ok(None) };
            Ok(Some((call.0.append_batch(message).await?, (messages, call))))
        });
        Box::pin(async move { Ok(Response::new(answers.boxed())) })
    }
}

/// Counts a call while it is open.
struct OpenCall(Arc<State>);

impl OpenCall {
    fn of(state: &Arc<State>) -> Self {
        state.calls.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(state))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Read(Arc<State>);

impl ServerStreamingService<ReadReq> for Read {
    type Response = ReadResp;
    type ResponseStream = BoxStream<'static, Result<ReadResp, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<ReadReq>) -> Self::Future {
        let options = request.into_inner().options.ok_or_else(|| Status::invalid_argument("no options"));
        let answers = options.and_then(|options| self.0.read(&options));
        Box::pin(async move { Ok(Response::new(stream::iter(answers?.into_iter().map(Ok)).boxed())) })
    }
}

/// Says that appends can share a call; servers before 21.6 do not answer at all.
#[derive(Clone)]
pub(super) struct FeaturesServer(pub(super) Arc<State>);

impl NamedService for FeaturesServer {
    const NAME: &'static str = "event_store.client.server_features.ServerFeatures";
}

impl Service<http::Request<Body>> for FeaturesServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let features = self.clone();
        let codec = ProstCodec::<SupportedMethods, Empty>::default();
        Box::pin(async move { Ok(Grpc::new(codec).unary(features, request).await) })
    }
}

impl UnaryService<Empty> for FeaturesServer {
    type Response = SupportedMethods;
    type Future = BoxFuture<Response<SupportedMethods>, Status>;

    fn call(&mut self, _: Request<Empty>) -> Self::Future {
        let old = !self.0.batches;
        Box::pin(async move {
            if old {
                return Err(Status::unimplemented("this server is old"));
            }
            let method_name = "batchappend".to_owned();
            let service_name = "event_store.client.streams.streams".to_owned();
            let methods = vec![SupportedMethod { method_name, service_name }];
            Ok(Response::new(SupportedMethods { methods, event_store_server_version: "25.0.0".to_owned() }))
        })
    }
}
