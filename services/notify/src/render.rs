//! Words and values become a letter.
//!
//! Templates are data that tenants write, so they run in a box: HTML is escaped by itself, nothing
//! can be included, steps and length are bounded, and only declared names may be used. A name that
//! is declared and has no value is empty.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{AutoEscape, Environment, ErrorKind, Value, context};

use crate::catalogue::{self, Kind, Words};

const LAYOUT_HTML: &str = include_str!("../templates/layout.html");
const LAYOUT_TEXT: &str = include_str!("../templates/layout.txt");
/// Steps that one template may take.
const FUEL: u64 = 50_000;
/// Longest template, and longest result of one.
const TEMPLATE_LENGTH_MAX: usize = 100_000;
const RESULT_LENGTH_MAX: usize = 500_000;
/// Names that words of every kind may use.
const COMMON: [&str; 2] = ["brand", "unsubscribe_url"];

/// How a tenant looks in mails.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Brand {
    /// Name of the shop.
    pub product_name: String,
    /// Address of its logo; empty if it has none.
    pub logo_url: String,
    /// Colour of buttons, `#rrggbb`.
    pub accent_colour: String,
    /// Where customers write to; empty if nowhere.
    pub support_address: String,
    /// Imprint below every mail.
    pub footer: String,
}

impl Brand {
    fn value(&self) -> Value {
        Value::from_pairs([
            ("product_name", &self.product_name),
            ("logo_url", &self.logo_url),
            ("accent_colour", &self.accent_colour),
            ("support_address", &self.support_address),
            ("footer", &self.footer),
        ])
    }
}

/// What a letter is made of, besides words.
pub(crate) struct Facts<'a> {
    pub values: &'a BTreeMap<String, String>,
    pub brand: &'a Brand,
    /// Language of the words.
    pub locale: &'a str,
    /// Where the recipient can be rid of such mails; none for those that must arrive.
    pub unsubscribe_url: Option<&'a str>,
}

impl Facts<'_> {
    /// The values, codes among them in words.
    fn values(&self) -> Value {
        let said = |name: &str, value: &str| catalogue::spoken(name, value, self.locale).map(str::to_owned);
        let word = |(name, value): (&String, &String)| {
            (name.clone(), said(name, value).unwrap_or_else(|| value.clone()))
        };
        Value::from_pairs(&self.values.iter().map(word).collect::<BTreeMap<_, _>>())
    }
}

/// A rendered mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {detail}")]
pub(crate) struct Flaw {
    /// `subject`, `text`, `html` or `notice`.
    pub part: &'static str,
    /// Stable code: `malformed`, `undeclared_variable`, `too_long`, `fails`.
    pub code: &'static str,
    /// For the one who writes the template.
    pub detail: String,
}

/// A letter of `words`.
pub(crate) fn letter(words: &Words, facts: &Facts<'_>) -> Result<Letter, Flaw> {
    let environment = environment();
    let values = context! {
        brand => facts.brand.value(),
        unsubscribe_url => facts.unsubscribe_url.unwrap_or_default(),
        ..facts.values()
    };
    let subject = one_line(&part(&environment, "subject", &words.subject, &values)?);
    let text = part(&environment, "text", &words.text, &values)?;
    let html = part(&environment, "html", &words.html, &values)?;
    let frame = |content: Value| {
        context! {
            content,
            subject => &subject,
            locale => facts.locale,
            brand => facts.brand.value(),
            unsubscribe_url => facts.unsubscribe_url.unwrap_or_default(),
            unsubscribe_label => unsubscribe_label(facts.locale),
        }
    };
    let html = part(&environment, "html", LAYOUT_HTML, &frame(Value::from_safe_string(html)))?;
    let text = part(&environment, "text", LAYOUT_TEXT, &frame(Value::from(text)))?;
    Ok(Letter { subject, text, html })
}

/// Title and sentence of a notification.
pub(crate) fn notice(words: &Words, facts: &Facts<'_>) -> Result<(String, String), Flaw> {
    let environment = environment();
    let values = context! { brand => facts.brand.value(), ..facts.values() };
    let title = one_line(&part(&environment, "subject", &words.subject, &values)?);
    Ok((title, one_line(&part(&environment, "notice", &words.notice, &values)?)))
}

/// Everything that is wrong with `words` as words of `kind`.
pub(crate) fn flaws(words: &Words, kind: &Kind) -> Vec<Flaw> {
    let declared: BTreeSet<_> = kind.declared().into_iter().chain(COMMON).collect();
    let parts = [
        ("subject", &words.subject),
        ("text", &words.text),
        ("html", &words.html),
        ("notice", &words.notice),
    ];
    let environment = environment();
    let mut found: Vec<_> =
        parts.iter().flat_map(|(part, source)| part_flaws(&environment, part, source, &declared)).collect();
    if found.is_empty() {
        let (values, brand) = (kind.samples(), Brand::default());
        let facts = Facts { values: &values, brand: &brand, locale: "en", unsubscribe_url: None };
        found.extend(letter(words, &facts).err());
        found.extend(notice(words, &facts).err());
    }
    found
}

fn part_flaws(
    environment: &Environment<'_>,
    part: &'static str,
    source: &str,
    declared: &BTreeSet<&str>,
) -> Vec<Flaw> {
    let flaw = |code, detail| vec![Flaw { part, code, detail }];
    if source.trim().is_empty() && part != "notice" {
        return flaw("missing", "there are no words".to_owned());
    }
    if source.len() > TEMPLATE_LENGTH_MAX {
        return flaw("too_long", format!("longer than {TEMPLATE_LENGTH_MAX} bytes"));
    }
    let template = match environment.template_from_named_str(part, source) {
        Ok(template) => template,
        Err(error) => return flaw("malformed", explain(&error)),
    };
    let used = template.undeclared_variables(false);
    let mut unknown: Vec<_> = used.into_iter().filter(|name| !declared.contains(name.as_str())).collect();
    unknown.sort_unstable();
    let undeclared = |name| Flaw { part, code: "undeclared_variable", detail: name };
    unknown.into_iter().map(undeclared).collect()
}

