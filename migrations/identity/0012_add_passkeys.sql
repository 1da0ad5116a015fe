-- Passkeys (WebAuthn), and ceremonies that are under way.

-- `credential` is the public key and its flags, as the library writes them. The counter rises by an
-- update that demands it, so a cloned authenticator is noticed however its calls are interleaved.
CREATE TABLE passkeys (
    tenant_id     uuid NOT NULL,
    passkey_id    uuid NOT NULL,
    user_id       uuid NOT NULL,
    credential_id bytea NOT NULL,
    credential    jsonb NOT NULL,
    counter       bigint NOT NULL,
    name          text NOT NULL,
    created_at    timestamptz NOT NULL,
    last_used_at  timestamptz,
    PRIMARY KEY (tenant_id, passkey_id),
    UNIQUE (tenant_id, credential_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE INDEX passkeys_of_user ON passkeys (tenant_id, user_id);

-- Taken away by the answer: a challenge is good once.
CREATE TABLE passkey_ceremonies (
    tenant_id    uuid NOT NULL REFERENCES tenants,
    token_digest bytea NOT NULL CHECK (length(token_digest) = 32),
    user_id      uuid,
    state        jsonb NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, token_digest)
);
CREATE INDEX passkey_ceremonies_by_expiry ON passkey_ceremonies (expires_at);

ALTER TABLE passkeys ENABLE ROW LEVEL SECURITY;
ALTER TABLE passkeys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON passkeys USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON passkeys TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE passkey_ceremonies ENABLE ROW LEVEL SECURITY;
ALTER TABLE passkey_ceremonies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON passkey_ceremonies USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON passkey_ceremonies TO vbwd_identity_worker USING (true) WITH CHECK (true);
