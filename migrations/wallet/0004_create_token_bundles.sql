-- What customers can buy. A deleted bundle stays, because invoices name it.
CREATE TABLE token_bundles (
    tenant_id uuid NOT NULL,
    bundle_id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    tokens bigint NOT NULL CHECK (tokens > 0),
    active boolean NOT NULL,
    sort_order integer NOT NULL,
    revision bigint NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, bundle_id)
);
ALTER TABLE token_bundles ENABLE ROW LEVEL SECURITY;
ALTER TABLE token_bundles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON token_bundles USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON token_bundles TO vbwd_wallet_worker USING (true) WITH CHECK (true);

CREATE TABLE token_bundle_prices (
    tenant_id uuid NOT NULL,
    bundle_id uuid NOT NULL,
    currency text NOT NULL,
    minor bigint NOT NULL CHECK (minor > 0),
    PRIMARY KEY (tenant_id, bundle_id, currency),
    FOREIGN KEY (tenant_id, bundle_id) REFERENCES token_bundles
);
ALTER TABLE token_bundle_prices ENABLE ROW LEVEL SECURITY;
ALTER TABLE token_bundle_prices FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON token_bundle_prices USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON token_bundle_prices TO vbwd_wallet_worker USING (true) WITH CHECK (true);
