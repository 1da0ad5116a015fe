//! A caller that goes away in the middle leaves no transaction behind.

use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

use eventstore::EventStore;
use ids::TenantId;
use sqlx::postgres::PgPoolOptions;

use crate::fixtures::{context, database};

/// Looks at a future now and then, at most so often, and drops it.
async fn hang_up_after<T>(looks: u32, call: impl Future<Output = T>) {
    let mut call = Box::pin(call);
    for _ in 0..looks {
        if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_begin_that_was_cut_off_leaves_no_open_transaction_in_the_pool() {
    let test = database().await;
    let options = (*test.store.pool().connect_options()).clone();
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let store = EventStore::new(pool.clone(), test.store.service());
    let tenant = TenantId::new();
    for looks in 0..6 {
        hang_up_after(looks, store.begin(&context(tenant))).await;
        hang_up_after(looks, store.begin_worker(None)).await;
        hang_up_after(looks, store.read(tenant)).await;
        let setting: Option<String> =
            sqlx::query_scalar("SELECT nullif(current_setting('vbwd.tenant_id', true), '')")
                .fetch_one(&pool)
                .await
                .unwrap();
        assert_eq!(setting, None, "another caller meets the transaction of a tenant");
        let (role, read_only): (String, String) =
            sqlx::query_as("SELECT current_user::text, current_setting('transaction_read_only')")
                .fetch_one(&pool)
                .await
                .unwrap();
        assert!(!role.ends_with("_worker"), "another caller sees every tenant");
        assert_eq!(read_only, "off", "another caller cannot write");
    }
}
