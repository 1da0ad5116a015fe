-- Log-in with an account elsewhere: providers of a tenant, accounts that users have linked, and
-- log-ins that are under way.

CREATE TABLE identity_providers (
    tenant_id     uuid NOT NULL REFERENCES tenants,
    provider      text NOT NULL,
    name          text NOT NULL,
    issuer        text NOT NULL,
    client_id     text NOT NULL,
    sealed_secret bytea,
    scopes        text[] NOT NULL,
    enabled       boolean NOT NULL,
    registers     boolean NOT NULL,
    PRIMARY KEY (tenant_id, provider)
);

-- One account elsewhere belongs to one user, and a user has one of each provider.
CREATE TABLE linked_identities (
    tenant_id    uuid NOT NULL,
    provider     text NOT NULL,
    subject      text NOT NULL,
    user_id      uuid NOT NULL,
    email        text NOT NULL,
    linked_at    timestamptz NOT NULL,
    last_used_at timestamptz,
    PRIMARY KEY (tenant_id, provider, subject),
    UNIQUE (tenant_id, user_id, provider),
    FOREIGN KEY (tenant_id, provider) REFERENCES identity_providers,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);

-- Taken away by the answer: a state is good once. Nonce and PKCE verifier are sealed; the browser holds
-- another token, whose digest is kept.
CREATE TABLE federated_attempts (
    tenant_id      uuid NOT NULL,
    state_digest   bytea NOT NULL CHECK (length(state_digest) = 32),
    attempt_digest bytea NOT NULL CHECK (length(attempt_digest) = 32),
    provider       text NOT NULL,
    sealed         bytea NOT NULL,
    session_id     uuid,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, state_digest),
    FOREIGN KEY (tenant_id, provider) REFERENCES identity_providers ON DELETE CASCADE
);
CREATE INDEX federated_attempts_by_expiry ON federated_attempts (expires_at);

ALTER TABLE identity_providers ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity_providers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON identity_providers USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON identity_providers TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE linked_identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE linked_identities FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON linked_identities USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON linked_identities TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE federated_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE federated_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON federated_attempts USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON federated_attempts TO vbwd_identity_worker USING (true) WITH CHECK (true);
