-- Where the ledger's batches are: chosen by the first start. With another choice the ledger would
-- begin anew elsewhere.
ALTER TABLE ledger_layout ADD COLUMN journal text CHECK (journal IN ('postgres', 'kurrentdb'));
