//! Answers to public reads, kept for a second or so: they are the same for everybody.
//!
//! A write through this gateway ends the life of everything kept from the same service for the same
//! tenant, so that a read after a write is never stale here; through other gateways it is stale for
//! at most the configured time. Every kept answer has an entity tag, so that a client that asks
//! again gets 304 and no body.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use http::{HeaderMap, HeaderValue, header};
use ids::TenantId;
use moka::sync::Cache;

use crate::answer::Answer;

const KEPT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Longer paths are asked every time.
const PATH_BYTES_MAX: usize = 512;

/// The kept answers.
pub struct PublicCache {
    kept: Option<Cache<Key, Answer>>,
    writes: DashMap<(TenantId, &'static str), Arc<AtomicU64>>,
}

/// What an answer is kept under; a write to the service makes all earlier keys worthless.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    tenant: TenantId,
    service: &'static str,
    writes: u64,
    path_and_query: String,
}

impl PublicCache {
    /// Keeps answers for `life`; zero keeps nothing.
    #[must_use]
    pub fn new(life: Duration) -> Self {
        let weigh = |key: &Key, answer: &Answer| {
            u32::try_from(key.path_and_query.len() + answer.body().len() * 2 + 512).unwrap_or(u32::MAX)
        };
        let builder = Cache::builder().max_capacity(KEPT_BYTES_MAX).weigher(weigh).time_to_live(life);
        Self { kept: (!life.is_zero()).then(|| builder.build()), writes: DashMap::new() }
    }

    /// The key of a read that begins now.
    #[must_use]
    pub fn key(&self, tenant: TenantId, service: &'static str, path_and_query: &str) -> Key {
        let writes = self.writes.get(&(tenant, service)).map_or(0, |count| count.load(Ordering::Acquire));
        Key { tenant, service, writes, path_and_query: path_and_query.to_owned() }
    }

    /// The kept answer.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Answer> {
        self.kept.as_ref()?.get(key)
    }

    /// Tags an answer and keeps it.
    #[must_use]
    pub fn keep(&self, key: Key, mut answer: Answer) -> Answer {
        if !answer.headers().contains_key(header::ETAG) {
            let tag = tag(answer.body());
            answer.headers_mut().insert(header::ETAG, tag);
        }
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
        let answer = answer.shared();
        if let Some(kept) = self.kept.as_ref().filter(|_| key.path_and_query.len() <= PATH_BYTES_MAX) {
            kept.insert(key, answer.clone());
        }
        answer
    }

    /// A write to `service` has ended, however it ended.
    pub fn written(&self, tenant: TenantId, service: &'static str) {
        if self.kept.is_some() {
            self.writes.entry((tenant, service)).or_default().fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// 304 instead of the answer when the client has it already.
#[must_use]
pub fn unless_known(answer: Answer, headers: &HeaderMap) -> Answer {
    let Some(tag) = answer.headers().get(header::ETAG) else { return answer };
    let opaque = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    let tag = tag.to_str().map(opaque).unwrap_or_default();
    let asked = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known =
        asked.flat_map(|value| value.split(',')).any(|known| known.trim() == "*" || opaque(known) == tag);
    if known { answer.not_modified() } else { answer }
}

/// A weak tag: compressed or not, it is the same answer.
fn tag(body: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let text = format!("W/\"{:016x}-{:x}\"", hasher.finish(), body.len());
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("W/\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::StatusCode;

    fn answer(body: &'static str) -> Answer {
        Answer::json(StatusCode::OK, Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn a_kept_answer_lives_until_the_next_write_to_its_service() {
        let (cache, tenant) = (PublicCache::new(Duration::from_secs(60)), TenantId::new());
        let key = cache.key(tenant, "wallet", "/a");
        let _ = cache.keep(key.clone(), answer("{}"));
        assert!(cache.get(&key).is_some());
        assert!(cache.get(&cache.key(TenantId::new(), "wallet", "/a")).is_none(), "another tenant");
        cache.written(tenant, "payments");
        assert!(cache.get(&cache.key(tenant, "wallet", "/a")).is_some(), "another service was written");
        let during = cache.key(tenant, "wallet", "/a");
        cache.written(tenant, "wallet");
        assert!(cache.get(&cache.key(tenant, "wallet", "/a")).is_none());
        let _ = cache.keep(during, answer("{\"read\": \"before the write\"}"));
        assert!(cache.get(&cache.key(tenant, "wallet", "/a")).is_none(), "a read that began before");
    }

    #[test]
    fn no_life_keeps_nothing() {
        let cache = PublicCache::new(Duration::ZERO);
        let key = cache.key(TenantId::new(), "wallet", "/a");
        assert!(cache.keep(key.clone(), answer("{}")).headers().contains_key(header::ETAG));
        assert!(cache.get(&key).is_none());
    }

    #[test]
    fn who_has_the_answer_gets_no_body() {
        let cache = PublicCache::new(Duration::ZERO);
        let kept = cache.keep(cache.key(TenantId::new(), "wallet", "/a"), answer("{}"));
        let tag = kept.headers()[header::ETAG].to_str().unwrap().to_owned();
        let asked = |value: &str| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, value.parse().unwrap())]);
            unless_known(kept.clone(), &headers).status()
        };
        assert_eq!(asked(&tag), StatusCode::NOT_MODIFIED);
        assert_eq!(asked(&format!("\"x\", {}", tag.trim_start_matches("W/"))), StatusCode::NOT_MODIFIED);
        assert_eq!(asked("*"), StatusCode::NOT_MODIFIED);
        assert_eq!(asked("\"x\""), StatusCode::OK);
    }
}
