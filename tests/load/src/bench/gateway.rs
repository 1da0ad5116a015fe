//! The edge: a public list, and log-in.

use std::time::Duration;

use serde_json::json;

use crate::connection::Connection;
use crate::figures::Figures;
use crate::stand::Stand;
use crate::workload::{self, Worker};

struct Get(Connection);

impl Worker for Get {
    async fn once(&mut self, _: usize) -> anyhow::Result<bool> {
        Ok(self.0.get("/api/v1/token-bundles", None).await?.is_success())
    }
}

/// GET of the bundle list over 32 connections.
pub async fn get_bundles(stand: &Stand, time: Duration, figures: &mut Figures) -> anyhow::Result<()> {
    let mut workers = Vec::new();
    for _ in 0..32 {
        workers.push(Get(stand.connect().await?));
    }
    figures.add_run("gateway.get", &workload::run(workers, time).await?, "req/s")
}

struct LogIn {
    connection: Connection,
    user: crate::stand::User,
}

impl Worker for LogIn {
    async fn once(&mut self, _: usize) -> anyhow::Result<bool> {
        let body = json!({"email": self.user.email, "password": self.user.password});
        Ok(self.connection.post("/api/v1/auth/login", None, None, &body).await?.0.is_success())
    }
}

/// Log-in over 4 connections; the cost is Argon2id's by intent.
pub async fn log_in(stand: &Stand, time: Duration, figures: &mut Figures) -> anyhow::Result<()> {
    let mut workers = Vec::new();
    for user in stand.users.iter().take(4) {
        workers.push(LogIn { connection: stand.connect().await?, user: user.clone() });
    }
    figures.add_run("login", &workload::run(workers, time).await?, "req/s")
}
