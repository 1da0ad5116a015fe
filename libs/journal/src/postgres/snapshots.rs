//! Snapshots in chunks, all or none; a digest over the whole is checked when one is read.

use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgPool, Row as _};

use super::{patient, signed, sql, unsigned};
use crate::{JournalError, Lease, Snapshot};

/// Rows of this size need little memory at both ends.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The lease is checked last: its row's lock would keep renewals waiting while chunks are written.
pub(super) async fn save(pool: &PgPool, lease: Lease, snapshot: &Snapshot) -> Result<(), JournalError> {
    // Cut off while it begins, its connection would go back to the pool inside of a transaction.
    let mut connection = patient(pool.acquire()).await?;
    connection.close_on_drop();
    let mut transaction = patient(connection.begin()).await?;
    let (partition, sequence) = (i32::from(lease.partition), signed(snapshot.sequence));
    let saved = sqlx::query(sql::SNAPSHOT)
        .bind(partition)
        .bind(sequence)
        .bind(snapshot.hash.as_slice())
        .bind(Sha256::digest(&snapshot.payload).as_slice())
        .bind(i64::try_from(snapshot.payload.len()).unwrap_or(i64::MAX));
    if patient(saved.execute(&mut *transaction)).await?.rows_affected() == 1 {
        for (chunk, payload) in (0_i32..).zip(snapshot.payload.chunks(CHUNK_BYTES)) {
            let chunk =
                sqlx::query(sql::SNAPSHOT_CHUNK).bind(partition).bind(sequence).bind(chunk).bind(payload);
            patient(chunk.execute(&mut *transaction)).await?;
        }
        patient(sqlx::query(sql::FORGET_SNAPSHOTS).bind(partition).execute(&mut *transaction)).await?;
    }
    let fence = sqlx::query(sql::FENCE).bind(partition).bind(signed(lease.epoch));
    if patient(fence.fetch_optional(&mut *transaction)).await?.is_none() {
        return Err(JournalError::Fenced { lease });
    }
    patient(transaction.commit()).await
}

pub(super) async fn latest(pool: &PgPool, partition: u16) -> Result<Option<Snapshot>, JournalError> {
    let head = sqlx::query(sql::LATEST_SNAPSHOT).bind(i32::from(partition)).fetch_optional(pool);
    let Some(head) = patient(head).await? else { return Ok(None) };
    let damaged = |error: sqlx::Error| JournalError::Corrupt(error.to_string());
    let sequence: i64 = head.try_get("sequence").map_err(damaged)?;
    let hash: Vec<u8> = head.try_get("hash").map_err(damaged)?;
    let digest: Vec<u8> = head.try_get("digest").map_err(damaged)?;
    let size: i64 = head.try_get("size").map_err(damaged)?;
    let size = usize::try_from(size).unwrap_or_default();
    let (payload, found) = chunks(pool, partition, sequence, size).await?;
    if found.as_slice() != digest {
        return Err(JournalError::Corrupt(format!("snapshot {sequence} of partition {partition}")));
    }
    let hash = hash.try_into().map_err(|_| JournalError::Corrupt("a hash has 32 bytes".to_owned()))?;
    Ok(Some(Snapshot { sequence: unsigned(sequence)?, hash, payload }))
}

/// The whole, and its digest. Fresh memory costs more than anything else here, so that chunks are
/// copied once.
async fn chunks(
    pool: &PgPool,
    partition: u16,
    sequence: i64,
    size: usize,
) -> Result<(Vec<u8>, [u8; 32]), JournalError> {
    let mut stream = sqlx::query(sql::SNAPSHOT_CHUNKS).bind(i32::from(partition)).bind(sequence).fetch(pool);
    let (mut payload, mut digest) = (Vec::with_capacity(size), Sha256::new());
    while let Some(row) = stream.try_next().await.map_err(JournalError::unavailable)? {
        let chunk: &[u8] = row.try_get(0).map_err(|error| JournalError::Corrupt(error.to_string()))?;
        digest.update(chunk);
        payload.extend_from_slice(chunk);
    }
    Ok((payload, digest.finalize().into()))
}
