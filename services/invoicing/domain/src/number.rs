//! The number of an invoice: gapless within its series and year.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `INV-2026-000042`: series, year, and the place in the series, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceNumber {
    /// Letters that tell the series, `INV`.
    pub series: String,
    /// Year of issue, UTC.
    pub year: i16,
    /// Place in the series and year, from 1.
    pub sequence: i64,
}

impl fmt::Display for InvoiceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{:06}", self.series, self.year, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_at_least() {
        for (sequence, text) in [(42, "INV-2026-000042"), (1_234_567, "INV-2026-1234567")] {
            let number = InvoiceNumber { series: "INV".to_owned(), year: 2026, sequence };
            assert_eq!(number.to_string(), text);
        }
    }
}
