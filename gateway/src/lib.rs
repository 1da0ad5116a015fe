//! The HTTP edge: REST to gRPC, tenants, limits, OpenAPI.
