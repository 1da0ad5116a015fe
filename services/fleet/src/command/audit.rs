//! `vbwd audit verify`: recomputes the audit chains of tenants.
//!
//! Exit codes, for scripts: 0 nothing was altered, 1 something was, or it could not be looked at.

use std::sync::Arc;

use clap::Subcommand;
use fault::Fault;
use ids::TenantId;
use kernel::SystemClock;

use crate::config::Config;

/// What to do with the trail.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Recomputes the chain of every tenant, and says where one was broken.
    Verify {
        /// Only of this tenant.
        #[arg(long)]
        tenant: Option<TenantId>,
    },
}

/// Does it, and prints one line per tenant: id, entries, hash of the last one.
///
/// # Errors
/// `audit_chain_broken`; faults of the database.
pub async fn run(config: &Config, command: Command) -> fault::Result<()> {
    let Command::Verify { tenant } = command;
    let platform = crate::start::platform(config, &[], Arc::new(SystemClock)).await?;
    let identity = identity::build(&platform, config.identity.clone())?;
    let tenants = match tenant {
        Some(tenant) => vec![tenant],
        None => identity.tenants().await?,
    };
    let mut broken = 0;
    for tenant in tenants {
        let verdict = identity.inspect_audit(tenant).await?;
        match verdict.broken {
            None => println!("{tenant} intact {} {}", verdict.entries, verdict.head_text()),
            Some(place) => {
                broken += 1;
                println!("{tenant} BROKEN: {place}");
            }
        }
    }
    if broken == 0 {
        return Ok(());
    }
    let message = "The audit trail was altered.";
    Err(Fault::new(fault::Code::Internal, "audit_chain_broken", message).with_fact("tenants", broken))
}
