//! Runs seeds of the ledger's simulation: `SEED=n` one with its story, `RUNS=n` so many from `FROM`.

use std::process::ExitCode;
use std::time::Instant;

use wallet::sim::{Report, simulate};

const RUNS: u64 = 20_000;

fn main() -> ExitCode {
    match number("SEED") {
        Ok(Some(seed)) => one(seed),
        Ok(None) => match (number("FROM"), number("RUNS")) {
            (Ok(from), Ok(runs)) => many(from.unwrap_or(0), runs.unwrap_or(RUNS)),
            (Err(wrong), _) | (_, Err(wrong)) => usage(&wrong),
        },
        Err(wrong) => usage(&wrong),
    }
}

fn number(name: &str) -> Result<Option<u64>, String> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => {
            text.parse().map(Some).map_err(|_| format!("{name}={text} is not a number"))
        }
        _ => Ok(None),
    }
}

fn usage(wrong: &str) -> ExitCode {
    eprintln!("{wrong}; SEED=n runs one seed with its story, RUNS=n so many, FROM=n begins elsewhere");
    ExitCode::from(64)
}

fn one(seed: u64) -> ExitCode {
    match simulate(seed, true) {
        Ok(report) => {
            println!("seed {seed}: all is well\n{report}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("seed {seed}: {wrong}");
            ExitCode::FAILURE
        }
    }
}

fn many(from: u64, runs: u64) -> ExitCode {
    let (mut all, mut failed, began) = (Report::default(), 0_u32, Instant::now());
    for seed in from..from.saturating_add(runs) {
        match simulate(seed, false) {
            Ok(report) => all.add(&report),
            Err(wrong) => {
                failed += 1;
                eprintln!("seed {seed}: {wrong}\n  reproduce it with: make sim SEED={seed}");
            }
        }
        if failed == 10 {
            eprintln!("That is enough.");
            break;
        }
    }
    println!(
        "{runs} runs from seed {from} in {:.1} s, {failed} failed\n{all}",
        began.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
