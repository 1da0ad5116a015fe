-- Tenants and the people who can sign in to them.

CREATE TABLE tenants (
    tenant_id        uuid PRIMARY KEY,
    slug             text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name             text NOT NULL,
    default_currency text NOT NULL CHECK (default_currency ~ '^[A-Z]{3}$'),
    locale           text NOT NULL,
    status           text NOT NULL CHECK (status IN ('active', 'suspended')),
    created_at       timestamptz NOT NULL
);

-- A host answers for one tenant; lower case, without port.
CREATE TABLE tenant_hosts (
    host      text PRIMARY KEY CHECK (host = lower(host)),
    tenant_id uuid NOT NULL REFERENCES tenants
);
CREATE INDEX tenant_hosts_of_tenant ON tenant_hosts (tenant_id);

-- `email` is as the person wrote it, `email_normalised` is what decides who is who.
CREATE TABLE users (
    tenant_id        uuid NOT NULL REFERENCES tenants,
    user_id          uuid NOT NULL,
    email            text NOT NULL,
    email_normalised text NOT NULL CHECK (email_normalised = lower(email_normalised)),
    display_name     text NOT NULL,
    status           text NOT NULL CHECK (status IN ('active', 'suspended')),
    password_hash    text NOT NULL,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    UNIQUE (tenant_id, email_normalised)
);

-- Roles that a tenant made itself; the built-in ones are part of the program.
CREATE TABLE roles (
    tenant_id   uuid NOT NULL REFERENCES tenants,
    name        text NOT NULL,
    permissions text[] NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE user_roles (
    tenant_id uuid NOT NULL,
    user_id   uuid NOT NULL,
    role      text NOT NULL,
    PRIMARY KEY (tenant_id, user_id, role),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE INDEX user_roles_by_role ON user_roles (tenant_id, role);

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON tenants TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE tenant_hosts ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_hosts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenant_hosts USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON tenant_hosts TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON users USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON users TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE roles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON roles USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON roles TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE user_roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_roles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON user_roles USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON user_roles TO vbwd_identity_worker USING (true) WITH CHECK (true);
