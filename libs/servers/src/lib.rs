//! Private PostgreSQL and NATS servers for development and tests.
