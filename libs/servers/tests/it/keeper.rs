//! Ephemeral servers end with the process that started them, also after `kill -9`; and none of this
//! needs root. Both are seen from outside: the test binary runs itself as a second process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use servers::process::wait_until;
use servers::{Nats, Postgres, ports};

use crate::nats::ping;
use crate::postgres::query;

const HOLDER: &str = "keeper::holds_both_servers_until_it_is_killed";
const NOBODY: &str = "65534";

/// Both servers as the second process reported them.
struct Held {
    postgres_port: u16,
    nats_port: u16,
    folder: String,
}

#[test]
#[ignore = "the second process of the tests below"]
fn holds_both_servers_until_it_is_killed() {
    // A thread of its own, ended at once: the servers must outlive it.
    let started = std::thread::spawn(|| (Postgres::ephemeral().unwrap(), Nats::ephemeral().unwrap()));
    let (postgres, nats) = started.join().unwrap();
    let folder = postgres.data_folder().parent().unwrap().display().to_string();
    println!("\nheld {} {} {folder}", postgres.port(), nats.port());
    std::thread::sleep(Duration::from_secs(120));
}

#[test]
fn killing_the_owner_ends_the_servers_and_removes_their_folder() {
    let program = std::env::current_exe().unwrap();
    let (mut owner, held) = hold(&mut Command::new(program));
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(wait_until(Duration::from_secs(20), || {
        let ports_are_free = ports::is_free(held.postgres_port) && ports::is_free(held.nats_port);
        ports_are_free && !Path::new(&held.folder).exists()
    }));
}

#[test]
fn an_ordinary_user_needs_no_privileges() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let program = folder.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let (mut owner, held) = hold(&mut as_nobody(folder.path(), &program));
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", held.postgres_port);
    assert_eq!(query(&url, "SELECT 40 + 2").unwrap(), "42");
    assert_eq!(ping(held.nats_port).unwrap(), "PONG\r\n");
    owner.kill().unwrap();
    owner.wait().unwrap();
}

/// As root: as user nobody. As an ordinary user: as ourselves, which is the same case.
fn as_nobody(folder: &Path, program: &Path) -> Command {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"]).arg(program);
    command
}

fn hold(command: &mut Command) -> (Child, Held) {
    command.args(["--exact", HOLDER, "--ignored", "--nocapture"]);
    let mut owner = command.stdout(Stdio::piped()).env_remove("TMPDIR").spawn().unwrap();
    let output = BufReader::new(owner.stdout.take().unwrap());
    let line = output.lines().map_while(Result::ok).find(|line| line.starts_with("held "));
    let line = line.expect("the second process starts both servers");
    let words: Vec<&str> = line.split(' ').collect();
    let (postgres_port, nats_port) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    (owner, Held { postgres_port, nats_port, folder: words[3].to_owned() })
}
