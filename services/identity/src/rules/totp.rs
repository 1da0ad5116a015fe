//! Codes of authenticator apps (RFC 6238 over RFC 4226): SHA-1, six digits, steps of 30 seconds,
//! which is what every app understands.
//!
//! A code is accepted for the present step and one to either side, and only for a step after the
//! last one that was used: whoever reads a code over a shoulder cannot use it again. SHA-1 is no
//! weakness here: what HMAC needs of it still holds.

use aws_lc_rs::hmac;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use subtle::ConstantTimeEq as _;

/// Bytes of a secret: what SHA-1 gives.
pub const SECRET_LENGTH: usize = 20;

const STEP_SECONDS: i64 = 30;
/// Steps to either side of the present one that are accepted, for clocks that are not quite right.
const DRIFT_STEPS: i64 = 1;
const DIGITS: usize = 6;

/// The step at which `code` is right, if it is a step after `used`.
#[must_use]
pub fn matching_step(secret: &[u8], code: &str, at: Timestamp, used: i64) -> Option<i64> {
    let code: String = code.chars().filter(|character| !character.is_whitespace()).collect();
    let present = at.as_second().div_euclid(STEP_SECONDS);
    let mut found = None;
    // Every step is tried, whichever matches: the time of the answer says nothing.
    for step in present - DRIFT_STEPS..=present + DRIFT_STEPS {
        let matches = bool::from(code_at(secret, step).as_bytes().ct_eq(code.as_bytes()));
        found = found.or((matches && step > used).then_some(step));
    }
    found
}

/// The code of one step.
#[must_use]
pub fn code_at(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let digest = tag.as_ref();
    let offset = usize::from(digest.last().copied().unwrap_or_default() & 0x0f);
    let word = digest.iter().skip(offset).take(4).fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    format!("{:0DIGITS$}", (word & 0x7fff_ffff) % 1_000_000)
}

/// The step of an instant.
#[must_use]
pub const fn step_at(seconds: i64) -> i64 {
    seconds.div_euclid(STEP_SECONDS)
}

/// What a QR code for an authenticator app says.
#[must_use]
pub fn otpauth_uri(issuer: &str, account: &str, secret: &[u8]) -> String {
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!(
        "otpauth://totp/{}:{}?secret={}&issuer={}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}",
        escape(issuer),
        escape(account),
        base32(secret),
        escape(issuer),
    )
}

/// Base32 of RFC 4648 without padding: what people can type.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let word =
            chunk.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte)) << (8 * (5 - chunk.len()));
        for index in 0..(chunk.len() * 8).div_ceil(5) {
            let place = usize::try_from(word >> (35 - 5 * index) & 31).unwrap_or_default();
            text.extend(ALPHABET.get(place).map(|letter| char::from(*letter)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_vectors_of_the_rfc() {
        let rows = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (at, code) in rows {
            assert_eq!(code_at(SECRET, step_at(at)), code, "{at}");
            assert_eq!(matching_step(SECRET, code, second(at), 0), Some(step_at(at)));
        }
    }

    #[test]
    fn one_step_to_either_side_is_accepted_and_no_more() {
        let code = code_at(SECRET, 1_000);
        for (at, accepted) in
            [(29_969, false), (29_970, true), (30_000, true), (30_059, true), (30_060, false)]
        {
            assert_eq!(matching_step(SECRET, &code, second(at), 0).is_some(), accepted, "{at}");
        }
    }

    #[test]
    fn a_used_step_and_those_before_it_are_refused() {
        let code = code_at(SECRET, 1_000);
        assert_eq!(matching_step(SECRET, &code, second(30_000), 999), Some(1_000));
        assert_eq!(matching_step(SECRET, &code, second(30_000), 1_000), None);
        assert_eq!(matching_step(SECRET, &code_at(SECRET, 999), second(30_000), 1_000), None);
    }

    #[test]
    fn what_is_no_code_matches_nothing() {
        assert!(matching_step(SECRET, " 287 082 ", second(59), 0).is_some(), "people type spaces");
        for code in ["", "28708", "2870820", "28708a", "０００００００"] {
            assert_eq!(matching_step(SECRET, code, second(59), 0), None, "{code}");
        }
    }

    #[test]
    fn base32_as_the_rfc_has_it() {
        let rows = [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
        ];
        for (plain, text) in rows {
            assert_eq!(base32(plain.as_bytes()), text);
        }
    }

    #[test]
    fn the_uri_names_issuer_and_account() {
        let uri = otpauth_uri("One & Co", "ann@example.com", b"fooba");
        let expected = "otpauth://totp/One%20%26%20Co:ann%40example%2Ecom?secret=MZXW6YTB&issuer=One%20%26%20Co\
            &algorithm=SHA1&digits=6&period=30";
        assert_eq!(uri, expected);
    }
}
