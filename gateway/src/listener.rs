//! Connections that do not wait for ever.
//!
//! A client that opens connections and sends nothing, or a byte now and then, must not be able to
//! hold them. A connection is closed when it has been silent for [`IDLE`], and when a request that
//! has begun to arrive has seen no byte of its answer after [`ANSWER`], which is longer than any
//! request may take.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};

/// Longest silence between requests.
const IDLE: Duration = Duration::from_secs(75);
/// Longest time from the first byte of a request to the first byte of its answer.
const ANSWER: Duration = Duration::from_secs(60);

/// A listener whose connections end when nothing comes of them.
pub struct Patient(TcpListener);

/// The address of a connection's other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// One connection.
pub struct Connection<S = TcpStream> {
    stream: S,
    state: State,
    alarm: Pin<Box<Sleep>>,
}

#[derive(Clone, Copy)]
enum State {
    /// Nothing arrived since the last answer.
    Idle { since: Instant },
    /// A request arrives or is being answered.
    Busy { since: Instant },
}

impl Patient {
    /// Accepts from `listener`.
    pub const fn new(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl Listener for Patient {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Answers are written whole; waiting for more to send only adds latency.
        let _ = stream.set_nodelay(true);
        (Connection::new(stream), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Patient>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Patient>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl<S> Connection<S> {
    fn new(stream: S) -> Self {
        let since = Instant::now();
        let alarm = Box::pin(tokio::time::sleep_until(since + ANSWER));
        Self { stream, state: State::Busy { since }, alarm }
    }

    /// Whether the connection has waited long enough. The alarm is set again only when it rings, so
    /// that a request costs no timer.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.alarm.as_mut().poll(context).is_ready() {
            let deadline = match self.state {
                State::Idle { since } => since + IDLE,
                State::Busy { since } => since + ANSWER,
            };
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    fn received(&mut self) {
        if matches!(self.state, State::Idle { .. }) {
            self.state = State::Busy { since: Instant::now() };
        }
    }

    fn sent(&mut self) {
        self.state = State::Idle { since: Instant::now() };
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                if buffer.filled().len() > before {
                    self.received();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_overdue(context).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.sent();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.sent();
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test(start_paused = true)]
    async fn a_request_that_trickles_in_is_given_up() {
        let (mut client, server) = duplex(64);
        let mut connection = Connection::new(server);
        let trickle = async {
            loop {
                if client.write_all(b"x").await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        };
        let started = Instant::now();
        let read = async {
            let mut buffer = [0; 8];
            loop {
                if let Err(error) = connection.read(&mut buffer).await {
                    return error;
                }
            }
        };
        tokio::select! {
            error = read => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
            () = trickle => panic!("the client gave up first"),
        }
        assert!(started.elapsed() >= ANSWER && started.elapsed() < ANSWER + Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_in_use_lives_on_and_a_silent_one_ends() {
        let (mut client, server) = duplex(64);
        let mut connection = Connection::new(server);
        let mut byte = [0];
        for _ in 0..10 {
            client.write_all(b"q").await.unwrap();
            connection.read_exact(&mut byte).await.unwrap();
            tokio::time::sleep(Duration::from_secs(14)).await;
            connection.write_all(b"a").await.unwrap();
            client.read_exact(&mut byte).await.unwrap();
            tokio::time::sleep(Duration::from_secs(40)).await;
        }
        let started = Instant::now();
        assert_eq!(connection.read(&mut byte).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() <= IDLE);
    }
}
