-- Mails: the queue, and what became of each.

-- `variables` may hold one-time links, so they are sealed, and forgotten when the mail has ended.
-- While `status` is queued, `due_at` says when the next attempt may begin; an attempt that runs has
-- moved it to the end of its lease, so that a crash only delays.
CREATE TABLE mails (
    mail_id      uuid PRIMARY KEY,
    tenant_id    uuid NOT NULL,
    operation_id uuid NOT NULL,
    body_hash    bytea NOT NULL,
    template     text NOT NULL,
    locale       text NOT NULL,
    recipient    text NOT NULL,
    user_id      uuid,
    variables    bytea,
    urgency      smallint NOT NULL,
    status       text NOT NULL CHECK (status IN ('queued', 'sent', 'dead', 'suppressed')),
    attempts     integer NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL,
    subject      text NOT NULL DEFAULT '',
    last_error   text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    UNIQUE (tenant_id, operation_id),
    CHECK ((status = 'queued') = (ended_at IS NULL))
);
CREATE INDEX mails_due ON mails (urgency, due_at) WHERE status = 'queued';
CREATE INDEX mails_newest ON mails (tenant_id, mail_id);
CREATE INDEX mails_of_recipient ON mails (tenant_id, lower(recipient), mail_id);
CREATE INDEX mails_ended ON mails (ended_at) WHERE ended_at IS NOT NULL;

-- What the mail server said to each attempt.
CREATE TABLE mail_attempts (
    tenant_id uuid NOT NULL,
    mail_id   uuid NOT NULL REFERENCES mails ON DELETE CASCADE,
    attempt   integer NOT NULL,
    at        timestamptz NOT NULL,
    outcome   text NOT NULL CHECK (outcome IN ('accepted', 'deferred', 'refused', 'unknown')),
    reply     text NOT NULL,
    PRIMARY KEY (mail_id, attempt)
);

ALTER TABLE mails ENABLE ROW LEVEL SECURITY;
ALTER TABLE mails FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON mails USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON mails TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE mail_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON mail_attempts USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON mail_attempts TO vbwd_notify_worker USING (true) WITH CHECK (true);
