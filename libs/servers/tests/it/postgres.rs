//! PostgreSQL: what survives, and what is refused with which sentence.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use servers::process::wait_until;
use servers::{Postgres, PostgresOptions, ServerError, ports, postgres_installations};

/// Runs one statement with the server's own `psql`; the trimmed answer or what it complained about.
pub fn query(url: &str, statement: &str) -> Result<String, String> {
    let psql = postgres_installations().unwrap()[0].bin.join("psql");
    let output = Command::new(psql).args(["-X", "-q", "-At", "-d", url, "-c", statement]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A folder that the user `postgres` can pass through.
fn open_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn durable(folder: &Path) -> PostgresOptions {
    PostgresOptions::durable(folder.join("data"), ports::free().unwrap(), "s3cret")
}

#[test]
fn what_was_committed_survives_stop_kill_and_restart() {
    let mut server = Postgres::ephemeral().unwrap();
    let url = server.url();
    query(&url, "CREATE TABLE kept (n int)").unwrap();
    query(&url, "INSERT INTO kept VALUES (1)").unwrap();
    server.restart().unwrap();
    query(&url, "INSERT INTO kept VALUES (2)").unwrap();
    server.kill_9().unwrap();
    assert!(query(&url, "SELECT 1").is_err());
    server.start_again().unwrap();
    assert_eq!(query(&url, "SELECT sum(n) FROM kept").unwrap(), "3");
}

#[test]
fn only_loopback_is_listened_on_and_the_settings_are_ours() {
    let server = Postgres::ephemeral().unwrap();
    let show = |name: &str| query(&server.url(), &format!("SHOW {name}")).unwrap();
    assert_eq!(show("listen_addresses"), "127.0.0.1");
    assert_eq!((show("fsync"), show("synchronous_commit")), ("off".to_owned(), "on".to_owned()));
    assert_eq!((show("max_connections"), show("server_encoding")), ("300".to_owned(), "UTF8".to_owned()));
}

#[test]
fn a_dropped_ephemeral_server_leaves_nothing() {
    let server = Postgres::ephemeral().unwrap();
    let (folder, port) = (server.data_folder().parent().unwrap().to_owned(), server.port());
    drop(server);
    assert!(!folder.exists());
    assert!(ports::is_free(port));
}

#[test]
fn a_durable_server_asks_for_the_password_and_keeps_its_data() {
    let folder = open_folder();
    let options = durable(folder.path());
    let mut first = Postgres::start(&options).unwrap();
    query(&first.url(), "CREATE TABLE kept AS SELECT 7 AS n").unwrap();
    assert_eq!(query(&first.url(), "SHOW fsync").unwrap(), "on");
    let wrong = first.url().replace("s3cret", "wrong");
    assert!(query(&wrong, "SELECT 1").unwrap_err().contains("password authentication failed"));
    first.stop().unwrap();
    let second = Postgres::start(&options).unwrap();
    assert_eq!(query(&second.url(), "SELECT n FROM kept").unwrap(), "7");
}

#[test]
fn a_server_left_running_is_found_again_and_stopped() {
    let folder = open_folder();
    let options = durable(folder.path());
    Postgres::start(&options).unwrap().leave_running();
    let again = Postgres::start(&PostgresOptions { port: None, ..options.clone() }).unwrap_err();
    assert!(matches!(again, ServerError::AlreadyRunning { .. }), "{again}");
    let mut found = Postgres::find_running(&options.data_folder).unwrap();
    Postgres::stop_found(&mut found.process).unwrap();
    assert!(Postgres::find_running(&options.data_folder).is_none());
}

#[test]
fn a_taken_port_is_named_and_nothing_is_left_behind() {
    let folder = open_folder();
    let options = durable(folder.path());
    let _taken = TcpListener::bind(("127.0.0.1", options.port.unwrap())).unwrap();
    let error = Postgres::start(&options).unwrap_err();
    assert!(error.to_string().contains(&format!("port {}", options.port.unwrap())), "{error}");
    assert!(!options.data_folder.exists());
}

#[test]
fn broken_data_folders_are_refused_untouched() {
    let folder = open_folder();
    let options = durable(folder.path());
    Postgres::start(&options).unwrap().stop().unwrap();
    let version = options.data_folder.join("PG_VERSION");
    std::fs::write(&version, "garbage").unwrap();
    assert!(Postgres::start(&options).unwrap_err().to_string().contains("PG_VERSION"));
    std::fs::write(&version, "9\n").unwrap();
    let other = Postgres::start(&options).unwrap_err().to_string();
    assert!(other.contains("made by PostgreSQL 9"), "{other}");
    assert_eq!(std::fs::read_to_string(&version).unwrap(), "9\n");
}

#[test]
fn damage_that_only_the_server_sees_is_shown_from_its_log() {
    let folder = open_folder();
    let options = durable(folder.path());
    Postgres::start(&options).unwrap().stop().unwrap();
    std::fs::write(options.data_folder.join("global/pg_control"), "damaged").unwrap();
    let error = Postgres::start(&options).unwrap_err();
    assert!(matches!(error, ServerError::DidNotStart { .. }), "{error}");
    assert!(error.to_string().contains("pg_control"), "{error}");
    assert!(Postgres::find_running(&options.data_folder).is_none());
}

#[test]
fn a_folder_open_to_others_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = open_folder();
    let options = durable(folder.path());
    Postgres::start(&options).unwrap().stop().unwrap();
    std::fs::set_permissions(&options.data_folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = Postgres::start(&options).unwrap_err();
    assert!(error.to_string().contains("777 and must be 700"), "{error}");
}

#[test]
fn a_stale_lock_file_does_not_stop_the_start() {
    let folder = open_folder();
    let options = durable(folder.path());
    let mut server = Postgres::start(&options).unwrap();
    server.kill_9().unwrap();
    let lock = options.data_folder.join("postmaster.pid");
    let text = std::fs::read_to_string(&lock).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    // The id of a stranger that is certainly alive: ours.
    std::fs::write(&lock, format!("{}\n{rest}", std::process::id())).unwrap();
    assert!(wait_until(Duration::from_secs(10), || Postgres::start(&options).is_ok()));
}
