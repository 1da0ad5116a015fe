-- Addresses that get no more mail, and mails that are sent again.

CREATE TABLE suppressed_addresses (
    tenant_id uuid NOT NULL,
    address   text NOT NULL CHECK (address = lower(address)),
    reason    text NOT NULL CHECK (reason IN ('bounced', 'by_hand')),
    detail    text NOT NULL,
    mail_id   uuid,
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, address)
);

ALTER TABLE suppressed_addresses ENABLE ROW LEVEL SECURITY;
ALTER TABLE suppressed_addresses FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON suppressed_addresses USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON suppressed_addresses TO vbwd_notify_worker USING (true) WITH CHECK (true);

-- Attempts before somebody had the mail sent again; a mail that was given up keeps its sealed
-- variables until then, for a week.
ALTER TABLE mails ADD COLUMN attempts_before integer NOT NULL DEFAULT 0;
CREATE INDEX mails_resendable ON mails (ended_at) WHERE ended_at IS NOT NULL AND variables IS NOT NULL;
