-- Second factors, log-ins that wait for one, and what a tenant demands.

-- How the user proved who is there (RFC 8176), and when last.
ALTER TABLE sessions ADD COLUMN methods text[] NOT NULL DEFAULT '{pwd}';
ALTER TABLE sessions ADD COLUMN proven_at timestamptz;

-- The secret of an authenticator app, sealed with a key derived from the fleet secret. `last_step`
-- only rises, by an update that demands it: so a code works once.
CREATE TABLE totp_factors (
    tenant_id     uuid NOT NULL,
    user_id       uuid NOT NULL,
    sealed_secret bytea NOT NULL,
    created_at    timestamptz NOT NULL,
    confirmed_at  timestamptz,
    last_step     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);

-- Told once; only the keyed digest is kept. Spending is an update that demands an unspent row.
CREATE TABLE recovery_codes (
    tenant_id   uuid NOT NULL,
    user_id     uuid NOT NULL,
    code_digest bytea NOT NULL CHECK (length(code_digest) = 32),
    created_at  timestamptz NOT NULL,
    spent_at    timestamptz,
    PRIMARY KEY (tenant_id, user_id, code_digest),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);

-- A log-in whose second half is due; `methods` is how the first half was proven.
CREATE TABLE log_in_challenges (
    tenant_id    uuid NOT NULL,
    challenge_id uuid NOT NULL,
    user_id      uuid NOT NULL,
    token_digest bytea NOT NULL CHECK (length(token_digest) = 32),
    methods      text[] NOT NULL,
    failures     integer NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, challenge_id),
    UNIQUE (tenant_id, token_digest),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE INDEX log_in_challenges_of_user ON log_in_challenges (tenant_id, user_id);
CREATE INDEX log_in_challenges_by_expiry ON log_in_challenges (expires_at);

CREATE TABLE second_factor_policies (
    tenant_id   uuid PRIMARY KEY REFERENCES tenants,
    required_of text NOT NULL CHECK (required_of IN ('nobody', 'staff', 'everybody'))
);

ALTER TABLE totp_factors ENABLE ROW LEVEL SECURITY;
ALTER TABLE totp_factors FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON totp_factors USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON totp_factors TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE recovery_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE recovery_codes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON recovery_codes USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON recovery_codes TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE log_in_challenges ENABLE ROW LEVEL SECURITY;
ALTER TABLE log_in_challenges FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON log_in_challenges USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON log_in_challenges TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE second_factor_policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE second_factor_policies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON second_factor_policies USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON second_factor_policies TO vbwd_identity_worker USING (true) WITH CHECK (true);
