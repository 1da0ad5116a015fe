//! A real provider of OpenID Connect in a process of its own, and providers that are wrong in one way
//! each (`services/identity/tests/oidc/provider.mjs`); a browser that goes there and comes back.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use reqwest::Client;
use reqwest::redirect::Policy;
use serde::Deserialize;
use url::Url;

static INSTALLED: OnceLock<()> = OnceLock::new();

pub struct Oidc {
    pub base: String,
    pub secret: String,
    process: Child,
    /// Kept open: a process that cannot write to it ends.
    _output: ChildStdout,
}

#[derive(Deserialize)]
struct Started {
    base: String,
    secret: String,
}

impl Oidc {
    /// One that knows the shop, whose browsers come back to `redirect_uri`.
    pub fn start(redirect_uri: &str) -> Self {
        INSTALLED.get_or_init(install);
        let mut process = Command::new("node")
            .args(["provider.mjs", redirect_uri])
            .current_dir(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let started: Started = serde_json::from_str(&line).unwrap();
        Self { base: started.base, secret: started.secret, process, _output: output.into_inner() }
    }
}

impl Drop for Oidc {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../identity/tests/oidc")
}

/// Installs what the lock file names, unless it is there.
fn install() {
    if folder().join("node_modules/oidc-provider/package.json").exists() {
        return;
    }
    let done = Command::new("npm").args(["ci", "--loglevel=error"]).current_dir(folder()).status();
    assert!(done.unwrap().success(), "npm ci in services/identity/tests/oidc");
}

/// What a browser brings back that was sent to `authorization_url` and logs in there as `account`: it
/// follows every redirect until it is at the address that it was to come back to.
pub async fn there_and_back(authorization_url: &str, account: &str) -> HashMap<String, String> {
    let browser = Client::builder().cookie_store(true).redirect(Policy::none()).build().unwrap();
    let mut place = Url::parse(authorization_url).unwrap();
    let home = place.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    place.query_pairs_mut().append_pair("login_hint", account);
    for _ in 0..10 {
        if place.as_str().split('?').next() == Some(&home) {
            return place.query_pairs().into_owned().collect();
        }
        let response = browser.get(place.clone()).send().await.unwrap();
        let status = response.status();
        let next = response.headers().get("location").map(|next| next.to_str().unwrap().to_owned());
        let Some(next) = next else { panic!("{status} {}", response.text().await.unwrap()) };
        place = place.join(&next).unwrap();
    }
    panic!("too many redirects");
}
