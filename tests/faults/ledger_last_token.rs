//! A thousand calls at once want the last token.

use futures::future::join_all;
use ids::OperationId;
use tonic::Code;

use crate::ledger_load::{Load, Wallet, migrations};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_spends_of_the_last_token_exactly_one_succeeds() {
    let wallet = Wallet::on(testkit::databases(migrations()).await, |_| {}).await;
    let (client, load) = (wallet.client(), Load::default());
    let accounts = client.accounts().await;
    let first = OperationId::new();
    let request = client.post(first, &accounts.issuance, &accounts.customer, 1);
    client.ledger.clone().post(client.call(request)).await.unwrap();
    load.note(first.to_string(), true);
    let doors: Vec<_> = (0..8).map(|_| wallet.another_client(client.tenant)).collect();
    let spends = (0..1_000).map(|number| {
        let door = &doors[number % doors.len()];
        let (operation, mut ledger) = (OperationId::new(), door.ledger.clone());
        let request = door.post(operation, &accounts.customer, &accounts.revenue, 1);
        let call = door.call(request);
        async move { (operation, ledger.post(call).await.map(drop)) }
    });
    let mut won = 0;
    for (operation, answer) in join_all(spends).await {
        if let Err(status) = &answer {
            assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        }
        won += u32::from(answer.is_ok());
        load.note(operation.to_string(), answer.is_ok());
    }
    assert_eq!(won, 1);
    wallet.audit(&load).await;
}
