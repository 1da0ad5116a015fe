//! Notices answers that the contracts do not speak of.
//!
//! A code that a client cannot find in the API documents is one it cannot handle. Each such answer
//! is counted (`vbwd_undeclared_problems_total`), and a debug build whose environment names a file
//! in `VBWD_TEST_UNDECLARED` appends a line to it, `<rpc> <kind>:<code>`: that is how the test suite
//! finds what `proto/problems.txt` lacks.

use fault::{Code, Fault};
use http::HeaderMap;
use tonic::Status;

/// Looks at the head of an answer; only refusals cost anything.
pub(crate) fn observe(rpc: &'static str, headers: &HeaderMap) {
    let refused = headers.get(Status::GRPC_STATUS).is_some_and(|status| status != "0");
    if !refused {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else { return };
    let fault = Fault::from(status);
    if !is_said_of_rpcs(fault.code()) {
        return;
    }
    for code in codes(&fault) {
        let kind = fault.code().name();
        let declared = contracts::problems(rpc).iter().any(|known| known.kind == kind && known.code == code);
        if !declared {
            metrics::counter!("vbwd_undeclared_problems_total", "rpc" => rpc, "code" => code.to_owned())
                .increment(1);
            note(rpc, kind, code);
        }
    }
}

/// Whether the contracts list answers of this kind for each rpc; the others can befall any call.
const fn is_said_of_rpcs(code: Code) -> bool {
    !matches!(code, Code::Internal | Code::Unavailable | Code::Timeout | Code::OperationReused)
}

/// The codes a client switches on: those of the wrong parts of an input, or the one of the whole.
fn codes(fault: &Fault) -> Vec<&str> {
    match (fault.reason(), fault.violations()) {
        ("invalid_input", [_, ..]) => fault.violations().iter().map(|wrong| wrong.code.as_str()).collect(),
        (reason, _) => vec![reason],
    }
}

#[cfg(debug_assertions)]
fn note(rpc: &str, kind: &str, code: &str) {
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::sync::LazyLock;

    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("VBWD_TEST_UNDECLARED").map(PathBuf::from));

    let Some(path) = FILE.as_deref() else { return };
    // One write of one line: processes that append at once do not mix their lines.
    let line = format!("{} {kind}:{code}\n", rpc.trim_start_matches('/'));
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        tracing::warn!(%error, "the file for undeclared answers cannot be written");
    }
}

#[cfg(not(debug_assertions))]
const fn note(_rpc: &str, _kind: &str, _code: &str) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_wrong_parts_count_not_the_common_one() {
        let fault = Fault::invalid("/a", "out_of_range", "No.").with_violation("/b", "unknown");
        assert_eq!(codes(&fault), ["out_of_range", "unknown"]);
        assert_eq!(codes(&Fault::rejected("invoice_paid", "No.")), ["invoice_paid"]);
    }

    #[test]
    fn what_can_befall_any_call_is_not_said_of_one() {
        let said: Vec<_> =
            Code::ALL.into_iter().filter(|code| is_said_of_rpcs(*code)).map(Code::name).collect();
        assert_eq!(
            said,
            [
                "invalid_input",
                "unauthenticated",
                "forbidden",
                "not_found",
                "already_exists",
                "rejected",
                "stale_revision",
                "too_many"
            ]
        );
    }
}
