//! Token bundles as something that checkout sells.
//!
//! Tokens are not stocked, so holding needs nothing but a sound request. Delivering, taking back
//! and delivering again are postings whose operation ids follow from the line, so each happens once
//! however often it is asked. How many tokens a line delivers was fixed when it was quoted and
//! travels in its terms: a bundle that changed later changes nothing about a sale.

use eventstore::CommandContext;
use fault::{Code, Fault};
use ids::{BundleId, InvoiceId, LineId, OperationId, UserId};
use money::{Currency, Money};
use serde::{Deserialize, Serialize};
use wallet_domain::{
    AccountKind, AccountTerms, Asset, Command, Grant, Leg, LotTerms, Rejection, RollOver, Verb,
};

use crate::Position;
use crate::bundles::{Bundle, Catalogue};
use crate::grpc::convert::{refused, request};
use crate::teller::Teller;

/// Most units of one line.
const QUANTITY_MAX: i64 = 1_000_000;
/// What tokens are to the tax office.
const TAX_CLASS: &str = "digital";

/// What a bundle costs, and what a line must keep of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// What the invoice says.
    pub description: String,
    /// Price of one.
    pub unit_price: Money,
    /// Tax class.
    pub tax_class: &'static str,
    /// [`Terms`] as JSON.
    pub terms_json: String,
}

/// What was sold, as the line keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Tokens per unit.
    pub tokens: i64,
}

/// A sold line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: LineId,
    /// The invoice it belongs to.
    pub invoice: InvoiceId,
    /// Units.
    pub quantity: i64,
    /// Who bought it.
    pub user: UserId,
    /// What was sold.
    pub terms: Terms,
}

/// Which posting of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Fulfil,
    Reverse,
    Restore,
}

/// Sells token bundles.
#[derive(Clone)]
pub struct Selling {
    catalogue: Catalogue,
    teller: Teller,
}

impl Selling {
    /// Sells from this catalogue into this ledger.
    #[must_use]
    pub const fn new(catalogue: Catalogue, teller: Teller) -> Self {
        Self { catalogue, teller }
    }

    /// Price and terms of a bundle.
    ///
    /// # Errors
    /// `bundle_unknown`, `bundle_inactive`, `currency_not_offered`, `quantity_out_of_range`.
    pub async fn quote(
        &self,
        context: &CommandContext,
        item: &str,
        quantity: i64,
        currency: Currency,
    ) -> fault::Result<Quote> {
        let bundle = self.on_sale(context, item, quantity).await?;
        let unit_price = bundle.body.price(currency).ok_or_else(|| {
            Fault::rejected("currency_not_offered", "The bundle is not sold in this currency.")
                .with_fact("currency", currency)
        })?;
        let terms = Terms { tokens: bundle.body.tokens };
        terms.total(quantity)?;
        let terms_json = serde_json::to_string(&terms).map_err(Fault::internal)?;
        Ok(Quote { description: bundle.body.name, unit_price, tax_class: TAX_CLASS, terms_json })
    }

    /// Checks that a line could be held; there is nothing to keep.
    ///
    /// # Errors
    /// `bundle_unknown`, `bundle_inactive`, `quantity_out_of_range`.
    pub async fn hold(&self, context: &CommandContext, item: &str, quantity: i64) -> fault::Result<()> {
        self.on_sale(context, item, quantity).await.map(drop)
    }

    /// Delivers a paid line, once.
    ///
    /// # Errors
    /// `operation_id_reused` when the line was delivered with other contents; faults of the ledger.
    pub async fn fulfil(&self, context: &CommandContext, line: &Line) -> fault::Result<Position> {
        self.grant(context, line, Step::Fulfil).await
    }

