-- The trail takes what other services and plugins record, is searched, and refuses changes by
-- anybody, its owner too.

-- Empty in entries from before; those are hashed without these three.
ALTER TABLE audit_entries ADD COLUMN source text NOT NULL DEFAULT '';
ALTER TABLE audit_entries ADD COLUMN operation_id text NOT NULL DEFAULT '';
ALTER TABLE audit_entries ADD COLUMN outcome text NOT NULL DEFAULT '';

-- What is handed over twice is one entry.
CREATE UNIQUE INDEX audit_entries_once ON audit_entries (tenant_id, entry_id);
CREATE INDEX audit_entries_by_action ON audit_entries (tenant_id, action text_pattern_ops, sequence);
CREATE INDEX audit_entries_by_time ON audit_entries (tenant_id, at, sequence);
-- Who really acted, where somebody acted as somebody else or through a key.
CREATE INDEX audit_entries_by_means ON audit_entries (tenant_id, split_part(actor, ' via ', 2), sequence);

CREATE FUNCTION refuse_to_alter_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_entries_stay BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_to_alter_audit();
CREATE TRIGGER audit_entries_remain BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_alter_audit();
