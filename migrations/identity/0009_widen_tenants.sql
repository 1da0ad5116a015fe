-- Tenants that are created, suspended, deleted and purged at run time, and how they look.

ALTER TABLE tenants DROP CONSTRAINT tenants_status_check;
ALTER TABLE tenants ADD CONSTRAINT tenants_status_check
    CHECK (status IN ('active', 'suspended', 'deleting', 'purged'));
ALTER TABLE tenants ADD COLUMN suspended_reason text NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN purge_at timestamptz;
ALTER TABLE tenants ADD CONSTRAINT tenants_purge_check CHECK ((status = 'deleting') = (purge_at IS NOT NULL));
CREATE INDEX tenants_to_purge ON tenants (purge_at) WHERE purge_at IS NOT NULL;
ALTER TABLE tenants ADD COLUMN revision bigint NOT NULL DEFAULT 1;
ALTER TABLE tenants ADD COLUMN branding jsonb NOT NULL DEFAULT '{}';
-- 0 means without limit.
ALTER TABLE tenants ADD COLUMN users_max integer NOT NULL DEFAULT 0 CHECK (users_max >= 0);
ALTER TABLE tenants ADD COLUMN api_keys_max integer NOT NULL DEFAULT 0 CHECK (api_keys_max >= 0);
ALTER TABLE tenants ADD COLUMN requests_per_minute integer NOT NULL DEFAULT 0 CHECK (requests_per_minute >= 0);
