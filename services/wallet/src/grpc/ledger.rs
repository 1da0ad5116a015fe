//! `LedgerService`: the ledger for administrators and sister services.

use std::sync::Arc;

use contracts::vbwd::wallet::v1 as proto;
use contracts::vbwd::wallet::v1::ledger_service_server::LedgerService;
use fault::Fault;
use ids::AccountId;
use tonic::{Request, Response, Status};
use wallet_domain::{AccountKind, AccountTerms, Leg, OpenAccount, Post};

use super::Api;
use super::convert::{asset, balance_message, entry_message, id, kind, refused, request};
use crate::queries::{PageRequest, position};

#[tonic::async_trait]
impl LedgerService for Api {
    async fn open_account(
        &self,
        call: Request<proto::OpenAccountRequest>,
    ) -> Result<Response<proto::OpenAccountResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let terms = terms(context.tenant, &call.into_inner())?;
        let opened = self.0.ledger.open_account(request(&context), OpenAccount { terms }).await?;
        let position = opened.map_err(refused)?.position.to_string();
        let account = proto::Account {
            account_id: terms.account.to_string(),
            kind: terms.kind as i32,
            asset: terms.asset.to_string(),
            owner_user_id: terms.owner.map(|owner| owner.to_string()).unwrap_or_default(),
        };
        Ok(Response::new(proto::OpenAccountResponse { account: Some(account), position }))
    }

    async fn post(&self, call: Request<proto::PostRequest>) -> Result<Response<proto::PostResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let message = call.into_inner();
        let command = command(&message)?;
        let posted = self.0.ledger.post_one(request(&context), command).await?;
        let position = posted.map_err(refused)?.position.to_string();
        Ok(Response::new(proto::PostResponse { operation_id: message.operation_id, position }))
    }

    async fn get_balance(
        &self,
        call: Request<proto::GetBalanceRequest>,
    ) -> Result<Response<proto::GetBalanceResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let message = call.into_inner();
        let account: AccountId = id(&message.account_id, "/account_id")?;
        position(&self.0.ledger, context.tenant, &message.min_position)?;
        // The owner's memory is ahead of every position that was ever answered.
        let balances = self.0.ledger.account(context.tenant, account).await?;
        let view = balances.accounts.first().ok_or_else(|| Fault::not_found("account"))?;
        let balance = Some(balance_message(view, balances.position));
        Ok(Response::new(proto::GetBalanceResponse { balance }))
    }

    async fn list_entries(
        &self,
        call: Request<proto::ListEntriesRequest>,
    ) -> Result<Response<proto::ListEntriesResponse>, Status> {
        let (_, context) = self.context(&call)?;
        let message = call.into_inner();
        let account: AccountId = id(&message.account_id, "/account_id")?;
        let asked = PageRequest {
            size: message.page_size,
            cursor: message.cursor,
            min_position: message.min_position,
        };
        let page = self.0.statements.page(context.tenant, &[account], &asked).await?;
        let entries = page.entries.into_iter().map(entry_message).collect();
        let next_cursor = page.next_cursor.unwrap_or_default();
        Ok(Response::new(proto::ListEntriesResponse { entries, next_cursor }))
    }
}

/// The terms asked for; an account without an id is the one that follows from its terms.
fn terms(tenant: ids::TenantId, message: &proto::OpenAccountRequest) -> fault::Result<AccountTerms> {
    let (kind, asset) = (kind(message.kind)?, asset(&message.asset)?);
    let owner = match message.owner_user_id.as_str() {
        "" => None,
        text => Some(id(text, "/owner_user_id")?),
    };
    let derived = match owner {
        Some(user) if kind == AccountKind::Customer => AccountTerms::customer(tenant, user, asset),
        _ => AccountTerms { owner, ..AccountTerms::system(tenant, kind, asset) },
    };
    let account = match message.account_id.as_str() {
        "" => derived.account,
        text => id(text, "/account_id")?,
    };
    Ok(AccountTerms { account, ..derived })
}

fn command(message: &proto::PostRequest) -> fault::Result<Post> {
    let leg = |(index, posting): (usize, &proto::Posting)| {
        let pointer = |side: &str| format!("/postings/{index}/{side}_account_id");
        Ok(Leg {
            debit: posting.debit_account_id.parse().map_err(|_| malformed(pointer("debit")))?,
            credit: posting.credit_account_id.parse().map_err(|_| malformed(pointer("credit")))?,
            amount: posting.amount,
        })
    };
    Ok(Post {
        operation: id(&message.operation_id, "/operation_id")?,
        legs: message.postings.iter().enumerate().map(leg).collect::<fault::Result<_>>()?,
        reason: Arc::from(message.reason.as_str()),
        reference: message.reference.clone(),
    })
}

fn malformed(pointer: String) -> Fault {
    Fault::invalid(pointer, "malformed", "This is no id.")
}
