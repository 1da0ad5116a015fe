-- Who a user is at a provider. One row for each; the provider makes one customer per key, so losing
-- the race for the row loses nothing.
CREATE TABLE customers (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    provider text NOT NULL,
    reference text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id, provider)
);
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON customers USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON customers TO vbwd_payments_worker USING (true) WITH CHECK (true);

-- Ways to pay that a user has saved: the provider's token and what the user recognises it by. A
-- removed one stays as a row, because payments name it. Writers of one user's methods wait for each
-- other at the advisory lock `saved_methods`; the index below is the wall behind it.
CREATE TABLE saved_methods (
    payment_method_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    provider text NOT NULL,
    method text NOT NULL,
    customer text NOT NULL,
    token text NOT NULL,
    kind text NOT NULL,
    brand text NOT NULL,
    last4 text NOT NULL CHECK (length(last4) <= 4),
    expiry_month integer NOT NULL CHECK (expiry_month BETWEEN 0 AND 12),
    expiry_year integer NOT NULL CHECK (expiry_year BETWEEN 0 AND 9999),
    is_default boolean NOT NULL,
    created_at timestamptz NOT NULL,
    removed_at timestamptz,
    CHECK (removed_at IS NULL OR NOT is_default)
);
CREATE UNIQUE INDEX saved_methods_token ON saved_methods (tenant_id, user_id, provider, token)
    WHERE removed_at IS NULL;
CREATE UNIQUE INDEX saved_methods_default ON saved_methods (tenant_id, user_id) WHERE is_default;
ALTER TABLE saved_methods ENABLE ROW LEVEL SECURITY;
ALTER TABLE saved_methods FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON saved_methods USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON saved_methods TO vbwd_payments_worker USING (true) WITH CHECK (true);

-- Saving a method without paying. The row only moves forward: `succeeded` and `failed` are ends, and
-- writers lock the row first.
CREATE TABLE setups (
    setup_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    provider text NOT NULL,
    method text NOT NULL,
    return_url text NOT NULL,
    status text NOT NULL CHECK (status IN ('created', 'requires_action', 'processing', 'succeeded', 'failed')),
    provider_reference text,
    failure_code text,
    payment_method_id uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX setups_reference ON setups (provider, provider_reference) WHERE provider_reference IS NOT NULL;
CREATE INDEX setups_user ON setups (tenant_id, user_id);
ALTER TABLE setups ENABLE ROW LEVEL SECURITY;
ALTER TABLE setups FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON setups USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON setups TO vbwd_payments_worker USING (true) WITH CHECK (true);
