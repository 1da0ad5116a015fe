//! Where a redirect or a rewrite leads.
//!
//! What a client writes ends up only behind a slash of ours: the rest of the path begins with
//! exactly one, so no request can turn `/` + rest into `//evil.example`, or a host into another one.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

use crate::path::{below, normalise};
use crate::rule::{Action, Rule};

const TARGET_LENGTH_MAX: usize = 1000;
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'%')
    .add(b'\\');

impl Rule {
    /// The `Location` for a normal `path` and the request's query; `None` when this is no redirect.
    #[must_use]
    pub fn location(&self, path: &str, query: Option<&str>) -> Option<String> {
        let Action::Redirect { target, keep_rest, .. } = &self.action else { return None };
        if !keep_rest {
            return Some(target.clone());
        }
        let mut location = join(target, below(&self.path, path)?);
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            location.push(if location.contains('?') { '&' } else { '?' });
            location.push_str(query);
        }
        Some(location)
    }

    /// The path that answers in place of a normal `path`; `None` when this is no rewrite.
    #[must_use]
    pub fn rewritten(&self, path: &str) -> Option<String> {
        let Action::Rewrite { target } = &self.action else { return None };
        Some(join(target, below(&self.path, path)?))
    }
}

fn join(target: &str, rest: &str) -> String {
    let (base, query) = target.split_once('?').map_or((target, None), |(base, query)| (base, Some(query)));
    let rest = utf8_percent_encode(rest, IN_PATH).to_string();
    let mut joined =
        if rest.is_empty() { base.to_owned() } else { format!("{}{rest}", base.trim_end_matches('/')) };
    if let Some(query) = query {
        joined.push('?');
        joined.push_str(query);
    }
    joined
}

/// Where a redirect's target points.
pub(crate) enum Target {
    /// The same host, this normal path.
    Here(String),
    /// A host, and the normal path there.
    Host(String, String),
}

/// Reads a target; `None` when a browser could understand it otherwise than we do.
pub(crate) fn target(text: &str) -> Option<Target> {
    let plain = |character: char| !character.is_control() && !character.is_whitespace() && character != '\\';
    if text.len() > TARGET_LENGTH_MAX || !text.chars().all(plain) || text.contains('#') {
        return None;
    }
    if let Some(rest) = text.strip_prefix('/') {
        let path = text.split('?').next().unwrap_or_default();
        return (!rest.starts_with('/')).then(|| Target::Here(normalise(path)));
    }
    let url = Url::parse(text).ok()?;
    let honest = matches!(url.scheme(), "https" | "http")
        && url.username().is_empty()
        && url.password().is_none()
        && text.starts_with(&format!("{}://", url.scheme()));
    let host = url.host_str()?.to_owned();
    honest.then(|| Target::Host(host, normalise(url.path())))
}

/// Whether this is how a browser names an origin: scheme, host and perhaps a port, in lower case.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    matches!(url.scheme(), "https" | "http") && url.origin().ascii_serialization() == text
}

/// Host, path and query of an address, or of a path alone; `None` when it is neither.
#[must_use]
pub fn split(text: &str) -> Option<(Option<String>, String, Option<String>)> {
    let query = |query: Option<&str>| query.map(str::to_owned);
    if text.starts_with('/') && !text.starts_with("//") {
        let (path, rest) = text.split_once('?').map_or((text, None), |(path, rest)| (path, Some(rest)));
        return Some((None, path.to_owned(), query(rest)));
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    Some((Some(url.host_str()?.to_owned()), url.path().to_owned(), query(url.query())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::samples::redirect;

    #[test]
    fn the_rest_and_the_query_are_kept() {
        let moved = redirect(1, "/old", "/new");
        assert_eq!(moved.location("/old", None).unwrap(), "/new");
        assert_eq!(moved.location("/old/a b", Some("x=1")).unwrap(), "/new/a%20b?x=1");
        let home = redirect(1, "/", "https://www.shop.example");
        assert_eq!(home.location("/a", None).unwrap(), "https://www.shop.example/a");
        let asked = redirect(1, "/old", "/new?from=old");
        assert_eq!(asked.location("/old/x", Some("y=2")).unwrap(), "/new/x?from=old&y=2");
    }

    #[test]
    fn no_request_makes_a_redirect_lead_elsewhere() {
        for raw in [
            "//evil.example",
            "/\\evil.example",
            "/%2f%2fevil.example",
            "/.evil.example",
            "/@evil.example",
            "/%5cevil",
        ] {
            let path = normalise(raw);
            let here = redirect(1, "/", "/").location(&path, None).unwrap();
            assert!(
                here.starts_with('/') && !here.starts_with("//") && !here.starts_with("/\\"),
                "{raw}: {here}"
            );
            let there = redirect(1, "/", "https://www.shop.example").location(&path, None).unwrap();
            assert_eq!(Url::parse(&there).unwrap().host_str(), Some("www.shop.example"), "{raw}: {there}");
        }
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for text in ["https://shop.example", "http://localhost:5173"] {
            assert!(is_origin(text), "{text}");
        }
        for text in [
            "*",
            "null",
            "shop.example",
            "https://shop.example/",
            "https://Shop.example",
            "https://a.b:443",
            "ftp://a.b",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }

    #[test]
    fn targets_that_could_be_misread_are_none() {
        for text in [
            "",
            "new",
            "//evil.example",
            "javascript:alert(1)",
            "https:evil.example",
            "https://a@b.example",
            "/a b",
            "/\\evil",
            "ftp://a.example/",
            "/a#b",
            "https://",
        ] {
            assert!(target(text).is_none(), "{text}");
        }
        assert!(matches!(target("/a/../b?c"), Some(Target::Here(path)) if path == "/b"));
        assert!(
            matches!(target("https://A.example/x"), Some(Target::Host(host, path)) if host == "a.example" && path == "/x")
        );
    }
}
