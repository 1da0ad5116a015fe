//! The table behind idempotency keys, in PostgreSQL: one round trip to claim, one to settle.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fault::Fault;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ids::{OperationId, TenantId};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use serde_json::{Map, Value};
use sha2::Sha256;
use sqlx::{PgPool, Row as _};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{in_flight, replayed, reused};
use crate::answer::Answer;
use crate::config;
use crate::problem;

/// Between two attempts on a broken connection.
const PAUSE: Duration = Duration::from_millis(10);

/// The store of idempotency keys.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    pool: PgPool,
    digest: Hmac<Sha256>,
    retention: SignedDuration,
    lease: SignedDuration,
    patience: Duration,
    abandoned: mpsc::UnboundedSender<Held>,
}

/// One request with a key.
pub struct Request<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// Who calls, as text.
    pub caller: String,
    /// The rpc's path on the wire.
    pub rpc: &'static str,
    /// The key.
    pub key: &'a str,
    /// Everything that makes this request this request.
    pub parts: [&'a [u8]; 3],
}

/// What a key led to.
pub enum Begun {
    /// It is ours: execute, then settle.
    Execute(Claim),
    /// It was answered before.
    Answered(Answer),
}

/// A key that is held, and by which claim.
#[derive(Debug, Clone)]
pub struct Held {
    tenant: TenantId,
    caller: String,
    rpc: &'static str,
    key: String,
    claim: Uuid,
}

/// The right to execute a request. Dropped without an answer (the client hung up), it is given up
/// in the background.
pub struct Claim {
    store: Store,
    held: Option<Held>,
}

impl Store {
    /// A store in `pool`, and the keys that were abandoned, for [`super::role`] to give up.
    ///
    /// # Errors
    /// Never in practice: the digest takes keys of every length.
    pub fn new(
        pool: PgPool,
        secret: &[u8],
        config: &config::Idempotency,
    ) -> fault::Result<(Self, mpsc::UnboundedReceiver<Held>)> {
        let (abandoned, receiver) = mpsc::unbounded_channel();
        let shared = Shared {
            pool,
            digest: Hmac::new_from_slice(secret).map_err(Fault::internal)?,
            retention: SignedDuration::from_hours(i64::from(config.retention_hours)),
            lease: SignedDuration::from_secs(i64::from(config.lease_seconds)),
            patience: Duration::from_millis(config.store_timeout_ms),
            abandoned,
        };
        Ok((Self(Arc::new(shared)), receiver))
    }

    /// Claims the key of a request, or finds its answer.
    ///
    /// # Errors
    /// 409 `idempotency_in_flight`, 422 `idempotency_key_reused`, 503 `idempotency_unavailable`.
    pub async fn begin(&self, request: Request<'_>, now: Timestamp) -> problem::Result<Begun> {
        let digest = self.digest(&request.parts);
        let held = Held {
            tenant: request.tenant,
            caller: request.caller,
            rpc: request.rpc,
            key: request.key.to_owned(),
            claim: OperationId::new().as_uuid(),
        };
        // From here on the key may be ours even if we hear no answer.
        let claim = Claim { store: self.clone(), held: Some(held.clone()) };
        match self.patiently(|| self.claim(&held, &digest, now)).await? {
            None => Ok(Begun::Execute(claim)),
            Some(row) => {
                claim.forget();
                judge(row, &digest)
            }
        }
    }

