//! Paths as rules see them: decoded once, without doubled slashes and dots, so that `/%61dmin` and
//! `/x/../admin` are the path `/admin` and no rule is walked around.

use percent_encoding::percent_decode_str;

const LENGTH_MAX: usize = 512;
/// Deeper prefixes are no rule's business, and bound what a lookup costs.
pub(crate) const DEPTH_MAX: usize = 16;

/// The path that rules are compared with.
#[must_use]
pub fn normalise(path: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut parts: Vec<&str> = Vec::new();
    for part in decoded.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut clean = String::with_capacity(decoded.len() + 1);
    for part in parts {
        clean.push('/');
        clean.push_str(part);
    }
    if clean.is_empty() { "/".to_owned() } else { clean }
}

/// Whether a rule may name this prefix: absolute, normal, not too long or deep.
#[must_use]
pub fn is_prefix(prefix: &str) -> bool {
    let plain = |character: char| !character.is_control() && !matches!(character, '?' | '#' | '%' | '\\');
    prefix.len() <= LENGTH_MAX
        && prefix.chars().all(plain)
        && prefix.matches('/').count() <= DEPTH_MAX
        && normalise(prefix) == prefix
}

/// What of a normal `path` lies below `prefix`: nothing, or text that begins with a slash.
#[must_use]
pub(crate) fn below<'a>(prefix: &str, path: &'a str) -> Option<&'a str> {
    if prefix == "/" {
        return Some(if path == "/" { "" } else { path });
    }
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// Every prefix of a normal path that a rule may name, the longest first.
pub(crate) fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let mut cuts: Vec<usize> =
        path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).take(DEPTH_MAX - 1).collect();
    if path.len() > 1 && path.matches('/').count() <= DEPTH_MAX {
        cuts.push(path.len());
    }
    cuts.into_iter().rev().map(|cut| &path[..cut]).chain(["/"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_way_to_write_a_path() {
        let rows = [
            ("/admin", "/admin"),
            ("/%61dmin/", "/admin"),
            ("//admin", "/admin"),
            ("/x/../admin", "/admin"),
            ("/x/%2e%2e/admin", "/admin"),
            ("/../..", "/"),
            ("/a/./b", "/a/b"),
            ("/a%2Fb", "/a/b"),
            ("\\evil", "/evil"),
            ("", "/"),
        ];
        for (path, expected) in rows {
            assert_eq!(normalise(path), expected, "{path}");
        }
    }

    #[test]
    fn a_prefix_ends_where_a_part_ends() {
        assert_eq!(below("/blog", "/blog/x"), Some("/x"));
        assert_eq!(below("/blog", "/blog"), Some(""));
        assert_eq!(below("/blog", "/blogger"), None);
        assert_eq!((below("/", "/"), below("/", "/a")), (Some(""), Some("/a")));
        for wrong in ["", "blog", "/blog/", "//blog", "/a?b", "/a#b", "/%61", "/a/../b", &"/a".repeat(17)] {
            assert!(!is_prefix(wrong), "{wrong}");
        }
        assert!(is_prefix("/") && is_prefix("/blog/2026") && is_prefix("/über"));
    }

    #[test]
    fn all_prefixes_of_a_path() {
        assert_eq!(prefixes("/a/b/c").collect::<Vec<_>>(), ["/a/b/c", "/a/b", "/a", "/"]);
        assert_eq!(prefixes("/").collect::<Vec<_>>(), ["/"]);
        let deep = "/a".repeat(40);
        assert!(prefixes(&deep).all(is_prefix));
        assert_eq!(prefixes(&deep).count(), DEPTH_MAX);
    }
}
