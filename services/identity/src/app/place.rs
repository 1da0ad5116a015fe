//! Where a call comes from, as far as a session remembers it.

/// Where a log-in comes from.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Address, as the edge saw it.
    pub(crate) origin: Option<&'a str>,
    /// Where that is, as far as the edge knows: ISO 3166-1, two letters.
    pub(crate) country: Option<&'a str>,
    /// What the client says it is.
    pub(crate) user_agent: &'a str,
}
