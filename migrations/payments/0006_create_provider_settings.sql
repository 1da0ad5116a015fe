-- A tenant's account at a provider. Secrets are sealed with a key that follows from the fleet secret,
-- for this tenant and provider only. Writers wait for each other at the row (upsert).
CREATE TABLE provider_settings (
    tenant_id uuid NOT NULL,
    provider text NOT NULL,
    enabled boolean NOT NULL,
    live boolean NOT NULL,
    settings jsonb NOT NULL,
    sealed_secrets bytea NOT NULL,
    countries text[] NOT NULL,
    webhook_received_at timestamptz,
    webhook_failed_at timestamptz,
    webhook_failure text,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, provider)
);
ALTER TABLE provider_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE provider_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON provider_settings USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON provider_settings TO vbwd_payments_worker USING (true) WITH CHECK (true);

-- What a tenant says about a way to pay: where and for how much it is offered, in which order, for
-- which fee, and under which names. A method without a row is offered as its provider describes it.
CREATE TABLE method_rules (
    tenant_id uuid NOT NULL,
    method text NOT NULL,
    rule jsonb NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, method)
);
ALTER TABLE method_rules ENABLE ROW LEVEL SECURITY;
ALTER TABLE method_rules FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON method_rules USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON method_rules TO vbwd_payments_worker USING (true) WITH CHECK (true);
