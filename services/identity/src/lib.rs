//! Tenants, users, sessions, roles, audit.
