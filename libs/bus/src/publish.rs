//! Publishing a batch quickly and in order.
//!
//! Publishes are pipelined, but never two of the same noun at once: when the connection breaks,
//! what was queued behind the break may still arrive, and would overtake what was lost in it. So a
//! batch goes out in waves, each with at most one event per noun, and a wave starts when all of the
//! one before is acknowledged.

use std::collections::HashMap;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use futures::stream::{FuturesUnordered, StreamExt as _, TryStreamExt as _};

use crate::connection::broker;
use crate::{Bus, Outbound};

/// Publishes of a wave that are under way at the same time.
const WIDTH: usize = 1_000;
const MEDIA_TYPE: &str = "application/cloudevents+json";

/// Publishes everything and returns when all of it is acknowledged.
pub(crate) async fn publish_all(bus: &Bus, batch: &[&Outbound]) -> fault::Result<()> {
    for wave in waves(batch) {
        if let Err(error) = publish_wave(bus, &wave).await {
            if error.kind() == PublishErrorKind::StreamNotFound {
                bus.ensure_stream().await?;
            }
            return Err(broker(error));
        }
    }
    Ok(())
}

/// Each publish waits for its own acknowledgement, and only so many at once: a publish waits for a
/// place while others hold them, so nobody may hold places without looking after them.
async fn publish_wave(bus: &Bus, wave: &[&Outbound]) -> Result<(), PublishError> {
    let mut under_way = FuturesUnordered::new();
    for outbound in wave {
        if under_way.len() >= WIDTH {
            under_way.next().await.unwrap_or(Ok(()))?;
        }
        under_way.push(publish(bus, outbound));
    }
    under_way.try_collect().await
}

async fn publish(bus: &Bus, outbound: &Outbound) -> Result<(), PublishError> {
    let payload = outbound.cloud_event().to_string().into();
    let subject = bus.subject(&outbound.subject());
    bus.jetstream().publish_with_headers(subject, headers(outbound), payload).await?.await.map(drop)
}

fn headers(outbound: &Outbound) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, outbound.event_id.to_string());
    headers.insert("Content-Type", MEDIA_TYPE);
    if let Some(traceparent) = outbound.traceparent.as_deref() {
        headers.insert("traceparent", traceparent);
    }
    headers
}

/// The n-th event of each noun goes into the n-th wave.
fn waves<'a>(batch: &[&'a Outbound]) -> Vec<Vec<&'a Outbound>> {
    let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
    let mut waves: Vec<Vec<&'a Outbound>> = Vec::new();
    for outbound in batch {
        let count = seen.entry((outbound.aggregate, outbound.subject_id.as_str())).or_default();
        if waves.len() == *count {
            waves.push(Vec::new());
        }
        if let Some(wave) = waves.get_mut(*count) {
            wave.push(outbound);
        }
        *count += 1;
    }
    waves
}
