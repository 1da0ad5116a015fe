//! What services say to each other.
//!
//! `proto/` is the single source of truth; this crate is what follows from it: the generated
//! messages, clients and server traits ([`vbwd`]), the descriptors ([`pool`]) and the table of
//! every rpc with its route, access, rate class and idempotency ([`methods`]), and the codes each may
//! answer ([`problems`]). The gateway builds
//! its routes from that table and the services check access with it; nobody writes either by hand.

mod codec;
mod methods;
mod problems;

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

pub use methods::{Access, HttpRoute, Idempotency, Method, RateClass, Verb, method, methods};
pub use problems::{Problem, problems};

/// The generated code, by proto package: `contracts::vbwd::wallet::v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::disallowed_methods)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/vbwd.rs"));
}

pub use generated::vbwd;

/// The file descriptor set of everything below `proto/`, with comments.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    // The bytes come from our own build; a failure here is a broken build, found by every test.
    DescriptorPool::decode(DESCRIPTORS).unwrap_or_default()
});

/// The descriptors, for reflection and JSON.
#[must_use]
pub fn pool() -> &'static DescriptorPool {
    &POOL
}
