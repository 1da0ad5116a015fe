-- The read side of the ledger in the form that keeps up with bulk loads. It holds nothing that is not
-- in the journal: the tables before it are dropped and the projection begins anew.
DROP TABLE ledger_entries;
TRUNCATE ledger_accounts, ledger_progress;

-- Entries of one account in their order, several to a row: what a projection step finds for an account
-- is one row. The rows lie in a partition that nobody may read and only the worker may fill, because
-- COPY refuses tables with row-level security; everybody reads through the parent, where it holds.
CREATE TABLE ledger_entries (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    partition integer NOT NULL,
    -- Of the first entry. Time never runs backwards in a tenant's ledger, so time and sequence give
    -- the same order.
    first_at timestamptz NOT NULL,
    first_sequence bigint NOT NULL,
    first_index integer NOT NULL,
    entries integer NOT NULL,
    -- A protobuf message, see services/wallet/src/history/chunk.rs.
    payload bytea NOT NULL
) PARTITION BY LIST (partition);
CREATE TABLE ledger_entries_rows PARTITION OF ledger_entries DEFAULT;
ALTER TABLE ledger_entries_rows ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX ledger_entries_statement
    ON ledger_entries (tenant_id, account_id, first_at, first_sequence, first_index);
ALTER TABLE ledger_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ledger_entries USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON ledger_entries TO vbwd_wallet_worker USING (true) WITH CHECK (true);
REVOKE ALL ON ledger_entries_rows FROM vbwd_wallet, vbwd_wallet_worker;
GRANT INSERT ON ledger_entries_rows TO vbwd_wallet_worker;

-- In which batch an operation was recorded.
CREATE TABLE ledger_operations (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    partition integer NOT NULL,
    sequence bigint NOT NULL
) PARTITION BY LIST (partition);
CREATE TABLE ledger_operations_rows PARTITION OF ledger_operations DEFAULT;
CREATE INDEX ledger_operations_id ON ledger_operations (operation_id);
ALTER TABLE ledger_operations ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger_operations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ledger_operations USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON ledger_operations TO vbwd_wallet_worker USING (true) WITH CHECK (true);
REVOKE ALL ON ledger_operations_rows FROM vbwd_wallet, vbwd_wallet_worker;
GRANT INSERT ON ledger_operations_rows TO vbwd_wallet_worker;

-- Every lot that ever was.
CREATE TABLE ledger_lots (
    tenant_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    account_id uuid NOT NULL,
    source text NOT NULL,
    priority smallint NOT NULL,
    expires_at timestamptz,
    granted bigint NOT NULL,
    PRIMARY KEY (tenant_id, lot_id)
);
ALTER TABLE ledger_lots ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger_lots FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ledger_lots USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON ledger_lots TO vbwd_wallet_worker USING (true) WITH CHECK (true);

-- What became of its units: one row for every change.
CREATE TABLE ledger_lot_movements (
    tenant_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    partition integer NOT NULL,
    sequence bigint NOT NULL,
    -- Its place among the effects of the batch.
    index integer NOT NULL,
    operation_id uuid NOT NULL,
    kind smallint NOT NULL,
    -- Units that left the lot; 0 when some were only held or given back.
    units_left bigint NOT NULL,
    free_after bigint NOT NULL,
    held_after bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, lot_id, sequence, index)
);
ALTER TABLE ledger_lot_movements ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger_lot_movements FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ledger_lot_movements USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON ledger_lot_movements TO vbwd_wallet_worker USING (true) WITH CHECK (true);
