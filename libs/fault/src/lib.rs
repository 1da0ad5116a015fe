//! Everything that can be answered instead of a result.
//!
//! A [`Fault`] has a [`Code`] from a closed list, which alone decides the gRPC and HTTP status; a
//! stable `reason` (`bundle_unknown`) that clients may switch on; a message for the client; facts;
//! and, apart from all of these, a `source` that is logged and never leaves the process. `Display`
//! never repeats the source. Over gRPC a fault travels as a status with standard `ErrorInfo` and
//! `BadRequest` details; the gateway alone turns it into problem+json (RFC 9457).

mod code;
mod wire;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

pub use code::Code;
pub use wire::DOMAIN;

/// The result of anything that can fail with a [`Fault`].
pub type Result<T> = std::result::Result<T, Fault>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// An answer that is not a result.
pub struct Fault(Box<Body>);

struct Body {
    code: Code,
    reason: Cow<'static, str>,
    message: Cow<'static, str>,
    facts: Vec<(Cow<'static, str>, String)>,
    violations: Vec<Violation>,
    source: Option<Source>,
}

/// One part of the input that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the part: `/lines/0/quantity`.
    pub pointer: String,
    /// Stable code: `out_of_range`.
    pub code: String,
}

impl Fault {
    /// A fault with a code, a stable reason (snake case) and a sentence for the client.
    pub fn new(
        code: Code,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Body {
            code,
            reason: reason.into(),
            message: message.into(),
            facts: Vec::new(),
            violations: Vec::new(),
            source: None,
        }))
    }

    /// One part of the input is wrong: `Fault::invalid("/lines/0/quantity", "out_of_range", "…")`.
    pub fn invalid(
        pointer: impl Into<String>,
        violation: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Code::InvalidInput, "invalid_input", message).with_violation(pointer, violation)
    }

    /// A rule said no.
    pub fn rejected(reason: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Rejected, reason, message)
    }

    /// The thing does not exist, or not for this caller. `noun` is what was looked for: `invoice`.
    #[must_use]
    pub fn not_found(noun: &str) -> Self {
        Self::new(Code::NotFound, format!("{noun}_not_found"), format!("There is no such {noun}."))
    }

    /// Something this service depends on failed for now; trying again makes sense.
    pub fn unavailable(reason: impl Into<Cow<'static, str>>, source: impl Into<Source>) -> Self {
        Self::new(Code::Unavailable, reason, "The service cannot answer right now; try again.")
            .with_source(source)
    }

    /// Something failed that never should; the client learns nothing but the trace id.
    pub fn internal(source: impl Into<Source>) -> Self {
        Self::new(Code::Internal, "internal", "Something went wrong on our side.").with_source(source)
    }

    /// Adds a fact that the client may read.
    #[must_use]
    pub fn with_fact(mut self, name: impl Into<Cow<'static, str>>, value: impl fmt::Display) -> Self {
        self.0.facts.push((name.into(), value.to_string()));
        self
    }

    /// Adds a wrong part of the input.
    #[must_use]
    pub fn with_violation(mut self, pointer: impl Into<String>, code: impl Into<String>) -> Self {
        self.0.violations.push(Violation { pointer: pointer.into(), code: code.into() });
        self
    }

    /// Says that the wrong parts lie below `pointer`: `/id` becomes `/commands/3/id`.
    #[must_use]
    pub fn within(mut self, pointer: &str) -> Self {
        for violation in &mut self.0.violations {
            violation.pointer.insert_str(0, pointer);
        }
        self
    }

    /// Adds the cause, for logs only.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The sentence for the client.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Facts that the client may read.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.facts.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }

    /// Wrong parts of the input.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// Whether the same call may succeed later without any change by the client.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.code(), Code::Unavailable | Code::Timeout | Code::TooMany | Code::StaleRevision)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason(), self.message())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("code", &self.0.code)
            .field("reason", &self.0.reason)
            .field("facts", &self.0.facts)
            .field("violations", &self.0.violations)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}
