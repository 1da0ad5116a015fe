//! What a checkout costs the database: measured, so that nobody adds a statement unseen.

use futures::future::join_all;

use crate::world::{line, order, world};

/// Transactions that wrote something since the last call, by their ids.
async fn writes(pool: &sqlx::PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(DISTINCT transaction) FROM events").fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn checkouts_of_the_same_moment_share_transactions() {
    let world = world().await;
    let started = std::time::Instant::now();
    let orders = (0..200).map(|_| world.check_out(order([line("large", 1), line("small", 1)])));
    for answer in join_all(orders).await {
        answer.unwrap();
    }
    let transactions = writes(&world.superuser).await;
    println!("200 checkouts at once: {transactions} transactions, {:?}", started.elapsed());
    assert!(transactions <= 100, "{transactions} transactions for 200 checkouts at once");
}
