//! Token verification, the caller, permission checks.
