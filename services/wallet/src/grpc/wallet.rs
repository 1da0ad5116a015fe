//! `WalletService`: what a signed-in user sees of the own wallet.

use contracts::vbwd::wallet::v1 as proto;
use contracts::vbwd::wallet::v1::wallet_service_server::WalletService;
use tonic::{Request, Response, Status};
use wallet_domain::{Asset, customer_account};

use super::Api;
use super::convert::{balance, balance_message, entry_message};
use crate::queries::{PageRequest, position};

#[tonic::async_trait]
impl WalletService for Api {
    async fn get_my_balance(
        &self,
        call: Request<proto::GetMyBalanceRequest>,
    ) -> Result<Response<proto::GetMyBalanceResponse>, Status> {
        let (caller, context) = self.context(&call)?;
        let (tenant, user) = (context.tenant, caller.user()?);
        position(&self.0.ledger, tenant, &call.get_ref().min_position)?;
        let found = self.0.ledger.accounts_of(tenant, user).await?;
        let mut balances: Vec<_> =
            found.accounts.iter().map(|view| balance_message(view, found.position)).collect();
        if !found.accounts.iter().any(|view| view.terms.asset == Asset::TOKEN) {
            // A user who never had tokens has none; the account is opened by the first credit.
            let account = customer_account(tenant, user, Asset::TOKEN);
            balances.insert(0, balance(account, Asset::TOKEN, 0, found.position));
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
        let found = self.0.ledger.accounts_of(tenant, user).await?;
        let accounts: Vec<_> = found.accounts.iter().map(|view| view.terms.account).collect();
        let asked = PageRequest {
            size: message.page_size,
            cursor: message.cursor,
            min_position: message.min_position,
        };
        let page = self.0.statements.page(tenant, &accounts, &asked).await?;
        let entries = page.entries.into_iter().map(entry_message).collect();
        let next_cursor = page.next_cursor.unwrap_or_default();
        Ok(Response::new(proto::ListMyEntriesResponse { entries, next_cursor }))
    }
}