fn part(
    environment: &Environment<'_>,
    part: &'static str,
    source: &str,
    values: &Value,
) -> Result<String, Flaw> {
    let name = if part == "html" { "html.html" } else { part };
    let failed = |error: minijinja::Error| Flaw { part, code: "fails", detail: explain(&error) };
    let mut written = Bounded(Vec::new());
    let template = environment.template_from_named_str(name, source).map_err(failed)?;
    template.render_captured_to(values, &mut written).map_err(failed)?;
    String::from_utf8(written.0).map_err(|error| Flaw { part, code: "fails", detail: error.to_string() })
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
    });
    environment
}

fn explain(error: &minijinja::Error) -> String {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "takes too many steps".to_owned(),
        ErrorKind::WriteFailure => "the result is too long".to_owned(),
        kind => error.detail().map_or_else(|| kind.to_string(), str::to_owned),
    };
    error.line().map_or_else(|| what.clone(), |line| format!("line {line}: {what}"))
}

/// Subjects and titles: no line breaks, which would end a header.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const fn is_german(locale: &str) -> bool {
    matches!(locale.as_bytes(), [b'd', b'e', ..])
}

const fn unsubscribe_label(locale: &str) -> &'static str {
    if is_german(locale) { "Solche Nachrichten abbestellen" } else { "Stop such mails" }
}

/// A writer that refuses what is too long.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > RESULT_LENGTH_MAX {
            return Err(std::io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{KINDS, LANGUAGES, kind, shipped};

    fn words(subject: &str, text: &str, html: &str) -> Words {
        let own = str::to_owned;
        Words { subject: own(subject), text: own(text), html: own(html), notice: String::new() }
    }

    fn render(words: &Words, pairs: &[(&str, &str)]) -> Result<Letter, Flaw> {
        let values = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let brand = Brand { product_name: "Shop".to_owned(), ..Brand::default() };
        letter(words, &Facts { values: &values, brand: &brand, locale: "en", unsubscribe_url: None })
    }

    #[test]
    fn everything_that_ships_is_without_flaw_and_renders_with_its_samples() {
        for kind in KINDS {
            for language in LANGUAGES {
                let words = shipped(kind.key, language).unwrap();
                assert_eq!(flaws(words, kind), [], "{} in {language}", kind.key);
                let (values, brand) = (kind.samples(), Brand::default());
                let url = Some("https://shop.example/u");
                let facts = Facts { values: &values, brand: &brand, locale: language, unsubscribe_url: url };
                let letter = letter(words, &facts).unwrap();
                assert!(!letter.subject.contains('{') && !letter.text.contains("{%"), "{}", kind.key);
                assert!(letter.text.contains("https://shop.example/u"), "{}", kind.key);
            }
        }
    }

    #[test]
    fn codes_are_words_in_shipped_and_in_own_templates() {
        let german = shipped("identity.second_factor_changed", "de").unwrap();
        let own = words("{{ change }}", "{{ change }}", "{{ change }}");
        let values = BTreeMap::from([("change".to_owned(), "passkey_removed".to_owned())]);
        for words in [german, &own] {
            let brand = Brand::default();
            let facts = Facts { values: &values, brand: &brand, locale: "de", unsubscribe_url: None };
            let letter = letter(words, &facts).unwrap();
            assert!(letter.text.contains("ein Passkey wurde entfernt"), "{}", letter.text);
        }
    }

    #[test]
    fn html_is_escaped_and_text_is_not() {
        let words = words("{{ name }}", "{{ name }}", "<b>{{ name }}</b>");
        let letter = render(&words, &[("name", "<script>&")]).unwrap();
        assert_eq!(letter.subject, "<script>&");
        assert!(letter.text.starts_with("<script>&"));
        assert!(letter.html.contains("<b>&lt;script&gt;&amp;</b>"), "{}", letter.html);
    }

    #[test]
    fn a_subject_has_one_line() {
        let letter = render(&words("{{ name }}", "t", "h"), &[("name", "a\r\nBcc: x@y.example")]).unwrap();
        assert_eq!(letter.subject, "a Bcc: x@y.example");
    }

    #[test]
    fn only_declared_names_may_be_used() {
        let paid = kind("invoice.paid").unwrap();
        let found = flaws(&words("{{ number }}", "{{ password }}", "{{ brand.footer }}{{ link }}"), paid);
        let found: Vec<_> = found.iter().map(|flaw| (flaw.part, flaw.code, flaw.detail.as_str())).collect();
        assert_eq!(
            found,
            [("text", "undeclared_variable", "password"), ("html", "undeclared_variable", "link")]
        );
    }

    #[test]
    fn a_template_cannot_include_run_for_ever_or_fill_the_memory() {
        let paid = kind("invoice.paid").unwrap();
        for bad in [
            "{% include 'secrets' %}",
            "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
            "{{ number",
            "{{ number|no_such_filter }}",
            "{{ ('x' * 900000) }}",
        ] {
            let found = flaws(&words("s", bad, "h"), paid);
            assert_eq!(found.first().map(|flaw| flaw.part), Some("text"), "{bad}: {found:?}");
        }
    }
}
