//! The closed list of codes. Adding one means deciding its gRPC and HTTP status here, and writing
//! its page in `docs/reference/errors.md`.

/// What kind of answer a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The input is malformed or out of range. HTTP 400.
    InvalidInput,
    /// Nobody, or nobody we can verify, is calling. HTTP 401.
    Unauthenticated,
    /// The caller may not do this. HTTP 403.
    Forbidden,
    /// There is no such thing for this caller. HTTP 404.
    NotFound,
    /// It exists already. HTTP 409.
    AlreadyExists,
    /// A rule refused it in the present state. HTTP 409.
    Rejected,
    /// It has changed since it was read. HTTP 412.
    StaleRevision,
    /// The operation id or idempotency key was used with another body. HTTP 422.
    OperationReused,
    /// A limit was reached. HTTP 429.
    TooMany,
    /// No answer in time; the outcome may be unknown. HTTP 504.
    Timeout,
    /// Cannot answer right now. HTTP 503.
    Unavailable,
    /// A bug or a broken invariant. HTTP 500.
    Internal,
}

impl Code {
    /// Every code, for tables and tests.
    pub const ALL: [Self; 12] = [
        Self::InvalidInput,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::AlreadyExists,
        Self::Rejected,
        Self::StaleRevision,
        Self::OperationReused,
        Self::TooMany,
        Self::Timeout,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Rejected => "rejected",
            Self::StaleRevision => "stale_revision",
            Self::OperationReused => "operation_reused",
            Self::TooMany => "too_many",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// The code with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }

    /// The HTTP status.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidInput => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Rejected => 409,
            Self::StaleRevision => 412,
            Self::OperationReused => 422,
            Self::TooMany => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }

    /// The gRPC status.
    #[must_use]
    pub const fn grpc(self) -> tonic::Code {
        match self {
            Self::InvalidInput => tonic::Code::InvalidArgument,
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::Forbidden => tonic::Code::PermissionDenied,
            Self::NotFound => tonic::Code::NotFound,
            Self::AlreadyExists => tonic::Code::AlreadyExists,
            Self::Rejected | Self::OperationReused => tonic::Code::FailedPrecondition,
            Self::StaleRevision => tonic::Code::Aborted,
            Self::TooMany => tonic::Code::ResourceExhausted,
            Self::Timeout => tonic::Code::DeadlineExceeded,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Internal => tonic::Code::Internal,
        }
    }

    /// The nearest code for a status that came without our details (a proxy, a lost connection).
    #[must_use]
    pub const fn from_grpc(code: tonic::Code) -> Self {
        match code {
            tonic::Code::InvalidArgument | tonic::Code::OutOfRange => Self::InvalidInput,
            tonic::Code::Unauthenticated => Self::Unauthenticated,
            tonic::Code::PermissionDenied => Self::Forbidden,
            tonic::Code::NotFound => Self::NotFound,
            tonic::Code::AlreadyExists => Self::AlreadyExists,
            tonic::Code::FailedPrecondition => Self::Rejected,
            tonic::Code::Aborted => Self::StaleRevision,
            tonic::Code::ResourceExhausted => Self::TooMany,
            tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Self::Timeout,
            tonic::Code::Unavailable => Self::Unavailable,
            _ => Self::Internal,
        }
    }
}
