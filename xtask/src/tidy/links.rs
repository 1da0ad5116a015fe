//! Links between documents: every relative one must lead to a file, every anchor to a heading.

use std::path::{Path, PathBuf};

/// The dead links of one document.
pub fn dead(root: &Path, name: &str, text: &str) -> Vec<String> {
    let targets = targets(text);
    let broken = targets.into_iter().filter(|(_, target)| !leads_somewhere(root, name, text, target));
    broken.map(|(line, target)| format!("{name}:{line}: dead link {target}")).collect()
}

fn leads_somewhere(root: &Path, name: &str, text: &str, target: &str) -> bool {
    if target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    if path.is_empty() {
        return has_anchor(text, anchor);
    }
    let file = resolve(root, name, path);
    if anchor.is_empty() || file.extension().is_none_or(|kind| kind != "md") {
        return file.exists();
    }
    std::fs::read_to_string(&file).is_ok_and(|text| has_anchor(&text, anchor))
}

fn resolve(root: &Path, name: &str, path: &str) -> PathBuf {
    match path.strip_prefix('/') {
        Some(from_root) => root.join(from_root),
        None => root.join(name).parent().unwrap_or(root).join(path),
    }
}

/// Line and target of every `[text](target)` outside code.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second part of a line split at back-ticks is code.
        for part in line.split('`').step_by(2) {
            let links = part.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            found.extend(links.map(|(target, _)| (number + 1, first_word(target))));
        }
        // A link whose text is code: [`file`](path).
        let links = line.split("`](").skip(1).filter_map(|rest| rest.split_once(')'));
        found.extend(links.map(|(target, _)| (number + 1, first_word(target))));
    }
    found.dedup();
    found
}

/// The target without a title: `a.md "Title"` → `a.md`.
fn first_word(target: &str) -> String {
    target.split_whitespace().next().unwrap_or_default().to_owned()
}

fn has_anchor(text: &str, anchor: &str) -> bool {
    text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor)
}

/// `## Who may use whom?` → `who-may-use-whom`.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_are_named_and_living_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("other.md"), "# Some Heading, here\n").unwrap();
        let text = "[a](other.md) [b](gone.md) [c](https://example.org)\n\
                    [d](other.md#some-heading-here) [e](other.md#no)\n\
                    `[f](code.md)` [`g`](also-gone.md)\n```\n[h](code.md)\n```\n";
        let found = dead(folder.path(), "index.md", text);
        assert_eq!(
            found,
            [
                "index.md:1: dead link gone.md",
                "index.md:2: dead link other.md#no",
                "index.md:3: dead link also-gone.md"
            ]
        );
    }
}
