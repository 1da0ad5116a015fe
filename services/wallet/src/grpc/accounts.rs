//! Accounts: opening, settings, balances, the chart.

use contracts::vbwd::wallet::v1 as proto;
use fault::Fault;
use ids::{AccountId, TenantId};
use tonic::Request;
use wallet_domain::{
    AccountChange, AccountKind, AccountTerms, AccountView, Alerts, ChangeAccount, Command, Freeze, LotView,
    PartitionState, Verb,
};

use super::convert::{account_message, asset, balance_message, id, kind, refused, request_of, time_ms};
use super::{Api, commands};
use crate::chart::ChartRequest;
use crate::history::position;

/// Most accounts of one call.
const BALANCES_MAX: usize = 1_000;

/// An account with its lots.
pub(super) type WithLots = (AccountView, Vec<LotView>);

/// An account of a tenant with its lots.
pub(super) fn with_lots(state: &PartitionState, tenant: TenantId, account: AccountId) -> Option<WithLots> {
    let view = state.account(tenant, account)?;
    Some((view, state.lots_of(view.number).collect()))
}

fn change(operation: &str, account: &str, change: AccountChange, reason: &str) -> fault::Result<Command> {
    let reason = if reason.is_empty() { "account_changed" } else { reason };
    let note = commands::note(reason, String::new(), String::new())?;
    let verb = Verb::ChangeAccount(ChangeAccount { account: id(account, "/account_id")?, change });
    Ok(Command { operation: id(operation, "/operation_id")?, note, verb, unseen_through: 0 })
}

pub(super) fn freeze(message: proto::FreezeAccountRequest) -> fault::Result<Command> {
    let freeze = match message.status() {
        proto::AccountStatus::Open => Freeze::None,
        proto::AccountStatus::DebitsFrozen => Freeze::Debits,
        proto::AccountStatus::Frozen => Freeze::All,
        _ => return Err(Fault::invalid("/status", "unknown", "OPEN, DEBITS_FROZEN or FROZEN.")),
    };
    change(&message.operation_id, &message.account_id, AccountChange::Freeze(freeze), &message.reason)
}

pub(super) fn close(message: proto::CloseAccountRequest) -> fault::Result<Command> {
    change(&message.operation_id, &message.account_id, AccountChange::Close, &message.reason)
}

pub(super) fn overdraft(message: proto::SetOverdraftLimitRequest) -> fault::Result<Command> {
    let overdraft = AccountChange::Overdraft(message.overdraft_limit);
    change(&message.operation_id, &message.account_id, overdraft, &message.reason)
}

pub(super) fn alerts(message: proto::SetBalanceAlertsRequest) -> fault::Result<Command> {
    let alerts = AccountChange::Alerts(Alerts {
        low_below: message.low_below,
        top_up_below: message.top_up_below,
        top_up_amount: message.top_up_amount,
    });
    change(&message.operation_id, &message.account_id, alerts, &message.reason)
}

impl Api {
    pub(super) async fn open(
        &self,
        call: Request<proto::OpenAccountRequest>,
    ) -> fault::Result<proto::OpenAccountResponse> {
        let (caller, context) = self.context(&call)?;
        let tenant = context.tenant;
        let terms = terms(tenant, &call.into_inner())?;
        let opened = self.0.teller.open(request_of(&caller, &context), terms).await?.map_err(refused)?;
        let found = self.0.ledger.account(tenant, terms.account).await?;
        let account = found.accounts.first().map(account_message);
        Ok(proto::OpenAccountResponse { account, position: opened.position.to_string() })
    }

    pub(super) async fn balance(
        &self,
        call: Request<proto::GetBalanceRequest>,
    ) -> fault::Result<proto::GetBalanceResponse> {
        let (_, context) = self.context(&call)?;
        let (tenant, message) = (context.tenant, call.into_inner());
        let account: AccountId = id(&message.account_id, "/account_id")?;
        position(&self.0.ledger, tenant, &message.min_position)?;
        // The owner's memory is ahead of every position that was ever answered.
        let look = move |state: &PartitionState| with_lots(state, tenant, account);
        let (at, found) = self.0.ledger.look(tenant, look).await?;
        let (view, lots) = found.ok_or_else(|| Fault::not_found("account"))?;
        let balance = match message.as_of {
            None => balance_message(&view, &lots, at),
            Some(as_of) => {
                let at_ms = time_ms(&as_of, "/as_of")?;
                let posted = self.0.history.balance_as_of(tenant, account, at_ms).await?;
                let then = AccountView { balance: posted, held: 0, overdraft: 0, ..view };
                balance_message(&then, &[], at)
            }
        };
        Ok(proto::GetBalanceResponse { balance: Some(balance) })
    }

