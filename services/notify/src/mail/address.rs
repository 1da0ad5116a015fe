//! Addresses of people, as far as this service must understand them.

use fault::Fault;
use lettre::Address;

const LENGTH_MAX: usize = 254;

/// An address to which mail can be sent.
pub(crate) fn recipient(text: &str) -> fault::Result<Address> {
    let parsed = text.trim().parse::<Address>().ok().filter(|_| text.trim().len() <= LENGTH_MAX);
    parsed.ok_or_else(|| Fault::invalid("/recipient", "malformed", "This is no e-mail address."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(recipient(" ann@shop.example ").unwrap().to_string(), "ann@shop.example");
        let long = format!("{}@shop.example", "a".repeat(300));
        for bad in ["", "ann", "ann@shop.example\r\nRCPT TO:<x@y.example>", "a@b@c.example", &long] {
            assert!(recipient(bad).is_err(), "{bad}");
        }
    }
}
