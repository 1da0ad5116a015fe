-- The audit trail: append-only, one hash chain per tenant. JSON is kept as text, because the hash
-- covers its exact bytes.

CREATE TABLE audit_entries (
    tenant_id      uuid NOT NULL REFERENCES tenants,
    sequence       bigint NOT NULL,
    entry_id       uuid NOT NULL,
    at             timestamptz NOT NULL,
    actor          text NOT NULL,
    action         text NOT NULL,
    target         text NOT NULL,
    origin_address text NOT NULL,
    trace_id       text NOT NULL,
    before_json    text NOT NULL,
    after_json     text NOT NULL,
    previous_hash  bytea NOT NULL CHECK (length(previous_hash) = 32),
    hash           bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, sequence)
);

-- The end of each chain; writers take the lock on its row, so that a chain never forks.
CREATE TABLE audit_heads (
    tenant_id uuid PRIMARY KEY REFERENCES tenants,
    sequence  bigint NOT NULL,
    hash      bytea NOT NULL CHECK (length(hash) = 32)
);

ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_entries USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON audit_entries TO vbwd_identity_worker USING (true) WITH CHECK (true);
REVOKE UPDATE, DELETE, TRUNCATE ON audit_entries FROM vbwd_identity, vbwd_identity_worker;

ALTER TABLE audit_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_heads USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON audit_heads TO vbwd_identity_worker USING (true) WITH CHECK (true);
REVOKE DELETE, TRUNCATE ON audit_heads FROM vbwd_identity, vbwd_identity_worker;
