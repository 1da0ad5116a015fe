//! `up`: from a fresh checkout to a running fleet with a demo tenant.
//!
//! Order: everything that can be refused is looked at before anything is started. Whatever this run
//! starts is held by a value that stops it when dropped; only after the last step are they let go.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::console;
use crate::database;
use crate::packages;
use crate::place::Place;
use crate::secrets::Secrets;
use crate::settings::{self, Ports};
use crate::shell;
use crate::vbwd::{self, Vbwd};

/// Runs the verb.
pub fn run(place: &Place) -> Result<()> {
    let start = Instant::now();
    let _lock = place.lock()?;
    let mut ports = Ports::from_environment()?;
    if let Some(process) = vbwd::find_running(place) {
        return already_running(&Ports::of_last_start(place)?, process.id());
    }
    check_ports(&ports)?;
    packages::ensure_servers(place)?;
    console::timed("Building vbwd (the first time takes some minutes)", || build(place))?;

    console::step("Starting PostgreSQL and NATS");
    let secrets = Secrets::read_or_make(&place.run_file("secrets"), &place.postgres_folder()?)?;
    let servers = database::start(place, &mut ports, &secrets)?;
    let environment = settings::of_vbwd(&ports, &secrets, &database::url(&ports, &secrets));
    let fleet = Vbwd::new(place, ports.admin, environment)?;
    console::timed("Preparing the database", || fleet.run(&["migrate"]))?;
    let serving = console::timed("Starting the fleet", || fleet.serve())?;
    console::timed("Seeding the demo tenant", || fleet.run(&["seed", "demo"]))?;

    ports.remember(place)?;
    serving.leave_running();
    servers.leave_running();
    console::step(&format!("Ready after {}", console::seconds(start.elapsed())));
    print_addresses(&ports);
    Ok(())
}

fn already_running(ports: &Ports, pid: i32) -> Result<()> {
    if !vbwd::is_ready(ports.admin) {
        let admin = ports.admin;
        bail!(
            "vbwd runs (process {pid}), but port {admin} does not say that it is ready. See make logs; make down stops it."
        );
    }
    console::step("Already running; make down && make up starts the present build");
    print_addresses(ports);
    Ok(())
}

fn check_ports(ports: &Ports) -> Result<()> {
    for (port, variable) in ports.of_vbwd() {
        if !servers::ports::is_free(port) {
            bail!(
                "Port {port} on 127.0.0.1 is taken by another program. Stop it, or choose another one with {variable}=…."
            );
        }
    }
    Ok(())
}

fn build(place: &Place) -> Result<()> {
    let mut command: Command = shell::cargo(place);
    shell::run("The build", command.args(["build", "--package", "fleet", "--bin", "vbwd"]))
}

fn print_addresses(ports: &Ports) {
    let lines = [
        ("API", format!("http://localhost:{}/api/v1", ports.gateway)),
        ("API docs", format!("http://localhost:{}/api/v1/docs", ports.gateway)),
        ("Sandbox payments", format!("http://localhost:{}", ports.sandbox)),
        ("Probes, metrics", format!("http://localhost:{}/ready /live /metrics", ports.admin)),
        ("NATS", format!("nats://localhost:{} (subjects evt.>)", ports.nats)),
        ("PostgreSQL", format!("127.0.0.1:{} (password in .run/secrets)", ports.postgres)),
    ];
    for (name, address) in lines {
        console::note(&format!("{name:<17} {address}"));
    }
    console::note("make logs follows the log, make down stops, make reset forgets all data");
}
