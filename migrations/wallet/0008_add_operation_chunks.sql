-- In which batch an operation was recorded, for ids that say their own time (UUIDv7): many to a row. From
-- now on `ledger_operations` gets only the others; what it has already stays there.
CREATE TABLE ledger_operation_chunks (
    tenant_id uuid NOT NULL,
    partition integer NOT NULL,
    -- The ids' own time in units of 1 024 ms since 1970.
    slot bigint NOT NULL,
    -- Ids are in their order.
    first_id uuid NOT NULL,
    last_id uuid NOT NULL,
    operations integer NOT NULL,
    -- A protobuf message, see services/wallet/src/history/id_chunk.rs.
    payload bytea NOT NULL
) PARTITION BY LIST (partition);
-- Rows lie in a partition of their own for the reason that `ledger_entries` has.
CREATE TABLE ledger_operation_chunks_rows PARTITION OF ledger_operation_chunks DEFAULT;
ALTER TABLE ledger_operation_chunks_rows ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX ledger_operation_chunks_ids ON ledger_operation_chunks (slot, first_id);
ALTER TABLE ledger_operation_chunks ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger_operation_chunks FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ledger_operation_chunks USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON ledger_operation_chunks TO vbwd_wallet_worker USING (true) WITH CHECK (true);
REVOKE ALL ON ledger_operation_chunks_rows FROM vbwd_wallet, vbwd_wallet_worker;
GRANT INSERT ON ledger_operation_chunks_rows TO vbwd_wallet_worker;
