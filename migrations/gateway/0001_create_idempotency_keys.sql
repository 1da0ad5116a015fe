-- What was answered to a request with an Idempotency-Key, so that a repetition gets the same answer.

CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL,
    -- `user:<id>` or `anonymous:<address>`: keys of different callers never meet.
    caller text NOT NULL,
    -- Path of the rpc on the wire.
    rpc text NOT NULL,
    key text NOT NULL,
    -- Keyed digest of method, path, query and body: bodies may hold passwords.
    request_digest bytea NOT NULL CHECK (length(request_digest) = 32),
    -- Who executes it now; an execution that lost its claim may not write the answer.
    claim uuid NOT NULL,
    claimed_at timestamptz NOT NULL,
    -- The answer; absent while the request is in flight.
    status smallint,
    headers jsonb,
    body bytea,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, caller, rpc, key),
    CHECK ((status IS NULL) = (body IS NULL) AND (status IS NULL) = (headers IS NULL))
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency_keys USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON idempotency_keys TO vbwd_gateway_worker USING (true) WITH CHECK (true);

-- Claims a key in one round trip. No row in the answer: the key is ours to execute. Otherwise the
-- row that holds it. A claim that was abandoned (`lease_before`) or a key that is past its retention
-- (`kept_since`) is taken over; the same claim may ask again, when it did not hear the answer.
--
-- Nothing is lost when the server forgets the last claims in a crash: the services know the
-- operation id, so executing again answers the same. Hence no waiting for the disk.
CREATE FUNCTION claim_idempotency_key(
    the_tenant uuid, the_caller text, the_rpc text, the_key text, the_digest bytea, the_claim uuid,
    the_time timestamptz, lease_before timestamptz, kept_since timestamptz
) RETURNS TABLE (request_digest bytea, status smallint, headers jsonb, body bytea)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('vbwd.tenant_id', the_tenant::text, true), set_config('synchronous_commit', 'off', true);
    INSERT INTO idempotency_keys AS held
        (tenant_id, caller, rpc, key, request_digest, claim, claimed_at, created_at)
    VALUES (the_tenant, the_caller, the_rpc, the_key, the_digest, the_claim, the_time, the_time)
    ON CONFLICT (tenant_id, caller, rpc, key) DO UPDATE
        SET request_digest = EXCLUDED.request_digest, claim = EXCLUDED.claim, claimed_at = EXCLUDED.claimed_at,
            created_at = CASE WHEN held.created_at < kept_since THEN EXCLUDED.created_at ELSE held.created_at END,
            status = NULL, headers = NULL, body = NULL
        WHERE held.created_at < kept_since OR held.claim = EXCLUDED.claim
            OR (held.status IS NULL AND held.claimed_at < lease_before
                AND held.request_digest = EXCLUDED.request_digest);
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT held.request_digest, held.status, held.headers, held.body FROM idempotency_keys AS held
        WHERE held.tenant_id = the_tenant AND held.caller = the_caller AND held.rpc = the_rpc AND held.key = the_key;
    IF NOT FOUND THEN
        -- Given up between the two statements: in flight for this request, free for the next.
        RETURN QUERY SELECT the_digest, NULL::smallint, NULL::jsonb, NULL::bytea;
    END IF;
END $$;

-- Keeps the answer (`the_status` present) or gives the key up (absent), if the claim still holds.
CREATE FUNCTION settle_idempotency_key(
    the_tenant uuid, the_caller text, the_rpc text, the_key text, the_claim uuid,
    the_status smallint, the_headers jsonb, the_body bytea
) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('vbwd.tenant_id', the_tenant::text, true), set_config('synchronous_commit', 'off', true);
    IF the_status IS NULL THEN
        DELETE FROM idempotency_keys
        WHERE tenant_id = the_tenant AND caller = the_caller AND rpc = the_rpc AND key = the_key
            AND claim = the_claim AND status IS NULL;
    ELSE
        UPDATE idempotency_keys SET status = the_status, headers = the_headers, body = the_body
        WHERE tenant_id = the_tenant AND caller = the_caller AND rpc = the_rpc AND key = the_key
            AND claim = the_claim;
    END IF;
END $$;
