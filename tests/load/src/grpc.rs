//! gRPC over one HTTP/2 connection, as light as a client can be: what it costs is taken from the
//! machine that is measured. Messages are bytes that were encoded before; headers are sent once and
//! then named by their place in the connection's table, as every HTTP/2 client does.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

/// Compressed or not, and the length.
pub const PREFIX_BYTES: usize = 5;
/// Room for answers on their way, per stream and per connection.
const WINDOW_BYTES: u32 = 4 << 20;

/// A connection to a service.
#[derive(Clone)]
pub struct Connection {
    sender: SendRequest<Bytes>,
}

/// A call whose messages go both ways.
pub struct Duplex {
    send: SendStream<Bytes>,
    response: Option<ResponseFuture>,
    receive: Option<RecvStream>,
    received: BytesMut,
}

impl Connection {
    /// Connects.
    #[allow(clippy::disallowed_methods, reason = "the driver of a connection; it ends with it")]
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
        let (sender, driver) = builder.handshake(stream).await?;
        tokio::spawn(driver);
        Ok(Self { sender })
    }

    /// One message there, one back; `Err` inside says with which words the call was refused.
    pub async fn unary(&self, call: Request<()>, message: Bytes) -> anyhow::Result<Result<Bytes, String>> {
        let mut sender = self.sender.clone().ready().await?;
        let (response, mut body) = sender.send_request(call, false)?;
        body.send_data(message, true)?;
        let (head, mut receive) = response.await?.into_parts();
        if let Some(refusal) = refusal(&head.headers) {
            return Ok(Err(refusal));
        }
        let mut received = BytesMut::new();
        while let Some(chunk) = chunk(&mut receive).await? {
            received.extend_from_slice(&chunk);
        }
        if let Some(refusal) = receive.trailers().await?.as_ref().and_then(refusal) {
            return Ok(Err(refusal));
        }
        taken(&mut received).map(Ok).context("an answer without a message")
    }

    /// Opens a call whose messages go both ways.
    pub async fn duplex(&self, call: Request<()>) -> anyhow::Result<Duplex> {
        let mut sender = self.sender.clone().ready().await?;
        let (response, send) = sender.send_request(call, false)?;
        Ok(Duplex { send, response: Some(response), receive: None, received: BytesMut::new() })
    }
}

impl Duplex {
    /// Sends a message, prefix included. It waits in memory for room at the other side, so callers
    /// bound how many are under way.
    pub fn send(&mut self, message: Bytes) -> anyhow::Result<()> {
        Ok(self.send.send_data(message, false)?)
    }

    /// The next answer.
    pub async fn next(&mut self) -> anyhow::Result<Bytes> {
        if let Some(response) = self.response.take() {
            let (head, receive) = response.await?.into_parts();
            if let Some(refusal) = refusal(&head.headers) {
                bail!("the stream was refused: {refusal}");
            }
            self.receive = Some(receive);
        }
        let receive = self.receive.as_mut().context("a stream that was refused")?;
        loop {
            if let Some(message) = taken(&mut self.received) {
                return Ok(message);
            }
            match chunk(receive).await? {
                Some(chunk) => self.received.extend_from_slice(&chunk),
                None => {
                    let trailers = receive.trailers().await?.unwrap_or_default();
                    bail!("the stream ended: {}", refusal(&trailers).unwrap_or_default());
                }
            }
        }
    }

    /// Says that no more messages come.
    pub fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.send.send_data(Bytes::new(), true)?)
    }
}

/// A message with its prefix.
pub fn framed(message: &impl prost::Message) -> anyhow::Result<Vec<u8>> {
    let length = message.encoded_len();
    let mut bytes = Vec::with_capacity(PREFIX_BYTES + length);
    bytes.push(0);
    bytes.extend_from_slice(&u32::try_from(length)?.to_be_bytes());
    message.encode(&mut bytes)?;
    ensure!(bytes.len() == PREFIX_BYTES + length, "a message of another length");
    Ok(bytes)
}

async fn chunk(receive: &mut RecvStream) -> anyhow::Result<Option<Bytes>> {
    let Some(chunk) = receive.data().await.transpose()? else { return Ok(None) };
    receive.flow_control().release_capacity(chunk.len())?;
    Ok(Some(chunk))
}

/// The first whole message of what was received.
fn taken(received: &mut BytesMut) -> Option<Bytes> {
    let length: [u8; 4] = received.get(1..PREFIX_BYTES)?.try_into().ok()?;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    if received.len() < PREFIX_BYTES + length {
        return None;
    }
    received.advance(PREFIX_BYTES);
    Some(received.split_to(length).freeze())
}

/// What a status other than "ok" says.
fn refusal(headers: &HeaderMap) -> Option<String> {
    let status = headers.get("grpc-status")?.to_str().unwrap_or_default();
    let message = headers.get("grpc-message").and_then(|text| text.to_str().ok()).unwrap_or_default();
    (status != "0").then(|| format!("status {status} {message}"))
}
