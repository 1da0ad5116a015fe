-- The read side of the ledger, filled from the journal. Everything here can be dropped and rebuilt.

-- Into how many partitions tenants are spread; fixed when the first process starts.
CREATE TABLE ledger_layout (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    partitions integer NOT NULL CHECK (partitions > 0)
);

-- Up to which batch entries are complete.
CREATE TABLE ledger_progress (
    partition integer PRIMARY KEY,
    projected bigint NOT NULL DEFAULT 0
);

-- Up to which batch events are published.
CREATE TABLE ledger_published (
    partition integer PRIMARY KEY,
    sequence bigint NOT NULL
);

CREATE TABLE ledger_accounts (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    partition integer NOT NULL,
    -- The account's number in its partition, by which the journal names it.
    number bigint NOT NULL,
    kind smallint NOT NULL,
    asset text NOT NULL,
    owner_user_id uuid,
    opened_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id)
);
CREATE UNIQUE INDEX ledger_accounts_number ON ledger_accounts (partition, number);
ALTER TABLE ledger_accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger_accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ledger_accounts USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON ledger_accounts TO vbwd_wallet_worker USING (true) WITH CHECK (true);

-- One row per side of a posting. COPY refuses tables with row-level security, so the rows lie in a
-- partition that nobody may read and only the worker may fill; everybody reads through the parent,
-- where row-level security holds.
CREATE TABLE ledger_entries (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    partition integer NOT NULL,
    sequence bigint NOT NULL,
    index integer NOT NULL,
    operation_id uuid NOT NULL,
    asset text NOT NULL,
    amount bigint NOT NULL,
    balance_after bigint NOT NULL,
    reason text NOT NULL,
    reference text NOT NULL,
    at timestamptz NOT NULL
) PARTITION BY LIST (partition);
CREATE TABLE ledger_entries_rows PARTITION OF ledger_entries DEFAULT;
CREATE INDEX ledger_entries_statement ON ledger_entries (tenant_id, account_id, sequence, index);
ALTER TABLE ledger_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ledger_entries USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON ledger_entries TO vbwd_wallet_worker USING (true) WITH CHECK (true);
REVOKE ALL ON ledger_entries_rows FROM vbwd_wallet, vbwd_wallet_worker;
GRANT INSERT ON ledger_entries_rows TO vbwd_wallet_worker;
