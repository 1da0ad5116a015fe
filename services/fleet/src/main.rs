//! The `vbwd` binary: reads its arguments and does one thing.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    fleet::cli::run(fleet::cli::Arguments::parse())
}
