//! Several streams that begin in one statement.

use eventstore::NewStream;
use fault::Code;
use ids::TenantId;

use crate::fixtures::{Jar, context, database, filled, new_uuid};
use crate::horizon::until;

fn jar(tenant: TenantId, amounts: &[i64]) -> NewStream<Jar> {
    let events = amounts.iter().copied().map(filled).collect();
    NewStream { context: context(tenant), id: new_uuid(), events }
}

#[tokio::test]
async fn streams_begin_together_each_in_its_own_circumstances() {
    let database = database().await;
    let store = database.replica();
    let tenant = TenantId::new();
    let jars = [jar(tenant, &[1, 2]), jar(tenant, &[3]), jar(tenant, &[4, 5])];
    let mut unit = store.begin(&jars[0].context).await.unwrap();
    let begun = unit.append_new(&jars).await.unwrap();
    let last = unit.commit().await.unwrap();
    let contents: Vec<_> = begun.iter().map(|(jar, _)| (jar.state.content, jar.revision)).collect();
    assert_eq!(contents, [(3, 2), (3, 1), (9, 2)]);
    assert_eq!(begun[2].1, last);
    let events = until(&store, 5).await;
    assert_eq!(events.len(), 5);
    for (stream, (_, position)) in jars.iter().zip(&begun) {
        let stored = events.iter().rfind(|event| event.stream == stream.id).unwrap();
        assert_eq!(stored.position, *position, "the position of its own last event");
        assert_eq!(stored.metadata, stream.context.metadata());
    }
}

#[tokio::test]
async fn a_stream_that_exists_stops_them_all() {
    let database = database().await;
    let store = database.replica();
    let tenant = TenantId::new();
    let (first, second) = (jar(tenant, &[1]), jar(tenant, &[2]));
    let mut unit = store.begin(&first.context).await.unwrap();
    unit.append_new(std::slice::from_ref(&first)).await.unwrap();
    unit.commit().await.unwrap();
    let mut unit = store.begin(&first.context).await.unwrap();
    let fault = unit.append_new(&[second, first]).await.unwrap_err();
    assert_eq!(fault.code(), Code::StaleRevision);
    assert!(unit.commit().await.is_err(), "a failed unit cannot be committed");
    assert_eq!(until(&store, 1).await.len(), 1);
}
