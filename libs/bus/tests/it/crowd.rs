//! More nouns at once than publishes may wait for their acknowledgement.

use std::time::Duration;

use bus::{Outbound, OutboxSource, republish};
use contracts::vbwd::invoicing::v1::InvoicePaid;
use ids::{EventId, TenantId};
use kernel::{Clock as _, SystemClock};

use crate::fixtures::{SCHEMA, World, new_uuid};

const NOUNS: usize = 5_000;

/// One entry with an event for each of many nouns, as a batch of the ledger is.
struct Crowd(TenantId);

impl OutboxSource for Crowd {
    fn name(&self) -> &str {
        "crowd"
    }

    async fn lead(&mut self) -> fault::Result<bool> {
        Ok(true)
    }

    async fn resign(&mut self) {}

    async fn after(&mut self, cursor: &str, _: usize) -> fault::Result<Vec<(String, Vec<Outbound>)>> {
        let events = (0..NOUNS).map(|_| paid(self.0)).collect();
        Ok(if cursor.is_empty() { vec![("1".to_owned(), events)] } else { Vec::new() })
    }

    async fn saved_cursor(&mut self) -> fault::Result<String> {
        Ok(String::new())
    }

    async fn save_cursor(&mut self, _: &str) -> fault::Result<()> {
        Ok(())
    }
}

fn paid(tenant: TenantId) -> Outbound {
    let invoice = new_uuid().to_string();
    let message = InvoicePaid { invoice_id: invoice.clone(), ..InvoicePaid::default() };
    Outbound {
        tenant,
        service: "invoicing",
        aggregate: "invoice",
        event: "invoice.paid".to_owned(),
        event_id: EventId::new(),
        subject_id: invoice,
        sequence: "1".to_owned(),
        at: SystemClock.wall(),
        correlation_id: new_uuid(),
        causation_id: None,
        traceparent: None,
        data: bus::canonical_json(SCHEMA, &message).unwrap(),
        data_schema: SCHEMA,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_nouns_is_published_and_does_not_wait_for_itself() {
    let mut world = World::new().await;
    let mut crowds = [Crowd(TenantId::new()), Crowd(TenantId::new())];
    let [one, other] = &mut crowds;
    let both = async { tokio::join!(republish(&world.bus, one, ""), republish(&world.bus, other, "")) };
    let (one, other) = tokio::time::timeout(Duration::from_secs(15), both).await.expect("it ends");
    assert_eq!((one.unwrap(), other.unwrap()), (NOUNS as u64, NOUNS as u64));
    world.stop().await;
}
