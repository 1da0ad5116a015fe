-- The country a session was opened and last refreshed in, as far as a trusted proxy told the edge.
ALTER TABLE sessions
    ADD COLUMN country text CHECK (country ~ '^[A-Z]{2}$'),
    ADD COLUMN last_country text CHECK (last_country ~ '^[A-Z]{2}$');
