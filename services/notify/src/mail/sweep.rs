//! Ended mails are forgotten in time: what they said first, for it may hold a link, then the rows.

use std::time::Duration;

use eventstore::storage;
use fault::Fault;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use runtime::Drain;
use sqlx::AssertSqlSafe;

use super::Queue;

/// How long a mail that was given up can be sent again: its links do not work much longer.
const RESENDABLE: SignedDuration = SignedDuration::from_hours(7 * 24);
const FORGET: &str = "UPDATE mails SET variables = NULL WHERE mail_id IN \
     (SELECT mail_id FROM mails WHERE ended_at < $1 AND variables IS NOT NULL LIMIT 1000)";
const SWEEP: &str = "DELETE FROM mails WHERE mail_id IN \
     (SELECT mail_id FROM mails WHERE ended_at < $1 ORDER BY ended_at LIMIT 1000)";
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

impl Queue {
    /// Forgets ended mails, once an hour.
    pub(crate) async fn sweep(self, drain: Drain) -> fault::Result<()> {
        loop {
            let kept = SignedDuration::from_hours(24 * i64::from(self.config().kept_days));
            for (statement, kept) in [(FORGET, RESENDABLE), (SWEEP, kept)] {
                let before = self.now().saturating_sub(kept).map_err(Fault::internal)?;
                while self.sweep_some(statement, before).await? > 0 && !drain.is_cancelled() {}
            }
            if drain.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn sweep_some(&self, statement: &'static str, before: Timestamp) -> fault::Result<u64> {
        let mut worker = self.store().begin_worker(None).await?;
        let gone =
            sqlx::query(AssertSqlSafe(statement)).bind(before.to_sqlx()).execute(worker.connection()).await;
        let gone = gone.map_err(storage)?.rows_affected();
        worker.commit().await?;
        Ok(gone)
    }
}
