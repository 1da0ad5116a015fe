//! `MeterService`: usage billing.

use auth::Caller;
use contracts::vbwd::wallet::v1 as proto;
use contracts::vbwd::wallet::v1::meter_service_server::MeterService;
use eventstore::CommandContext;
use fault::Fault;
use ids::{OperationId, TenantId, UserId};
use tonic::{Request, Response, Status};
use wallet_domain::{
    AccountKind, AccountTerms, Asset, Command, Meter, Period, RecordUsage, Rejection, Release, ReserveUsage,
    SettleUsage, Tier, UsageView, Verb, customer_account,
};

use super::convert::{asset, id, milliseconds, refused, request_of, time_ms};
use super::{Api, commands};
use crate::history::position;
use crate::teller::Done;

type Answer<T> = Result<Response<T>, Status>;

/// Who uses and who earns, in the meter's asset.
struct Parties {
    customer: AccountTerms,
    revenue: AccountTerms,
}

impl Api {
    async fn metering(
        &self,
        (caller, context): (&Caller, &CommandContext),
        (operation, reason, reference): (&str, &str, String),
        verb: Verb,
        may_open: &[AccountTerms],
    ) -> fault::Result<(OperationId, Done)> {
        let operation = id(operation, "/operation_id")?;
        let note = commands::note(reason, reference, String::new())?;
        let command = Command { operation, note, verb, unseen_through: 0 };
        let done = self.0.teller.execute(&request_of(caller, context), command, may_open).await?;
        Ok((operation, done.map_err(refused)?))
    }

    async fn parties(&self, tenant: TenantId, meter: &str, user: &str) -> fault::Result<Parties> {
        let (user, name): (UserId, _) = (id(user, "/user_id")?, meter.to_owned());
        let look = move |state: &wallet_domain::PartitionState| {
            state.meters(tenant).iter().find(|meter| meter.name == name).map(|meter| meter.asset)
        };
        let (_, found) = self.0.ledger.look(tenant, look).await?;
        let asset = found.ok_or_else(|| refused(Rejection::MeterUnknown { meter: meter.to_owned() }))?;
        Ok(Parties {
            customer: AccountTerms::customer(tenant, user, asset),
            revenue: AccountTerms::system(tenant, AccountKind::Revenue, asset),
        })
    }

    async fn usage(&self, context: &CommandContext, user: UserId) -> fault::Result<Vec<proto::MeterUsage>> {
        let (tenant, at_ms) = (context.tenant, context.at.as_millisecond());
        let look = move |state: &wallet_domain::PartitionState| usage_of(state, tenant, user, at_ms);
        let (_, found) = self.0.ledger.look(tenant, look).await?;
        Ok(found.into_iter().map(usage_message).collect())
    }
}

/// A user's use of every meter, each by the account that pays for it.
fn usage_of(
    state: &wallet_domain::PartitionState,
    tenant: TenantId,
    user: UserId,
    at_ms: i64,
) -> Vec<UsageView> {
    let number = |asset: Asset| {
        let account = state.account(tenant, customer_account(tenant, user, asset));
        account.map_or(u32::MAX, |view| view.number)
    };
    let of = |meter: &Meter| {
        state.usage_of(tenant, number(meter.asset), at_ms).find(|usage| usage.meter.name == meter.name)
    };
    state.meters(tenant).iter().filter_map(of).collect()
}

#[tonic::async_trait]
impl MeterService for Api {
    async fn put_meter(&self, call: Request<proto::PutMeterRequest>) -> Answer<proto::PutMeterResponse> {
        let (caller, context) = self.context(&call)?;
        let message = call.into_inner();
        let operation = message.operation_id.clone();
        let verb = Verb::PutMeter(Box::new(meter(message)?));
        let may_open = [AccountTerms::system(context.tenant, AccountKind::Issuance, Asset::TOKEN)];
        let about = (operation.as_str(), "meter_changed", String::new());
        let (_, done) = self.metering((&caller, &context), about, verb, &may_open).await?;
        Ok(Response::new(proto::PutMeterResponse { position: done.position.to_string() }))
    }

    async fn list_meters(
        &self,
        call: Request<proto::ListMetersRequest>,
    ) -> Answer<proto::ListMetersResponse> {
        let (_, context) = self.context(&call)?;
        let tenant = context.tenant;
        let (_, meters) = self.0.ledger.look(tenant, move |state| state.meters(tenant).to_vec()).await?;
        Ok(Response::new(proto::ListMetersResponse { meters: meters.iter().map(meter_message).collect() }))
    }

