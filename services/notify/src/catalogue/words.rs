//! The words that ship with the product.
//!
//! They are written once, as plain paragraphs; a line `[label](link)` is a button. Text and HTML
//! follow from that, so the two never say different things. What a tenant writes instead is text
//! and HTML of its own.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// Languages that ship; the first is used where nothing else fits.
pub(crate) const LANGUAGES: [&str; 2] = ["en", "de"];

const ENGLISH: &str = include_str!("../../templates/en.toml");
const GERMAN: &str = include_str!("../../templates/de.toml");

/// The templates of one telling in one language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Words {
    /// Subject of the mail, title of the notification.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// HTML.
    pub html: String,
    /// One sentence, for the notification in the application.
    pub notice: String,
}

#[derive(Deserialize)]
struct Source {
    subject: String,
    body: String,
    notice: Option<String>,
}

static SHIPPED: LazyLock<BTreeMap<(&'static str, String), Words>> = LazyLock::new(|| {
    [("en", ENGLISH), ("de", GERMAN)]
        .into_iter()
        .flat_map(|(language, text)| {
            // A file that cannot be read is a broken build; a test of this file finds it.
            let sources: BTreeMap<String, Source> = toml::from_str(text).unwrap_or_default();
            sources.into_iter().map(move |(key, source)| ((language, key), words(source)))
        })
        .collect()
});

/// The shipped words of `key` in `language`.
pub(crate) fn shipped(key: &str, language: &str) -> Option<&'static Words> {
    let language = LANGUAGES.into_iter().find(|known| *known == language)?;
    SHIPPED.get(&(language, key.to_owned()))
}

fn words(source: Source) -> Words {
    let paragraphs: Vec<&str> = source.body.trim().split("\n\n").map(str::trim).collect();
    let first = paragraphs.first().copied().unwrap_or_default().replace('\n', " ");
    Words {
        text: paragraphs.iter().map(|part| as_text(part)).collect::<Vec<_>>().join("\n\n"),
        html: paragraphs.iter().map(|part| as_html(part)).collect::<Vec<_>>().join("\n"),
        notice: source.notice.unwrap_or(first),
        subject: source.subject,
    }
}

fn as_text(paragraph: &str) -> String {
    match button(paragraph) {
        Some((label, target)) => format!("{label}:\n{target}"),
        None => paragraph.to_owned(),
    }
}

fn as_html(paragraph: &str) -> String {
    match button(paragraph) {
        Some((label, target)) => format!(
            "<p><a href=\"{target}\" style=\"display:inline-block;padding:12px 20px;border-radius:6px;\
             background:{{{{ brand.accent_colour }}}};color:#ffffff;text-decoration:none\">{label}</a></p>\n\
             <p style=\"font-size:13px;word-break:break-all\">{target}</p>"
        ),
        None => format!("<p>{paragraph}</p>"),
    }
}

/// `[label](target)` on a line of its own.
fn button(paragraph: &str) -> Option<(&str, &str)> {
    paragraph.strip_prefix('[')?.strip_suffix(')')?.split_once("](")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::KINDS;

    #[test]
    fn every_kind_ships_in_every_language_and_nothing_else_does() {
        for language in LANGUAGES {
            let shipping: Vec<_> =
                SHIPPED.keys().filter(|(of, _)| *of == language).map(|(_, key)| key.as_str()).collect();
            let mut expected: Vec<_> = KINDS.iter().map(|kind| kind.key).collect();
            expected.sort_unstable();
            assert_eq!(shipping, expected, "{language}");
        }
    }

    #[test]
    fn a_button_is_a_link_in_both_forms() {
        let source =
            Source { subject: "s".to_owned(), body: "Hello.\n\n[Go]({{ link }})".to_owned(), notice: None };
        let words = words(source);
        assert_eq!(words.text, "Hello.\n\nGo:\n{{ link }}");
        assert!(words.html.starts_with("<p>Hello.</p>\n<p><a href=\"{{ link }}\""), "{}", words.html);
        assert_eq!(words.notice, "Hello.");
    }
}
