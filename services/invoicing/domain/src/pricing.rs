//! Pricing: a list of pure stages over a cart.
//!
//! A checkout and its preview run the same [`Pipeline`], so what was shown is what is charged.
//! Stages run by [`Phase`]: quote, discounts, shipping, tax, token deduction. The standard list
//! has the quote phase alone: no discount, shipping or tax rule exists in this house yet, so none
//! is applied and none is faked by a zero rate. To add one, write a function over the cart and
//! [`Pipeline::with`] puts it in its phase; the limits are checked and the total is summed after
//! the last stage, whatever the stages did.

use money::Money;

use crate::{Cart, CartError, CartLine};

/// The order in which prices come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// What the sellers ask.
    Quote,
    /// What is taken off: coupons, campaigns.
    Discounts,
    /// What delivery costs.
    Shipping,
    /// What the state takes.
    Tax,
    /// What is paid in tokens instead of money.
    TokenDeduction,
}

/// One step from a cart to its prices.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    /// For logs and tests: `line_totals`.
    pub name: &'static str,
    /// When it runs.
    pub phase: Phase,
    /// What it does. It may change totals and add lines, and refuses what it cannot price.
    pub apply: fn(Cart) -> Result<Cart, CartError>,
}

/// The stages, by phase.
#[derive(Debug, Clone)]
pub struct Pipeline {
    stages: Vec<Stage>,
}

/// A line whose price stands.
pub type PricedLine = CartLine;

/// A cart whose prices stand: the sum of the lines is the total, and every limit is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    lines: Vec<PricedLine>,
    total: Money,
    billing_country: String,
}

impl Priced {
    /// The lines, in the customer's order.
    #[must_use]
    pub fn lines(&self) -> &[PricedLine] {
        &self.lines
    }

    /// Their sum, zero or more.
    #[must_use]
    pub const fn total(&self) -> Money {
        self.total
    }

    pub(crate) fn into_parts(self) -> (Vec<PricedLine>, Money, String) {
        (self.lines, self.total, self.billing_country)
    }
}

impl Pipeline {
    /// The stages of this house.
    #[must_use]
    pub fn standard() -> Self {
        Self { stages: Vec::new() }.with(Stage {
            name: "line_totals",
            phase: Phase::Quote,
            apply: line_totals,
        })
    }

    /// The pipeline with one more stage, behind those of its phase.
    #[must_use]
    pub fn with(mut self, stage: Stage) -> Self {
        let place = self.stages.partition_point(|known| known.phase <= stage.phase);
        self.stages.insert(place, stage);
        self
    }

    /// The stages, in the order they run.
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Prices a cart.
    ///
    /// # Errors
    /// The limit it breaks, or what a stage refused.
    pub fn price(&self, cart: Cart) -> Result<Priced, CartError> {
        cart.check()?;
        let cart = self.stages.iter().try_fold(cart, |cart, stage| (stage.apply)(cart))?;
        cart.check()?;
        if let Some(line) = cart.lines.iter().position(|line| line.total.minor() < 0) {
            return Err(CartError::BelowZero { line });
        }
        let total = money::sum(cart.currency, cart.lines.iter().map(|line| line.total))
            .map_err(|_| CartError::TotalTooLarge)?;
        Ok(Priced { lines: cart.lines, total, billing_country: cart.billing_country })
    }
}

/// Every line costs its unit price times its quantity.
fn line_totals(mut cart: Cart) -> Result<Cart, CartError> {
    for line in &mut cart.lines {
        line.total = line.unit_price.times(line.quantity).map_err(|_| CartError::TotalTooLarge)?;
    }
    Ok(cart)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{cart_of, eur};
    use money::Currency;

    #[test]
    fn a_line_costs_its_price_times_its_quantity() {
        let priced = Pipeline::standard().price(cart_of(&[(1_999, 2), (500, 1)])).unwrap();
        assert_eq!(priced.total(), eur(4_498));
        assert_eq!(priced.lines()[0].total, eur(3_998));
    }

    #[test]
    fn no_rule_exists_beyond_the_quote() {
        let phases: Vec<_> = Pipeline::standard().stages().iter().map(|stage| stage.phase).collect();
        assert_eq!(phases, [Phase::Quote]);
    }

    #[test]
    fn stages_run_by_phase_whatever_the_order_of_adding() {
        let stage = |name, phase| Stage { name, phase, apply: Ok };
        let pipeline = Pipeline::standard()
            .with(stage("vat", Phase::Tax))
            .with(stage("coupon", Phase::Discounts))
            .with(stage("parcel", Phase::Shipping))
            .with(stage("second_coupon", Phase::Discounts));
        let names: Vec<_> = pipeline.stages().iter().map(|stage| stage.name).collect();
        assert_eq!(names, ["line_totals", "coupon", "second_coupon", "parcel", "vat"]);
    }

    #[test]
    fn a_stage_cannot_make_a_line_cost_less_than_nothing() {
        let generous = Stage {
            name: "generous",
            phase: Phase::Discounts,
            apply: |mut cart| {
                cart.lines[0].total = eur(-1);
                Ok(cart)
            },
        };
        let refused = Pipeline::standard().with(generous).price(cart_of(&[(100, 1)]));
        assert_eq!(refused, Err(CartError::BelowZero { line: 0 }));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for lines in [&[(i64::MAX, 2)][..], &[(i64::MAX, 1), (1, 1)]] {
            assert_eq!(Pipeline::standard().price(cart_of(lines)), Err(CartError::TotalTooLarge));
        }
    }

    #[test]
    fn a_quote_in_another_currency_or_below_zero_is_refused() {
        let mut cart = cart_of(&[(100, 1)]);
        cart.lines[0].unit_price = Money::new(100, Currency::JPY);
        let differs = CartError::CurrencyDiffers { line: 0, expected: Currency::EUR, actual: Currency::JPY };
        assert_eq!(Pipeline::standard().price(cart), Err(differs));
        let below = Pipeline::standard().price(cart_of(&[(-1, 1)]));
        assert_eq!(below, Err(CartError::BelowZero { line: 0 }));
    }
}
