//! NATS: spoken to in its own protocol, over a plain socket.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use servers::{Nats, NatsOptions, ServerError, ports};

/// Connects, says hello, and answers what the server answers to PING.
pub fn ping(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let (mut info, mut pong) = (String::new(), String::new());
    lines.read_line(&mut info)?;
    assert!(info.contains("\"jetstream\":true"), "{info}");
    stream.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n")?;
    lines.read_line(&mut pong)?;
    Ok(pong)
}

#[test]
fn it_answers_again_after_kill_and_restart_on_the_same_port() {
    let mut server = Nats::ephemeral().unwrap();
    assert_eq!(ping(server.port()).unwrap(), "PONG\r\n");
    server.kill_9().unwrap();
    assert!(ping(server.port()).is_err());
    server.start_again().unwrap();
    assert_eq!(ping(server.port()).unwrap(), "PONG\r\n");
    server.restart().unwrap();
    assert_eq!(ping(server.port()).unwrap(), "PONG\r\n");
}

#[test]
fn a_paused_server_is_silent_until_it_is_resumed() {
    let mut server = Nats::ephemeral().unwrap();
    server.pause();
    assert!(ping(server.port()).is_err());
    server.resume();
    assert_eq!(ping(server.port()).unwrap(), "PONG\r\n");
}

#[test]
fn a_taken_port_and_a_store_that_is_a_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store_folder, log_file) = (folder.path().join("store"), folder.path().join("nats.log"));
    let port = ports::free().unwrap();
    let options = NatsOptions { store_folder, log_file, port: Some(port) };
    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = Nats::start(&options).unwrap_err();
    assert!(matches!(error, ServerError::PortTaken { .. }), "{error}");
    drop(taken);
    std::fs::write(&options.store_folder, "").unwrap();
    assert!(Nats::start(&options).unwrap_err().to_string().contains("it is a file"));
}

#[test]
fn a_server_left_running_is_found_again_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (store_folder, log_file) = (folder.path().join("store"), folder.path().join("nats.log"));
    let options = NatsOptions { store_folder, log_file, port: None };
    Nats::start(&options).unwrap().leave_running();
    assert!(matches!(Nats::start(&options).unwrap_err(), ServerError::AlreadyRunning { .. }));
    let mut found = Nats::find_running(&options.store_folder).unwrap();
    Nats::stop_found(&mut found.process).unwrap();
    assert!(Nats::find_running(&options.store_folder).is_none());
}

#[test]
fn a_dropped_server_is_gone() {
    let server = Nats::ephemeral().unwrap();
    let port = server.port();
    drop(server);
    assert!(ports::is_free(port));
}
