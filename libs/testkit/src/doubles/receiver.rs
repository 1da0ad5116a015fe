//! An endpoint that speaks HTTP, keeps what it gets, and answers as its path says:
//! `/ok`, `/slow` (after ten seconds), `/fail-2` (500 twice per message, then 200), `/broken` (500),
//! `/gone` (410), `/busy` (429 with Retry-After 2, once), `/elsewhere` (redirects to `/ok`).

use std::collections::HashMap;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// Path and query.
    pub path: String,
    /// By name in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: String,
    /// When it was complete.
    pub at: Instant,
}

impl Received {
    /// The event's place, as the body says it.
    #[must_use]
    pub fn sequence(&self) -> i64 {
        self.json()["sequence"].as_i64().unwrap()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The endpoint.
#[derive(Clone)]
pub struct Receiver {
    /// `http://127.0.0.1:…`.
    pub base: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Starts one on a free port of this machine.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self { base, received: Arc::default() };
        let serving = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let receiver = serving.clone();
                std::thread::spawn(move || receiver.serve(&stream));
            }
        });
        receiver
    }

    /// Address of one of its paths.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// What came to a path, in order.
    #[must_use]
    pub fn received(&self, path: &str) -> Vec<Received> {
        self.received.lock().unwrap().iter().filter(|one| one.path == path).cloned().collect()
    }

    /// How much came to a path.
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.received.lock().unwrap().iter().filter(|one| one.path == path).count()
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let (path, headers) = head(&mut reader)?;
            let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let body = String::from_utf8(body).ok()?;
            let tries = self.keep(Received { path: path.clone(), headers, body, at: Instant::now() });
            let answer = match path.as_str() {
                "/slow" => {
                    std::thread::sleep(Duration::from_secs(10));
                    "200 OK\r\n"
                }
                "/fail-2" if tries <= 2 => "500 Internal Server Error\r\n",
                "/broken" => "500 Internal Server Error\r\n",
                "/gone" => "410 Gone\r\n",
                "/busy" if tries <= 1 => "429 Too Many Requests\r\nretry-after: 2\r\n",
                "/elsewhere" => "302 Found\r\nlocation: /ok\r\n",
                _ => "200 OK\r\nset-cookie: a=b\r\nx-trace: 7\r\n",
            };
            (&*stream)
                .write_all(format!("HTTP/1.1 {answer}content-length: 5\r\n\r\nheard").as_bytes())
                .ok()?;
        }
    }

    /// How often this message has come to this path.
    fn keep(&self, one: Received) -> usize {
        let mut received = self.received.lock().unwrap();
        let id = one.headers.get("webhook-id").cloned();
        let path = one.path.clone();
        received.push(one);
        received
            .iter()
            .filter(|known| known.path == path && known.headers.get("webhook-id").cloned() == id)
            .count()
    }
}

fn head(reader: &mut impl std::io::BufRead) -> Option<(String, HashMap<String, String>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let headers = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
    Some((path, headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect()))
}
