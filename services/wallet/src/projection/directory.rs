//! Which account has which number, as far as the projection has come.

use std::collections::HashSet;

use eventstore::storage;
use fault::Fault;
use sqlx::PgConnection;
use uuid::Uuid;
use wallet_domain::{Asset, Batch, Opening};

/// The accounts and tenants of a partition by number.
#[derive(Default)]
pub(super) struct Directory {
    accounts: Vec<Known>,
    /// In the order of their first account, as the ledger numbers them.
    tenants: Vec<Uuid>,
    met: HashSet<Uuid>,
}

/// Whose account it is.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) tenant: Uuid,
    pub(super) account: Uuid,
}

const LOAD: &str = "
SELECT tenant_id, account_id FROM ledger_accounts WHERE partition = $1 ORDER BY number";

const OPEN: &str = "
INSERT INTO ledger_accounts (tenant_id, account_id, partition, number, kind, asset, owner_user_id, opened_at)
SELECT tenant, account, $1, number, kind, asset, owner, to_timestamp(at_ms / 1000.0)
FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::smallint[], $6::text[], $7::uuid[], $8::bigint[])
    AS opened (tenant, account, number, kind, asset, owner, at_ms)";

impl Directory {
    pub(super) async fn load(connection: &mut PgConnection, partition: u16) -> fault::Result<Self> {
        let rows: Vec<(Uuid, Uuid)> =
            sqlx::query_as(LOAD).bind(i32::from(partition)).fetch_all(connection).await.map_err(storage)?;
        let mut directory = Self::default();
        directory.meet(rows.into_iter().map(|(tenant, account)| Known { tenant, account }));
        Ok(directory)
    }

    pub(super) fn get(&self, number: u32) -> Option<Known> {
        self.accounts.get(number as usize).copied()
    }

    /// The tenant with this number.
    pub(super) fn tenant(&self, number: u32) -> Option<Uuid> {
        self.tenants.get(number as usize).copied()
    }

    fn meet(&mut self, accounts: impl Iterator<Item = Known>) {
        for known in accounts {
            if self.met.insert(known.tenant) {
                self.tenants.push(known.tenant);
            }
            self.accounts.push(known);
        }
    }

    /// Adds the accounts that a batch opened, here and in the table.
    pub(super) async fn open(
        &mut self,
        connection: &mut PgConnection,
        partition: u16,
        batch: &Batch,
    ) -> fault::Result<()> {
        if batch.openings.is_empty() {
            return Ok(());
        }
        let first = i64::try_from(self.accounts.len()).unwrap_or(i64::MAX);
        let openings = &batch.openings;
        let assets =
            openings.iter().map(|opening| asset(batch, opening)).collect::<fault::Result<Vec<_>>>()?;
        sqlx::query(OPEN)
            .bind(i32::from(partition))
            .bind(column(openings, Opening::tenant))
            .bind(column(openings, Opening::account))
            .bind((first..).take(openings.len()).collect::<Vec<_>>())
            .bind(column(openings, |opening| i16::try_from(opening.kind).unwrap_or_default()))
            .bind(assets.iter().map(ToString::to_string).collect::<Vec<_>>())
            .bind(column(openings, Opening::owner))
            .bind(column(openings, |opening| batch.at_ms.saturating_add(opening.at_offset_ms)))
            .execute(connection)
            .await
            .map_err(storage)?;
        let known = |opening: &Opening| Known { tenant: opening.tenant(), account: opening.account() };
        self.meet(openings.iter().map(known));
        Ok(())
    }
}

fn column<T>(openings: &[Opening], value: impl Fn(&Opening) -> T) -> Vec<T> {
    openings.iter().map(value).collect()
}

fn asset(batch: &Batch, opening: &Opening) -> fault::Result<Asset> {
    let code = batch.word(opening.asset).unwrap_or_default();
    code.parse().map_err(Fault::internal)
}
