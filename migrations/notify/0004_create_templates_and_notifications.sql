-- What tenants change about mails, what recipients want, and what users were told.

CREATE TABLE mail_settings (
    tenant_id       uuid PRIMARY KEY,
    product_name    text NOT NULL,
    logo_url        text NOT NULL,
    accent_colour   text NOT NULL,
    support_address text NOT NULL,
    footer          text NOT NULL,
    from_address    text NOT NULL,
    from_name       text NOT NULL,
    reply_to        text NOT NULL,
    default_locale  text NOT NULL,
    public_url      text NOT NULL,
    operator_email  text NOT NULL,
    updated_at      timestamptz NOT NULL
);

-- Words of the tenant's own; where there is no row, those that ship are used.
CREATE TABLE mail_templates (
    tenant_id  uuid NOT NULL,
    template   text NOT NULL,
    locale     text NOT NULL,
    subject    text NOT NULL,
    text       text NOT NULL,
    html       text NOT NULL,
    notice     text NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, template, locale)
);

CREATE TABLE mail_switches (
    tenant_id uuid NOT NULL,
    template  text NOT NULL,
    enabled   boolean NOT NULL,
    PRIMARY KEY (tenant_id, template)
);

CREATE TABLE preferences (
    tenant_id uuid NOT NULL,
    user_id   uuid NOT NULL,
    category  text NOT NULL,
    email     boolean NOT NULL,
    in_app    boolean NOT NULL,
    PRIMARY KEY (tenant_id, user_id, category)
);

-- Recipients without an account who want no more of a category.
CREATE TABLE unsubscribed_addresses (
    tenant_id uuid NOT NULL,
    address   text NOT NULL CHECK (address = lower(address)),
    category  text NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, address, category)
);

-- Whose invoice is whose: events about payments name the invoice only.
CREATE TABLE invoice_owners (
    tenant_id  uuid NOT NULL,
    invoice_id uuid NOT NULL,
    user_id    uuid NOT NULL,
    number     text NOT NULL,
    PRIMARY KEY (tenant_id, invoice_id)
);

CREATE TABLE notifications (
    notification_id uuid PRIMARY KEY,
    tenant_id       uuid NOT NULL,
    user_id         uuid NOT NULL,
    template        text NOT NULL,
    title           text NOT NULL,
    text            text NOT NULL,
    subject         text NOT NULL,
    created_at      timestamptz NOT NULL,
    read_at         timestamptz
);
CREATE INDEX notifications_of_user ON notifications (tenant_id, user_id, notification_id);
CREATE INDEX notifications_unread ON notifications (tenant_id, user_id, notification_id) WHERE read_at IS NULL;
CREATE INDEX notifications_at ON notifications (created_at);

ALTER TABLE mail_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON mail_settings USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON mail_settings TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE mail_templates ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail_templates FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON mail_templates USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON mail_templates TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE mail_switches ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail_switches FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON mail_switches USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON mail_switches TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE preferences ENABLE ROW LEVEL SECURITY;
ALTER TABLE preferences FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON preferences USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON preferences TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE unsubscribed_addresses ENABLE ROW LEVEL SECURITY;
ALTER TABLE unsubscribed_addresses FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON unsubscribed_addresses USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON unsubscribed_addresses TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE invoice_owners ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoice_owners FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invoice_owners USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON invoice_owners TO vbwd_notify_worker USING (true) WITH CHECK (true);

ALTER TABLE notifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE notifications FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notifications USING (tenant_id = nullif(current_setting('vbwd.tenant_id', true), '')::uuid);
CREATE POLICY worker ON notifications TO vbwd_notify_worker USING (true) WITH CHECK (true);

