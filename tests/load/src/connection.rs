//! One keep-alive HTTP/1.1 connection, as light as a client can be: what it costs is taken from the
//! machine that is measured.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A connection to the edge.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    /// Connects.
    #[allow(clippy::disallowed_methods, reason = "the driver of a connection; it ends with it")]
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(Self { sender, host: format!("localhost:{}", address.port()) })
    }

    /// A GET; answers the status, and shows what a refusal says.
    pub async fn get(&mut self, path: &str, token: Option<&str>) -> anyhow::Result<StatusCode> {
        let (status, body) = self.send("GET", path, token, None, Bytes::new()).await?;
        if status.is_client_error() {
            eprintln!("GET {path}: {status} {}", String::from_utf8_lossy(&body));
        }
        Ok(status)
    }

    /// A GET of JSON.
    pub async fn get_json(&mut self, path: &str, token: Option<&str>) -> anyhow::Result<Value> {
        let (status, body) = self.send("GET", path, token, None, Bytes::new()).await?;
        anyhow::ensure!(status.is_success(), "{path}: {status}");
        serde_json::from_slice(&body).context("JSON")
    }

    /// A GET of text.
    pub async fn get_text(&mut self, path: &str) -> anyhow::Result<String> {
        let (status, body) = self.send("GET", path, None, None, Bytes::new()).await?;
        anyhow::ensure!(status.is_success(), "{path}: {status}");
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// A POST of JSON, with or without an idempotency key.
    pub async fn post(
        &mut self,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        self.send("POST", path, token, key, serde_json::to_vec(body)?.into()).await
    }

    async fn send(
        &mut self,
        verb: &str,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder().method(verb).uri(path).header("host", &self.host);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
