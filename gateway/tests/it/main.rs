//! The edge from the outside, with fake services behind it.
