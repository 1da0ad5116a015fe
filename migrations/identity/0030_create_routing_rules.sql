-- What answers a URL on a tenant's hosts, on which foreign hosts it agrees to answer, and whose pages
-- may call its API.

CREATE TABLE routing_rules (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    rule_id         uuid NOT NULL,
    name            text NOT NULL,
    enabled         boolean NOT NULL,
    priority        integer NOT NULL,
    -- Empty: every host of the tenant; `*.host`: all below it.
    host            text NOT NULL CHECK (host = lower(host)),
    path_prefix     text NOT NULL CHECK (path_prefix LIKE '/%'),
    locales         text[] NOT NULL,
    countries       text[] NOT NULL,
    action          text NOT NULL
        CHECK (action IN ('tenant', 'front_end', 'cms_page', 'redirect', 'rewrite', 'block')),
    target          text NOT NULL,
    redirect_status integer NOT NULL CHECK ((action = 'redirect') = (redirect_status IN (301, 302, 308))),
    keep_rest       boolean NOT NULL,
    allow_external  boolean NOT NULL,
    revision        bigint NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, rule_id)
);

CREATE TABLE routing_guest_hosts (
    tenant_id uuid NOT NULL REFERENCES tenants,
    host      text NOT NULL CHECK (host = lower(host)),
    PRIMARY KEY (tenant_id, host)
);

CREATE TABLE allowed_origins (
    tenant_id uuid NOT NULL REFERENCES tenants,
    origin    text NOT NULL CHECK (origin = lower(origin)),
    PRIMARY KEY (tenant_id, origin)
);

ALTER TABLE routing_rules ENABLE ROW LEVEL SECURITY;
ALTER TABLE routing_rules FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON routing_rules USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON routing_rules TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE routing_guest_hosts ENABLE ROW LEVEL SECURITY;
ALTER TABLE routing_guest_hosts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON routing_guest_hosts USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON routing_guest_hosts TO vbwd_identity_worker USING (true) WITH CHECK (true);

ALTER TABLE allowed_origins ENABLE ROW LEVEL SECURITY;
ALTER TABLE allowed_origins FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON allowed_origins USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON allowed_origins TO vbwd_identity_worker USING (true) WITH CHECK (true);
