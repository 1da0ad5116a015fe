-- Privileged actions that identity has not taken into the audit trail yet. Rendered from
-- libs/runtime/template/create_audit_outbox.sql; a test of that crate keeps the copies identical.

-- Written before the action begins, without an outcome; removed when it was handed over.
CREATE TABLE audit_outbox (
    entry_id       uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL,
    at             timestamptz NOT NULL,
    actor          text NOT NULL,
    action         text NOT NULL,
    target         text NOT NULL,
    origin_address text NOT NULL,
    trace_id       text NOT NULL,
    operation_id   uuid NOT NULL,
    outcome        text CHECK (outcome IN ('done', 'refused', 'unknown')),
    before_json    text NOT NULL,
    after_json     text NOT NULL
);
CREATE INDEX audit_outbox_at ON audit_outbox (at);

ALTER TABLE audit_outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON audit_outbox TO vbwd_subscription_worker USING (true) WITH CHECK (true);
REVOKE ALL ON audit_outbox FROM vbwd_subscription;
