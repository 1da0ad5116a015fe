//! Habits that nobody should have to remember in review.
//!
//! Each rule is a pure function over a file's name and text. The size rule is a ratchet: files
//! listed in `xtask/oversize.txt` may be as long as it says and no longer, and the list may shrink.

mod links;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use crate::place::Place;
use crate::shell;

const LINES_MAX: usize = 500;
const OVERSIZE: &str = "xtask/oversize.txt";
/// In two pieces, so that this file does not contain them.
const BANNED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
const TEXT: &[&str] = &["rs", "toml", "md", "proto", "sql", "sh", "yaml", "yml", "ts", "vue", "run"];

/// Runs the verb.
pub fn run(place: &Place) -> Result<()> {
    let files = shell::files(place)?;
    let allowed = oversize(&shell::read(&place.root.join(OVERSIZE))?)?;
    let mut found = Vec::new();
    for name in &files {
        let ending = name.rsplit('.').next().unwrap_or_default();
        if !TEXT.contains(&ending) && !name.ends_with("package-lock.json") {
            continue;
        }
        let text = shell::read(&place.root.join(name))?;
        found.extend(complaints(name, ending, &text, &allowed));
        if ending == "md" {
            found.extend(links::dead(&place.root, name, &text));
        }
    }
    found.extend(
        allowed
            .keys()
            .filter(|name| !files.contains(name))
            .map(|name| format!("{OVERSIZE}: {name} does not exist (any more)")),
    );
    if found.is_empty() {
        return Ok(());
    }
    bail!("Not tidy:\n  {}", found.join("\n  "))
}

fn complaints(name: &str, ending: &str, text: &str, allowed: &BTreeMap<String, usize>) -> Vec<String> {
    let mut found = Vec::new();
    if ending == "rs" {
        found.extend(size(name, text, allowed.get(name).copied()));
        found.extend(head_comment(name, text));
    }
    if name.ends_with("package-lock.json") {
        found.extend(registry_host(name, text));
    } else {
        found.extend(banned_words(name, text));
    }
    found
}

fn size(name: &str, text: &str, allowed: Option<usize>) -> Option<String> {
    let lines = text.lines().count();
    match allowed {
        Some(allowed) if lines > allowed => {
            Some(format!("{name} has grown from {allowed} to {lines} lines; it may only shrink"))
        }
        Some(allowed) if lines <= LINES_MAX || lines < allowed => Some(format!(
            "{name} has shrunk to {lines} lines; write that into {OVERSIZE} (or remove it there)"
        )),
        None if lines > LINES_MAX => {
            Some(format!("{name} has {lines} lines; split it (the limit is {LINES_MAX})"))
        }
        _ => None,
    }
}

fn head_comment(name: &str, text: &str) -> Option<String> {
    let missing = !text.starts_with("//!");
    missing.then(|| format!("{name} does not open with a //! comment that says what it owns"))
}

fn banned_words(name: &str, text: &str) -> Vec<String> {
    let complaint = |(number, line): (usize, &str)| {
        let word = BANNED.iter().find(|word| line.contains(*word))?;
        Some(format!("{name}:{}: {word}: finish it or drop it", number + 1))
    };
    text.lines().enumerate().filter_map(complaint).collect()
}

/// A lock file that names a host works only where that host is reachable.
fn registry_host(name: &str, text: &str) -> Option<String> {
    let found = text.contains("\"resolved\": \"http");
    found.then(|| format!("{name} names a registry host; remove its \"resolved\" lines"))
}

fn oversize(text: &str) -> Result<BTreeMap<String, usize>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parse = |line: &str| {
        let (lines, name) = line.split_once(' ').with_context(|| format!("{OVERSIZE}: {line:?}"))?;
        Ok((name.trim().to_owned(), lines.parse().with_context(|| format!("{OVERSIZE}: {line:?}"))?))
    };
    lines.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_named_and_a_listed_one_may_only_shrink() {
        let long = "x\n".repeat(600);
        assert!(size("a.rs", &long, None).unwrap().contains("600 lines"));
        assert_eq!(size("a.rs", &long, Some(600)), None);
        assert!(size("a.rs", &long, Some(599)).unwrap().contains("only shrink"));
        assert!(size("a.rs", &long, Some(700)).unwrap().contains("has shrunk"));
        assert!(size("a.rs", "x\n", Some(700)).unwrap().contains("has shrunk"));
    }

    #[test]
    fn a_file_without_head_comment_is_named() {
        assert!(head_comment("a.rs", "use x;\n").is_some());
        assert!(head_comment("a.rs", "//! What it owns.\n").is_none());
    }

    #[test]
    fn banned_words_are_named_with_their_line() {
        let text = format!("fine\n// {} later\n", BANNED[0]);
        assert!(banned_words("a.rs", &text)[0].starts_with("a.rs:2: "));
    }

    #[test]
    fn a_lock_file_names_no_host() {
        assert!(registry_host("package-lock.json", r#""resolved": "https://host/x.tgz""#).is_some());
        assert!(registry_host("package-lock.json", r#""integrity": "sha512-x""#).is_none());
    }

    #[test]
    fn the_list_of_long_files_is_read() {
        let list = oversize("# why\n620 libs/a/src/table.rs\n").unwrap();
        assert_eq!(list.get("libs/a/src/table.rs"), Some(&620));
        assert!(oversize("nonsense").is_err());
    }
}
