-- The payments as they are now, written in the transaction of their events. The worker finds here
-- what a webhook speaks of (by the provider's reference, which knows no tenant) and what is due to
-- be asked for. `next_check_at` is the machine's time and null once nothing is open.
CREATE TABLE payments (
    payment_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    user_id uuid NOT NULL,
    status text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    refunded_minor bigint NOT NULL CHECK (refunded_minor BETWEEN 0 AND amount_minor),
    currency text NOT NULL,
    method text NOT NULL,
    provider text NOT NULL,
    provider_reference text,
    redirect_url text,
    failure_code text,
    correlation_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    revision bigint NOT NULL,
    next_check_at timestamptz,
    checks integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX payments_reference ON payments (provider, provider_reference)
    WHERE provider_reference IS NOT NULL;
CREATE INDEX payments_due ON payments (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX payments_invoice ON payments (tenant_id, invoice_id);
ALTER TABLE payments ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON payments USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON payments TO vbwd_payments_worker USING (true) WITH CHECK (true);

-- Webhooks that were taken, one row per event of a provider, written in the transaction of their
-- effect: whatever is sent again finds its row and changes nothing.
CREATE TABLE webhook_inbox (
    provider text NOT NULL,
    event_id text NOT NULL,
    tenant_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (provider, event_id)
);
CREATE INDEX webhook_inbox_payment ON webhook_inbox (tenant_id, payment_id);
ALTER TABLE webhook_inbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_inbox FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhook_inbox USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON webhook_inbox TO vbwd_payments_worker USING (true) WITH CHECK (true);