    /// Takes back a delivered line, once.
    ///
    /// # Errors
    /// `line_not_fulfilled`; `tokens_already_spent` when the customer has fewer tokens than were
    /// delivered.
    pub async fn reverse(&self, context: &CommandContext, line: &Line) -> fault::Result<Position> {
        let delivered = self.teller.reversal(context.tenant, line.operation(Step::Fulfil), []).await?;
        let missing = || Fault::rejected("line_not_fulfilled", "What should be undone has not happened.");
        let command = line.command(Step::Reverse, delivered.ok_or_else(missing)?);
        let done = self.teller.execute(&request(context), command, &[]).await?;
        done.map(|done| done.position).map_err(|rejection| match rejection {
            Rejection::InsufficientFunds { available, needed, .. } => {
                Fault::rejected("tokens_already_spent", "The tokens have been spent already.")
                    .with_fact("available", available)
                    .with_fact("needed", needed)
            }
            other => refused(other),
        })
    }

    /// Delivers again what was taken back, once.
    ///
    /// # Errors
    /// `line_not_reversed`.
    pub async fn restore(&self, context: &CommandContext, line: &Line) -> fault::Result<Position> {
        let taken_back = self.teller.reversal(context.tenant, line.operation(Step::Reverse), []).await?;
        let missing = || Fault::rejected("line_not_reversed", "What should be undone has not happened.");
        taken_back.ok_or_else(missing)?;
        self.grant(context, line, Step::Restore).await
    }

    /// Credits the line's tokens as a lot of its own.
    async fn grant(&self, context: &CommandContext, line: &Line, step: Step) -> fault::Result<Position> {
        let issuance = AccountTerms::system(context.tenant, AccountKind::Issuance, Asset::TOKEN);
        let customer = AccountTerms::customer(context.tenant, line.user, Asset::TOKEN);
        let amount = line.terms.total(line.quantity)?;
        let leg = Leg { debit: issuance.account, credit: customer.account, amount };
        let terms = LotTerms::lasting("purchase");
        let grant = Verb::Grant(Box::new(Grant { leg, terms, roll_over: RollOver::Keep }));
        let command = line.command(step, grant);
        let done = self.teller.execute(&request(context), command, &[issuance, customer]).await?;
        done.map(|done| done.position).map_err(refused)
    }

    async fn on_sale(&self, context: &CommandContext, item: &str, quantity: i64) -> fault::Result<Bundle> {
        let id = item.parse::<BundleId>().ok();
        let bundle = match id {
            Some(id) => self.catalogue.find(context.tenant, id).await?,
            None => None,
        };
        let bundle =
            bundle.ok_or_else(|| Fault::new(Code::NotFound, "bundle_unknown", "There is no such bundle."))?;
        if !bundle.body.active {
            return Err(Fault::rejected("bundle_inactive", "The bundle is not on sale."));
        }
        check_quantity(quantity)?;
        Ok(bundle)
    }
}

impl Terms {
    /// Tokens of all units.
    fn total(&self, quantity: i64) -> fault::Result<i64> {
        check_quantity(quantity)?;
        self.tokens.checked_mul(quantity).filter(|total| *total > 0).ok_or_else(out_of_range)
    }
}

impl Line {
    fn operation(&self, step: Step) -> OperationId {
        let step = match step {
            Step::Fulfil => "token-bundle-fulfil",
            Step::Reverse => "token-bundle-reverse",
            Step::Restore => "token-bundle-restore",
        };
        OperationId::derived(&[step, &self.id.to_string()])
    }

    fn command(&self, step: Step, verb: Verb) -> Command {
        let reason = match step {
            Step::Fulfil => "purchase",
            Step::Reverse => "purchase_reversed",
            Step::Restore => "purchase_restored",
        };
        Command::new(self.operation(step), verb, reason, format!("invoice/{}", self.invoice))
    }
}

fn check_quantity(quantity: i64) -> fault::Result<()> {
    if (1..=QUANTITY_MAX).contains(&quantity) { Ok(()) } else { Err(out_of_range()) }
}

fn out_of_range() -> Fault {
    Fault::new(Code::InvalidInput, "quantity_out_of_range", "The quantity is out of range.")
        .with_violation("/quantity", "out_of_range")
        .with_fact("limit", QUANTITY_MAX)
}
