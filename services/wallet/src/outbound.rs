//! What of the ledger is published: what happened to customer accounts. Entries of system accounts
//! stay private. Which event an operation becomes is said in [`translate`].
//!
//! The journal is the outbox. The cursor names a batch per partition (`12,0,7,3`); a batch's events
//! are translated once its accounts are in the tables, from which owner and asset are read.

mod translate;

use std::collections::HashMap;

use bus::{Outbound, OutboxSource};
use eventstore::{Leadership, storage};
use fault::Fault;
use ids::TenantId;
use journal::Journal;
use sqlx::PgConnection;
use uuid::Uuid;
use wallet_domain::{AccountKind, Batch, CorruptBatch};

use crate::NAME;
use crate::engine::Ledger;
use crate::projection::unread;
use crate::store::Store;

/// Batches looked at in one turn.
const BATCHES: u32 = 8;
/// A turn ends when it holds so many events; a batch is never split.
const EVENTS_MAX: usize = 4_000;

/// The ledger's journal as an outbox.
pub struct LedgerOutbox<J> {
    ledger: Ledger,
    journal: J,
    store: Store,
    leadership: Leadership,
}

/// The customer behind an account number.
struct Customer {
    tenant: TenantId,
    account: Uuid,
    owner: Uuid,
    asset: String,
}

/// The customers of a partition by account number.
type Customers = HashMap<u32, Customer>;

impl<J: Journal> LedgerOutbox<J> {
    /// The outbox of this ledger.
    #[must_use]
    pub fn new(ledger: Ledger, journal: J, store: Store) -> Self {
        let leadership = store.leadership("relay");
        Self { ledger, journal, store, leadership }
    }

    /// Batches of one partition that are projected, behind `after`.
    async fn batches(&self, partition: u16, after: u64) -> fault::Result<Vec<(u64, Batch)>> {
        let rows = self.journal.read(partition, after, BATCHES).await.map_err(unread)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let projected = self.store.projected(partition).await?;
        let known = rows.iter().take_while(|row| row.sequence <= projected);
        let batches = known.map(|row| Ok((row.sequence, Batch::from_payload(&row.payload)?)));
        batches.collect::<Result<_, CorruptBatch>>().map_err(Fault::internal)
    }

    async fn translate(
        &self,
        partition: u16,
        batches: &[(u64, Batch)],
    ) -> fault::Result<Vec<(u64, Vec<Outbound>)>> {
        let mut numbers: Vec<i64> =
            batches.iter().flat_map(|(_, batch)| translate::accounts(batch)).map(i64::from).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut unit = self.store.worker().await?;
        let customers = customers(&mut unit, partition, &numbers).await?;
        unit.commit().await.map_err(storage)?;
        let mut translated = Vec::new();
        let mut events = 0;
        for (sequence, batch) in batches {
            let of_batch = translate::events((partition, *sequence), batch, &customers)?;
            events += of_batch.len();
            translated.push((*sequence, of_batch));
            if events >= EVENTS_MAX {
                break;
            }
        }
        Ok(translated)
    }
}

impl<J: Journal> OutboxSource for LedgerOutbox<J> {
    fn name(&self) -> &str {
        NAME
    }

    async fn lead(&mut self) -> fault::Result<bool> {
        self.leadership.acquire().await
    }

    async fn resign(&mut self) {
        self.leadership.resign().await;
    }

    /// Partitions take turns within one look, so a busy one does not starve the others.
    async fn after(&mut self, cursor: &str, _limit: usize) -> fault::Result<Vec<(String, Vec<Outbound>)>> {
        let mut cursor = Cursor::parse(cursor, self.ledger.partitions())?;
        let mut found = Vec::new();
        for partition in 0..self.ledger.partitions() {
            let batches = self.batches(partition, cursor.get(partition)).await?;
            if batches.is_empty() {
                continue;
            }
            for (sequence, events) in self.translate(partition, &batches).await? {
                cursor.set(partition, sequence);
                found.push((cursor.to_string(), events));
            }
        }
        Ok(found)
    }

