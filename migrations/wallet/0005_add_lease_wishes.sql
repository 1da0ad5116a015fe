-- Who could own partitions, and what operators want of them.

CREATE TABLE journal_owners (
    owner text PRIMARY KEY,
    -- Where it answers calls for others; may be empty.
    address text NOT NULL,
    -- It is alive until then, unless it says so again.
    expires_at timestamptz NOT NULL,
    -- Since when it gives its partitions away and takes none.
    drained_at timestamptz
);
ALTER TABLE journal_owners ENABLE ROW LEVEL SECURITY;
ALTER TABLE journal_owners FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON journal_owners TO vbwd_wallet_worker USING (true) WITH CHECK (true);

ALTER TABLE journal_leases
    -- Who shall have the partition next,
    ADD COLUMN heir text,
    -- until when that is wanted,
    ADD COLUMN heir_until timestamptz,
    -- and until when the heir promises to be ready. Meanwhile nobody else takes the partition.
    ADD COLUMN heir_ready_until timestamptz;
