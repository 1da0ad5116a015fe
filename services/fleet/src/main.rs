//! The `vbwd` binary: reads its arguments and does one thing.
//!
//! Calls allocate and free across threads; mimalloc does that for a fraction of what the system's
//! allocator takes.

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    fleet::cli::run(fleet::cli::Arguments::parse())
}
