//! Configuration, telemetry, admin port, roles, drain, gRPC layers.
