//! `LineItemSourceService` for lines of kind `token_bundle`.

use contracts::vbwd::invoicing::v1 as proto;
use contracts::vbwd::invoicing::v1::line_item_source_service_server::LineItemSourceService;
use fault::Fault;
use ids::LineId;
use tonic::{Request, Response, Status};

use super::Api;
use super::convert::{currency, id, money_message};
use crate::selling::Line;

#[tonic::async_trait]
impl LineItemSourceService for Api {
    async fn quote(
        &self,
        call: Request<proto::QuoteRequest>,
    ) -> Result<Response<proto::QuoteResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let message = call.into_inner();
        let currency = currency(&message.currency)?;
        let quote = self.0.selling.quote(&context, &message.item_id, message.quantity, currency).await?;
        Ok(Response::new(proto::QuoteResponse {
            description: quote.description,
            unit_price: Some(money_message(quote.unit_price)),
            tax_class: quote.tax_class.to_owned(),
            terms_json: quote.terms_json,
        }))
    }

    async fn hold(&self, call: Request<proto::HoldRequest>) -> Result<Response<proto::HoldResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let message = call.into_inner();
        id::<LineId>(&message.line_id, "/line_id")?;
        self.0.selling.hold(&context, &message.item_id, message.quantity).await?;
        Ok(Response::new(proto::HoldResponse {}))
    }

    async fn release_hold(
        &self,
        call: Request<proto::ReleaseHoldRequest>,
    ) -> Result<Response<proto::ReleaseHoldResponse>, Status> {
        id::<LineId>(&call.get_ref().line_id, "/line_id")?;
        Ok(Response::new(proto::ReleaseHoldResponse {}))
    }

    async fn fulfil(
        &self,
        call: Request<proto::FulfilRequest>,
    ) -> Result<Response<proto::FulfilResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let line = line(call.into_inner().line)?;
        let receipt = self.0.selling.fulfil(&context, &line).await?.to_string();
        Ok(Response::new(proto::FulfilResponse { receipt }))
    }

    async fn reverse(
        &self,
        call: Request<proto::ReverseRequest>,
    ) -> Result<Response<proto::ReverseResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let line = line(call.into_inner().line)?;
        let receipt = self.0.selling.reverse(&context, &line).await?.to_string();
        Ok(Response::new(proto::ReverseResponse { receipt }))
    }

    async fn restore(
        &self,
        call: Request<proto::RestoreRequest>,
    ) -> Result<Response<proto::RestoreResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let line = line(call.into_inner().line)?;
        let receipt = self.0.selling.restore(&context, &line).await?.to_string();
        Ok(Response::new(proto::RestoreResponse { receipt }))
    }
}

fn line(message: Option<proto::SoldLine>) -> fault::Result<Line> {
    let message = message.ok_or_else(|| Fault::invalid("/line", "missing", "There is no line."))?;
    let terms = serde_json::from_str(&message.terms_json);
    let terms =
        terms.map_err(|_| Fault::invalid("/line/terms_json", "malformed", "These are no terms of ours."))?;
    Ok(Line {
        id: id(&message.line_id, "/line/line_id")?,
        invoice: id(&message.invoice_id, "/line/invoice_id")?,
        quantity: message.quantity,
        user: id(&message.user_id, "/line/user_id")?,
        terms,
    })
}
