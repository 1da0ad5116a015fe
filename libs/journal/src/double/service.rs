//! The two calls as a gRPC service, written out because two calls are not worth a generator.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{ClientStreamingService, Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status, Streaming, body::Body};
use tonic_prost::ProstCodec;

use super::State;
use super::protocol::{AppendReq, AppendResp, ReadReq, ReadResp};

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
