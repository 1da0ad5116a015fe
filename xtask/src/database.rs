//! The private PostgreSQL and NATS of a developer's fleet: found running, or started.
//!
//! What this command started is stopped again when the command fails; what was running before is
//! left alone.

use anyhow::{Result, anyhow};
use servers::{Nats, NatsOptions, Postgres, PostgresOptions, ServerError};

use crate::console;
use crate::place::Place;
use crate::secrets::Secrets;
use crate::settings::Ports;

/// The servers this command started.
#[derive(Default)]
pub struct Started {
    postgres: Option<Postgres>,
    nats: Option<Nats>,
}

impl Started {
    /// Lets them run on after this command.
    pub fn leave_running(self) {
        self.postgres.into_iter().for_each(Postgres::leave_running);
        self.nats.into_iter().for_each(Nats::leave_running);
    }
}

/// Starts what is not running; corrects the ports where a server already runs on another one.
pub fn start(place: &Place, ports: &mut Ports, secrets: &Secrets) -> Result<Started> {
    let mut started = Started::default();
    let options = postgres_options(place, ports, secrets)?;
    if let Some(found) = Postgres::find_running(&options.data_folder) {
        console::note(&format!("PostgreSQL already runs on port {}", found.port));
        ports.postgres = found.port;
    } else {
        let server = Postgres::start(&options).map_err(|error| advise(error, "VBWD_UP_POSTGRES_PORT"))?;
        console::note(&format!("PostgreSQL {} runs on port {}", server.major_version(), server.port()));
        started.postgres = Some(server);
    }
    let options = nats_options(place, ports);
    if let Some(found) = Nats::find_running(&options.store_folder) {
        console::note(&format!("NATS already runs on port {}", found.port));
        ports.nats = found.port;
    } else {
        let server = Nats::start(&options).map_err(|error| advise(error, "VBWD_UP_NATS_PORT"))?;
        console::note(&format!("NATS runs on port {}", server.port()));
        started.nats = Some(server);
    }
    Ok(started)
}

/// URL of the superuser.
pub fn url(ports: &Ports, secrets: &Secrets) -> String {
    format!("postgres://postgres:{}@127.0.0.1:{}/postgres", secrets.superuser_password, ports.postgres)
}

/// Where NATS keeps its streams.
pub fn nats_options(place: &Place, ports: &Ports) -> NatsOptions {
    let (store_folder, log_file) = (place.run_file("nats"), place.run_file("nats.log"));
    NatsOptions { store_folder, log_file, port: Some(ports.nats) }
}

fn postgres_options(place: &Place, ports: &Ports, secrets: &Secrets) -> Result<PostgresOptions> {
    let folder = place.postgres_folder()?;
    let log_file = place.run_file("postgres.log");
    let options = PostgresOptions::durable(folder, ports.postgres, &secrets.superuser_password);
    Ok(PostgresOptions { log_file, ..options })
}

/// The error, and what to do about it here.
fn advise(error: ServerError, variable: &str) -> anyhow::Error {
    match &error {
        ServerError::PortTaken { .. } => {
            anyhow!("{error} Stop it, or choose another port with {variable}=….")
        }
        ServerError::BrokenData { .. }
        | ServerError::OtherVersion { .. }
        | ServerError::DidNotStart { .. } => {
            anyhow!("{error}\nIf the data may be lost, make reset starts afresh.")
        }
        _ => error.into(),
    }
}
