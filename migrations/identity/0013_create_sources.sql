-- Sources of log-ins, registrations and resets: what each has failed at lately, and which are blocked.

-- `tally` names accounts by the head of a keyed digest only. A row is what calls from one source take
-- turns on; its upsert is the lock.
CREATE TABLE sources (
    tenant_id     uuid NOT NULL REFERENCES tenants,
    network       text NOT NULL,
    tally         jsonb NOT NULL,
    blocks        integer NOT NULL CHECK (blocks >= 0),
    seen_at       timestamptz NOT NULL,
    -- The latest block, also when it is over.
    block_id      uuid,
    blocked_at    timestamptz,
    blocked_until timestamptz,
    why           text,
    reason        text NOT NULL DEFAULT '',
    blocked_by    text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, network),
    CHECK ((block_id IS NULL) = (blocked_until IS NULL) AND (block_id IS NULL) = (blocked_at IS NULL)
           AND (block_id IS NULL) = (why IS NULL))
);
CREATE UNIQUE INDEX sources_by_block ON sources (tenant_id, block_id) WHERE block_id IS NOT NULL;
CREATE INDEX sources_by_age ON sources (seen_at);

-- Figures of tenants that have set their own; the others follow the configuration.
CREATE TABLE source_policies (
    tenant_id uuid PRIMARY KEY REFERENCES tenants,
    policy    jsonb NOT NULL
);

ALTER TABLE sources ENABLE ROW LEVEL SECURITY;
ALTER TABLE sources FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sources USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON sources TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE source_policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE source_policies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON source_policies USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON source_policies TO vbwd_identity_worker USING (true) WITH CHECK (true);
