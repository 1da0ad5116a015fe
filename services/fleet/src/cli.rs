//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::command;
use crate::config::Config;
use crate::roles::Role;

/// Exit code of a wrong configuration (`EX_CONFIG` would be 78; 64 is what process managers of this
/// family use for "do not restart me").
const EXIT_CONFIGURATION: u8 = 64;

/// The vbwd fleet: any set of services in one process.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    /// Configuration file (TOML).
    #[arg(long, global = true, env = "VBWD_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs services; all of them when none is named.
    Serve {
        /// Which ones.
        #[arg(value_enum)]
        roles: Vec<Role>,
    },
    /// Prepares log-in roles and schemas and runs the migrations. Safe to repeat.
    Migrate,
    /// Says what is wrong with an installation.
    Doctor,
    /// Configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Published events.
    Events {
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// The audit trail: whether it was altered.
    Audit {
        #[command(subcommand)]
        command: command::audit::Command,
    },
    /// The platform's own tenant, whose users operate the installation.
    Platform {
        #[command(subcommand)]
        command: command::platform::Command,
    },
    /// The ledger: who serves which partition, and whether it is sound.
    Ledger {
        #[command(subcommand)]
        command: crate::ledger::Command,
    },
    /// Data to start with.
    Seed {
        #[command(subcommand)]
        command: SeedCommand,
    },
    /// Writes the generated reference (events, rpcs and permissions, OpenAPI) into a folder.
    Docs {
        /// The folder, `docs/reference`.
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Shows the configuration in force, secrets hidden.
    Dump,
    /// Lists every environment variable with its default.
    Variables,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// Publishes again what a service has published since a position.
    Republish {
        /// Whose events.
        #[arg(value_enum)]
        service: Role,
        /// The position after which to start; from the beginning when left out.
        #[arg(long)]
        from: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum SeedCommand {
    /// A demo tenant with an administrator, a customer and three token bundles.
    Demo,
}

/// Does what the arguments say.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    // The KurrentDB client brings a second TLS provider; with two, there is no default unless it is said.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = match runtime::config::load::<Config>(arguments.config.as_deref(), std::env::vars()) {
        Ok(config) => config,
        Err(fault) => return refuse(&fault, EXIT_CONFIGURATION),
    };
    if let Command::Config { command } = &arguments.command {
        return finish(show(command, &config));
    }
    if let Command::Docs { folder } = &arguments.command {
        return finish(crate::docs::write(folder));
    }
    if let Command::Ledger { command } = &arguments.command
        && let Some(done) = crate::ledger::offline(command)
    {
        return done.unwrap_or_else(|fault| refuse(&fault, crate::ledger::NOT_LOOKED_AT));
    }
    if let Err(fault) = config.validate() {
        return refuse(&fault, EXIT_CONFIGURATION);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&fault::Fault::internal(error), 1),
    };
    if let Command::Ledger { command } = arguments.command {
        let failure = crate::ledger::failure(&command);
        let done = runtime.block_on(Box::pin(crate::ledger::run(&config, command)));
        return done.unwrap_or_else(|fault| refuse(&fault, failure));
    }
    finish(runtime.block_on(Box::pin(act(arguments.command, config))))
}

async fn act(command: Command, config: Config) -> fault::Result<()> {
    match command {
        Command::Serve { roles } => command::serve::run(config, &roles).await,
        Command::Migrate => command::migrate::run(&config).await,
        Command::Doctor => command::doctor::run(&config).await,
        Command::Events { command: EventsCommand::Republish { service, from } } => {
            command::republish::run(&config, service, from.as_deref()).await
        }
        Command::Platform { command } => command::platform::run(&config, command).await,
        Command::Audit { command } => command::audit::run(&config, command).await,
        Command::Seed { command: SeedCommand::Demo } => command::seed::run(&config).await,
        Command::Config { .. } | Command::Docs { .. } | Command::Ledger { .. } => Ok(()), // done before
    }
}

fn show(command: &ConfigCommand, config: &Config) -> fault::Result<()> {
    match command {
        ConfigCommand::Dump => {
            let text = toml::to_string_pretty(config).map_err(fault::Fault::internal)?;
            println!("{text}");
        }
        ConfigCommand::Variables => {
            for (name, default) in runtime::config::variables::<Config>()? {
                println!("{name}={default}");
            }
        }
    }
    Ok(())
}

fn finish(outcome: fault::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => refuse(&fault, 1),
    }
}

/// Says in one sentence what is wrong, and why as far as it is known.
fn refuse(fault: &fault::Fault, code: u8) -> ExitCode {
    let mut sentence = fault.message().to_owned();
    for (name, value) in fault.facts() {
        sentence.push_str(&format!(" {name}: {value}."));
    }
    let mut cause = std::error::Error::source(fault);
    while let Some(error) = cause {
        sentence.push_str(&format!(" Because: {error}."));
        cause = error.source();
    }
    eprintln!("vbwd: {sentence} [{}]", fault.reason());
    ExitCode::from(code)
}
