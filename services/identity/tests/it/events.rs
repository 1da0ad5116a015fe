//! What others hear.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;

use crate::fixtures::{OWNER, world};

#[tokio::test]
async fn facts_are_published_as_cloud_events() {
    let world = world().await;
    let client = async_nats::connect(world.nats.url()).await.unwrap();
    let mut heard = client.subscribe(format!("evt.{}.identity.>", world.tenant)).await.unwrap();
    client.flush().await.unwrap();
    let owner = world.signed_in(OWNER).await;
    let ann = world.user("ann@example.com", "customer").await;
    world.suspend(&owner, ann).await.unwrap();
    let event = loop {
        let message = tokio::time::timeout(Duration::from_secs(20), heard.next()).await.unwrap().unwrap();
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        if event["type"] == "user.suspended" {
            assert!(message.subject.ends_with(".identity.user.suspended.v1"), "{}", message.subject);
            break event;
        }
    };
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["tenantid"], world.tenant.to_string());
    assert_eq!(event["subject"], ann.to_string());
    assert_eq!(event["data"]["userId"], ann.to_string());
    assert_eq!(event["data"]["reason"], "chargeback");
    assert_eq!(event["data"]["at"], "2026-01-01T00:00:00Z");
}
