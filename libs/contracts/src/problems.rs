//! What an rpc may answer instead of a result, beyond what any call may: the codes that its own
//! rules have.
//!
//! `proto/problems.txt` says it, a line per rpc, `<rpc> <kind>:<code> ...`. The API documents list
//! the codes from here, the guard in front of every service reports an answer that is not listed,
//! and the test suite fails when there was one (`cargo xtask problems` takes it over). So the list
//! is neither written from memory nor allowed to grow unseen. Left out is what says nothing about
//! the rpc: broken, unreachable and late services, and reused operation ids.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The list, as it is checked in.
const LIST: &str = include_str!("../../../proto/problems.txt");

/// A code, and the kind of answer that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem {
    /// Name of the kind, which decides the HTTP status: `rejected`.
    pub kind: &'static str,
    /// The stable code: `code` of the problem document, or of one of its `errors` where the kind is
    /// `invalid_input`.
    pub code: &'static str,
}

static PROBLEMS: LazyLock<HashMap<&'static str, Vec<Problem>>> =
    LazyLock::new(|| LIST.lines().filter_map(line).collect());

/// The codes of the rpc with this path on the wire, by kind and name.
#[must_use]
pub fn problems(path: &str) -> &'static [Problem] {
    PROBLEMS.get(path.trim_start_matches('/')).map_or(&[], Vec::as_slice)
}

fn line(text: &'static str) -> Option<(&'static str, Vec<Problem>)> {
    let mut words = text.split_whitespace();
    let rpc = words.next().filter(|word| !word.starts_with('#'))?;
    let mut problems: Vec<_> = words.filter_map(problem).collect();
    problems.sort_unstable();
    Some((rpc, problems))
}

fn problem(word: &'static str) -> Option<Problem> {
    let (kind, code) = word.split_once(':')?;
    Some(Problem { kind, code })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method;

    #[test]
    fn every_line_names_an_rpc_and_its_codes() {
        assert!(PROBLEMS.len() > 50, "the list is read at all");
        for (rpc, problems) in PROBLEMS.iter() {
            assert!(method(&format!("/{rpc}")).is_some(), "{rpc} is no rpc");
            assert!(!problems.is_empty(), "{rpc} has no codes; leave the line out");
            assert!(problems.windows(2).all(|pair| pair[0] != pair[1]), "{rpc} names a code twice");
        }
    }

    #[test]
    fn every_word_has_a_kind_and_a_code() {
        let words = LIST.lines().filter(|line| !line.starts_with('#'));
        for word in words.flat_map(|line| line.split_whitespace().skip(1)) {
            let known =
                problem(word).is_some_and(|problem| !problem.kind.is_empty() && !problem.code.is_empty());
            assert!(known, "{word}");
        }
    }

    #[test]
    fn log_in_says_when_the_password_is_wrong() {
        let codes = problems("/vbwd.identity.v1.AuthService/LogIn");
        assert!(
            codes.contains(&Problem { kind: "unauthenticated", code: "credentials_invalid" }),
            "{codes:?}"
        );
    }
}
