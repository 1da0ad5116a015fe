//! Idempotency records: the same operation id and body get the same answer, another body a refusal.

use fault::{Code, Fault};
use jiff_sqlx::ToSqlx as _;
use prost::Message;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::{CommandContext, storage};

/// What identifies the body of a request: its rpc and its fields.
#[must_use]
pub fn body_hash<M: Message>(rpc: &str, message: &M) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(rpc.as_bytes());
    hash.update([0]);
    hash.update(message.encode_to_vec());
    hash.finalize().into()
}

/// Takes the operation, or answers what was answered before.
///
/// The insert waits for a concurrent transaction that holds the same key, and the second statement
/// sees what that transaction committed. A record without an answer belongs to a command that was
/// cut off between its steps: it may go on, one at a time.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    context: &CommandContext,
    body_hash: &[u8; 32],
) -> fault::Result<Option<Vec<u8>>> {
    let taken = sqlx::query(
        "INSERT INTO operations (tenant_id, operation_id, body_hash, at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(context.tenant.as_uuid())
    .bind(context.operation_id.as_uuid())
    .bind(body_hash.as_slice())
    .bind(context.at.to_sqlx())
    .execute(&mut *connection)
    .await
    .map_err(storage)?;
    if taken.rows_affected() == 1 {
        return Ok(None);
    }
    let (stored_hash, answer): (Vec<u8>, Option<Vec<u8>>) = sqlx::query_as(
        "SELECT body_hash, answer FROM operations WHERE tenant_id = $1 AND operation_id = $2 FOR UPDATE",
    )
    .bind(context.tenant.as_uuid())
    .bind(context.operation_id.as_uuid())
    .fetch_one(connection)
    .await
    .map_err(storage)?;
    if stored_hash == body_hash { Ok(answer) } else { Err(reused()) }
}

/// Keeps the answer for repeated calls.
pub(crate) async fn remember(
    connection: &mut PgConnection,
    context: &CommandContext,
    body_hash: &[u8; 32],
    answer: Vec<u8>,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO operations (tenant_id, operation_id, body_hash, answer, at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (tenant_id, operation_id) DO UPDATE SET answer = excluded.answer",
    )
    .bind(context.tenant.as_uuid())
    .bind(context.operation_id.as_uuid())
    .bind(body_hash.as_slice())
    .bind(answer)
    .bind(context.at.to_sqlx())
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(())
}

fn reused() -> Fault {
    Fault::new(
        Code::OperationReused,
        "operation_id_reused",
        "This operation id was used before with another body.",
    )
}
