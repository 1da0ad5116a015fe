-- The tables every event-sourced service shares. Rendered from
-- libs/eventstore/template/create_event_store.sql; a test of that crate keeps the copies identical.

-- One row. A stored transaction id is the cluster's counter plus `shift`: after a restore into a
-- cluster whose counter is behind, `eventstore::repair_epoch` raises the shift so that new events
-- still sort after the restored ones.
CREATE TABLE event_epoch (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    shift bigint NOT NULL DEFAULT 0 CHECK (shift >= 0)
);
INSERT INTO event_epoch DEFAULT VALUES;

-- The facts. (transaction, sequence) is the position; readers see only transactions below the
-- horizon of their snapshot, so a position once read past never gains an event.
CREATE TABLE events (
    event_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    stream_id uuid NOT NULL,
    revision bigint NOT NULL CHECK (revision > 0),
    transaction bigint NOT NULL,
    sequence bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    version smallint NOT NULL,
    payload jsonb NOT NULL,
    metadata jsonb NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, kind, stream_id, revision)
);
CREATE UNIQUE INDEX events_position ON events (transaction, sequence);
CREATE UNIQUE INDEX events_event_id ON events (event_id);
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON events USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON events TO vbwd_subscription_worker USING (true) WITH CHECK (true);

-- The last revision of streams whose facts are recorded without an aggregate.
CREATE TABLE streams (
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    stream_id uuid NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (tenant_id, kind, stream_id)
);
ALTER TABLE streams ENABLE ROW LEVEL SECURITY;
ALTER TABLE streams FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON streams USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON streams TO vbwd_subscription_worker USING (true) WITH CHECK (true);

-- Idempotency: what was answered to an operation id.
CREATE TABLE operations (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    body_hash bytea NOT NULL,
    answer bytea,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, operation_id)
);
CREATE INDEX operations_at ON operations (at);
ALTER TABLE operations ENABLE ROW LEVEL SECURITY;
ALTER TABLE operations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON operations USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON operations TO vbwd_subscription_worker USING (true) WITH CHECK (true);

-- How far each relay, projection and reactor has come.
CREATE TABLE cursors (
    name text PRIMARY KEY,
    transaction bigint NOT NULL,
    sequence bigint NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Events of other services that were handled; written in the transaction of their effect.
CREATE TABLE inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_at ON inbox (at);

-- Events that could not be handled; an operator may replay them.
CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    payload jsonb NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    at timestamptz NOT NULL,
    replayed_at timestamptz,
    UNIQUE (consumer, event_id)
);
CREATE INDEX dead_letters_open ON dead_letters (tenant_id, at) WHERE replayed_at IS NULL;
ALTER TABLE dead_letters ENABLE ROW LEVEL SECURITY;
ALTER TABLE dead_letters FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON dead_letters USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON dead_letters TO vbwd_subscription_worker USING (true) WITH CHECK (true);

-- Something that falls due. `due_at` is the tenant's time, `retry_at` the machine's.
CREATE TABLE timers (
    timer_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    kind text NOT NULL,
    subject uuid NOT NULL,
    due_at timestamptz NOT NULL,
    retry_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    payload jsonb NOT NULL
);
CREATE INDEX timers_due ON timers (tenant_id, due_at);
CREATE INDEX timers_subject ON timers (tenant_id, kind, subject);
ALTER TABLE timers ENABLE ROW LEVEL SECURITY;
ALTER TABLE timers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON timers USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON timers TO vbwd_subscription_worker USING (true) WITH CHECK (true);
