//! Streaming rpcs as server-sent events.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures::StreamExt as _;
use tower::ServiceExt as _;

use crate::fixtures::{Fleet, config, fleet, fleet_with, no_database};

const STREAM: &str = "/api/v1/notifications/stream";

impl Fleet {
    async fn watch(&self, token: &str, last: Option<&str>) -> http::Response<Body> {
        let mut request = self.request("GET", STREAM).header("authorization", format!("Bearer {token}"));
        request = request.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    fn tell(&self, news: &str) {
        self.seen.news.lock().unwrap().as_ref().unwrap().send(news.to_owned()).unwrap();
    }
}

async fn until(body: &mut BodyDataStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let chunk = tokio::time::timeout(Duration::from_secs(20), body.next()).await.expect("in time");
        let Some(chunk) = chunk else { break };
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    text
}

#[tokio::test]
async fn every_message_is_an_event_with_its_id_and_the_last_one_resumes() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&[]));
    let response = fleet.watch(&token, Some("n-7")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(*fleet.seen.watched_from.lock().unwrap(), ["n-7"]);
    let mut body = response.into_body().into_data_stream();
    assert_eq!(until(&mut body, "\n\n").await, "retry: 1000\n\n");
    fleet.tell("n-8");
    let event = until(&mut body, "\n\n").await;
    assert!(event.starts_with("id: n-8\ndata: {\"notification\":{\"notification_id\":\"n-8\""), "{event}");
    fleet.tell("!");
    let problem = until(&mut body, "\n\n").await;
    assert!(problem.starts_with("event: problem\ndata: {"), "{problem}");
    assert!(problem.contains("\"database_unreachable\"") && problem.contains("503"));
    assert!(body.next().await.is_none(), "a problem ends the stream");
}

#[tokio::test]
async fn when_the_client_goes_the_service_stops_too() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&[]));
    let response = fleet.watch(&token, None).await;
    assert_eq!(fleet.seen.watching.load(Ordering::SeqCst), 1);
    drop(response);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if fleet.seen.watching.load(Ordering::SeqCst) == 0 {
            return;
        }
    }
    panic!("the service goes on for nobody");
}

#[tokio::test]
async fn a_drain_ends_streams_with_a_word() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&[]));
    let mut body = fleet.watch(&token, None).await.into_body().into_data_stream();
    until(&mut body, "\n\n").await;
    fleet.drain.cancel();
    assert_eq!(until(&mut body, "\n\n").await, "event: end\ndata: {\"reason\":\"draining\"}\n\n");
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn a_heartbeat_comes_and_an_expired_token_ends_the_stream() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&[]));
    let mut body = fleet.watch(&token, None).await.into_body().into_data_stream();
    until(&mut body, "\n\n").await;
    assert_eq!(until(&mut body, "\n\n").await, ":\n\n", "a sign of life");
    fleet.clock.advance(jiff::SignedDuration::from_secs(3600));
    let problem = until(&mut body, "\n\n").await;
    assert!(problem.contains("event: problem") && problem.contains("token_expired"), "{problem}");
}

#[tokio::test]
async fn streams_are_for_who_may_and_for_so_many() {
    let fleet = fleet_with(gateway::Config { streams_max: 1, ..config() }, no_database()).await;
    assert_eq!(fleet.get(STREAM).await.problem().0, 401);
    let token = fleet.token(&fleet.user(&[]));
    let json = fleet.request("GET", STREAM).header("accept", "application/json");
    let json = json.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    assert_eq!(fleet.send(json).await.problem(), (406, "not_acceptable".to_owned()));
    let first = fleet.watch(&token, None).await;
    assert_eq!(fleet.watch(&token, None).await.status(), 503);
    drop(first);
    assert_eq!(fleet.watch(&token, None).await.status(), 200, "the place is free again");
}
