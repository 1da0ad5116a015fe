//! One request to an endpoint: signed, bounded in time and size, and written down.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fault::Fault;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::Guard;
use super::claim::Claimed;
use super::signature::signatures;
use crate::config::WebhookConfig;

const ANSWER_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 40;
const HEADER_LENGTH_MAX: usize = 500;
const ERROR_LENGTH_MAX: usize = 1_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// However long an endpoint asks for, it is asked again within a day.
const RETRY_AFTER_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What was asked and what was answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchange {
    pub request_headers: BTreeMap<String, String>,
    /// 0 if there was no answer.
    pub status: u16,
    pub response_headers: BTreeMap<String, String>,
    pub response_body: String,
    pub error: String,
    pub duration: Duration,
    /// How long the endpoint asks to be left alone.
    pub retry_after: Option<SignedDuration>,
}

impl Exchange {
    /// Whether the endpoint has taken the event.
    pub(crate) fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the endpoint says that it is no more.
    pub(crate) const fn is_gone(&self) -> bool {
        self.status == 410
    }
}

/// Sends requests through the guard.
#[derive(Clone)]
pub(crate) struct Sender {
    client: Client,
    guard: Guard,
}

impl Sender {
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(guard: Guard, config: &WebhookConfig) -> fault::Result<Self> {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(guard.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.timeout())
            .pool_max_idle_per_host(64)
            .user_agent("vbwd-webhooks/1")
            .build()
            .map_err(Fault::internal)?;
        Ok(Self { client, guard })
    }

    /// Asks once.
    pub(crate) async fn send(&self, claimed: &Claimed, now: Timestamp) -> Exchange {
        let began = Instant::now();
        let id = format!("msg_{}", claimed.event);
        let headers = BTreeMap::from([
            ("content-type".to_owned(), "application/json".to_owned()),
            ("webhook-id".to_owned(), id.clone()),
            ("webhook-timestamp".to_owned(), now.as_second().to_string()),
            ("webhook-signature".to_owned(), signatures(&claimed.secrets, &id, now, &claimed.body)),
        ]);
        let answer = self.ask(claimed, &headers).await;
        let mut exchange = match answer {
            Ok(response) => read(response, now).await,
            Err(error) => Exchange { error: bounded(&error, ERROR_LENGTH_MAX), ..Exchange::default() },
        };
        exchange.request_headers = headers;
        exchange.duration = began.elapsed();
        exchange
    }

    async fn ask(&self, claimed: &Claimed, headers: &BTreeMap<String, String>) -> Result<Response, String> {
        // The rules may have changed since the address was kept.
        let url = self.guard.check(&claimed.url).map_err(|_| "the address is not allowed".to_owned())?;
        let mut request = self.client.post(url).body(claimed.body.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send().await.map_err(|error| with_causes(&error.without_url()))
    }
}

async fn read(mut response: Response, now: Timestamp) -> Exchange {
    let status = response.status().as_u16();
    let error = if response.status().is_success() { String::new() } else { format!("answered {status}") };
    let (response_headers, retry_after) = (kept(response.headers()), retry_after(response.headers(), now));
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            // What the status has said stands, whether or not the rest arrives.
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(ANSWER_BYTES_MAX);
    let response_body = bounded(&String::from_utf8_lossy(&body), ANSWER_BYTES_MAX);
    Exchange { status, response_headers, response_body, error, retry_after, ..Exchange::default() }
}

fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &[u8]| bounded(&String::from_utf8_lossy(value), HEADER_LENGTH_MAX);
    let shown = headers.iter().filter(|(name, _)| *name != "set-cookie").take(HEADERS_MAX);
    shown.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}

/// `Retry-After`: seconds or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u32>() {
        Ok(seconds) => SignedDuration::from_secs(i64::from(seconds)),
        Err(_) => {
            let parser = jiff::fmt::rfc2822::DateTimeParser::new();
            parser.parse_timestamp(text).ok()?.duration_since(now)
        }
    };
    Some(wait.clamp(SignedDuration::ZERO, RETRY_AFTER_MAX))
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn bounded(text: &str, length: usize) -> String {
    text.replace('\0', "\u{fffd}").chars().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_a_day() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let wait = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait("Mon, 23 Nov 2026 12:05:00 GMT"), Some(300));
        assert_eq!(wait("Mon, 23 Nov 2026 11:00:00 GMT"), Some(0));
        assert_eq!(wait("99999999"), Some(86_400));
        assert_eq!(wait("soon"), None);
    }
}
