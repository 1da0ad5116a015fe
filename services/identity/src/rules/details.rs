//! What may be written down about a person. Shapes only: whether a tax id or a phone number exists is
//! for others to find out.

use crate::rejection::Rejection;
use serde::{Deserialize, Serialize};

const TEXT_LENGTH_MAX: usize = 200;
const PHONE_LENGTH_MAX: usize = 40;
const LOCALE_LENGTH_MAX: usize = 35;
const ADDRESSES_MAX: usize = 10;

/// What is known about a person beyond the address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Details {
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Company.
    pub company: String,
    /// Tax id.
    pub tax_id: String,
    /// Phone number.
    pub phone: String,
    /// BCP 47; empty means the tenant's.
    pub locale: String,
    /// Addresses.
    pub addresses: Vec<Address>,
}

/// Where a person lives, or wants things sent to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    /// What it is for.
    pub label: String,
    /// Who takes letters there.
    pub recipient: String,
    /// First line.
    pub line1: String,
    /// Second line.
    pub line2: String,
    /// Postal code.
    pub postal_code: String,
    /// City.
    pub city: String,
    /// Region.
    pub region: String,
    /// ISO 3166-1, two letters.
    pub country: String,
}

/// The details as they are kept: trimmed.
///
/// # Errors
/// [`Rejection::DetailUnfit`] with the pointer of the first that cannot be kept.
pub fn check(given: Details) -> Result<Details, Rejection> {
    if given.addresses.len() > ADDRESSES_MAX {
        return Err(unfit("/details/addresses", "too_many"));
    }
    let addresses = given
        .addresses
        .into_iter()
        .enumerate()
        .map(|(place, address)| check_address(address, &format!("/details/addresses/{place}")));
    Ok(Details {
        given_name: text(&given.given_name, "/details/given_name")?,
        family_name: text(&given.family_name, "/details/family_name")?,
        company: text(&given.company, "/details/company")?,
        tax_id: shaped(&given.tax_id, "/details/tax_id", TEXT_LENGTH_MAX, |byte| {
            byte.is_ascii_alphanumeric() || b"-. /".contains(&byte)
        })?,
        phone: phone(&given.phone)?,
        locale: locale(&given.locale)?,
        addresses: addresses.collect::<Result<_, _>>()?,
    })
}

fn check_address(given: Address, pointer: &str) -> Result<Address, Rejection> {
    let field = |value: &str, name: &str| text(value, &format!("{pointer}/{name}"));
    let country = given.country.trim().to_ascii_uppercase();
    let known =
        country.is_empty() || (country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()));
    if !known {
        return Err(unfit(&format!("{pointer}/country"), "malformed"));
    }
    Ok(Address {
        label: field(&given.label, "label")?,
        recipient: field(&given.recipient, "recipient")?,
        line1: field(&given.line1, "line1")?,
        line2: field(&given.line2, "line2")?,
        postal_code: field(&given.postal_code, "postal_code")?,
        city: field(&given.city, "city")?,
        region: field(&given.region, "region")?,
        country,
    })
}

fn phone(given: &str) -> Result<String, Rejection> {
    let character = |byte: u8| byte.is_ascii_digit() || b"+ -()/.".contains(&byte);
    let kept = shaped(given, "/details/phone", PHONE_LENGTH_MAX, character)?;
    let plus_leads = kept.rfind('+').is_none_or(|place| place == 0);
    let digits = kept.bytes().filter(u8::is_ascii_digit).count();
    let fits = kept.is_empty() || (plus_leads && (4..=15).contains(&digits));
    if fits { Ok(kept) } else { Err(unfit("/details/phone", "malformed")) }
}

/// The shape of BCP 47: subtags of letters and digits, the first one letters.
fn locale(given: &str) -> Result<String, Rejection> {
    let character = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let kept = shaped(given, "/details/locale", LOCALE_LENGTH_MAX, character)?;
    let mut subtags = kept.split('-');
    let language = subtags.next().unwrap_or_default();
    let leads = (2..=8).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    let follows = subtags.all(|subtag| (1..=8).contains(&subtag.len()));
    if kept.is_empty() || (leads && follows) { Ok(kept) } else { Err(unfit("/details/locale", "malformed")) }
}

fn text(given: &str, pointer: &str) -> Result<String, Rejection> {
    let kept = given.trim();
    match () {
        () if kept.chars().count() > TEXT_LENGTH_MAX => Err(unfit(pointer, "too_long")),
        () if kept.chars().any(char::is_control) => Err(unfit(pointer, "malformed")),
        () => Ok(kept.to_owned()),
    }
}

fn shaped(
    given: &str,
    pointer: &str,
    length_max: usize,
    character: impl Fn(u8) -> bool,
) -> Result<String, Rejection> {
    let kept = given.trim();
    match () {
        () if kept.len() > length_max => Err(unfit(pointer, "too_long")),
        () if !kept.bytes().all(character) => Err(unfit(pointer, "malformed")),
        () => Ok(kept.to_owned()),
    }
}

fn unfit(pointer: &str, code: &'static str) -> Rejection {
    Rejection::DetailUnfit { pointer: pointer.to_owned(), code }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(details: Details) -> (String, &'static str) {
        match check(details) {
            Err(Rejection::DetailUnfit { pointer, code }) => (pointer, code),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_people_have_is_kept_trimmed() {
        let details = Details {
            given_name: " Zoë ".to_owned(),
            tax_id: "DE 123.456/78".to_owned(),
            phone: "+49 (30) 123-456".to_owned(),
            locale: "de-CH".to_owned(),
            addresses: vec![Address {
                city: "Bern".to_owned(),
                country: "ch".to_owned(),
                ..Address::default()
            }],
            ..Details::default()
        };
        let kept = check(details).unwrap();
        assert_eq!((kept.given_name.as_str(), kept.addresses[0].country.as_str()), ("Zoë", "CH"));
        assert_eq!(check(Details::default()), Ok(Details::default()));
    }

    #[test]
    fn what_cannot_be_kept_is_named() {
        let with = |change: fn(&mut Details)| {
            let mut details = Details { addresses: vec![Address::default()], ..Details::default() };
            change(&mut details);
            details
        };
        type Row<'a> = (fn(&mut Details), &'a str, &'a str);
        let rows: [Row<'_>; 9] = [
            (|details| details.given_name = "x".repeat(201), "/details/given_name", "too_long"),
            (|details| details.company = "a\u{0}b".to_owned(), "/details/company", "malformed"),
            (|details| details.tax_id = "<script>".to_owned(), "/details/tax_id", "malformed"),
            (|details| details.phone = "call me".to_owned(), "/details/phone", "malformed"),
            (|details| details.phone = "12+34567".to_owned(), "/details/phone", "malformed"),
            (|details| details.locale = "1x".to_owned(), "/details/locale", "malformed"),
            (|details| details.locale = "en--US".to_owned(), "/details/locale", "malformed"),
            (
                |details| details.addresses[0].country = "GER".to_owned(),
                "/details/addresses/0/country",
                "malformed",
            ),
            (|details| details.addresses = vec![Address::default(); 11], "/details/addresses", "too_many"),
        ];
        for (change, pointer, code) in rows {
            assert_eq!(refused(with(change)), (pointer.to_owned(), code));
        }
    }
}
