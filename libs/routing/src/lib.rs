//! Routing rules: which tenant, front end, page or redirect answers a URL, and why.
//!
//! Pure: no clock, no network, no database. identity keeps the rules and checks them with [`check`],
//! the gateway answers requests from a [`Table`], and both explain with [`explain`]; so what an
//! administrator is told is what happens.
//!
//! Laws: the order of rules is total ([`Rule::order`]); the indexed answer is the one that trying
//! every rule in that order gives (a property test compares them); paths below `/api/` belong to the
//! platform, so that no rule can take away the means to remove it ([`Rule::mismatch`]).

mod check;
mod explain;
mod host;
mod path;
mod question;
mod redirect;
mod rule;
mod table;

pub use check::{Rejection, check};
pub use explain::{Explanation, Step, explain};
pub use host::HostPattern;
pub use path::{is_prefix, normalise};
pub use question::{Question, preferred_language};
pub use redirect::{is_origin, split};
pub use rule::{Action, Miss, Rule};
pub use table::{Answer, Table};
