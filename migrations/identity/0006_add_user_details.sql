-- What is known about a person beyond the address, and sessions in which somebody else acts.

ALTER TABLE users ADD COLUMN kind text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'service'));
ALTER TABLE users ADD COLUMN revision bigint NOT NULL DEFAULT 1;
CREATE INDEX users_by_status ON users (tenant_id, status, user_id);

-- A document: it is read and written whole. Erasing the person removes the row.
CREATE TABLE user_details (
    tenant_id   uuid NOT NULL,
    user_id     uuid NOT NULL,
    given_name  text NOT NULL,
    family_name text NOT NULL,
    company     text NOT NULL,
    tax_id      text NOT NULL,
    phone       text NOT NULL,
    locale      text NOT NULL,
    addresses   jsonb NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);

ALTER TABLE sessions ADD COLUMN impersonator uuid;
ALTER TABLE sessions ADD COLUMN impersonation_reason text;
ALTER TABLE sessions ADD CONSTRAINT sessions_impersonator_fkey FOREIGN KEY (tenant_id, impersonator) REFERENCES users;
ALTER TABLE sessions ADD CONSTRAINT sessions_impersonation_check
    CHECK ((impersonator IS NULL) = (impersonation_reason IS NULL) AND impersonator <> user_id);
CREATE INDEX sessions_of_impersonator ON sessions (tenant_id, impersonator) WHERE impersonator IS NOT NULL;

ALTER TABLE user_details ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_details FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON user_details USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON user_details TO vbwd_identity_worker USING (true) WITH CHECK (true);
