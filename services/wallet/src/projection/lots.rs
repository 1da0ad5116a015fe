//! Lots and their movements as tables.

use eventstore::storage;
use fault::Fault;
use sqlx::PgConnection;
use uuid::Uuid;
use wallet_domain::Batch;
use wallet_domain::effect::{Change, LotOpened};

use super::directory::{Directory, Known};

const OPEN: &str = "
INSERT INTO ledger_lots (tenant_id, lot_id, account_id, source, priority, expires_at, granted)
SELECT tenant, lot, account, source, priority, to_timestamp(expires_ms / 1000.0), granted
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::smallint[], $6::bigint[], $7::bigint[])
    AS opened (tenant, lot, account, source, priority, expires_ms, granted)";
const MOVE: &str = "
INSERT INTO ledger_lot_movements
    (tenant_id, lot_id, partition, sequence, index, operation_id, kind, units_left, free_after, held_after, at)
SELECT tenant, lot, $1, sequence, index, operation, kind, units_left, free, held, to_timestamp(at_ms / 1000.0)
FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::integer[], $6::uuid[], $7::smallint[], $8::bigint[],
            $9::bigint[], $10::bigint[], $11::bigint[])
    AS moved (tenant, lot, sequence, index, operation, kind, units_left, free, held, at_ms)";

/// Lots that were opened.
#[derive(Default)]
struct Opened {
    tenants: Vec<Uuid>,
    lots: Vec<Uuid>,
    accounts: Vec<Uuid>,
    sources: Vec<String>,
    priorities: Vec<i16>,
    expiries: Vec<Option<i64>>,
    granted: Vec<i64>,
}

/// Lots that changed.
#[derive(Default)]
struct Moved {
    tenants: Vec<Uuid>,
    lots: Vec<Uuid>,
    sequences: Vec<i64>,
    indexes: Vec<i32>,
    operations: Vec<Uuid>,
    kinds: Vec<i16>,
    left: Vec<i64>,
    free: Vec<i64>,
    held: Vec<i64>,
    times: Vec<i64>,
}

/// Where and when an effect was recorded.
struct Place {
    sequence: i64,
    index: i32,
    operation: Uuid,
    kind: i16,
    at_ms: i64,
}

/// Writes what consecutive batches say of lots.
pub(super) async fn write(
    connection: &mut PgConnection,
    partition: u16,
    directory: &Directory,
    batches: &[(u64, Batch)],
) -> fault::Result<()> {
    let (mut opened, mut moved) = (Opened::default(), Moved::default());
    for (sequence, batch) in batches.iter().filter(|(_, batch)| !batch.effects.is_empty()) {
        gather(directory, i64::try_from(*sequence).unwrap_or(i64::MAX), batch, &mut opened, &mut moved)?;
    }
    opened.write(connection).await?;
    moved.write(connection, partition).await
}

fn gather(
    directory: &Directory,
    sequence: i64,
    batch: &Batch,
    opened: &mut Opened,
    moved: &mut Moved,
) -> fault::Result<()> {
    let known = |account: u32| {
        directory.get(account).ok_or_else(|| Fault::internal(format!("a batch names account {account}")))
    };
    let mut index = 0;
    for recorded in batch.recorded() {
        for effect in recorded.effects {
            let place = Place {
                sequence,
                index,
                operation: recorded.operation.id(),
                kind: i16::try_from(recorded.operation.kind).unwrap_or_default(),
                at_ms: batch.time_of(recorded.operation),
            };
            index += 1;
            match &effect.change {
                Some(Change::LotOpened(lot)) => {
                    let account = known(lot.account)?;
                    opened.push(account, lot);
                    moved.push(account, &place, lot.id(), (0, lot.amount, 0));
                }
                Some(Change::LotMoved(lot)) => {
                    moved.push(known(lot.account)?, &place, lot.id(), (lot.left, lot.free, lot.held));
                }
                Some(Change::LotJoined(lot)) => {
                    moved.push(known(lot.account)?, &place, lot.id(), (0, lot.free, lot.held));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

impl Opened {
    fn push(&mut self, account: Known, lot: &LotOpened) {
        let terms = lot.terms.clone().unwrap_or_default();
        self.tenants.push(account.tenant);
        self.lots.push(lot.id());
        self.accounts.push(account.account);
        self.sources.push(terms.source);
        self.priorities.push(i16::try_from(terms.priority).unwrap_or_default());
        self.expiries.push(terms.expires_at_ms);
        self.granted.push(lot.amount);
    }

    async fn write(self, connection: &mut PgConnection) -> fault::Result<()> {
        if self.lots.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(OPEN).bind(self.tenants).bind(self.lots).bind(self.accounts);
        let query = query.bind(self.sources).bind(self.priorities).bind(self.expiries).bind(self.granted);
        query.execute(connection).await.map_err(storage).map(drop)
    }
}

impl Moved {
    fn push(&mut self, account: Known, place: &Place, lot: Uuid, (left, free, held): (i64, i64, i64)) {
        self.tenants.push(account.tenant);
        self.lots.push(lot);
        self.sequences.push(place.sequence);
        self.indexes.push(place.index);
        self.operations.push(place.operation);
        self.kinds.push(place.kind);
        self.left.push(left);
        self.free.push(free);
        self.held.push(held);
        self.times.push(place.at_ms);
    }

    async fn write(self, connection: &mut PgConnection, partition: u16) -> fault::Result<()> {
        if self.lots.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(MOVE).bind(i32::from(partition)).bind(self.tenants).bind(self.lots);
        let query = query.bind(self.sequences).bind(self.indexes).bind(self.operations).bind(self.kinds);
        let query = query.bind(self.left).bind(self.free).bind(self.held).bind(self.times);
        query.execute(connection).await.map_err(storage).map(drop)
    }
}
