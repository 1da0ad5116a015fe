//! Conversations over WebSocket: an echo, and everything that keeps it from being abused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use auth::Caller;
use contracts::Access;
use futures::future::BoxFuture;
use futures::{SinkExt as _, StreamExt as _};
use gateway::socket::{Conversation, Conversations, Socket};
use http::Request;
use runtime::Drain;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::fixtures::{Fleet, fleet};

const ECHO: &str = "/api/v1/echo";

/// Says who is there, then what it hears.
struct Echo;

impl Conversation for Echo {
    fn access(&self) -> Access {
        Access::Authenticated
    }

    fn hold<'a>(&'a self, caller: Arc<Caller>, mut socket: Socket) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            socket.send(&caller.subject.to_string()).await;
            while let Some(message) = socket.next().await {
                if !socket.send(&String::from_utf8_lossy(&message)).await {
                    return;
                }
            }
        })
    }
}

pub fn conversations() -> Conversations {
    HashMap::from([(ECHO, Arc::new(Echo) as Arc<dyn Conversation>)])
}

struct Served {
    fleet: Fleet,
    address: String,
}

#[allow(clippy::disallowed_methods, reason = "the server beside its clients")]
async fn served() -> Served {
    let fleet = fleet().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(gateway::serve(listener, fleet.router.clone(), Drain::new()));
    Served { fleet, address }
}

impl Served {
    fn request(&self, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = format!("ws://{}{ECHO}", self.address).into_client_request().unwrap();
        request.headers_mut().insert("host", "a.test".parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        request
    }

    async fn open(&self, headers: &[(&str, &str)]) -> Result<WebSocketStream<TcpStream>, u16> {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        match client_async(self.request(headers), stream).await {
            Ok((socket, response)) => {
                assert!(response.headers().get("content-security-policy").is_some());
                Ok(socket)
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.fleet.token(&self.fleet.user(&[])))
    }
}

async fn text(socket: &mut WebSocketStream<TcpStream>) -> String {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// With which code the other side closes; `None` when it is just gone.
async fn closed(socket: &mut WebSocketStream<TcpStream>) -> Option<(CloseCode, String)> {
    let end = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| (frame.code, frame.reason.to_string()));
            }
        }
        None
    };
    tokio::time::timeout(Duration::from_secs(15), end).await.expect("the other side closes")
}

#[tokio::test]
async fn what_is_said_comes_back_to_who_may() {
    let served = served().await;
    let user = served.fleet.user(&[]);
    let token = served.fleet.token(&user);
    let mut socket = served.open(&[("authorization", &format!("Bearer {token}"))]).await.unwrap();
    assert_eq!(text(&mut socket).await, user.subject.to_string());
    socket.send(Message::Text("hello".into())).await.unwrap();
    assert_eq!(text(&mut socket).await, "hello");
    let protocols = format!("vbwd.v1, bearer.{token}");
    let mut by_protocol = served.open(&[("sec-websocket-protocol", &protocols)]).await.unwrap();
    assert_eq!(text(&mut by_protocol).await, user.subject.to_string());
    let cookie = format!("__Host-vbwd_access={token}");
    let own = [("cookie", cookie.as_str()), ("origin", "http://a.test")];
    assert_eq!(text(&mut served.open(&own).await.unwrap()).await, user.subject.to_string());
}

#[tokio::test]
async fn who_may_not_is_refused_before_the_upgrade() {
    let served = served().await;
    assert_eq!(served.open(&[]).await.err(), Some(401));
    assert_eq!(served.open(&[("authorization", "Bearer a.b.c")]).await.err(), Some(401));
    let bearer = served.bearer();
    for origin in ["https://evil.example", "null", "http://a.test:8080.evil.example"] {
        let refused = served.open(&[("authorization", &bearer), ("origin", origin)]).await.err();
        assert_eq!(refused, Some(403), "{origin}");
    }
    let plain = served.fleet.get_as(bearer.trim_start_matches("Bearer "), ECHO).await;
    assert_eq!(plain.problem(), (426, "upgrade_required".to_owned()));
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_conversation() {
    let served = served().await;
    let mut socket = served.open(&[("authorization", &served.bearer())]).await.unwrap();
    text(&mut socket).await;
    let _ = socket.send(Message::Text("x".repeat(70_000).into())).await;
    let end = closed(&mut socket).await;
    assert!(end.is_none_or(|(code, _)| code == CloseCode::Size || code == CloseCode::Protocol));
}

#[tokio::test]
async fn a_silent_client_is_given_up_and_a_drain_says_goodbye() {
    let served = served().await;
    let mut socket = served.open(&[("authorization", &served.bearer())]).await.unwrap();
    text(&mut socket).await;
    served.fleet.drain.cancel();
    assert_eq!(closed(&mut socket).await, Some((CloseCode::Away, "draining".to_owned())));
    let served = self::served().await;
    let mut silent = served.open(&[("authorization", &served.bearer())]).await.unwrap();
    // Who reads nothing answers no ping.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut said = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(silent.get_mut(), &mut said).await.unwrap();
    assert!(said.ends_with(b"silent"), "{:?}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn who_is_logged_out_is_cut_off() {
    let served = served().await;
    let mut socket = served.open(&[("authorization", &served.bearer())]).await.unwrap();
    text(&mut socket).await;
    served.fleet.clock.advance(jiff::SignedDuration::from_secs(3600));
    assert_eq!(closed(&mut socket).await, Some((CloseCode::Policy, "token_expired".to_owned())));
}
