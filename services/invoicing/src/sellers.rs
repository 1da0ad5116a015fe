//! Who sells what: each kind of line belongs to one service that speaks `LineItemSourceService`.
//!
//! Every call is idempotent by line id, so calls are repeated freely. Answers that say nothing about
//! the line itself (a broken seller, a refused assertion) are made transient: money hangs on them,
//! and only the seller's own refusal may turn into a refund.

use std::collections::BTreeMap;

use contracts::vbwd::invoicing::v1::line_item_source_service_client::LineItemSourceServiceClient;
use contracts::vbwd::invoicing::v1::{
    FulfilRequest, HoldRequest, QuoteRequest, QuoteResponse, ReleaseHoldRequest, ReverseRequest, SoldLine,
};
use eventstore::CommandContext;
use fault::{Code, Fault};
use ids::{InvoiceId, LineId, UserId};
use invoicing_domain::{Line, PricedLine};
use jiff::Timestamp;
use runtime::{Channel, Peer, Platform};

use crate::grpc::convert::timestamp;

type Client = LineItemSourceServiceClient<Channel>;

/// The sellers of the fleet, by kind of line.
pub(crate) struct Sellers(BTreeMap<String, Peer>);

impl Sellers {
    /// Finds the configured services.
    pub(crate) fn new(platform: &Platform, kinds: &BTreeMap<String, String>) -> fault::Result<Self> {
        let peer =
            |(kind, service): (&String, &String)| Ok((kind.clone(), platform.peer("invoicing", service)?));
        kinds.iter().map(peer).collect::<fault::Result<_>>().map(Self)
    }

    /// Whether somebody sells this.
    pub(crate) fn sells(&self, kind: &str) -> bool {
        self.0.contains_key(kind)
    }

    /// The seller's price and terms.
    pub(crate) async fn quote(
        &self,
        context: &CommandContext,
        kind: &str,
        request: QuoteRequest,
    ) -> fault::Result<QuoteResponse> {
        let (mut client, peer) = self.client(kind)?;
        let answer = client.quote(peer.request(context, request)?).await?;
        Ok(answer.into_inner())
    }

    /// Keeps what the line needs until `expires_at`.
    pub(crate) async fn hold(
        &self,
        context: &CommandContext,
        line: &PricedLine,
        user: UserId,
        expires_at: Timestamp,
    ) -> fault::Result<()> {
        let (mut client, peer) = self.client(&line.kind)?;
        let request = HoldRequest {
            line_id: line.line_id.to_string(),
            item_id: line.item_id.clone(),
            quantity: line.quantity,
            user_id: user.to_string(),
            expires_at: Some(timestamp(expires_at)),
        };
        client.hold(peer.request(context, request)?).await?;
        Ok(())
    }

    /// Gives up a hold.
    pub(crate) async fn release(
        &self,
        context: &CommandContext,
        kind: &str,
        line: LineId,
    ) -> fault::Result<()> {
        let (mut client, peer) = self.client(kind)?;
        let request = ReleaseHoldRequest { line_id: line.to_string() };
        client.release_hold(peer.request(context, request)?).await?;
        Ok(())
    }

    /// Delivers a paid line; answers the receipt.
    pub(crate) async fn fulfil(
        &self,
        context: &CommandContext,
        (invoice, user): (InvoiceId, UserId),
        line: &Line,
    ) -> fault::Result<String> {
        let (mut client, peer) = self.client(&line.sold.kind)?;
        let request = FulfilRequest { line: Some(sold(invoice, user, line)) };
        let answer = client.fulfil(peer.request(context, request)?).await.map_err(delivery)?;
        Ok(answer.into_inner().receipt)
    }

    /// Takes back a delivered line; answers the receipt.
    pub(crate) async fn reverse(
        &self,
        context: &CommandContext,
        (invoice, user): (InvoiceId, UserId),
        line: &Line,
    ) -> fault::Result<String> {
        let (mut client, peer) = self.client(&line.sold.kind)?;
        let request = ReverseRequest { line: Some(sold(invoice, user, line)) };
        let answer = client.reverse(peer.request(context, request)?).await.map_err(delivery)?;
        Ok(answer.into_inner().receipt)
    }

    /// A kind that was sold and has no seller now may get one again.
    fn client(&self, kind: &str) -> fault::Result<(Client, &Peer)> {
        let peer = self.0.get(kind).ok_or_else(|| {
            Fault::new(Code::Unavailable, "seller_missing", "Nobody sells this at present.")
                .with_fact("kind", kind)
        })?;
        Ok((Client::new(peer.channel()), peer))
    }
}

fn sold(invoice: InvoiceId, user: UserId, line: &Line) -> SoldLine {
    SoldLine {
        line_id: line.sold.line_id.to_string(),
        invoice_id: invoice.to_string(),
        item_id: line.sold.item_id.clone(),
        quantity: line.sold.quantity,
        user_id: user.to_string(),
        terms_json: line.sold.terms_json.clone(),
    }
}

/// Only what the seller says about the line is an answer; the rest is trouble that may pass.
fn delivery(status: tonic::Status) -> Fault {
    let fault = Fault::from(status);
    match fault.code() {
        Code::Internal | Code::Unauthenticated | Code::Forbidden => {
            Fault::unavailable("seller_failed", fault)
        }
        _ => fault,
    }
}
