//! What people see: steps, facts, failures. Everything is one line, so that it reads well in a CI log.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Announces a step that may take a while.
pub fn step(what: &str) {
    paint("1;36", "==>", what);
}

/// Tells something about the running step.
pub fn note(what: &str) {
    println!("    {what}");
    flush();
}

/// Says what went wrong, on standard error.
pub fn failure(what: &str) {
    flush();
    let mark = if std::io::stderr().is_terminal() { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
    eprintln!("{mark} {what}");
}

/// Announces a step, does it, and tells how long it took.
pub fn timed<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    step(what);
    let start = Instant::now();
    let answer = work()?;
    note(&format!("done in {}", seconds(start.elapsed())));
    Ok(answer)
}

/// `3.2 s`, `4 min 10 s`.
pub fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        whole if whole >= 60 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

fn paint(colour: &str, mark: &str, what: &str) {
    if std::io::stdout().is_terminal() {
        println!("\x1b[{colour}m{mark}\x1b[0m {what}");
    } else {
        println!("{mark} {what}");
    }
    flush();
}

fn flush() {
    // Our lines must not come after those of the programs we start.
    let _nobody_reads = std::io::stdout().flush();
}