    async fn reserve_usage(
        &self,
        call: Request<proto::ReserveUsageRequest>,
    ) -> Answer<proto::ReserveUsageResponse> {
        let (caller, context) = self.context(&call)?;
        let message = call.into_inner();
        let Parties { customer, revenue } =
            self.parties(context.tenant, &message.meter, &message.user_id).await?;
        let verb = Verb::ReserveUsage(ReserveUsage {
            meter: message.meter,
            account: customer.account,
            credit: revenue.account,
            quantity: message.quantity,
            expires_at_ms: message.expires_at.map(|at| time_ms(&at, "/expires_at")).transpose()?,
        });
        let about = (message.operation_id.as_str(), "usage_reserved", message.reference);
        let (operation, done) = self.metering((&caller, &context), about, verb, &[customer, revenue]).await?;
        Ok(Response::new(proto::ReserveUsageResponse {
            reservation_id: operation.to_string(),
            position: done.position.to_string(),
            repeated: done.repeated,
            held: done.outcome.left,
        }))
    }

    async fn settle_usage(
        &self,
        call: Request<proto::SettleUsageRequest>,
    ) -> Answer<proto::SettleUsageResponse> {
        let (caller, context) = self.context(&call)?;
        let message = call.into_inner();
        let hold = id(&message.reservation_id, "/reservation_id")?;
        let verb = Verb::SettleUsage(SettleUsage { hold, quantity: message.quantity });
        let about = (message.operation_id.as_str(), "usage", message.reference);
        let (_, done) = self.metering((&caller, &context), about, verb, &[]).await?;
        Ok(Response::new(proto::SettleUsageResponse {
            position: done.position.to_string(),
            repeated: done.repeated,
            charged: done.outcome.amount,
        }))
    }

    async fn cancel_usage(
        &self,
        call: Request<proto::CancelUsageRequest>,
    ) -> Answer<proto::CancelUsageResponse> {
        let (caller, context) = self.context(&call)?;
        let message = call.into_inner();
        let hold = id(&message.reservation_id, "/reservation_id")?;
        let about = (message.operation_id.as_str(), "usage_cancelled", String::new());
        let verb = Verb::Release(Release { hold, amount: None });
        let (_, done) = self.metering((&caller, &context), about, verb, &[]).await?;
        Ok(Response::new(proto::CancelUsageResponse { position: done.position.to_string() }))
    }

    async fn record_usage(
        &self,
        call: Request<proto::RecordUsageRequest>,
    ) -> Answer<proto::RecordUsageResponse> {
        let (caller, context) = self.context(&call)?;
        let message = call.into_inner();
        let Parties { customer, revenue } =
            self.parties(context.tenant, &message.meter, &message.user_id).await?;
        let verb = Verb::RecordUsage(RecordUsage {
            meter: message.meter,
            account: customer.account,
            credit: revenue.account,
            quantity: message.quantity,
        });
        let about = (message.operation_id.as_str(), "usage", message.reference);
        let (_, done) = self.metering((&caller, &context), about, verb, &[customer, revenue]).await?;
        Ok(Response::new(proto::RecordUsageResponse {
            position: done.position.to_string(),
            repeated: done.repeated,
            charged: done.outcome.amount,
        }))
    }

    async fn get_usage(&self, call: Request<proto::GetUsageRequest>) -> Answer<proto::GetUsageResponse> {
        let (_, context) = self.context(&call)?;
        let message = call.into_inner();
        position(&self.0.ledger, context.tenant, &message.min_position)?;
        let usage = self.usage(&context, id(&message.user_id, "/user_id")?).await?;
        Ok(Response::new(proto::GetUsageResponse { usage }))
    }

    async fn get_my_usage(
        &self,
        call: Request<proto::GetMyUsageRequest>,
    ) -> Answer<proto::GetMyUsageResponse> {
        let (caller, context) = self.context(&call)?;
        position(&self.0.ledger, context.tenant, &call.get_ref().min_position)?;
        let usage = self.usage(&context, caller.user()?).await?;
        Ok(Response::new(proto::GetMyUsageResponse { usage }))
    }
}

fn meter(message: proto::PutMeterRequest) -> fault::Result<Meter> {
    let unknown = || Fault::invalid("/period", "unknown", "There is no such period.");
    let period = u32::try_from(message.period).ok().and_then(Period::numbered).ok_or_else(unknown)?;
    Ok(Meter {
        name: message.name,
        asset: asset(&message.asset)?,
        per: message.per,
        tiers: message.tiers.iter().map(|tier| Tier { up_to: tier.up_to, price: tier.price }).collect(),
        period,
        quota: message.quota,
    })
}

fn meter_message(meter: &Meter) -> proto::Meter {
    proto::Meter {
        name: meter.name.clone(),
        asset: meter.asset.to_string(),
        per: meter.per,
        tiers: meter
            .tiers
            .iter()
            .map(|tier| proto::MeterTier { up_to: tier.up_to, price: tier.price })
            .collect(),
        period: i32::from(meter.period as u8),
        quota: meter.quota,
    }
}

fn usage_message(usage: UsageView) -> proto::MeterUsage {
    proto::MeterUsage {
        meter: usage.meter.name,
        period_start: Some(milliseconds(usage.period_start_ms)),
        used: usage.used,
        reserved: usage.reserved,
        quota: usage.meter.quota,
    }
}
