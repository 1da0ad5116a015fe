//! `vbwd migrate`: roles, schemas and migrations of every service.

use crate::config::Config;

/// Migrates everything; safe to repeat and to run on several machines at once.
///
/// # Errors
/// When the database cannot be reached or a migration fails.
pub async fn run(config: &Config) -> fault::Result<()> {
    runtime::database::migrate(&config.database, migrations()).await?;
    println!("migrated: {}", migrations().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "));
    Ok(())
}

/// The migrations of every service, by schema.
#[must_use]
pub fn migrations() -> Vec<(&'static str, sqlx::migrate::Migrator)> {
    vec![
        ("identity", identity::migrations()),
        ("wallet", wallet::migrations()),
        ("invoicing", invoicing::migrations()),
        ("subscription", subscription::migrations()),
        ("payments", payments_gateway::migrations()),
        ("notify", notify::migrations()),
        ("sandbox", payments_gateway_sandbox::migrations()),
        ("gateway", gateway::migrations()),
    ]
}
