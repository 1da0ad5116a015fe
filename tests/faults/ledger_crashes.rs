//! The owner of the ledger and its database are killed under load.

use std::time::Duration;

use tokio::time::sleep;

use crate::ledger_load::{Load, Wallet, migrations};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_owner_is_killed_three_times_under_batches_posts_and_holds() {
    let mut wallet = Wallet::on(testkit::databases(migrations()).await, |_| {}).await;
    let clients: Vec<_> = (0..6).map(|_| wallet.client()).collect();
    let load = Load::default();
    let killing = async {
        for pause in [150, 40, 300] {
            load.more(400).await;
            sleep(Duration::from_millis(pause)).await;
            wallet.kill_9();
            wallet.start().await;
        }
        load.more(400).await;
        load.end();
    };
    tokio::join!(load.clients(&clients), killing);
    assert!(load.failed() > 0, "it was killed while calls were under way");
    let report = wallet.audit(&load).await;
    assert!(report.partitions.iter().any(|partition| partition.snapshot_sequence.is_some()), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_killed_under_batches_posts_and_holds() {
    let mut server = testkit::Postgres::ephemeral().unwrap();
    let database = testkit::databases_on(&server.url(), migrations()).await;
    let wallet = Wallet::on(database, |_| {}).await;
    let clients: Vec<_> = (0..6).map(|_| wallet.client()).collect();
    let load = Load::default();
    let killing = async {
        for pause in [100, 500] {
            load.more(300).await;
            server.kill_9().unwrap();
            sleep(Duration::from_millis(pause)).await;
            server.start_again().unwrap();
            let recovered = load.more(200).await;
            println!("answers again {recovered:?} after the database was there again");
        }
        load.end();
    };
    tokio::join!(load.clients(&clients), killing);
    wallet.audit(&load).await;
}
