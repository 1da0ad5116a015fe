-- The ledger's journal: one row per batch and partition. Only the worker role sees it: a batch
-- holds postings of several tenants.

-- Who writes a partition. The epoch grows with every takeover; an append is refused unless it
-- carries the present one.
CREATE TABLE journal_leases (
    partition integer PRIMARY KEY,
    epoch bigint NOT NULL CHECK (epoch > 0),
    owner text NOT NULL,
    address text NOT NULL,
    expires_at timestamptz NOT NULL
);
ALTER TABLE journal_leases ENABLE ROW LEVEL SECURITY;
ALTER TABLE journal_leases FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON journal_leases TO vbwd_wallet_worker USING (true) WITH CHECK (true);

CREATE TABLE journal (
    partition integer NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    epoch bigint NOT NULL,
    payload bytea NOT NULL,
    -- SHA-256 over the previous row's hash, partition, sequence and payload.
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    appended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (partition, sequence)
);
-- Payloads are dense already; trying to compress them costs more than the disk they could save.
ALTER TABLE journal ALTER COLUMN payload SET STORAGE EXTERNAL;
ALTER TABLE journal ENABLE ROW LEVEL SECURITY;
ALTER TABLE journal FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON journal TO vbwd_wallet_worker USING (true) WITH CHECK (true);
-- Nobody changes history.
REVOKE UPDATE, DELETE ON journal FROM vbwd_wallet, vbwd_wallet_worker;

CREATE TABLE journal_snapshots (
    partition integer NOT NULL,
    sequence bigint NOT NULL,
    -- Hash of the journal row with this sequence.
    hash bytea NOT NULL,
    -- SHA-256 of the whole payload.
    digest bytea NOT NULL,
    size bigint NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (partition, sequence)
);
ALTER TABLE journal_snapshots ENABLE ROW LEVEL SECURITY;
ALTER TABLE journal_snapshots FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON journal_snapshots TO vbwd_wallet_worker USING (true) WITH CHECK (true);

CREATE TABLE journal_snapshot_chunks (
    partition integer NOT NULL,
    sequence bigint NOT NULL,
    chunk integer NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (partition, sequence, chunk),
    FOREIGN KEY (partition, sequence) REFERENCES journal_snapshots ON DELETE CASCADE
);
ALTER TABLE journal_snapshot_chunks ALTER COLUMN payload SET STORAGE EXTERNAL;
ALTER TABLE journal_snapshot_chunks ENABLE ROW LEVEL SECURITY;
ALTER TABLE journal_snapshot_chunks FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON journal_snapshot_chunks TO vbwd_wallet_worker USING (true) WITH CHECK (true);
