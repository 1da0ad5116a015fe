//! A mail server that speaks SMTP and does what the recipient's name says:
//! `later` is put off twice at RCPT, `never` and `disliked` are refused, `lost` is taken and then the connection
//! is cut before the answer, once. Everybody else is accepted.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// A mail for whose arrival the server took responsibility, or could have.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Whom it is for.
    pub recipient: String,
    /// Headers and body, soft line breaks undone.
    pub data: String,
}

impl Taken {
    /// A header on one line, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.data.split("\n\n").next()?.replace("\n ", " ");
        let found = head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name);
        found.map(|(_, value)| value.to_owned())
    }
}

#[derive(Default)]
struct State {
    taken: Vec<Taken>,
    tries: HashMap<String, u32>,
}

/// The mail server.
#[derive(Clone)]
pub struct Sink {
    state: Arc<Mutex<State>>,
    /// Where it listens, as a setting names it.
    pub url: String,
}

impl Sink {
    /// Starts one on a free port of this machine.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let sink = Self { state: Arc::default(), url };
        let serving = sink.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sink = serving.clone();
                std::thread::spawn(move || sink.converse(&stream));
            }
        });
        sink
    }

    /// What came for a recipient, in order.
    #[must_use]
    pub fn taken_by(&self, recipient: &str) -> Vec<Taken> {
        self.state().taken.iter().filter(|taken| taken.recipient == recipient).cloned().collect()
    }

    /// How often a recipient was named to the server.
    #[must_use]
    pub fn tries_of(&self, recipient: &str) -> u32 {
        self.state().tries.get(recipient).copied().unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Ends when the client goes or the script says so.
    fn converse(&self, stream: &TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let say = |text: &str| (&*stream).write_all(format!("{text}\r\n").as_bytes()).ok();
        let mut recipient = String::new();
        say("220 sink.example ESMTP")?;
        loop {
            let line = lines.next()?.ok()?;
            let verb = line.get(..4).unwrap_or(&line).to_uppercase();
            match verb.as_str() {
                "EHLO" => say("250-sink.example\r\n250-8BITMIME\r\n250 SMTPUTF8")?,
                "RCPT" => {
                    recipient = line.split(['<', '>']).nth(1)?.to_owned();
                    say(self.admit(&recipient))?;
                }
                "DATA" => {
                    say("354 go on")?;
                    let data: Vec<_> =
                        lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
                    let nth = self.take(&recipient, data.join("\n").replace("=\n", ""));
                    if recipient.starts_with("lost") && nth == 1 {
                        stream.shutdown(std::net::Shutdown::Both).ok()?;
                        return None;
                    }
                    say("250 2.0.0 queued as 7")?;
                }
                "QUIT" => return say("221 bye"),
                _ => say("250 ok")?,
            }
        }
    }

    fn admit(&self, recipient: &str) -> &'static str {
        let mut state = self.state();
        let tries = state.tries.entry(recipient.to_owned()).or_default();
        *tries += 1;
        match recipient.split('@').next().unwrap_or_default() {
            "later" if *tries <= 2 => "451 4.7.1 greylisted",
            "never" | "Never" => "550 5.1.1 no such user",
            "disliked" => "550 5.7.1 our policy dislikes you",
            "always-later" => "452 4.2.2 mailbox full",
            _ => "250 ok",
        }
    }

    fn take(&self, recipient: &str, data: String) -> usize {
        let mut state = self.state();
        state.taken.push(Taken { recipient: recipient.to_owned(), data });
        state.taken.iter().filter(|taken| taken.recipient == recipient).count()
    }
}
