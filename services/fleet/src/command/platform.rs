//! `vbwd platform bootstrap`: makes the platform's own tenant and its first operator.
//!
//! The password comes from the environment, never from the command line, where others could read it.

use std::sync::Arc;

use clap::Subcommand;
use fault::Fault;
use identity::{NewUser, Provisioner};
use kernel::SystemClock;

use crate::config::Config;

const PASSWORD: &str = "VBWD_PLATFORM_PASSWORD";

/// What to do with the platform.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes the platform's tenant and its first operator; once. Password: VBWD_PLATFORM_PASSWORD.
    Bootstrap {
        /// The host on which operators sign in, which no tenant uses.
        #[arg(long)]
        host: String,
        /// Address of the first operator.
        #[arg(long)]
        email: String,
    },
}

/// Does it.
///
/// # Errors
/// `platform_has_operators`, `host_taken`; a missing or unfit password.
pub async fn run(config: &Config, command: Command) -> fault::Result<()> {
    let Command::Bootstrap { host, email } = command;
    let missing = || Fault::invalid("/VBWD_PLATFORM_PASSWORD", "missing", "Set VBWD_PLATFORM_PASSWORD.");
    let password = std::env::var(PASSWORD).map_err(|_| missing())?;
    let platform = crate::start::platform(config, &[], Arc::new(SystemClock)).await?;
    let operator =
        NewUser { email: &email, password: &password, display_name: "Platform operator", roles: &[] };
    Provisioner::new(&platform, config.identity.clone())?.platform(&host, operator).await?;
    println!("{email} operates the installation on {host}");
    Ok(())
}
