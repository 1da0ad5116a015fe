//! Ports on 127.0.0.1.
//!
//! A free port can be lost between asking and listening; callers that chose it themselves try
//! again with another one (see [`crate::Postgres::start`]).

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Result, ServerError};

/// Below the ports that the system gives to whoever connects somewhere: one of those may be taken by a
/// connection the moment after it was found free.
const LOWEST: u16 = 10_000;
const COUNT: u32 = 22_000;

/// A port nobody listens on right now; every call of a process looks further, and processes begin at
/// different places.
pub fn free() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(97);
    let nth =
        |nth: u32| u16::try_from(begin.wrapping_add(nth) % COUNT).map(|at| LOWEST.saturating_add(at)).ok();
    let tried = std::iter::repeat_with(|| nth(NEXT.fetch_add(1, Ordering::Relaxed))).take(1_000);
    tried.flatten().find(|port| is_free(*port)).map_or_else(any, Ok)
}

/// Whatever the system gives.
fn any() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| ServerError::Io { doing: "find a free port on 127.0.0.1".to_owned(), source })
}

/// Whether a server could listen on the port.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The wanted port if it is free, or any free one if none is wanted.
pub(crate) fn take(wanted: Option<u16>, server: &'static str) -> Result<u16> {
    match wanted {
        None => free(),
        Some(port) if is_free(port) => Ok(port),
        Some(port) => Err(ServerError::PortTaken { server, port }),
    }
}
