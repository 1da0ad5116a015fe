//! The edge on a real port.

use std::time::Duration;

use runtime::Drain;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fixtures::{config, fleet_with, no_database};

/// Sends text and reads until the other end closes or `until` has arrived.
async fn exchange(stream: &mut TcpStream, request: &str, until: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&received).contains(until) {
        let count = stream.read(&mut buffer).await.unwrap();
        if count == 0 {
            break;
        }
        received.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(received).unwrap()
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "the server beside its client")]
async fn requests_over_a_socket_are_answered_and_a_drain_finishes_them() {
    let fleet = fleet_with(config(), no_database()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let drain = Drain::new();
    let serving = tokio::spawn(gateway::serve(listener, fleet.router.clone(), drain.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();

    let get = "GET /api/v1/token-bundles HTTP/1.1\r\nhost: a.test\r\n\r\n";
    let answer = exchange(&mut stream, get, "]}").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"list 0\""), "{answer}");
    let head = "HEAD /api/v1/token-bundles HTTP/1.1\r\nhost: a.test\r\n\r\n";
    let answer = exchange(&mut stream, head, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");

    let body = json!({"email": "a@b.test"}).to_string();
    let log_in = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nhost: a.test\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(log_in.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drain.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = exchange(&mut stream, &body, "\"127.0.0.1\"").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "the caller's address is the socket's: {answer}");
    drop(stream);
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
