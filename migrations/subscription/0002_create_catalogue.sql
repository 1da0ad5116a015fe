-- The catalogue: categories, plans and add-ons, and their versions. A plan's texts change; what a
-- version says never does, because customers have agreed to it.

CREATE TABLE plan_categories (
    tenant_id  uuid NOT NULL,
    slug       text NOT NULL,
    name       text NOT NULL,
    exclusive  boolean NOT NULL,
    sort_order integer NOT NULL,
    PRIMARY KEY (tenant_id, slug)
);
ALTER TABLE plan_categories ENABLE ROW LEVEL SECURITY;
ALTER TABLE plan_categories FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plan_categories USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON plan_categories TO vbwd_subscription_worker USING (true) WITH CHECK (true);

-- The foreign key is what keeps a category from vanishing under a plan.
CREATE TABLE plans (
    tenant_id   uuid NOT NULL,
    plan_id     uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('plan', 'add_on')),
    slug        text NOT NULL,
    name        text NOT NULL,
    description text NOT NULL,
    category    text,
    status      text NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
    sort_order  integer NOT NULL,
    plan_ids    uuid[] NOT NULL,
    version     integer NOT NULL CHECK (version > 0),
    revision    bigint NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, plan_id),
    UNIQUE (tenant_id, slug),
    FOREIGN KEY (tenant_id, category) REFERENCES plan_categories (tenant_id, slug)
);
CREATE INDEX plans_in_order ON plans (tenant_id, sort_order, name, plan_id);
CREATE INDEX plans_of_category ON plans (tenant_id, category) WHERE category IS NOT NULL;
ALTER TABLE plans ENABLE ROW LEVEL SECURITY;
ALTER TABLE plans FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plans USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON plans TO vbwd_subscription_worker USING (true) WITH CHECK (true);

CREATE TABLE plan_versions (
    tenant_id     uuid NOT NULL,
    plan_id       uuid NOT NULL,
    version       integer NOT NULL CHECK (version > 0),
    trial_days    integer NOT NULL CHECK (trial_days >= 0),
    tax_class     text NOT NULL,
    grant_units   bigint CHECK (grant_units > 0),
    grant_stays   boolean NOT NULL,
    features      jsonb NOT NULL,
    access_levels text[] NOT NULL,
    published_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, plan_id, version),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES plans
);
ALTER TABLE plan_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE plan_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plan_versions USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON plan_versions TO vbwd_subscription_worker USING (true) WITH CHECK (true);
REVOKE UPDATE ON plan_versions FROM vbwd_subscription, vbwd_subscription_worker;

-- `place` keeps the merchant's order.
CREATE TABLE plan_prices (
    tenant_id       uuid NOT NULL,
    price_id        uuid NOT NULL,
    plan_id         uuid NOT NULL,
    version         integer NOT NULL,
    place           smallint NOT NULL,
    unit            text NOT NULL CHECK (unit IN ('day', 'week', 'month', 'quarter', 'year')),
    count           smallint NOT NULL CHECK (count > 0),
    currency        text NOT NULL,
    price_minor     bigint NOT NULL CHECK (price_minor >= 0),
    setup_fee_minor bigint CHECK (setup_fee_minor >= 0),
    PRIMARY KEY (tenant_id, price_id),
    UNIQUE (tenant_id, plan_id, version, place),
    FOREIGN KEY (tenant_id, plan_id, version) REFERENCES plan_versions
);
ALTER TABLE plan_prices ENABLE ROW LEVEL SECURITY;
ALTER TABLE plan_prices FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plan_prices USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON plan_prices TO vbwd_subscription_worker USING (true) WITH CHECK (true);
REVOKE UPDATE ON plan_prices FROM vbwd_subscription, vbwd_subscription_worker;