    pub(super) async fn balances(
        &self,
        call: Request<proto::BatchGetBalancesRequest>,
    ) -> fault::Result<proto::BatchGetBalancesResponse> {
        let (_, context) = self.context(&call)?;
        let (tenant, message) = (context.tenant, call.into_inner());
        if message.account_ids.len() > BALANCES_MAX {
            let text = "At most 1000 accounts at once.";
            return Err(Fault::invalid("/account_ids", "too_many", text).with_fact("limit", BALANCES_MAX));
        }
        position(&self.0.ledger, tenant, &message.min_position)?;
        let parsed = message.account_ids.iter().enumerate().map(|(index, text)| {
            let pointer = format!("/account_ids/{index}");
            text.parse().map_err(|_| Fault::invalid(pointer, "malformed", "This is no id."))
        });
        let accounts: Vec<AccountId> = parsed.collect::<fault::Result<_>>()?;
        let look = move |state: &PartitionState| {
            accounts.iter().filter_map(|account| with_lots(state, tenant, *account)).collect::<Vec<_>>()
        };
        let (at, found) = self.0.ledger.look(tenant, look).await?;
        let balances = found.iter().map(|(view, lots)| balance_message(view, lots, at)).collect();
        Ok(proto::BatchGetBalancesResponse { balances })
    }

    pub(super) async fn accounts(
        &self,
        call: Request<proto::ListAccountsRequest>,
    ) -> fault::Result<proto::ListAccountsResponse> {
        let (_, context) = self.context(&call)?;
        let (tenant, message) = (context.tenant, call.into_inner());
        let asked = ChartRequest {
            size: message.page_size,
            cursor: message.cursor,
            asset: if message.asset.is_empty() { None } else { Some(asset(&message.asset)?) },
            kind: if message.kind == 0 { None } else { Some(kind(message.kind)?) },
            owner: match message.owner_user_id.as_str() {
                "" => None,
                text => Some(id(text, "/owner_user_id")?),
            },
        };
        position(&self.0.ledger, tenant, &message.min_position)?;
        let page = self.0.chart.page(tenant, &asked).await?;
        let look = move |state: &PartitionState| {
            let found = page.accounts.iter().filter_map(|account| with_lots(state, tenant, *account));
            (found.collect::<Vec<_>>(), page.next_cursor)
        };
        let (at, (found, next_cursor)) = self.0.ledger.look(tenant, look).await?;
        Ok(proto::ListAccountsResponse {
            accounts: found.iter().map(|(view, _)| account_message(view)).collect(),
            balances: found.iter().map(|(view, lots)| balance_message(view, lots, at)).collect(),
            next_cursor: next_cursor.unwrap_or_default(),
        })
    }

    pub(super) async fn trial_balance(
        &self,
        call: Request<proto::GetTrialBalanceRequest>,
    ) -> fault::Result<proto::GetTrialBalanceResponse> {
        let (_, context) = self.context(&call)?;
        let tenant = context.tenant;
        position(&self.0.ledger, tenant, &call.get_ref().min_position)?;
        let (at, lines) = self.0.ledger.look(tenant, move |state| state.trial_balance(tenant)).await?;
        let line = |line: wallet_domain::TrialLine| proto::TrialBalance {
            asset: line.asset.to_string(),
            kind: line.kind as i32,
            accounts: line.accounts,
            posted: line.posted.to_string(),
            held: line.held.to_string(),
        };
        Ok(proto::GetTrialBalanceResponse {
            lines: lines.into_iter().map(line).collect(),
            position: at.to_string(),
        })
    }
}

/// The terms asked for; an account without an id is the one that follows from its terms.
fn terms(tenant: TenantId, message: &proto::OpenAccountRequest) -> fault::Result<AccountTerms> {
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
