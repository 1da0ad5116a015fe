//! Token bundles as something that checkout sells.
//!
//! Tokens are not stocked, so holding needs nothing but a sound request. Delivering, taking back
//! and delivering again are postings whose operation ids follow from the line, so each happens once
//! however often it is asked. How many tokens a line delivers was fixed when it was quoted and
//! travels in its terms: a bundle that changed later changes nothing about a sale.

use std::sync::Arc;

use eventstore::CommandContext;
use fault::{Code, Fault};
use futures::join;
use ids::{BundleId, InvoiceId, LineId, OperationId, UserId};
use money::{Currency, Money};
use serde::{Deserialize, Serialize};
use smallvec::smallvec;
use wallet_domain::{AccountKind, AccountTerms, Asset, Leg, OpenAccount, Post, Rejection, Request};

use crate::Position;
use crate::bundles::{Bundle, Catalogue};
use crate::engine::Ledger;
use crate::grpc::convert::{refused, request};

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
    ledger: Ledger,
}

impl Selling {
    /// Sells from this catalogue into this ledger.
    #[must_use]
    pub const fn new(catalogue: Catalogue, ledger: Ledger) -> Self {
        Self { catalogue, ledger }
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
        let tenant = context.tenant;
        let request = request(context);
        let issuance = AccountTerms::system(tenant, AccountKind::Issuance, Asset::TOKEN);
        let customer = AccountTerms::customer(tenant, line.user, Asset::TOKEN);
        let open = |terms| self.ledger.open_account(request.clone(), OpenAccount { terms });
        // Work is decided in the order in which it is put in, so the posting nearly always finds both.
        let (issuance, customer, posted) = join!(
            open(issuance),
            open(customer),
            self.ledger.post_one(request.clone(), line.post(tenant, Step::Fulfil)?)
        );
        issuance?.map_err(refused)?;
        customer?.map_err(refused)?;
        let posted = match posted? {
            // The partition was only just taken over, and the posting went in before the openings.
            Err(Rejection::AccountUnknown { .. }) => {
                self.ledger.post_one(request, line.post(tenant, Step::Fulfil)?).await?
            }
            posted => posted,
        };
        Ok(posted.map_err(refused)?.position)
    }

    /// Takes back a delivered line, once.
    ///
    /// # Errors
    /// `line_not_fulfilled`; `tokens_already_spent` when the customer has fewer tokens than were
    /// delivered.
    pub async fn reverse(&self, context: &CommandContext, line: &Line) -> fault::Result<Position> {
        self.must_have_happened(context, line, Step::Fulfil, "line_not_fulfilled").await?;
        let posted = self.step(request(context), context, line, Step::Reverse).await?;
        posted.map_err(|rejection| match rejection {
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
        self.must_have_happened(context, line, Step::Reverse, "line_not_reversed").await?;
        self.step(request(context), context, line, Step::Restore).await?.map_err(refused)
    }

    async fn step(
        &self,
        request: Request,
        context: &CommandContext,
        line: &Line,
        step: Step,
    ) -> fault::Result<Result<Position, Rejection>> {
        let post = line.post(context.tenant, step)?;
        Ok(self.ledger.post_one(request, post).await?.map(|receipt| receipt.position))
    }

    async fn must_have_happened(
        &self,
        context: &CommandContext,
        line: &Line,
        step: Step,
        otherwise: &'static str,
    ) -> fault::Result<()> {
        let before = self.ledger.operation(context.tenant, line.operation(step)).await?;
        let missing = || Fault::rejected(otherwise, "What should be undone has not happened.");
        before.map(drop).ok_or_else(missing)
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

    fn post(&self, tenant: ids::TenantId, step: Step) -> fault::Result<Post> {
        let issuance = wallet_domain::system_account(tenant, AccountKind::Issuance, Asset::TOKEN);
        let customer = wallet_domain::customer_account(tenant, self.user, Asset::TOKEN);
        let amount = self.terms.total(self.quantity)?;
        let (debit, credit, reason) = match step {
            Step::Fulfil => (issuance, customer, "purchase"),
            Step::Reverse => (customer, issuance, "purchase_reversed"),
            Step::Restore => (issuance, customer, "purchase_restored"),
        };
        Ok(Post {
            operation: self.operation(step),
            legs: smallvec![Leg { debit, credit, amount }],
            reason: Arc::from(reason),
            reference: format!("invoice/{}", self.invoice),
        })
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