    async fn claim(&self, held: &Held, digest: &[u8], now: Timestamp) -> sqlx::Result<Option<Kept>> {
        let before = |age: SignedDuration| now.saturating_sub(age).unwrap_or(Timestamp::MIN).to_sqlx();
        let row = sqlx::query("SELECT * FROM claim_idempotency_key($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .bind(held.tenant.as_uuid())
            .bind(&held.caller)
            .bind(held.rpc)
            .bind(&held.key)
            .bind(digest)
            .bind(held.claim)
            .bind(now.to_sqlx())
            .bind(before(self.0.lease))
            .bind(before(self.0.retention))
            .fetch_optional(&self.0.pool)
            .await?;
        row.map(|row| {
            Ok(Kept {
                digest: row.try_get(0)?,
                status: row.try_get(1)?,
                headers: row.try_get(2)?,
                body: row.try_get(3)?,
            })
        })
        .transpose()
    }

    /// Keeps an answer, or gives the key up, if the claim still holds.
    pub(super) async fn settle(&self, held: &Held, answer: Option<&Answer>) -> fault::Result<()> {
        let status = answer.and_then(|answer| i16::try_from(answer.status().as_u16()).ok());
        let headers = answer.map(|answer| header_object(answer.headers()));
        let settle = || {
            sqlx::query("SELECT settle_idempotency_key($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(held.tenant.as_uuid())
                .bind(&held.caller)
                .bind(held.rpc)
                .bind(&held.key)
                .bind(held.claim)
                .bind(status)
                .bind(headers.clone())
                .bind(answer.map(|answer| answer.body().as_ref()))
                .execute(&self.0.pool)
        };
        self.patiently(settle).await.map(drop)
    }

    /// Forgets keys past their retention, at most `limit`; answers how many.
    ///
    /// # Errors
    /// `idempotency_unavailable`.
    pub async fn sweep(&self, now: Timestamp, limit: i64) -> fault::Result<u64> {
        let kept_since = now.saturating_sub(self.0.retention).unwrap_or(Timestamp::MIN).to_sqlx();
        let work = async {
            let mut transaction = self.0.pool.begin().await?;
            sqlx::query("SET LOCAL ROLE vbwd_gateway_worker").execute(&mut *transaction).await?;
            let swept = sqlx::query(
                "DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
                     SELECT ctid FROM idempotency_keys WHERE created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
            )
            .bind(kept_since)
            .bind(limit)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(swept.rows_affected())
        };
        work.await.map_err(unavailable)
    }

    /// Does `work`, again when a connection broke (the server was started again: every pooled
    /// connection is dead once). Both statements may be repeated: they know their claim.
    async fn patiently<T, F>(&self, work: impl Fn() -> F) -> fault::Result<T>
    where
        F: Future<Output = sqlx::Result<T>>,
    {
        let attempts = async {
            loop {
                match work().await {
                    Err(error) if is_broken_connection(&error) => tokio::time::sleep(PAUSE).await,
                    outcome => return outcome.map_err(unavailable),
                }
            }
        };
        let outcome = tokio::time::timeout(self.0.patience, attempts).await;
        outcome.unwrap_or_else(|elapsed| Err(Fault::unavailable("idempotency_unavailable", elapsed)))
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut digest = self.0.digest.clone();
        for part in parts {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into_bytes().into()
    }
}

impl Claim {
    /// Keeps the answer for repetitions. When that fails the answer is no less true: a repetition
    /// is then executed again under the same operation id.
    pub async fn keep(mut self, answer: &Answer) {
        let Some(held) = &self.held else { return };
        match self.store.settle(held, Some(answer)).await {
            Ok(()) => self.held = None,
            Err(fault) => tracing::warn!(error = ?fault, "the answer to an idempotency key was not kept"),
        }
    }

    /// Frees the key at once.
    pub async fn give_up(mut self) {
        let Some(held) = &self.held else { return };
        if self.store.settle(held, None).await.is_ok() {
            self.held = None;
        }
    }

    fn forget(mut self) {
        self.held = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            // Nobody listens while the process ends; the lease then frees the key.
            let _ = self.store.0.abandoned.send(held);
        }
    }
}

struct Kept {
    digest: Vec<u8>,
    status: Option<i16>,
    headers: Option<Value>,
    body: Option<Vec<u8>>,
}

fn judge(kept: Kept, digest: &[u8]) -> problem::Result<Begun> {
    if kept.digest != digest {
        return Err(reused());
    }
    let (Some(status), Some(body)) = (kept.status, kept.body) else { return Err(in_flight()) };
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| Fault::internal("a kept status is none"))?;
    let headers = kept.headers.as_ref().map(header_map).unwrap_or_default();
    Ok(Begun::Answered(replayed(Answer::new(status, headers, Bytes::from(body)))))
}

fn header_object(headers: &HeaderMap) -> Value {
    let members = headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), Value::String(value.to_str().ok()?.to_owned())))
    });
    Value::Object(members.collect::<Map<_, _>>())
}

fn header_map(object: &Value) -> HeaderMap {
    let members = object.as_object().into_iter().flatten();
    let headers = members.filter_map(|(name, value)| {
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.as_str()?).ok()?))
    });
    headers.collect()
}

/// Whether another connection may do better: this one broke, or the server is stopping or starting.
fn is_broken_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

fn unavailable(error: sqlx::Error) -> Fault {
    Fault::unavailable("idempotency_unavailable", error)
}
