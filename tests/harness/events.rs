//! An ear on the published events: a plain NATS client, as an integrator has it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;

use super::{Fleet, eventually};

/// Everything that was published since it began to listen.
#[derive(Clone)]
pub struct Ear(Arc<Mutex<Vec<(String, Value)>>>);

impl Ear {
    /// Begins to listen.
    #[allow(clippy::disallowed_methods, reason = "a test's own task")]
    pub async fn on(fleet: &Fleet) -> Self {
        let client = async_nats::connect(fleet.nats.url()).await.expect("the broker answers");
        let mut messages = client.subscribe("evt.>").await.expect("a subscription");
        client.flush().await.expect("the subscription is known");
        let heard = Self(Arc::default());
        let ear = heard.clone();
        tokio::spawn(async move {
            let _client = client;
            while let Some(message) = messages.next().await {
                let event = serde_json::from_slice(&message.payload).expect("a CloudEvent is JSON");
                ear.0.lock().unwrap().push((message.subject.to_string(), event));
            }
        });
        heard
    }

    /// Every event of a type that is about somebody or something.
    pub fn heard(&self, kind: &str, about: &str) -> Vec<Value> {
        let all = self.0.lock().unwrap();
        let fits = |event: &&(String, Value)| {
            event.1["type"].as_str().is_some_and(|name| name.starts_with(kind))
                && event.1.to_string().contains(about)
        };
        all.iter().filter(fits).map(|(_, event)| event.clone()).collect()
    }

    /// Waits for an event of a type that is about something.
    pub async fn wait_for(&self, kind: &str, about: &str) -> Value {
        eventually(&format!("event {kind} about {about}"), Duration::from_secs(40), || async {
            self.heard(kind, about).into_iter().next()
        })
        .await
    }
}
