//! What an account counts: tokens, bonus tokens, minor units of a currency.
//!
//! A code is 1 to 12 capital letters, digits or underscores, beginning with a letter, kept inline:
//! comparing two assets compares sixteen bytes and allocates nothing.

use std::fmt;
use std::str::FromStr;

const LENGTH_MAX: usize = 12;

/// The code of something that is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asset([u8; LENGTH_MAX]);

/// A text that is no asset code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an asset is 1 to 12 capital letters, digits or underscores, beginning with a letter")]
pub struct InvalidAsset;

impl Asset {
    /// The token of a tenant, what bundles sell.
    pub const TOKEN: Self = Self(*b"TOKEN\0\0\0\0\0\0\0");

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(LENGTH_MAX);
        // Only ASCII gets in, see `from_str`.
        self.0.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl FromStr for Asset {
    type Err = InvalidAsset;

    fn from_str(text: &str) -> Result<Self, InvalidAsset> {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let begins_with_letter = text.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
        if !begins_with_letter || !text.bytes().all(allowed) {
            return Err(InvalidAsset);
        }
        let mut code = [0; LENGTH_MAX];
        code.get_mut(..text.len()).ok_or(InvalidAsset)?.copy_from_slice(text.as_bytes());
        Ok(Self(code))
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_text() {
        for code in ["TOKEN", "EUR", "BONUS_2", "ABCDEFGHIJKL"] {
            assert_eq!(code.parse::<Asset>().unwrap().to_string(), code);
        }
        assert_eq!("TOKEN".parse(), Ok(Asset::TOKEN));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "eur", "1EUR", "EU R", "ABCDEFGHIJKLM", "É", "EUR\0"] {
            assert_eq!(text.parse::<Asset>(), Err(InvalidAsset), "{text:?}");
        }
    }
}
