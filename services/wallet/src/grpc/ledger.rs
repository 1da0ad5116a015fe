//! `LedgerService`: the ledger for administrators and sister services. Each rpc converts, asks, and
//! converts; the rooms beside this file hold what needs more than that.

use std::pin::Pin;

use contracts::vbwd::wallet::v1 as proto;
use contracts::vbwd::wallet::v1::ledger_service_server::LedgerService;
use fault::Fault;
use futures::Stream;
use tonic::{Request, Response, Status, Streaming};
use wallet_domain::{Asset, Command};

use super::{Api, commands, convert};
use crate::teller::Done;

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Api {
    /// Executes one command.
    pub(super) async fn execute<T>(
        &self,
        call: Request<T>,
        command: impl FnOnce(T) -> fault::Result<Command>,
    ) -> fault::Result<(Command, Done)> {
        let (caller, context) = self.context(&call)?;
        let command = command(call.into_inner())?;
        let request = convert::request_of(&caller, &context);
        let done = self.0.teller.execute(&request, command.clone(), &[]).await?;
        Ok((command, done.map_err(convert::refused)?))
    }

    /// Executes one command; the liquidity and breakage accounts that it needs are opened when they
    /// are missing.
    async fn execute_opening<T>(
        &self,
        call: Request<T>,
        command: impl FnOnce(T) -> fault::Result<Command>,
    ) -> fault::Result<(Command, Done)> {
        let (caller, context) = self.context(&call)?;
        let command = command(call.into_inner())?;
        let may_open = commands::system_accounts(context.tenant, self.assets(context.tenant).await?);
        let request = convert::request_of(&caller, &context);
        let done = self.0.teller.execute(&request, command.clone(), &may_open).await?;
        Ok((command, done.map_err(convert::refused)?))
    }

    /// What the tenant's accounts count.
    async fn assets(&self, tenant: ids::TenantId) -> fault::Result<Vec<Asset>> {
        let look = move |state: &wallet_domain::PartitionState| state.assets().collect::<Vec<_>>();
        self.0.ledger.look(tenant, look).await.map(|(_, assets)| assets)
    }
}

#[tonic::async_trait]
impl LedgerService for Api {
    async fn open_account(
        &self,
        call: Request<proto::OpenAccountRequest>,
    ) -> Answer<proto::OpenAccountResponse> {
        Ok(Response::new(self.open(call).await?))
    }

    async fn post(&self, call: Request<proto::PostRequest>) -> Answer<proto::PostResponse> {
        let (command, done) = self.execute(call, commands::post).await?;
        Ok(Response::new(proto::PostResponse {
            operation_id: command.operation.to_string(),
            position: done.position.to_string(),
            repeated: done.repeated,
        }))
    }

    async fn hold(&self, call: Request<proto::HoldRequest>) -> Answer<proto::HoldResponse> {
        let (command, done) = self.execute(call, commands::hold).await?;
        Ok(Response::new(proto::HoldResponse {
            hold_id: command.operation.to_string(),
            position: done.position.to_string(),
            repeated: done.repeated,
        }))
    }

    async fn capture(&self, call: Request<proto::CaptureRequest>) -> Answer<proto::CaptureResponse> {
        let (command, done) = self.execute(call, commands::capture).await?;
        Ok(Response::new(proto::CaptureResponse {
            operation_id: command.operation.to_string(),
            position: done.position.to_string(),
            repeated: done.repeated,
            captured: done.outcome.amount,
            left: done.outcome.left,
        }))
    }

    async fn release(&self, call: Request<proto::ReleaseRequest>) -> Answer<proto::ReleaseResponse> {
        let (command, done) = self.execute(call, commands::release).await?;
        Ok(Response::new(proto::ReleaseResponse {
            operation_id: command.operation.to_string(),
            position: done.position.to_string(),
            repeated: done.repeated,
            left: done.outcome.left,
        }))
    }

    async fn reverse(&self, call: Request<proto::ReverseRequest>) -> Answer<proto::ReverseResponse> {
        let (caller, context) = self.context(&call)?;
        let message = call.into_inner();
        let reversed = commands::reversed(&message)?;
        let found = self.0.teller.reversal(context.tenant, reversed, commands::parts(&message)).await?;
        let verb = found.ok_or_else(|| Fault::not_found("operation"))?;
        let command = commands::reversal(message, verb)?;
        let operation_id = command.operation.to_string();
        let done = self.0.teller.execute(&convert::request_of(&caller, &context), command, &[]).await?;
        let done = done.map_err(convert::refused)?;
        let (position, repeated) = (done.position.to_string(), done.repeated);
        Ok(Response::new(proto::ReverseResponse { operation_id, position, repeated }))
    }

    async fn convert(&self, call: Request<proto::ConvertRequest>) -> Answer<proto::ConvertResponse> {
        let (command, done) = self.execute_opening(call, commands::convert).await?;
        Ok(Response::new(proto::ConvertResponse {
            operation_id: command.operation.to_string(),
            position: done.position.to_string(),
            repeated: done.repeated,
            credited: done.outcome.amount,
        }))
    }

