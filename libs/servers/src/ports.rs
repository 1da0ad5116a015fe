//! Ports on 127.0.0.1.
//!
//! A free port can be lost between asking and listening; callers that chose it themselves try
//! again with another one (see [`crate::Postgres::start`]).

use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Result, ServerError};

/// A port nobody listens on right now.
pub fn free() -> Result<u16> {
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
