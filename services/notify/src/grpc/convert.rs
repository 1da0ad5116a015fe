//! Between messages and the words of this service: ids, pages, times.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fault::Fault;
use ids::WebhookId;
use jiff::Timestamp;

const PAGE_SIZE: i32 = 50;
const PAGE_SIZE_MAX: i32 = 200;

/// Which page is asked for.
pub(super) struct Page<K> {
    size: usize,
    /// Key of the last item of the page before.
    pub(super) before: Option<K>,
}

impl<K: Display> Page<K> {
    /// One more than the page holds, to see whether another page follows.
    pub(super) fn fetched(&self) -> i64 {
        i64::try_from(self.size).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// Cuts what was fetched to the page; answers the next page's cursor, empty on the last page.
    pub(super) fn cut<T>(&self, items: &mut Vec<T>, key: impl Fn(&T) -> K) -> String {
        let more = items.len() > self.size;
        items.truncate(self.size);
        let last = items.last().filter(|_| more);
        last.map(|last| URL_SAFE_NO_PAD.encode(key(last).to_string())).unwrap_or_default()
    }
}

pub(super) fn page<K: FromStr>(size: i32, cursor: &str) -> fault::Result<Page<K>> {
    let size = if size <= 0 { PAGE_SIZE } else { size.min(PAGE_SIZE_MAX) };
    let malformed = || Fault::invalid("/cursor", "malformed", "The cursor comes from no previous page.");
    let before = match cursor {
        "" => None,
        text => {
            let key = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            Some(key.and_then(|key| key.parse().ok()).ok_or_else(malformed)?)
        }
    };
    Ok(Page { size: usize::try_from(size).unwrap_or_default(), before })
}

/// A malformed id names nothing, so it is told like an unknown one.
pub(super) fn webhook_id(text: &str, noun: &str) -> fault::Result<WebhookId> {
    text.parse().map_err(|_| Fault::not_found(noun))
}

pub(crate) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

pub(super) fn stored(at: jiff_sqlx::Timestamp) -> prost_types::Timestamp {
    timestamp(at.to_jiff())
}

pub(super) fn time(at: prost_types::Timestamp, pointer: &str) -> fault::Result<Timestamp> {
    let wrong = |_| Fault::invalid(pointer, "out_of_range", "This is no time.");
    Timestamp::new(at.seconds, at.nanos).map_err(wrong)
}
