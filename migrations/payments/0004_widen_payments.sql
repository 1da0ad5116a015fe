-- What a payment can be beyond taken whole or not at all. Rows from before are right as they are:
-- whatever was captured was captured whole, which is why the reader takes a null for that.
ALTER TABLE payments ADD COLUMN captured_minor bigint CHECK (captured_minor BETWEEN 1 AND amount_minor);
ALTER TABLE payments ADD COLUMN disputed_minor bigint NOT NULL DEFAULT 0 CHECK (disputed_minor >= 0);
ALTER TABLE payments ADD COLUMN decline text;
ALTER TABLE payments ADD COLUMN contradicted_minor bigint;
ALTER TABLE payments ADD COLUMN contradicted_currency text;

-- A webhook may be about a method that is being saved instead of a payment.
ALTER TABLE webhook_inbox ALTER COLUMN payment_id DROP NOT NULL;
ALTER TABLE webhook_inbox ADD COLUMN setup_id uuid;
