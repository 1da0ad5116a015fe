//! The chart of accounts: which accounts a tenant has, page by page. What they hold is asked of the
//! ledger itself.

use eventstore::storage;
use fault::Fault;
use ids::{AccountId, TenantId, UserId};
use uuid::Uuid;
use wallet_domain::{AccountKind, Asset};

use crate::engine::Ledger;
use crate::store::Store;

const PAGE_DEFAULT: i32 = 50;
const PAGE_MAX: i32 = 200;

const PAGE: &str = "
SELECT account_id, number FROM ledger_accounts
WHERE tenant_id = $1 AND partition = $2 AND number > $3
  AND ($4::text IS NULL OR asset = $4)
  AND ($5::smallint IS NULL OR kind = $5)
  AND ($6::uuid IS NULL OR owner_user_id = $6)
ORDER BY number LIMIT $7";

/// What a page of the chart is asked with.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChartRequest {
    /// 0 means 50, more than 200 means 200.
    pub(crate) size: i32,
    /// Of the page before; empty for the first.
    pub(crate) cursor: String,
    pub(crate) asset: Option<Asset>,
    pub(crate) kind: Option<AccountKind>,
    pub(crate) owner: Option<UserId>,
}

/// Some accounts in the order in which they were opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChartPage {
    pub(crate) accounts: Vec<AccountId>,
    pub(crate) next_cursor: Option<String>,
}

/// Lists accounts.
#[derive(Clone)]
pub(crate) struct Chart {
    store: Store,
    ledger: Ledger,
}

impl Chart {
    pub(crate) const fn new(store: Store, ledger: Ledger) -> Self {
        Self { store, ledger }
    }

    /// Accounts of a tenant.
    pub(crate) async fn page(&self, tenant: TenantId, asked: &ChartRequest) -> fault::Result<ChartPage> {
        let after = after(&asked.cursor)?;
        let size = if asked.size <= 0 { PAGE_DEFAULT } else { asked.size.min(PAGE_MAX) };
        let mut reading = self.store.read(tenant).await?;
        let mut rows: Vec<(Uuid, i64)> = sqlx::query_as(PAGE)
            .bind(tenant.as_uuid())
            .bind(i32::from(self.ledger.partition_of(tenant)))
            .bind(after)
            .bind(asked.asset.map(|asset| asset.to_string()))
            .bind(asked.kind.map(|kind| kind as i16))
            .bind(asked.owner.map(UserId::as_uuid))
            .bind(i64::from(size).saturating_add(1))
            .fetch_all(&mut *reading)
            .await
            .map_err(storage)?;
        reading.rollback().await.map_err(storage)?;
        let size = usize::try_from(size).unwrap_or_default();
        let more = rows.len() > size;
        rows.truncate(size);
        let next_cursor = rows.last().filter(|_| more).map(|(_, number)| number.to_string());
        let accounts = rows.into_iter().map(|(account, _)| AccountId::from_uuid(account)).collect();
        Ok(ChartPage { accounts, next_cursor })
    }
}

fn after(cursor: &str) -> fault::Result<i64> {
    if cursor.is_empty() {
        return Ok(-1);
    }
    cursor.parse().map_err(|_| Fault::invalid("/cursor", "malformed", "This is no cursor of accounts."))
}