    async fn saved_cursor(&mut self) -> fault::Result<String> {
        let query = "SELECT partition, sequence FROM ledger_published";
        let rows: Vec<(i32, i64)> =
            sqlx::query_as(query).fetch_all(self.leadership.connection()?).await.map_err(storage)?;
        let mut cursor = Cursor::parse("", self.ledger.partitions())?;
        for (partition, sequence) in rows {
            cursor.set(
                u16::try_from(partition).unwrap_or(u16::MAX),
                u64::try_from(sequence).unwrap_or_default(),
            );
        }
        Ok(cursor.to_string())
    }

    async fn save_cursor(&mut self, cursor: &str) -> fault::Result<()> {
        let cursor = Cursor::parse(cursor, self.ledger.partitions())?;
        let sequences: Vec<i64> = cursor.0.iter().map(|at| i64::try_from(*at).unwrap_or(i64::MAX)).collect();
        sqlx::query(
            "INSERT INTO ledger_published (partition, sequence) \
             SELECT place - 1, sequence FROM unnest($1::bigint[]) WITH ORDINALITY AS at (sequence, place) \
             ON CONFLICT (partition) DO UPDATE SET sequence = excluded.sequence",
        )
        .bind(sequences)
        .execute(self.leadership.connection()?)
        .await
        .map_err(storage)?;
        Ok(())
    }

    fn pulse(&self) -> eventstore::Pulse {
        eventstore::Pulse::new(Some(self.ledger.projection_wakes()))
    }
}

/// A batch per partition.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor(Vec<u64>);

impl Cursor {
    fn parse(text: &str, partitions: u16) -> fault::Result<Self> {
        let mut all = vec![0; usize::from(partitions)];
        if text.is_empty() {
            return Ok(Self(all));
        }
        let malformed = || Fault::invalid("/from", "malformed", "This is no cursor of the ledger.");
        for (place, part) in text.split(',').enumerate() {
            *all.get_mut(place).ok_or_else(malformed)? = part.parse().map_err(|_| malformed())?;
        }
        Ok(Self(all))
    }

    fn get(&self, partition: u16) -> u64 {
        self.0.get(usize::from(partition)).copied().unwrap_or_default()
    }

    fn set(&mut self, partition: u16, sequence: u64) {
        if let Some(at) = self.0.get_mut(usize::from(partition)) {
            *at = sequence;
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&parts.join(","))
    }
}

async fn customers(
    connection: &mut PgConnection,
    partition: u16,
    numbers: &[i64],
) -> fault::Result<Customers> {
    let rows: Vec<(i64, Uuid, Uuid, Uuid, String)> = sqlx::query_as(
        "SELECT number, tenant_id, account_id, owner_user_id, asset FROM ledger_accounts \
         WHERE partition = $1 AND number = ANY($2) AND kind = $3 AND owner_user_id IS NOT NULL",
    )
    .bind(i32::from(partition))
    .bind(numbers)
    .bind(AccountKind::Customer as i16)
    .fetch_all(connection)
    .await
    .map_err(storage)?;
    let customer = |(number, tenant, account, owner, asset): (i64, Uuid, Uuid, Uuid, String)| {
        let tenant = TenantId::from_uuid(tenant);
        Some((u32::try_from(number).ok()?, Customer { tenant, account, owner, asset }))
    };
    Ok(rows.into_iter().filter_map(customer).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_text() {
        let mut cursor = Cursor::parse("", 3).unwrap();
        cursor.set(1, 7);
        assert_eq!(cursor.to_string(), "0,7,0");
        assert_eq!(Cursor::parse("0,7,0", 3).unwrap(), cursor);
        for text in ["0,7,0,1", "a", "1,,2"] {
            assert!(Cursor::parse(text, 3).is_err(), "{text}");
        }
    }
}
