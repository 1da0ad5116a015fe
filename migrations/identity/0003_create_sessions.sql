-- Sessions, their refresh tokens, the guard against guessing, and the keys that sign access tokens.

-- One log-in. It is also the family of the refresh tokens that follow from it.
CREATE TABLE sessions (
    tenant_id      uuid NOT NULL,
    session_id     uuid NOT NULL,
    user_id        uuid NOT NULL,
    origin_address text,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    ended_at       timestamptz,
    end_reason     text CHECK (end_reason IN ('logged_out', 'suspended', 'reuse_detected')),
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
CREATE INDEX sessions_open_of_user ON sessions (tenant_id, user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- A spent token stays until its session is swept, so that using it again is noticed.
CREATE TABLE refresh_tokens (
    tenant_id    uuid NOT NULL,
    token_digest bytea NOT NULL CHECK (length(token_digest) = 32),
    session_id   uuid NOT NULL,
    issued_at    timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    spent_at     timestamptz,
    PRIMARY KEY (tenant_id, token_digest),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions ON DELETE CASCADE
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (tenant_id, session_id);

-- Failed log-ins by keyed digest of the address, whether or not anybody has that address: a lock
-- therefore says nothing about who is a user.
CREATE TABLE login_guards (
    tenant_id         uuid NOT NULL REFERENCES tenants,
    address_digest    bytea NOT NULL CHECK (length(address_digest) = 32),
    failures          integer NOT NULL,
    window_started_at timestamptz NOT NULL,
    locks             integer NOT NULL,
    locked_until      timestamptz,
    last_failed_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, address_digest)
);
CREATE INDEX login_guards_by_age ON login_guards (last_failed_at);

-- Of the whole fleet, not of a tenant; the private half is sealed with a key derived from the
-- fleet secret. Only the worker role may see the table at all.
CREATE TABLE signing_keys (
    key_id      text PRIMARY KEY,
    public_key  text NOT NULL,
    sealed_seed bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    created_by  text NOT NULL,
    retired_at  timestamptz
);
CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys ((true)) WHERE retired_at IS NULL;

ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON sessions USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON sessions TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE refresh_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON refresh_tokens USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON refresh_tokens TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE login_guards ENABLE ROW LEVEL SECURITY;
ALTER TABLE login_guards FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON login_guards USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON login_guards TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE signing_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE signing_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON signing_keys TO vbwd_identity_worker USING (true) WITH CHECK (true);
REVOKE ALL ON signing_keys FROM vbwd_identity;
