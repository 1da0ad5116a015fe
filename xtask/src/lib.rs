//! Developer commands: up, down, test, check.
