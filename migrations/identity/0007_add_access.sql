-- Access levels of customers, permissions that plugins declare, and API keys.

-- What a customer may see: linked to plans, or given to one person.
CREATE TABLE access_levels (
    tenant_id uuid NOT NULL REFERENCES tenants,
    level     text NOT NULL,
    name      text NOT NULL,
    rank      integer NOT NULL,
    plans     text[] NOT NULL,
    PRIMARY KEY (tenant_id, level)
);

CREATE TABLE user_access_levels (
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL,
    level      text NOT NULL,
    granted_at timestamptz NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (tenant_id, user_id, level),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    FOREIGN KEY (tenant_id, level) REFERENCES access_levels ON DELETE CASCADE
);

-- The plans that whoever sells them says a user holds.
CREATE TABLE user_plans (
    tenant_id uuid NOT NULL,
    user_id   uuid NOT NULL,
    plan      text NOT NULL,
    PRIMARY KEY (tenant_id, user_id, plan),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);

-- Beside those that the rpcs name; of the whole fleet, so only the worker role sees it.
CREATE TABLE declared_permissions (
    source      text NOT NULL,
    permission  text NOT NULL,
    description text NOT NULL,
    PRIMARY KEY (source, permission)
);

-- Shown once; only the digest is kept. `prefix` is what people tell keys apart by.
CREATE TABLE api_keys (
    tenant_id           uuid NOT NULL,
    key_id              uuid NOT NULL,
    user_id             uuid NOT NULL,
    name                text NOT NULL,
    prefix              text NOT NULL,
    key_digest          bytea NOT NULL CHECK (length(key_digest) = 32),
    scopes              text[] NOT NULL,
    created_at          timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL,
    last_used_at        timestamptz,
    last_origin_address text,
    revoked_at          timestamptz,
    PRIMARY KEY (tenant_id, key_id),
    UNIQUE (tenant_id, key_digest),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE INDEX api_keys_of_user ON api_keys (tenant_id, user_id);

ALTER TABLE access_levels ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_levels FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON access_levels USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON access_levels TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE user_access_levels ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_access_levels FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON user_access_levels USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON user_access_levels TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE user_plans ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_plans FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON user_plans USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON user_plans TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE declared_permissions ENABLE ROW LEVEL SECURITY;
ALTER TABLE declared_permissions FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON declared_permissions TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON api_keys USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON api_keys TO vbwd_identity_worker USING (true) WITH CHECK (true);
