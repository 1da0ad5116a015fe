//! Languages, as far as the queue must know them.

use fault::Fault;

/// A language tag (BCP 47) that is short and well-formed.
pub(crate) fn locale_tag(text: &str) -> fault::Result<String> {
    let fits = text.len() <= 35
        && text
            .split('-')
            .all(|part| part.len() <= 8 && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Fault::invalid("/locale", "malformed", "This is no language tag."))
    }
}
