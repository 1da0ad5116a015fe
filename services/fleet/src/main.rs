//! The `vbwd` binary.
fn main() {}
