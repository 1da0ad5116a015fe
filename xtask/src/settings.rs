//! The configuration of the fleet that `make up` starts. The one place where its names are written.

use anyhow::{Context, Result, bail};

use crate::place::Place;
use crate::secrets::Secrets;
use crate::shell;

const REMEMBERED: &str = "ports";

/// The ports of a developer's fleet, all on 127.0.0.1.
#[derive(Debug, Clone)]
pub struct Ports {
    /// PostgreSQL.
    pub postgres: u16,
    /// NATS.
    pub nats: u16,
    /// The gateway's HTTP.
    pub gateway: u16,
    /// Probes and metrics.
    pub admin: u16,
    /// The sandbox payment provider.
    pub sandbox: u16,
}

impl Ports {
    /// The defaults, each replaced by its environment variable if that is set.
    pub fn from_environment() -> Result<Self> {
        Ok(Self {
            postgres: port("VBWD_UP_POSTGRES_PORT", 7432)?,
            nats: port("VBWD_UP_NATS_PORT", 7422)?,
            gateway: port("VBWD_UP_GATEWAY_PORT", 7480)?,
            admin: port("VBWD_UP_ADMIN_PORT", 7481)?,
            sandbox: port("VBWD_UP_SANDBOX_PORT", 7490)?,
        })
    }

    /// The ports with which the running fleet was started.
    pub fn of_last_start(place: &Place) -> Result<Self> {
        let text = shell::read(&place.run_file(REMEMBERED))?;
        let ports: Vec<u16> = text.split_whitespace().filter_map(|port| port.parse().ok()).collect();
        let [postgres, nats, gateway, admin, sandbox] = ports[..] else {
            bail!(
                "{} is damaged; make down, then make up writes it again.",
                place.run_file(REMEMBERED).display()
            );
        };
        Ok(Self { postgres, nats, gateway, admin, sandbox })
    }

    /// Keeps them for [`Ports::of_last_start`].
    pub fn remember(&self, place: &Place) -> Result<()> {
        let Self { postgres, nats, gateway, admin, sandbox } = self;
        let path = place.run_file(REMEMBERED);
        std::fs::write(&path, format!("{postgres} {nats} {gateway} {admin} {sandbox}\n"))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The ports that `vbwd` itself opens, with the variable that changes each.
    pub fn of_vbwd(&self) -> [(u16, &'static str); 3] {
        [
            (self.gateway, "VBWD_UP_GATEWAY_PORT"),
            (self.admin, "VBWD_UP_ADMIN_PORT"),
            (self.sandbox, "VBWD_UP_SANDBOX_PORT"),
        ]
    }
}

/// The environment of `vbwd` in a developer's fleet.
pub fn of_vbwd(ports: &Ports, secrets: &Secrets, database_url: &str) -> Vec<(&'static str, String)> {
    let local = |port: u16| format!("127.0.0.1:{port}");
    vec![
        ("VBWD_ENVIRONMENT", "development".to_owned()),
        ("VBWD_DATABASE_URL", database_url.to_owned()),
        ("VBWD_DATABASE_ROLE_PASSWORD", secrets.role_password.clone()),
        ("VBWD_NATS_URL", format!("nats://{}", local(ports.nats))),
        ("VBWD_FLEET_SECRET", secrets.fleet_secret.clone()),
        ("VBWD_GATEWAY_LISTEN", local(ports.gateway)),
        ("VBWD_IDENTITY_PUBLIC_URL", format!("http://localhost:{}", ports.gateway)),
        ("VBWD_IDENTITY_HOSTS_WITHOUT_PROOF", "localhost".to_owned()),
        ("VBWD_ADMIN_LISTEN", local(ports.admin)),
        ("VBWD_SANDBOX_LISTEN", local(ports.sandbox)),
        ("VBWD_SANDBOX_WEBHOOK_URL", format!("http://{}/api/v1/webhooks/sandbox", local(ports.gateway))),
        ("VBWD_PAYMENTS_PROVIDERS_SANDBOX_BASE_URL", format!("http://{}", local(ports.sandbox))),
    ]
}

/// The environment of the test suite.
pub fn of_tests(
    postgres_url: &str,
    nats_program: &str,
    vbwd_program: &str,
    fuzzer: &str,
    undeclared: &str,
) -> [(&'static str, String); 5] {
    [
        ("VBWD_TEST_UNDECLARED", undeclared.to_owned()),
        ("VBWD_TEST_SCHEMATHESIS", fuzzer.to_owned()),
        ("VBWD_TEST_POSTGRES_URL", postgres_url.to_owned()),
        ("VBWD_TEST_NATS_BIN", nats_program.to_owned()),
        ("VBWD_TEST_BINARY", vbwd_program.to_owned()),
    ]
}

fn port(variable: &str, default: u16) -> Result<u16> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable} must be a port number, not {text:?}")),
        Err(_) => Ok(default),
    }
}
