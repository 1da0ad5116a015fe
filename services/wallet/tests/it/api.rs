//! The rpcs as callers see them, with the guard in front and everything behind it running.

use std::time::Duration;

use auth::Caller;
use contracts::vbwd::invoicing::v1::line_item_source_service_client::LineItemSourceServiceClient;
use contracts::vbwd::invoicing::v1::{FulfilRequest, QuoteRequest, SoldLine};
use contracts::vbwd::wallet::v1::ledger_service_client::LedgerServiceClient;
use contracts::vbwd::wallet::v1::token_bundle_service_client::TokenBundleServiceClient;
use contracts::vbwd::wallet::v1::wallet_service_client::WalletServiceClient;
use contracts::vbwd::wallet::v1::*;
use fault::{Code, Fault};
use futures::StreamExt as _;
use ids::{OperationId, TenantId};

use crate::world::world;

fn post(from: &Account, to: &Account, amount: i64) -> PostRequest {
    let posting = Posting {
        debit_account_id: from.account_id.clone(),
        credit_account_id: to.account_id.clone(),
        amount,
    };
    PostRequest {
        operation_id: OperationId::new().to_string(),
        postings: vec![posting],
        reason: "adjustment".to_owned(),
        ..PostRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bought_tokens_show_in_balance_and_statement_and_are_published() {
    let world = world().await;
    let client = async_nats::connect(world.nats.url()).await.unwrap();
    let mut published = client.subscribe(format!("evt.{}.wallet.>", world.tenant)).await.unwrap();
    client.flush().await.unwrap();
    let bundle = world.bundle().await;
    let mut source = LineItemSourceServiceClient::new(world.channel());
    let quote = QuoteRequest {
        item_id: bundle.bundle_id.clone(),
        quantity: 2,
        currency: "EUR".to_owned(),
        user_id: world.user.to_string(),
    };
    let quote = source.quote(world.invoicing(quote)).await.unwrap().into_inner();
    let line = SoldLine {
        line_id: ids::LineId::new().to_string(),
        invoice_id: ids::InvoiceId::new().to_string(),
        item_id: bundle.bundle_id,
        quantity: 2,
        user_id: world.user.to_string(),
        terms_json: quote.terms_json,
    };
    let fulfil = FulfilRequest { line: Some(line) };
    let first = source.fulfil(world.invoicing(fulfil.clone())).await.unwrap().into_inner();
    let again = source.fulfil(world.invoicing(fulfil)).await.unwrap().into_inner();
    assert_eq!(first, again);

    let mut wallet = WalletServiceClient::new(world.channel());
    let min_position = first.receipt;
    let asked = GetMyBalanceRequest { min_position: min_position.clone() };
    let balances =
        wallet.get_my_balance(world.call(&world.customer(), asked)).await.unwrap().into_inner().balances;
    assert_eq!(
        balances.iter().map(|balance| (balance.asset.as_str(), balance.available)).collect::<Vec<_>>(),
        [("TOKEN", 1_000)]
    );
    let asked = ListMyEntriesRequest { min_position, ..ListMyEntriesRequest::default() };
    let entries =
        wallet.list_my_entries(world.call(&world.customer(), asked)).await.unwrap().into_inner().entries;
    assert_eq!(
        entries.iter().map(|entry| (entry.amount, entry.reason.as_str())).collect::<Vec<_>>(),
        [(1_000, "purchase")]
    );

    let message = tokio::time::timeout(Duration::from_secs(10), published.next()).await.unwrap().unwrap();
    let event: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!((&event["type"], &event["data"]["amount"]), (&"tokens.credited".into(), &"1000".into()));
    assert_eq!(event["data"]["userId"], world.user.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_operation_is_idempotent_and_its_refusals_have_codes() {
    let world = world().await;
    let issuance = world.open(AccountKind::Issuance, None).await;
    let customer = world.open(AccountKind::Customer, Some(world.user)).await;
    assert_eq!(world.open(AccountKind::Customer, Some(world.user)).await, customer, "opened once");
    let mut ledger = LedgerServiceClient::new(world.channel());
    let grant = post(&issuance, &customer, 10);
    let first = ledger.post(world.call(&world.admin(), grant.clone())).await.unwrap().into_inner();
    let again = ledger.post(world.call(&world.admin(), grant.clone())).await.unwrap().into_inner();
    assert_eq!((again.position, again.repeated), (first.position.clone(), true));

    let mut reused = grant.clone();
    reused.postings[0].amount = 11;
    let mut nobody = post(&issuance, &customer, 1);
    nobody.postings[0].credit_account_id = ids::AccountId::new().to_string();
    let rows = [
        (reused, Code::OperationReused, "operation_id_reused"),
        (post(&customer, &issuance, 11), Code::Rejected, "insufficient_funds"),
        (post(&issuance, &customer, 0), Code::InvalidInput, "amount_not_positive"),
        (post(&issuance, &issuance, 1), Code::InvalidInput, "same_account"),
        (nobody, Code::NotFound, "account_unknown"),
        (PostRequest { operation_id: "x".to_owned(), ..grant }, Code::InvalidInput, "invalid_input"),
    ];
    for (request, code, reason) in rows {
        let fault = Fault::from(ledger.post(world.call(&world.admin(), request)).await.unwrap_err());
        assert_eq!((fault.code(), fault.reason()), (code, reason));
    }
    let asked =
        GetBalanceRequest { account_id: customer.account_id, min_position: first.position, as_of: None };
    let balance =
        ledger.get_balance(world.call(&world.admin(), asked)).await.unwrap().into_inner().balance.unwrap();
    assert_eq!((balance.posted, balance.held, balance.available), (10, 0, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_is_refused() {
    let world = world().await;
    let mut ledger = LedgerServiceClient::new(world.channel());
    let mut source = LineItemSourceServiceClient::new(world.channel());
    let mut bundles = TokenBundleServiceClient::new(world.channel());
    let mut wallet = WalletServiceClient::new(world.channel());
    let customer = world.customer();
    let balance =
        GetBalanceRequest { account_id: ids::AccountId::new().to_string(), ..GetBalanceRequest::default() };
    let refused = [
        ledger.get_balance(world.call(&customer, balance)).await.unwrap_err(),
        source.fulfil(world.call(&world.admin(), FulfilRequest { line: None })).await.unwrap_err(),
        bundles
            .list_all_token_bundles(world.call(&customer, ListAllTokenBundlesRequest {}))
            .await
            .unwrap_err(),
    ];
    for status in refused {
        assert_eq!(Fault::from(status).code(), Code::Forbidden);
    }
    let nobody = Caller::anonymous(world.tenant);
    let mine = GetMyBalanceRequest { min_position: String::new() };
    let status = wallet.get_my_balance(world.call(&nobody, mine)).await.unwrap_err();
    assert_eq!(Fault::from(status).code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_tokens_has_none() {
    let world = world().await;
    let mut wallet = WalletServiceClient::new(world.channel());
    let asked = GetMyBalanceRequest { min_position: String::new() };
    let balances =
        wallet.get_my_balance(world.call(&world.customer(), asked)).await.unwrap().into_inner().balances;
    assert_eq!(
        balances.iter().map(|balance| (balance.asset.as_str(), balance.posted)).collect::<Vec<_>>(),
        [("TOKEN", 0)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_public_list_shows_active_bundles_and_changes_need_the_revision() {
    let world = world().await;
    let bundle = world.bundle().await;
    let mut client = TokenBundleServiceClient::new(world.channel());
    let nobody = Caller::anonymous(world.tenant);
    let list = client.list_token_bundles(world.call(&nobody, ListTokenBundlesRequest {})).await.unwrap();
    assert_eq!(list.into_inner().bundles, std::slice::from_ref(&bundle));
    let hide = UpdateTokenBundleRequest {
        bundle_id: bundle.bundle_id.clone(),
        name: bundle.name.clone(),
        description: String::new(),
        tokens: 500,
        prices: bundle.prices.clone(),
        active: false,
        sort_order: 1,
        revision: bundle.revision,
    };
    let hidden = client.update_token_bundle(world.call(&world.admin(), hide.clone())).await.unwrap();
    assert_eq!(hidden.into_inner().bundle.unwrap().revision, 2);
    let list = client.list_token_bundles(world.call(&nobody, ListTokenBundlesRequest {})).await.unwrap();
    assert_eq!(list.into_inner().bundles, []);
    let stale = client.update_token_bundle(world.call(&world.admin(), hide)).await.unwrap_err();
    assert_eq!(Fault::from(stale).code(), Code::StaleRevision);
    let other = Caller::anonymous(TenantId::new());
    let list = client.list_token_bundles(world.call(&other, ListTokenBundlesRequest {})).await.unwrap();
    assert_eq!(list.into_inner().bundles, [], "another tenant has its own catalogue");
}
