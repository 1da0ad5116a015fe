//! From the lines of a request to a cart at the sellers' quotes.

use contracts::vbwd::invoicing::v1::{CheckoutLine, QuoteRequest, QuoteResponse};
use eventstore::CommandContext;
use fault::{Code, Fault};
use futures::future::join_all;
use ids::{LineId, UserId};
use invoicing_domain::{Cart, CartLine, check_line_count, check_quantity};
use money::{Currency, Money};

use crate::grpc::convert::{cart_refused, invalid, money_from};
use crate::sellers::Sellers;

/// Longest `item_id`.
const ITEM_ID_MAX: usize = 200;

/// What a request asks for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub lines: &'a [CheckoutLine],
    pub currency: &'a str,
    pub billing_country: &'a str,
}

/// The cart, with every line at its seller's quote. All sellers are asked at once.
pub(super) async fn quoted(
    sellers: &Sellers,
    context: &CommandContext,
    user: UserId,
    wanted: Wanted<'_>,
    default_currency: Currency,
    line_id: impl Fn(usize) -> LineId,
) -> fault::Result<Cart> {
    let currency = currency(wanted.currency, default_currency)?;
    check(sellers, wanted)?;
    let quote = |line: &CheckoutLine| {
        let request = QuoteRequest {
            item_id: line.item_id.clone(),
            quantity: line.quantity,
            currency: currency.code().to_owned(),
            user_id: user.to_string(),
        };
        let kind = line.kind.clone();
        async move { sellers.quote(context, &kind, request).await }
    };
    let quotes = join_all(wanted.lines.iter().map(quote)).await;
    let lines = wanted.lines.iter().zip(quotes).enumerate().map(|(place, (line, quote))| {
        let quote = quote.map_err(|fault| about_line(place, fault))?;
        cart_line(line_id(place), line, quote)
    });
    let lines = lines.collect::<fault::Result<_>>()?;
    Ok(Cart { currency, billing_country: wanted.billing_country.to_owned(), lines })
}

/// A seller's refusal, with a pointer to the line it is about. What the seller does not have is a
/// mistake in the request, not a missing page.
pub(super) fn about_line(place: usize, fault: Fault) -> Fault {
    if fault.is_transient() || matches!(fault.code(), Code::Internal) {
        return fault;
    }
    let field = match fault.reason() {
        "currency_unknown" | "currency_not_offered" => "/currency".to_owned(),
        "quantity_out_of_range" => format!("/lines/{place}/quantity"),
        _ => format!("/lines/{place}/item_id"),
    };
    let code = if fault.code() == Code::NotFound { Code::InvalidInput } else { fault.code() };
    let (reason, message) = (fault.reason().to_owned(), fault.message().to_owned());
    let about = Fault::new(code, reason.clone(), message).with_violation(field, reason);
    let facts: Vec<_> = fault.facts().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    facts.into_iter().fold(about, |about, (name, value)| about.with_fact(name, value)).with_source(fault)
}

fn currency(code: &str, default: Currency) -> fault::Result<Currency> {
    if code.is_empty() {
        return Ok(default);
    }
    code.parse().map_err(|_| invalid("/currency", "currency_unknown", "There is no such currency."))
}

/// What can be refused without asking anybody.
fn check(sellers: &Sellers, wanted: Wanted<'_>) -> fault::Result<()> {
    check_line_count(wanted.lines.len()).map_err(cart_refused)?;
    let country = wanted.billing_country;
    let letters = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    if !country.is_empty() && !letters {
        return Err(invalid("/billing_country", "country_malformed", "Use two capital letters, ISO 3166-1."));
    }
    for (place, line) in wanted.lines.iter().enumerate() {
        check_quantity(place, line.quantity).map_err(cart_refused)?;
        if !sellers.sells(&line.kind) {
            let pointer = format!("/lines/{place}/kind");
            return Err(invalid(pointer, "unknown_kind", "Nobody sells this kind of line."));
        }
        let readable = !line.item_id.is_empty() && !line.item_id.contains('\0');
        if !readable || line.item_id.len() > ITEM_ID_MAX {
            let pointer = format!("/lines/{place}/item_id");
            return Err(invalid(pointer, "item_malformed", "Name an item in at most 200 bytes."));
        }
    }
    Ok(())
}

fn cart_line(line_id: LineId, wanted: &CheckoutLine, quote: QuoteResponse) -> fault::Result<CartLine> {
    let unit_price = quote.unit_price.as_ref().ok_or_else(|| Fault::internal("a quote without a price"))?;
    let unit_price = money_from(unit_price).map_err(Fault::internal)?;
    Ok(CartLine {
        line_id,
        kind: wanted.kind.clone(),
        item_id: wanted.item_id.clone(),
        quantity: wanted.quantity,
        description: quote.description,
        unit_price,
        tax_class: quote.tax_class,
        terms_json: quote.terms_json,
        total: Money::zero(unit_price.currency()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_points_at_its_line() {
        let unknown = Fault::new(Code::NotFound, "bundle_unknown", "There is no such bundle.");
        let about = about_line(2, unknown);
        assert_eq!((about.code(), about.reason()), (Code::InvalidInput, "bundle_unknown"));
        assert_eq!(about.violations()[0].pointer, "/lines/2/item_id");
        let currency = about_line(0, Fault::rejected("currency_not_offered", "Not in this currency."));
        assert_eq!((currency.code(), &*currency.violations()[0].pointer), (Code::Rejected, "/currency"));
    }

    #[test]
    fn trouble_of_a_seller_is_not_the_customers_mistake() {
        let about = about_line(0, Fault::unavailable("service_unreachable", "down"));
        assert!(about.is_transient() && about.violations().is_empty());
    }
}
