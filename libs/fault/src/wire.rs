//! Faults over gRPC: a status with `google.rpc.ErrorInfo` and `BadRequest` details, as
//! <https://google.aip.dev/193> describes, so that any client can read them.

use std::collections::HashMap;

use tonic::Status;
use tonic_types::{BadRequest, ErrorDetails, FieldViolation, StatusExt};

use crate::{Code, Fault};

/// The `domain` of our `ErrorInfo`.
pub const DOMAIN: &str = "vbwd";

/// Key of the code's name among the facts of `ErrorInfo`.
const CODE: &str = "vbwd.code";

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        log_cause(&fault);
        let mut facts: HashMap<String, String> =
            fault.facts().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        facts.insert(CODE.to_owned(), fault.code().name().to_owned());
        let mut details = ErrorDetails::with_error_info(fault.reason(), DOMAIN, facts);
        if !fault.violations().is_empty() {
            let fields = fault.violations().iter().map(|wrong| FieldViolation {
                field: wrong.pointer.clone(),
                description: wrong.code.clone(),
                ..FieldViolation::default()
            });
            details.set_bad_request(fields.collect::<Vec<_>>());
        }
        Status::with_error_details(fault.code().grpc(), fault.message().to_owned(), details)
    }
}

impl From<Status> for Fault {
    /// Reads our details back; a status without them keeps only its code, and its text is treated
    /// as a cause, not as something a client may read.
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let Some(info) = details.error_info().filter(|info| info.domain == DOMAIN) else {
            return foreign(status);
        };
        let named = info.metadata.get(CODE).and_then(|name| Code::from_name(name));
        let code = named.unwrap_or_else(|| Code::from_grpc(status.code()));
        let mut fault = Self::new(code, info.reason.clone(), status.message().to_owned());
        for (name, value) in info.metadata.iter().filter(|(name, _)| *name != CODE) {
            fault = fault.with_fact(name.clone(), value);
        }
        with_violations(fault, details.bad_request())
    }
}

/// The wire is where the cause is lost, so this is the last place where it can be told.
fn log_cause(fault: &Fault) {
    let Some(source) = std::error::Error::source(fault) else { return };
    let mut chain = source.to_string();
    let mut next = source.source();
    while let Some(cause) = next {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        next = cause.source();
    }
    match fault.code() {
        Code::Internal => tracing::error!(reason = fault.reason(), cause = chain, "internal fault"),
        Code::Unavailable | Code::Timeout => {
            tracing::warn!(reason = fault.reason(), cause = chain, "dependency failed");
        }
        _ => tracing::debug!(reason = fault.reason(), cause = chain, "refused"),
    }
}

fn foreign(status: Status) -> Fault {
    let code = Code::from_grpc(status.code());
    Fault::new(code, code.name(), "The service could not answer.").with_source(status)
}

fn with_violations(fault: Fault, bad_request: Option<&BadRequest>) -> Fault {
    let fields = bad_request.map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
    fields.iter().fold(fault, |fault, wrong| fault.with_violation(&wrong.field, &wrong.description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_survives_the_wire() {
        for code in Code::ALL {
            let sent = Fault::new(code, "because", "Because.")
                .with_fact("limit", 5)
                .with_violation("/a/0", "out_of_range");
            let received = Fault::from(Status::from(sent));
            assert_eq!(received.code(), code);
            assert_eq!(received.reason(), "because");
            assert_eq!(received.message(), "Because.");
            assert_eq!(received.facts().collect::<Vec<_>>(), [("limit", "5")]);
            assert_eq!(received.violations()[0].pointer, "/a/0");
        }
    }

    #[test]
    fn the_source_stays_home() {
        let status = Status::from(Fault::internal("password=hunter2"));
        assert!(!format!("{status:?}").contains("hunter2"));
    }

    #[test]
    fn a_foreign_status_keeps_its_code_and_hides_its_text() {
        let fault = Fault::from(Status::unavailable("connection refused to 10.0.0.7"));
        assert_eq!(fault.code(), Code::Unavailable);
        assert!(!fault.to_string().contains("10.0.0.7"));
    }
}
