//! Batches and streams: a result for every operation, whatever its neighbours come to.

use contracts::vbwd::wallet::v1::ledger_command::Command;
use contracts::vbwd::wallet::v1::*;
use futures::StreamExt as _;
use ids::AccountId;

use crate::world::{Accounts, World, new_id, violation, world};

fn a_post(debit: &str, credit: &str, amount: i64) -> PostRequest {
    let posting =
        Posting { debit_account_id: debit.to_owned(), credit_account_id: credit.to_owned(), amount };
    PostRequest {
        operation_id: new_id(),
        postings: vec![posting],
        reason: "bulk".to_owned(),
        ..PostRequest::default()
    }
}

fn command(command: Command) -> LedgerCommand {
    LedgerCommand { command: Some(command) }
}

fn columns(accounts: &Accounts, amounts: &[i64]) -> PostBatchRequest {
    let halves = |id: &str| <[u64; 2]>::from(id.parse::<AccountId>().unwrap().as_uuid().as_u64_pair());
    let repeat = |id: &str| amounts.iter().flat_map(|_| halves(id)).collect();
    PostBatchRequest {
        operation_ids: amounts.iter().flat_map(|_| halves(&new_id())).collect(),
        debit_account_ids: repeat(&accounts.issuance),
        credit_account_ids: repeat(&accounts.customer),
        amounts: amounts.to_vec(),
        reason: "bulk".to_owned(),
        reference: String::new(),
    }
}

async fn post_batch(world: &World, request: PostBatchRequest) -> PostBatchResponse {
    world.ledger().post_batch(world.admin_call(request)).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_a_batch_has_its_own_result() {
    let world = world().await;
    let accounts = world.accounts(0).await;
    let first = a_post(&accounts.issuance, &accounts.customer, 10);
    let hold = HoldRequest {
        operation_id: new_id(),
        account_id: accounts.customer.clone(),
        credit_account_id: accounts.revenue.clone(),
        amount: 4,
        reason: "order".to_owned(),
        ..HoldRequest::default()
    };
    let capture = CaptureRequest {
        operation_id: new_id(),
        hold_id: hold.operation_id.clone(),
        amount: 3,
        reason: "order".to_owned(),
        ..CaptureRequest::default()
    };
    let nothing = ReverseRequest {
        operation_id: new_id(),
        reversed_operation_id: new_id(),
        reason: "mistake".to_owned(),
        ..ReverseRequest::default()
    };
    let commands = vec![
        command(Command::Post(first.clone())),
        command(Command::Hold(hold)),
        command(Command::Post(a_post(&accounts.customer, &accounts.revenue, 7))),
        command(Command::Reverse(nothing)),
        command(Command::Capture(capture)),
        command(Command::Post(first)),
    ];
    let done = world.ledger().execute_batch(world.admin_call(ExecuteBatchRequest { commands })).await;
    let results = done.unwrap().into_inner().results;
    let seen: Vec<_> =
        results.iter().map(|one| (one.code.as_str(), one.repeated, one.amount, one.left)).collect();
    let expected = [
        ("", false, 10, 0),
        ("", false, 0, 4),
        ("insufficient_funds", false, 0, 0),
        ("not_reversible", false, 0, 0),
        ("", false, 3, 1),
        ("", true, 10, 0),
    ];
    assert_eq!(seen, expected);
    assert_eq!(world.figures(&accounts.customer).await, (7, 1, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_of_posts_are_done_once_and_refused_one_by_one() {
    let world = world().await;
    let accounts = world.accounts(0).await;
    let mut request = columns(&accounts, &[1, 2, 0, i64::MAX, i64::MAX, 3]);
    let unknown = <[u64; 2]>::from(AccountId::new().as_uuid().as_u64_pair());
    request.credit_account_ids[2..4].copy_from_slice(&unknown);
    let done = post_batch(&world, request.clone()).await;
    let refused = |done: &PostBatchResponse| {
        done.refused.iter().map(|one| (one.place, one.code.clone())).collect::<Vec<_>>()
    };
    let expected = [
        (1, "account_unknown"),
        (2, "amount_not_positive"),
        (3, "balance_out_of_range"),
        (4, "balance_out_of_range"),
    ];
    assert_eq!(refused(&done), expected.map(|(place, code)| (place, code.to_owned())));
    assert_eq!((done.done, done.repeated.clone()), (2, vec![]));
    let again = post_batch(&world, request).await;
    assert_eq!((again.done, again.repeated, again.refused), (2, vec![0, 5], done.refused));
    assert_eq!(world.balance(&accounts.customer).await.posted, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_out_of_shape_change_nothing() {
    let world = world().await;
    let accounts = world.accounts(0).await;
    let mut uneven = columns(&accounts, &[1, 2]);
    uneven.debit_account_ids.pop();
    let mut nil = columns(&accounts, &[1]);
    nil.operation_ids = vec![0, 0];
    for (request, code) in [
        (uneven, "uneven"),
        (nil, "malformed"),
        (columns(&accounts, &[]), "missing"),
        (columns(&accounts, &vec![1; 8_193]), "too_many"),
    ] {
        assert_eq!(violation(world.ledger().post_batch(world.admin_call(request)).await), code);
    }
    let bad = a_post("no id", &accounts.customer, 1);
    let commands = vec![
        command(Command::Post(a_post(&accounts.issuance, &accounts.customer, 5))),
        command(Command::Post(bad)),
    ];
    let refused = world.ledger().execute_batch(world.admin_call(ExecuteBatchRequest { commands })).await;
    let fault = fault::Fault::from(refused.unwrap_err());
    assert_eq!(fault.violations()[0].pointer, "/commands/1/postings/0/debit_account_id");
    assert_eq!(world.balance(&accounts.customer).await.posted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_answers_its_batches_in_order() {
    let world = world().await;
    let accounts = world.accounts(0).await;
    let requests: Vec<_> = (1..=20).map(|count| columns(&accounts, &vec![1; count])).collect();
    let call = world.admin_call(futures::stream::iter(requests));
    let answers = world.ledger().post_stream(call).await.unwrap().into_inner();
    let done: Vec<_> = answers.map(|answer| answer.unwrap().done).collect().await;
    assert_eq!(done, (1..=20).collect::<Vec<_>>());
    assert_eq!(world.balance(&accounts.customer).await.posted, 210);
}
