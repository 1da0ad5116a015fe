//! The network between the ledger and its database swallows everything for ten seconds.
//!
//! Nothing is closed and nothing is refused: packets just do not arrive, which is the hard case.

use std::net::SocketAddr;
use std::time::Duration;

use runtime::config::Secret;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::ledger_load::{Load, Wallet, migrations};

const CUT: Duration = Duration::from_secs(10);

/// A relay between clients and a server that can be told to swallow.
struct Relay {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
}

impl Relay {
    #[allow(clippy::disallowed_methods, reason = "a test's own tasks")]
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_open, gate) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let gate = gate.clone();
                tokio::spawn(connect(client, server, gate));
            }
        });
        Self { address, is_open }
    }
}

async fn connect(client: TcpStream, server: SocketAddr, gate: watch::Receiver<bool>) -> Option<()> {
    opened(&mut gate.clone()).await?;
    let server = TcpStream::connect(server).await.ok()?;
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(pass(from_client, to_server, gate.clone()), pass(from_server, to_client, gate));
    Some(())
}

async fn opened(gate: &mut watch::Receiver<bool>) -> Option<()> {
    gate.wait_for(|is_open| *is_open).await.ok().map(drop)
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut gate: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if opened(&mut gate).await.is_none() || to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_seconds_without_the_database_lose_nothing() {
    let database = testkit::databases(migrations()).await;
    let url = database.url().parse::<reqwest::Url>().unwrap();
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()).parse().unwrap();
    let relay = Relay::to(server).await;
    let wallet = Wallet::on(database, |config| {
        let mut url: reqwest::Url = config.database.url.expose().expose_secret().parse().unwrap();
        url.set_port(Some(relay.address.port())).unwrap();
        config.database.url = Secret::from(url.as_str());
    })
    .await;
    let clients: Vec<_> = (0..6).map(|_| wallet.client()).collect();
    let load = Load::default();
    let cutting = async {
        load.more(300).await;
        relay.is_open.send_replace(false);
        sleep(CUT).await;
        relay.is_open.send_replace(true);
        let recovered = load.more(300).await;
        println!("answers again {recovered:?} after the network was there again");
        assert!(recovered < Duration::from_secs(20));
        load.end();
    };
    tokio::join!(load.clients(&clients), cutting);
    assert!(load.failed() > 0, "callers were told");
    wallet.audit(&load).await;
}
