//! `SuppressionService`.

use contracts::vbwd::notify::v1 as proto;
use contracts::vbwd::notify::v1::suppression_service_server::SuppressionService;
use eventstore::storage;
use fault::Fault;
use tonic::{Request, Response, Status};

use super::Rpcs;
use super::convert::{page, stored};
use crate::mail::recipient;
use crate::mail::suppression::{self, Reason, Suppression};

const DETAIL_LENGTH_MAX: usize = 200;

type Answer<M> = Result<Response<M>, Status>;

#[tonic::async_trait]
impl SuppressionService for Rpcs {
    async fn list_suppressions(
        &self,
        request: Request<proto::ListSuppressionsRequest>,
    ) -> Answer<proto::ListSuppressionsResponse> {
        let (caller, _) = self.context(&request)?;
        let page = page::<String>(request.get_ref().page_size, &request.get_ref().cursor)?;
        let mut reading = self.store.read(caller.tenant).await?;
        let asked = (page.before.as_deref(), page.fetched());
        let mut found = suppression::page(&mut reading, caller.tenant, asked).await?;
        reading.rollback().await.map_err(storage)?;
        let next_cursor = page.cut(&mut found, |last| last.address.clone());
        let suppressions = found.into_iter().map(shown).collect();
        Ok(Response::new(proto::ListSuppressionsResponse { suppressions, next_cursor }))
    }

    async fn suppress_address(
        &self,
        request: Request<proto::SuppressAddressRequest>,
    ) -> Answer<proto::SuppressAddressResponse> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let address = address(&message.address)?;
        if message.detail.chars().count() > DETAIL_LENGTH_MAX {
            return Err(Fault::invalid("/detail", "too_long", "Why is at most 200 characters.").into());
        }
        let mut unit = self.store.begin(&context).await?;
        let because = (Reason::ByHand, message.detail.as_str(), None);
        suppression::add(unit.connection(), context.tenant, &address, because, self.clock.wall()).await?;
        let row = suppression::find(unit.connection(), context.tenant, &address).await?;
        unit.commit().await?;
        Ok(Response::new(proto::SuppressAddressResponse { suppression: row.map(shown) }))
    }

    async fn lift_suppression(
        &self,
        request: Request<proto::LiftSuppressionRequest>,
    ) -> Answer<proto::LiftSuppressionResponse> {
        let (_, context) = self.context(&request)?;
        let address = address(&request.get_ref().address)?;
        let mut unit = self.store.begin(&context).await?;
        suppression::lift(unit.connection(), context.tenant, &address).await?;
        unit.commit().await?;
        Ok(Response::new(proto::LiftSuppressionResponse {}))
    }
}

fn address(text: &str) -> fault::Result<String> {
    let parsed = recipient(text.trim());
    let malformed = |_| Fault::invalid("/address", "malformed", "This is no e-mail address.");
    parsed.map(|address| address.to_string().to_lowercase()).map_err(malformed)
}

fn shown(row: Suppression) -> proto::Suppression {
    proto::Suppression {
        address: row.address,
        reason: row.reason,
        detail: row.detail,
        mail_id: row.mail_id.map(|id| id.to_string()).unwrap_or_default(),
        at: Some(stored(row.at)),
    }
}
