-- Outbound webhooks: where to, what, and what became of it.

CREATE TABLE webhook_endpoints (
    endpoint_id                uuid PRIMARY KEY,
    tenant_id                  uuid NOT NULL,
    url                        text NOT NULL,
    description                text NOT NULL,
    event_types                text[] NOT NULL,
    enabled                    boolean NOT NULL,
    disabled_reason            text NOT NULL DEFAULT '',
    rate_per_second            integer NOT NULL CHECK (rate_per_second BETWEEN 0 AND 1000),
    concurrency                integer NOT NULL CHECK (concurrency BETWEEN 1 AND 64),
    contact_email              text NOT NULL,
    sealed_secret              bytea NOT NULL,
    previous_sealed_secret     bytea,
    previous_secret_expires_at timestamptz,
    created_at                 timestamptz NOT NULL,
    CHECK (enabled = (disabled_reason = ''))
);
CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant_id, endpoint_id);

-- What changes with every delivery, apart from what people set. `look_at` is when this lane should
-- be looked at next; the row's lock makes one replica at a time decide what begins, which keeps
-- rate and concurrency across replicas. `credit` are deliveries that may begin at once.
CREATE TABLE webhook_lanes (
    endpoint_id   uuid PRIMARY KEY REFERENCES webhook_endpoints ON DELETE CASCADE,
    tenant_id     uuid NOT NULL,
    look_at       timestamptz,
    credit        double precision NOT NULL DEFAULT 1,
    credited_at   timestamptz NOT NULL,
    paused_until  timestamptz,
    failing_since timestamptz,
    failures      integer NOT NULL DEFAULT 0
);
CREATE INDEX webhook_lanes_due ON webhook_lanes (look_at) WHERE look_at IS NOT NULL;

-- What was published, kept for replays; endpoints share one row. Examples are sent, never replayed.
CREATE SEQUENCE webhook_positions;
CREATE TABLE webhook_messages (
    tenant_id  uuid NOT NULL,
    event_id   uuid NOT NULL,
    position   bigint NOT NULL,
    example    boolean NOT NULL DEFAULT false,
    event_type text NOT NULL,
    body       text NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
);
CREATE UNIQUE INDEX webhook_messages_position ON webhook_messages (tenant_id, position);
CREATE INDEX webhook_messages_at ON webhook_messages (at);

-- A replay is a chain: the end of each delivery begins the next one, in one commit.
CREATE TABLE webhook_replays (
    replay_id      uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL,
    endpoint_id    uuid NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    last_position  bigint NOT NULL,
    until_position bigint NOT NULL,
    event_types    text[] NOT NULL,
    created_at     timestamptz NOT NULL
);
CREATE INDEX webhook_replays_of_endpoint ON webhook_replays (endpoint_id);

CREATE TABLE webhook_deliveries (
    delivery_id uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    event_id    uuid NOT NULL,
    event_type  text NOT NULL,
    origin      text NOT NULL CHECK (origin IN ('event', 'resend', 'replay', 'test')),
    replay_id   uuid,
    position    bigint,
    status      text NOT NULL CHECK (status IN ('waiting', 'sending', 'succeeded', 'failed')),
    attempts    integer NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL,
    last_status integer NOT NULL DEFAULT 0,
    last_error  text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    FOREIGN KEY (tenant_id, event_id) REFERENCES webhook_messages,
    CHECK ((status IN ('waiting', 'sending')) = (ended_at IS NULL))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at, delivery_id) WHERE ended_at IS NULL;
CREATE INDEX webhook_deliveries_sending ON webhook_deliveries (endpoint_id, due_at) WHERE status = 'sending';
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (endpoint_id, delivery_id);
CREATE INDEX webhook_deliveries_of_message ON webhook_deliveries (tenant_id, event_id);
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE webhook_attempts (
    tenant_id        uuid NOT NULL,
    delivery_id      uuid NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
    attempt          integer NOT NULL,
    at               timestamptz NOT NULL,
    duration_ms      integer NOT NULL,
    url              text NOT NULL,
    request_headers  jsonb NOT NULL,
    status           integer NOT NULL,
    response_headers jsonb NOT NULL,
    response_body    text NOT NULL,
    error            text NOT NULL,
    PRIMARY KEY (delivery_id, attempt)
);

ALTER TABLE webhook_endpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_endpoints FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhook_endpoints USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON webhook_endpoints TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE webhook_lanes ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_lanes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhook_lanes USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON webhook_lanes TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE webhook_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhook_messages USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON webhook_messages TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE webhook_replays ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_replays FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhook_replays USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON webhook_replays TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhook_deliveries USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON webhook_deliveries TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE webhook_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhook_attempts USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON webhook_attempts TO vbwd_notify_worker USING (true) WITH CHECK (true);

