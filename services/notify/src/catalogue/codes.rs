//! Values that are codes, and how they are said.
//!
//! Services send facts, not sentences: `totp_enabled`, whoever reads it. A word in the reader's language
//! takes the code's place before a template sees it, so that a tenant's own words say it too. What is no
//! known code is shown as it came.

use super::LANGUAGES;

/// Variable, code, and what it is called in each of [`LANGUAGES`].
const CODES: &[(&str, &str, [&str; LANGUAGES.len()])] = &[
    (
        "change",
        "totp_enabled",
        ["an authenticator app was set up", "eine Authentifizierungs-App wurde eingerichtet"],
    ),
    (
        "change",
        "totp_disabled",
        ["the authenticator app was removed", "die Authentifizierungs-App wurde entfernt"],
    ),
    ("change", "passkey_added", ["a passkey was added", "ein Passkey wurde hinzugefügt"]),
    ("change", "passkey_removed", ["a passkey was removed", "ein Passkey wurde entfernt"]),
    (
        "change",
        "recovery_codes_made",
        ["new recovery codes were made", "neue Wiederherstellungscodes wurden erstellt"],
    ),
    (
        "change",
        "recovery_code_used",
        ["a recovery code was used", "ein Wiederherstellungscode wurde verwendet"],
    ),
    (
        "change",
        "reset",
        [
            "an administrator removed all second factors",
            "ein Administrator hat alle zweiten Faktoren entfernt",
        ],
    ),
];

/// What `code` of a variable is called in a language; none when it is no code.
pub(crate) fn spoken(variable: &str, code: &str, locale: &str) -> Option<&'static str> {
    let language = locale.split(['-', '_']).next().unwrap_or_default();
    let place = LANGUAGES.iter().position(|known| *known == language).unwrap_or_default();
    let (_, _, words) = CODES.iter().find(|(of, known, _)| *of == variable && *known == code)?;
    words.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::KINDS;

    #[test]
    fn codes_are_said_in_the_language_of_the_reader() {
        assert_eq!(spoken("change", "passkey_added", "de-AT"), Some("ein Passkey wurde hinzugefügt"));
        assert_eq!(spoken("change", "passkey_added", "fr"), Some("a passkey was added"));
        assert_eq!(spoken("change", "passkey added", "de"), None, "what is no code stays as it is");
        assert_eq!(spoken("name", "reset", "de"), None);
    }

    #[test]
    fn every_code_belongs_to_a_declared_variable_and_ships_in_every_language() {
        for (variable, code, words) in CODES {
            assert!(KINDS.iter().any(|kind| kind.declared().contains(variable)), "{variable}");
            assert!(words.iter().all(|word| !word.is_empty() && word != code), "{code}");
        }
        let german = CODES.iter().map(|(_, _, words)| words[1]);
        assert!(german.zip(CODES).all(|(german, (_, _, words))| german != words[0]), "not translated");
    }
}
