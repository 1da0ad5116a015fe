//! An operator proves a ledger that was served by a real process, from the command line.

use std::process::{Command, Output};

use crate::ledger_load::{Load, Wallet, migrations};

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(text).unwrap()
}

/// What the program says, which must end with this code.
fn run(mut command: Command, arguments: &[&str], code: i32) -> String {
    let output = command.arg("ledger").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
    said(&output)
}

/// The program as it is on a machine that knows nothing of the installation.
fn elsewhere() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vbwd"));
    command.env_clear();
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_proves_exports_and_finds_what_was_altered() {
    let wallet = Wallet::on(testkit::databases(migrations()).await, |_| {}).await;
    let (load, clients) = (Load::default(), [wallet.client(), wallet.client()]);
    let working = async {
        load.more(500).await;
        // While it is being used.
        let report = tokio::task::block_in_place(|| run(wallet.command(), &["verify"], 0));
        assert!(report.contains("ok: nothing is wrong"), "{report}");
        load.end();
    };
    tokio::join!(load.clients(&clients), working);
    wallet.audit(&load).await;
    let folder = std::env::temp_dir().join(format!("vbwd-export-{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir(&folder).unwrap();
    let (file, lines) = (folder.join("ledger"), folder.join("lines"));
    let (file, lines) = (file.to_str().unwrap(), lines.to_str().unwrap());
    run(wallet.command(), &["export", "--out", file], 0);
    run(wallet.command(), &["export", "--format", "jsonl", "--out", lines], 0);
    let text = std::fs::read_to_string(lines).unwrap();
    let operations = text.lines().filter(|line| line.contains(r#""type":"operation""#)).count();
    let report = run(elsewhere(), &["verify", "--file", file], 0);
    assert!(report.contains(&format!("nothing is wrong with {operations} operations")), "{report}");
    println!("{report}{}", text.lines().last().unwrap());
    let head = report.lines().find_map(|line| line.trim().strip_prefix("head ")).unwrap();
    let head = head.split_whitespace().next().unwrap();
    run(wallet.command(), &["verify", "--head", head], 0);
    run(elsewhere(), &["verify", "--file", lines], 2);
    run(elsewhere(), &["verify", "--file", "/nowhere"], 2);
    run(elsewhere(), &["verify"], 64);
    let mut unreachable = wallet.command();
    unreachable.env("VBWD_DATABASE_URL", "postgres://nobody@127.0.0.1:9/vbwd");
    run(unreachable, &["verify"], 2);
    run(wallet.command(), &["export", "--partition", "9"], 1);
    let alter =
        "UPDATE journal SET payload = set_byte(payload, 3, get_byte(payload, 3) # 1) WHERE sequence = 2";
    sqlx::query(alter).execute(&wallet.database.superuser("wallet")).await.unwrap();
    let report = run(wallet.command(), &["verify", "--json"], 1);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let findings: Vec<_> = report["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| one["findings"].as_array().unwrap())
        .collect();
    assert!(!findings.is_empty() && findings.iter().all(|found| found["check"] == "chain"), "{findings:?}");
    assert!(findings.iter().all(|found| found["sequence"] == 2), "{findings:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}
