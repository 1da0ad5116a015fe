-- Accounts that live: proven addresses, one-time tickets, letters to be sent, devices of sessions,
-- and the key under which a person's data in the history is sealed.

ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL;
ALTER TABLE users ADD COLUMN email_verified_at timestamptz;
ALTER TABLE users ADD COLUMN erased_at timestamptz;
ALTER TABLE users DROP CONSTRAINT users_status_check;
ALTER TABLE users ADD CONSTRAINT users_status_check
    CHECK (status IN ('active', 'suspended', 'invited', 'erased'));
ALTER TABLE users ADD CONSTRAINT users_erased_check CHECK ((status = 'erased') = (erased_at IS NOT NULL));

-- The host that links in letters name.
ALTER TABLE tenant_hosts ADD COLUMN is_main boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX tenant_hosts_one_main ON tenant_hosts (tenant_id) WHERE is_main;

ALTER TABLE sessions ADD COLUMN device text NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN last_used_at timestamptz;
ALTER TABLE sessions ADD COLUMN last_origin_address text;
ALTER TABLE sessions DROP CONSTRAINT sessions_end_reason_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_end_reason_check CHECK (end_reason IN
    ('logged_out', 'suspended', 'reuse_detected', 'revoked', 'password_changed', 'password_reset', 'erased'));

-- Permission to do one thing once. Only the digest is kept; the token itself follows from the ticket
-- and a key of the installation, so that it can be put into a letter later.
CREATE TABLE tickets (
    tenant_id    uuid NOT NULL,
    ticket_id    uuid NOT NULL,
    user_id      uuid NOT NULL,
    purpose      text NOT NULL CHECK (purpose IN ('verify_email', 'change_email', 'reset_password', 'invitation')),
    token_digest bytea NOT NULL CHECK (length(token_digest) = 32),
    email        text NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    spent_at     timestamptz,
    PRIMARY KEY (tenant_id, ticket_id),
    UNIQUE (tenant_id, token_digest),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX tickets_of_user ON tickets (tenant_id, user_id, purpose, created_at);
CREATE INDEX tickets_by_expiry ON tickets (expires_at);

-- A letter that is due; it leaves the table when notify has taken it. `variables` holds no secret:
-- the link is made when the letter is handed over.
CREATE TABLE letters (
    tenant_id  uuid NOT NULL,
    letter_id  uuid NOT NULL,
    user_id    uuid NOT NULL,
    ticket_id  uuid,
    template   text NOT NULL,
    recipient  text NOT NULL,
    variables  jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, letter_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets ON DELETE CASCADE
);
CREATE INDEX letters_of_user ON letters (tenant_id, user_id);

-- Somebody asked to reset the password of an address. Whether anybody has the address is looked up
-- later, so that the answer to the asker cannot depend on it.
CREATE TABLE reset_wishes (
    tenant_id      uuid NOT NULL REFERENCES tenants,
    wish_id        uuid NOT NULL,
    email          text NOT NULL,
    origin_address text,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, wish_id)
);

-- Seals what the history says about a person; erasing the person removes the row, and with it the
-- meaning of what was sealed. The key itself is sealed with a key derived from the fleet secret.
CREATE TABLE person_keys (
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL,
    sealed_key bytea NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);

ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
ALTER TABLE tickets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tickets USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON tickets TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE letters ENABLE ROW LEVEL SECURITY;
ALTER TABLE letters FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON letters USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON letters TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE reset_wishes ENABLE ROW LEVEL SECURITY;
ALTER TABLE reset_wishes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON reset_wishes USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON reset_wishes TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE person_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE person_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON person_keys USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON person_keys TO vbwd_identity_worker USING (true) WITH CHECK (true);

-- What a person did, and what was done to a person.
CREATE INDEX audit_entries_by_actor ON audit_entries (tenant_id, actor, sequence);
CREATE INDEX audit_entries_by_target ON audit_entries (tenant_id, target, sequence);
