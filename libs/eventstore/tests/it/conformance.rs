//! One suite for PostgreSQL and memory: what both call a log behaves the same.

use eventstore::{Log, MemoryStore, NewEvent};
use fault::Code;
use futures::future::join_all;
use ids::TenantId;
use kernel::{Position, StoredEvent};
use serde_json::json;

use crate::fixtures::{context, database, new_uuid};

#[tokio::test]
async fn postgres_conforms() {
    let database = database().await;
    suite(&database.store).await;
}

#[tokio::test]
async fn memory_conforms() {
    suite(&MemoryStore::new()).await;
}

async fn suite(log: &impl Log) {
    an_empty_log_has_nothing(log).await;
    what_is_appended_can_be_read(log).await;
    a_stale_append_writes_nothing(log).await;
    streams_of_tenants_and_kinds_are_apart(log).await;
    the_order_of_all_events_is_strict_and_pageable(log).await;
    one_of_many_concurrent_appends_wins(log).await;
}

/// Events that the steps before the one about the order have left.
const SO_FAR: usize = 7;

fn event(number: i64) -> NewEvent {
    NewEvent {
        name: "jar.filled".to_owned(), version: 1, payload: json!({ "by": number, "text": "ünï\"" })
    }
}

async fn an_empty_log_has_nothing(log: &impl Log) {
    assert_eq!(log.after(Position::START, 10).await.unwrap(), []);
    assert_eq!(log.stream(TenantId::new(), "jar", new_uuid()).await.unwrap(), []);
}

async fn what_is_appended_can_be_read(log: &impl Log) {
    let (context, stream) = (context(TenantId::new()), new_uuid());
    let mut stored = log.append(&context, "jar", stream, 0, vec![event(1), event(2)]).await.unwrap();
    stored.extend(log.append(&context, "jar", stream, 2, vec![event(3)]).await.unwrap());
    let read = log.stream(context.tenant, "jar", stream).await.unwrap();
    assert_eq!(read, stored);
    assert_eq!(read.iter().map(|event| event.revision).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(read[0].metadata, context.metadata());
    assert_eq!(read[2].payload, json!({ "by": 3, "text": "ünï\"" }));
}

async fn a_stale_append_writes_nothing(log: &impl Log) {
    let (context, stream) = (context(TenantId::new()), new_uuid());
    log.append(&context, "jar", stream, 0, vec![event(1)]).await.unwrap();
    let late = log.append(&context, "jar", stream, 0, vec![event(2), event(3)]).await.unwrap_err();
    assert_eq!(late.code(), Code::StaleRevision);
    assert_eq!(log.stream(context.tenant, "jar", stream).await.unwrap().len(), 1);
}

async fn streams_of_tenants_and_kinds_are_apart(log: &impl Log) {
    let (ours, theirs, stream) = (context(TenantId::new()), context(TenantId::new()), new_uuid());
    for (context, kind) in [(&ours, "jar"), (&ours, "pot"), (&theirs, "jar")] {
        log.append(context, kind, stream, 0, vec![event(1)]).await.unwrap();
    }
    assert_eq!(log.stream(ours.tenant, "jar", stream).await.unwrap().len(), 1);
    assert_eq!(log.stream(theirs.tenant, "pot", stream).await.unwrap().len(), 0);
}

async fn the_order_of_all_events_is_strict_and_pageable(log: &impl Log) {
    let context = context(TenantId::new());
    for _ in 0..7 {
        log.append(&context, "jar", new_uuid(), 0, vec![event(1), event(2)]).await.unwrap();
    }
    let all = settled(log, SO_FAR + 14).await;
    assert!(all.windows(2).all(|pair| pair[0].position < pair[1].position));
    let mut paged = Vec::new();
    while let page = log.after(paged.last().map_or(Position::START, |at| *at), 5).await.unwrap()
        && !page.is_empty()
    {
        paged.extend(page.iter().map(|event| event.position));
    }
    assert_eq!(paged, all.iter().map(|event| event.position).collect::<Vec<_>>());
}

/// Transactions of other tests on the same server may hold the horizon for a moment.
async fn settled(log: &impl Log, count: usize) -> Vec<StoredEvent> {
    loop {
        let all = log.after(Position::START, 1_000).await.unwrap();
        assert!(all.len() <= count, "{} events", all.len());
        if all.len() == count {
            return all;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn one_of_many_concurrent_appends_wins(log: &impl Log) {
    let (context, stream) = (context(TenantId::new()), new_uuid());
    let appends = (0..20).map(|number| log.append(&context, "jar", stream, 0, vec![event(number)]));
    let outcomes = join_all(appends).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let losers = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    assert!(losers.into_iter().all(|fault| fault.code() == Code::StaleRevision));
    assert_eq!(log.stream(context.tenant, "jar", stream).await.unwrap().len(), 1);
}
