//! The whole API, called with generated input by a tool that reads nothing but the OpenAPI document:
//! no answer is a 5xx, and every status is one that the document names.
//!
//! `make test` installs the tool and names it in `VBWD_TEST_SCHEMATHESIS`; without it this test says
//! that it was not run.

use std::process::Stdio;
use std::time::Duration;

use crate::harness::{Customer, Fleet};

/// Seconds of generated input.
const SECONDS: &str = "150";
/// Calls that would end the run (the caller's own session or account), or never end (a stream).
const LEFT_OUT: &[&str] = &["LogOut", "EraseAccount", "ChangePassword", "EndSession", "WatchMyNotifications"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_answers_what_its_document_says() {
    let Some(tool) = std::env::var_os("VBWD_TEST_SCHEMATHESIS") else {
        println!("not run: VBWD_TEST_SCHEMATHESIS names no tool (`make test` installs it)");
        return;
    };
    let fleet = Fleet::in_process().await;
    let admin = Customer::admin(&fleet).await;
    let mut command = tokio::process::Command::new(tool);
    command.arg("run").arg(format!("{}/api/v1/openapi.json", fleet.base)).arg("--url").arg(&fleet.base);
    command.args(["--header", &format!("Authorization:Bearer {}", admin.token.unwrap_or_default())]);
    command.args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "3", "--max-time", SECONDS]);
    command.args(["--workers", "2", "--generation-deterministic", "--request-timeout", "20", "--no-color"]);
    command.args(["--suppress-health-check", "all", "--continue-on-failure"]);
    for name in LEFT_OUT {
        command.args(["--exclude-operation-id", name]);
    }
    let folder = tempfile_folder();
    command.current_dir(&folder).stdin(Stdio::null()).kill_on_drop(true);
    let run = tokio::time::timeout(Duration::from_secs(400), command.output()).await;
    let output = run.expect("the tool ends in time").expect("the tool runs");
    let _ = std::fs::remove_dir_all(&folder);
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The tool keeps what it has learned in its folder; every run shall begin anew.
fn tempfile_folder() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("vbwd-fuzz-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}
