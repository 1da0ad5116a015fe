//! What a customer wants, before it is priced, and the limits it must keep.
//!
//! The limits are checked on the request, before any seller is asked, and hold again for every
//! cart that is priced.

use ids::LineId;
use money::{Currency, Money};

/// Most lines of one checkout.
pub const LINES_MAX: usize = 100;
/// Largest quantity of one line.
pub const QUANTITY_MAX: i64 = 1_000_000;

/// Lines at their sellers' quotes, in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// The currency everything is sold in.
    pub currency: Currency,
    /// Where the customer is billed, ISO 3166-1 alpha-2; empty if unknown.
    pub billing_country: String,
    /// What is bought, in the customer's order.
    pub lines: Vec<CartLine>,
}

/// One line at its seller's quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartLine {
    /// Key of its hold and of its delivery.
    pub line_id: LineId,
    /// Who sells it, `token_bundle`.
    pub kind: String,
    /// What it is, in the seller's terms.
    pub item_id: String,
    /// How often.
    pub quantity: i64,
    /// What the customer reads.
    pub description: String,
    /// Price of one.
    pub unit_price: Money,
    /// Which tax class applies, in the seller's words.
    pub tax_class: String,
    /// The seller's facts for delivery, opaque here.
    pub terms_json: String,
    /// What the line costs; stages change it, the first one sets it.
    pub total: Money,
}

/// Why a cart cannot be priced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CartError {
    /// Nothing is bought.
    #[error("the cart has no lines")]
    LinesEmpty,
    /// More lines than allowed.
    #[error("the cart has {count} lines, at most {LINES_MAX} are allowed")]
    TooManyLines {
        /// How many there are.
        count: usize,
    },
    /// A quantity outside 1 to [`QUANTITY_MAX`].
    #[error("line {line} has quantity {quantity}, 1 to {QUANTITY_MAX} are allowed")]
    QuantityOutOfRange {
        /// Which line, from 0.
        line: usize,
        /// What was asked for.
        quantity: i64,
    },
    /// A seller quoted in another currency than was asked for.
    #[error("line {line} is priced in {actual}, not in {expected}")]
    CurrencyDiffers {
        /// Which line, from 0.
        line: usize,
        /// What was asked for.
        expected: Currency,
        /// What was quoted.
        actual: Currency,
    },
    /// A line or the sum would be below zero.
    #[error("line {line} would cost less than nothing")]
    BelowZero {
        /// Which line, from 0.
        line: usize,
    },
    /// A line or the sum does not fit.
    #[error("the total is too large")]
    TotalTooLarge,
}

/// Whether this many lines may be bought at once.
///
/// # Errors
/// [`CartError::LinesEmpty`] or [`CartError::TooManyLines`].
pub const fn check_line_count(count: usize) -> Result<(), CartError> {
    match count {
        0 => Err(CartError::LinesEmpty),
        1..=LINES_MAX => Ok(()),
        _ => Err(CartError::TooManyLines { count }),
    }
}

/// Whether `line` may have this quantity.
///
/// # Errors
/// [`CartError::QuantityOutOfRange`].
pub const fn check_quantity(line: usize, quantity: i64) -> Result<(), CartError> {
    match quantity {
        1..=QUANTITY_MAX => Ok(()),
        _ => Err(CartError::QuantityOutOfRange { line, quantity }),
    }
}

impl Cart {
    /// Whether the cart keeps every limit.
    pub(crate) fn check(&self) -> Result<(), CartError> {
        check_line_count(self.lines.len())?;
        for (place, line) in self.lines.iter().enumerate() {
            check_quantity(place, line.quantity)?;
            let actual = line.unit_price.currency();
            if actual != self.currency {
                return Err(CartError::CurrencyDiffers { line: place, expected: self.currency, actual });
            }
            if line.unit_price.minor() < 0 {
                return Err(CartError::BelowZero { line: place });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_a_hundred_lines() {
        assert_eq!(check_line_count(0), Err(CartError::LinesEmpty));
        assert_eq!(check_line_count(1), Ok(()));
        assert_eq!(check_line_count(100), Ok(()));
        assert_eq!(check_line_count(101), Err(CartError::TooManyLines { count: 101 }));
    }

    #[test]
    fn one_to_a_million_of_each() {
        for quantity in [i64::MIN, -1, 0, 1_000_001, i64::MAX] {
            assert_eq!(check_quantity(3, quantity), Err(CartError::QuantityOutOfRange { line: 3, quantity }));
        }
        assert_eq!((check_quantity(0, 1), check_quantity(0, 1_000_000)), (Ok(()), Ok(())));
    }
}
