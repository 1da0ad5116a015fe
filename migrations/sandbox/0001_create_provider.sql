-- The books of the sandbox provider. It stands outside the fleet and knows no tenants: one
-- merchant account, one API key. A payment is one document, because everything about it is read
-- and written together.

CREATE TABLE payments (
    payment_id text PRIMARY KEY,
    reference text NOT NULL,
    document jsonb NOT NULL
);
CREATE INDEX payments_reference ON payments (reference);

-- A key belongs to one request; another body under the same key is refused.
CREATE TABLE idempotency_keys (
    key text PRIMARY KEY,
    body_hash bytea NOT NULL,
    payment_id text NOT NULL,
    at timestamptz NOT NULL
);

-- Webhooks to send. `due_at` is also the lease of the sender that has claimed the row; it is null
-- once the webhook was delivered or given up.
CREATE TABLE deliveries (
    delivery_id uuid PRIMARY KEY,
    event_id text NOT NULL,
    payment_id text NOT NULL,
    body text NOT NULL,
    due_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    delivered_at timestamptz,
    last_error text
);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_payment ON deliveries (payment_id);
