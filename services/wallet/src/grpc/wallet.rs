//! `WalletService`: what a signed-in user sees of the own wallet, and giving to others.

use contracts::vbwd::wallet::v1 as proto;
use contracts::vbwd::wallet::v1::wallet_service_server::WalletService;
use fault::Fault;
use ids::{TenantId, UserId};
use tonic::{Request, Response, Status};
use wallet_domain::{AccountTerms, Asset, Command, Leg, PartitionState, Verb, customer_account};

use super::accounts::{WithLots, with_lots};
use super::convert::{asset, balance_message, empty_balance, entry_message, filter, id, refused, request_of};
use super::{Api, commands};
use crate::history::{PageRequest, position};

fn accounts_of(state: &PartitionState, tenant: TenantId, user: UserId) -> Vec<WithLots> {
    let views = state.accounts_of(tenant, user);
    views.map(|view| (view, state.lots_of(view.number).collect())).collect()
}

#[tonic::async_trait]
impl WalletService for Api {
    async fn get_my_balance(
        &self,
        call: Request<proto::GetMyBalanceRequest>,
    ) -> Result<Response<proto::GetMyBalanceResponse>, Status> {
        let (caller, context) = self.context(&call)?;
        let (tenant, user) = (context.tenant, caller.user()?);
        position(&self.0.ledger, tenant, &call.get_ref().min_position)?;
        let look = move |state: &PartitionState| accounts_of(state, tenant, user);
        let (at, found) = self.0.ledger.look(tenant, look).await?;
        let mut balances: Vec<_> = found.iter().map(|(view, lots)| balance_message(view, lots, at)).collect();
        if !found.iter().any(|(view, _)| view.terms.asset == Asset::TOKEN) {
            // A user who never had tokens has none; the account is opened by the first credit.
            let account = customer_account(tenant, user, Asset::TOKEN);
            balances.insert(0, empty_balance(account, Asset::TOKEN, at));
        }
        Ok(Response::new(proto::GetMyBalanceResponse { balances }))
    }

    async fn list_my_entries(
        &self,
        call: Request<proto::ListMyEntriesRequest>,
    ) -> Result<Response<proto::ListMyEntriesResponse>, Status> {
        let (caller, context) = self.context(&call)?;
        let (tenant, user) = (context.tenant, caller.user()?);
        let message = call.into_inner();
        let only = message.filter.as_ref().map(|filter| filter.asset.clone()).unwrap_or_default();
        let asked = PageRequest {
            size: message.page_size,
            cursor: message.cursor,
            min_position: message.min_position,
            filter: filter(message.filter)?,
        };
        let found = self.0.ledger.accounts_of(tenant, user).await?;
        let wanted = found.accounts.iter().filter(|view| only.is_empty() || view.terms.asset.code() == only);
        let accounts: Vec<_> = wanted.map(|view| view.terms.account).collect();
        let page = self.0.history.statement(tenant, &accounts, &asked).await?;
        let partition = found.position.partition;
        let entry = |line: &crate::EntryLine| {
            let owner = found.accounts.iter().find(|view| view.terms.account == line.account);
            let asset = owner.map(|view| view.terms.asset.to_string()).unwrap_or_default();
            entry_message(line, &asset, partition)
        };
        let entries = page.lines.iter().map(entry).collect();
        let next_cursor = page.next_cursor.unwrap_or_default();
        Ok(Response::new(proto::ListMyEntriesResponse { entries, next_cursor }))
    }

    async fn transfer(
        &self,
        call: Request<proto::TransferRequest>,
    ) -> Result<Response<proto::TransferResponse>, Status> {
        let (caller, context) = self.context(&call)?;
        let (tenant, user, operation) = (context.tenant, caller.user()?, context.operation_id);
        let message = call.into_inner();
        let recipient: UserId = id(&message.recipient_user_id, "/recipient_user_id")?;
        if recipient == user {
            let text = "A gift goes to somebody else.";
            return Err(Fault::invalid("/recipient_user_id", "same_account", text).into());
        }
        let asset = if message.asset.is_empty() { Asset::TOKEN } else { asset(&message.asset)? };
        let reason = kind(&message)?;
        let (from, to) =
            (AccountTerms::customer(tenant, user, asset), AccountTerms::customer(tenant, recipient, asset));
        let leg = Leg { debit: from.account, credit: to.account, amount: message.amount };
        let note = commands::note(reason, message.message, String::new())?;
        let command = Command { operation, note, verb: Verb::Transfer(leg), unseen_through: 0 };
        self.0.recipients.must_exist(&context, recipient).await?;
        let request = request_of(&caller, &context);
        let done = self.0.teller.execute(&request, command, &[to, from]).await?.map_err(refused)?;
        let look = move |state: &PartitionState| with_lots(state, tenant, from.account);
        let (at, found) = self.0.ledger.look(tenant, look).await?;
        Ok(Response::new(proto::TransferResponse {
            operation_id: operation.to_string(),
            position: done.position.to_string(),
            balance: found.map(|(view, lots)| balance_message(&view, &lots, at)),
        }))
    }
}

fn kind(message: &proto::TransferRequest) -> fault::Result<&'static str> {
    match message.kind() {
        proto::TransferKind::Gift => Ok("gift"),
        proto::TransferKind::Tip => Ok("tip"),
        proto::TransferKind::Refund => Ok("refund"),
        proto::TransferKind::Unspecified => Err(Fault::invalid("/kind", "unknown", "GIFT, TIP or REFUND.")),
    }
}
