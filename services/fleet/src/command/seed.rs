//! `vbwd seed demo`: a tenant to look at, with an administrator, a customer, token bundles and plans.

use std::sync::Arc;

use kernel::SystemClock;

use crate::config::Config;

/// Seeds the demo tenant; safe to repeat; refused in production.
///
/// # Errors
/// In production, or when the database does not answer.
pub async fn run(config: &Config) -> fault::Result<()> {
    let platform = crate::start::platform(config, &[], Arc::new(SystemClock)).await?;
    platform.development_only("seed demo")?;
    let demo = identity::seed_demo(&platform, config.identity.clone()).await?;
    wallet::seed_demo(&platform, &config.wallet, demo.tenant).await?;
    subscription::seed_demo(&platform, &config.subscription, demo.tenant).await?;
    println!("demo tenant `demo` on http://localhost:{}", config.gateway.listen.port());
    println!("  administrator  admin@demo.example     vbwd-demo-admin");
    println!("  customer       customer@demo.example  vbwd-demo-customer");
    Ok(())
}
