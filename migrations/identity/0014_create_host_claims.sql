-- Hosts that tenants say are theirs, until they have proven it; and finding tenants without reading all.

-- Several tenants may claim a host: whoever proves it first has it (`tenant_hosts`).
CREATE TABLE host_claims (
    tenant_id     uuid NOT NULL REFERENCES tenants,
    host          text NOT NULL CHECK (host = lower(host)),
    claim_id      uuid NOT NULL,
    -- What the host must answer at the claim's address; no secret, for everybody may ask there.
    token         text NOT NULL,
    status        text NOT NULL CHECK (status IN ('pending', 'verified', 'failed')),
    failure       text NOT NULL DEFAULT '',
    claimed_at    timestamptz NOT NULL,
    checked_at    timestamptz,
    checks        integer NOT NULL DEFAULT 0,
    next_check_at timestamptz,
    PRIMARY KEY (tenant_id, host),
    CHECK ((status = 'pending') = (next_check_at IS NOT NULL))
);
CREATE INDEX host_claims_due ON host_claims (next_check_at) WHERE next_check_at IS NOT NULL;
ALTER TABLE host_claims ENABLE ROW LEVEL SECURITY;
ALTER TABLE host_claims FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON host_claims USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON host_claims TO vbwd_identity_worker USING (true) WITH CHECK (true);

-- Pages of tenants, newest first; purged ones are not on them unless asked for.
CREATE INDEX tenants_present ON tenants (tenant_id DESC) WHERE status <> 'purged';
CREATE INDEX tenants_by_status ON tenants (status, tenant_id DESC);
-- Beginnings of slugs, of words in names, and of hosts.
CREATE INDEX tenants_slug_beginning ON tenants (slug text_pattern_ops);
CREATE INDEX tenants_name_words ON tenants USING gin (to_tsvector('simple', name));
CREATE INDEX tenant_hosts_beginning ON tenant_hosts (host text_pattern_ops);
