//! ISO 4217 currencies and the number of their minor digits.
//!
//! The table lists the active codes whose exponent is not two, and the set of all active codes;
//! funds codes, metals and test codes (XAU, XXX, …) are left out: nothing can be sold for them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// A text that names no currency we can book.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown currency")]
pub struct UnknownCurrency;

/// Active ISO 4217 codes with two minor digits.
const EXPONENT_TWO: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD \
    BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP \
    GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA \
    MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD \
    RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD \
    UYU UZS VED VES WST XCD YER ZAR ZMW ZWG";
/// Codes without minor digits.
const EXPONENT_ZERO: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
/// Codes with three minor digits.
const EXPONENT_THREE: &str = "BHD IQD JOD KWD LYD OMR TND";

impl Currency {
    /// Euro, two minor digits.
    pub const EUR: Self = Self(*b"EUR");
    /// US dollar, two minor digits.
    pub const USD: Self = Self(*b"USD");
    /// Yen, no minor digits.
    pub const JPY: Self = Self(*b"JPY");
    /// Kuwaiti dinar, three minor digits.
    pub const KWD: Self = Self(*b"KWD");

    /// The three letters.
    #[must_use]
    pub fn code(&self) -> &str {
        // The constructor admits ASCII letters only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Number of digits after the decimal point: EUR 2, JPY 0, KWD 3.
    #[must_use]
    pub fn exponent(&self) -> u32 {
        exponent_of(self.code()).unwrap_or(2)
    }
}

fn exponent_of(code: &str) -> Option<u32> {
    let lists = |table: &str| table.split_ascii_whitespace().any(|known| known == code);
    match () {
        () if lists(EXPONENT_TWO) => Some(2),
        () if lists(EXPONENT_ZERO) => Some(0),
        () if lists(EXPONENT_THREE) => Some(3),
        () => None,
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| UnknownCurrency)?;
        exponent_of(text).map(|_| Self(letters)).ok_or(UnknownCurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = UnknownCurrency;

    fn try_from(text: String) -> Result<Self, UnknownCurrency> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_digits_follow_iso_4217() {
        for (code, digits) in [("EUR", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("MRU", 2)] {
            assert_eq!(code.parse::<Currency>().unwrap().exponent(), digits, "{code}");
        }
    }

    #[test]
    fn what_cannot_be_booked_is_refused() {
        for text in ["", "eur", "EURO", "XXX", "XAU", "€uro", "ÄÖ"] {
            assert_eq!(text.parse::<Currency>(), Err(UnknownCurrency), "{text}");
        }
    }

    #[test]
    fn json_is_the_code() {
        assert_eq!(serde_json::to_string(&Currency::EUR).unwrap(), "\"EUR\"");
        assert!(serde_json::from_str::<Currency>("\"XXX\"").is_err());
    }
}