    async fn grant(&self, call: Request<proto::GrantRequest>) -> Answer<proto::GrantResponse> {
        let (command, done) = self.execute_opening(call, commands::grant).await?;
        let operation_id = command.operation.to_string();
        Ok(Response::new(proto::GrantResponse {
            lot_id: operation_id.clone(),
            operation_id,
            position: done.position.to_string(),
            repeated: done.repeated,
        }))
    }

    async fn freeze_account(
        &self,
        call: Request<proto::FreezeAccountRequest>,
    ) -> Answer<proto::FreezeAccountResponse> {
        let position = self.execute(call, super::accounts::freeze).await?.1.position.to_string();
        Ok(Response::new(proto::FreezeAccountResponse { position }))
    }

    async fn close_account(
        &self,
        call: Request<proto::CloseAccountRequest>,
    ) -> Answer<proto::CloseAccountResponse> {
        let position = self.execute(call, super::accounts::close).await?.1.position.to_string();
        Ok(Response::new(proto::CloseAccountResponse { position }))
    }

    async fn set_overdraft_limit(
        &self,
        call: Request<proto::SetOverdraftLimitRequest>,
    ) -> Answer<proto::SetOverdraftLimitResponse> {
        let position = self.execute(call, super::accounts::overdraft).await?.1.position.to_string();
        Ok(Response::new(proto::SetOverdraftLimitResponse { position }))
    }

    async fn set_balance_alerts(
        &self,
        call: Request<proto::SetBalanceAlertsRequest>,
    ) -> Answer<proto::SetBalanceAlertsResponse> {
        let position = self.execute(call, super::accounts::alerts).await?.1.position.to_string();
        Ok(Response::new(proto::SetBalanceAlertsResponse { position }))
    }

    async fn execute_batch(
        &self,
        call: Request<proto::ExecuteBatchRequest>,
    ) -> Answer<proto::ExecuteBatchResponse> {
        let (caller, context) = self.context(&call)?;
        let request = convert::request_of(&caller, &context);
        Ok(Response::new(self.batch(&caller, &request, call.into_inner()).await?))
    }

    type ExecuteStreamStream = Answers<proto::ExecuteBatchResponse>;

    async fn execute_stream(
        &self,
        call: Request<Streaming<proto::ExecuteBatchRequest>>,
    ) -> Answer<Self::ExecuteStreamStream> {
        let (caller, context) = self.context(&call)?;
        Ok(Response::new(self.batches(caller, context, call.into_inner())))
    }

    async fn post_batch(&self, call: Request<proto::PostBatchRequest>) -> Answer<proto::PostBatchResponse> {
        let (caller, context) = self.context(&call)?;
        let request = convert::request_of(&caller, &context);
        Ok(Response::new(self.packed(request, call.into_inner()).await?))
    }

    type PostStreamStream = Answers<proto::PostBatchResponse>;

    async fn post_stream(
        &self,
        call: Request<Streaming<proto::PostBatchRequest>>,
    ) -> Answer<Self::PostStreamStream> {
        let (caller, context) = self.context(&call)?;
        Ok(Response::new(self.packed_batches(caller, context, call.into_inner())))
    }

    async fn get_balance(
        &self,
        call: Request<proto::GetBalanceRequest>,
    ) -> Answer<proto::GetBalanceResponse> {
        Ok(Response::new(self.balance(call).await?))
    }

    async fn batch_get_balances(
        &self,
        call: Request<proto::BatchGetBalancesRequest>,
    ) -> Answer<proto::BatchGetBalancesResponse> {
        Ok(Response::new(self.balances(call).await?))
    }

    async fn list_entries(
        &self,
        call: Request<proto::ListEntriesRequest>,
    ) -> Answer<proto::ListEntriesResponse> {
        Ok(Response::new(self.entries(call).await?))
    }

    async fn get_operation(
        &self,
        call: Request<proto::GetOperationRequest>,
    ) -> Answer<proto::GetOperationResponse> {
        Ok(Response::new(self.operation(call).await?))
    }

    async fn list_lot_movements(
        &self,
        call: Request<proto::ListLotMovementsRequest>,
    ) -> Answer<proto::ListLotMovementsResponse> {
        Ok(Response::new(self.lot_movements(call).await?))
    }

    async fn list_accounts(
        &self,
        call: Request<proto::ListAccountsRequest>,
    ) -> Answer<proto::ListAccountsResponse> {
        Ok(Response::new(self.accounts(call).await?))
    }

    async fn get_trial_balance(
        &self,
        call: Request<proto::GetTrialBalanceRequest>,
    ) -> Answer<proto::GetTrialBalanceResponse> {
        Ok(Response::new(self.trial_balance(call).await?))
    }

    async fn set_limits(&self, call: Request<proto::SetLimitsRequest>) -> Answer<proto::SetLimitsResponse> {
        Ok(Response::new(self.replace_limits(call).await?))
    }

    async fn get_limits(&self, call: Request<proto::GetLimitsRequest>) -> Answer<proto::GetLimitsResponse> {
        Ok(Response::new(self.limits(call).await?))
    }
}
