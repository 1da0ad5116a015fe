-- The read model of invoices, written in the commit of the events it follows from.

-- The next number of each series and year. The only hot row: it is taken in the last statements
-- of the transaction that opens invoices, one row update for a whole batch of them.
CREATE TABLE invoice_series (
    tenant_id uuid NOT NULL,
    series text NOT NULL,
    year smallint NOT NULL,
    next bigint NOT NULL CHECK (next > 0),
    PRIMARY KEY (tenant_id, series, year)
) WITH (fillfactor = 20);
ALTER TABLE invoice_series ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoice_series FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invoice_series USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON invoice_series TO vbwd_invoicing_worker USING (true) WITH CHECK (true);

-- `attend_at` is when the sweep looks at the invoice next: to ask for its payment, to void it.
-- `request_hash` tells a repeated checkout from another one under the same operation id.
CREATE TABLE invoices (
    tenant_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    series text NOT NULL,
    year smallint NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    user_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('open', 'paid', 'void', 'refunded')),
    currency text NOT NULL,
    total_minor bigint NOT NULL CHECK (total_minor >= 0),
    issued_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    paid_at timestamptz,
    payment_id uuid,
    attend_at timestamptz,
    request_hash bytea NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (tenant_id, invoice_id),
    UNIQUE (tenant_id, series, year, sequence)
) WITH (fillfactor = 80);
CREATE INDEX invoices_of_user ON invoices (tenant_id, user_id, issued_at DESC, invoice_id DESC);
CREATE INDEX invoices_newest ON invoices (tenant_id, issued_at DESC, invoice_id DESC);
CREATE INDEX invoices_to_attend ON invoices (tenant_id, attend_at) WHERE attend_at IS NOT NULL;
ALTER TABLE invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoices FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invoices USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON invoices TO vbwd_invoicing_worker USING (true) WITH CHECK (true);

CREATE TABLE invoice_lines (
    tenant_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    place smallint NOT NULL,
    line_id uuid NOT NULL,
    kind text NOT NULL,
    item_id text NOT NULL,
    description text NOT NULL,
    quantity bigint NOT NULL CHECK (quantity > 0),
    unit_price_minor bigint NOT NULL,
    total_minor bigint NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'fulfilled', 'unfulfillable', 'reversed')),
    PRIMARY KEY (tenant_id, invoice_id, place)
) WITH (fillfactor = 80);
ALTER TABLE invoice_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoice_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invoice_lines USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON invoice_lines TO vbwd_invoicing_worker USING (true) WITH CHECK (true);
