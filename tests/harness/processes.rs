//! Every service in a process of its own: start, kill, pause, start again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fleet::config::Config;
use fleet::roles::Role;
use secrecy::ExposeSecret as _;

use super::fleet::free_address;

/// The processes of one fleet; they end with the value.
pub struct Processes {
    variables: BTreeMap<String, String>,
    running: BTreeMap<Role, (Child, SocketAddr)>,
}

impl Processes {
    /// Starts every role and waits until each is ready.
    pub async fn start(config: &Config) -> Self {
        let mut processes = Self { variables: variables(config), running: BTreeMap::new() };
        for role in Role::ALL {
            processes.spawn(role, config);
        }
        for role in Role::ALL {
            processes.wait_until_ready(role).await;
        }
        processes
    }

    fn spawn(&mut self, role: Role, config: &Config) {
        if let Some(listen) = config.services.of(role).and_then(|endpoint| endpoint.listen) {
            let name = format!("VBWD_SERVICES_{}_LISTEN", role.name().to_uppercase());
            self.variables.insert(name, listen.to_string());
        }
        self.launch(role);
    }

    /// Starts a role that does not run.
    pub fn launch(&mut self, role: Role) {
        let admin = free_address();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vbwd"));
        command.arg("serve").arg(role.name()).env_clear().envs(&self.variables);
        command.env("VBWD_ADMIN_LISTEN", admin.to_string());
        // Without a listener of its own a process must not take the one of another role.
        for other in Role::ALL.into_iter().filter(|other| *other != role) {
            command.env_remove(format!("VBWD_SERVICES_{}_LISTEN", other.name().to_uppercase()));
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("vbwd runs");
        self.running.insert(role, (child, admin));
    }

    /// Waits until a role says that it is ready.
    pub async fn wait_until_ready(&self, role: Role) {
        let admin = self.running[&role].1;
        super::eventually(&format!("{role} is ready"), Duration::from_secs(30), || async move {
            let answer = reqwest::get(format!("http://{admin}/ready")).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// The metrics of a role.
    pub async fn metrics(&self, role: Role) -> String {
        let admin = self.running[&role].1;
        reqwest::get(format!("http://{admin}/metrics")).await.unwrap().text().await.unwrap()
    }

    /// Kills a role as a crash does: nothing is finished.
    pub fn kill_9(&mut self, role: Role) {
        if let Some((mut child, _)) = self.running.remove(&role) {
            child.kill().expect("the process can be killed");
            child.wait().expect("the process ends");
        }
    }

    /// Kills a role and starts it again.
    pub async fn crash(&mut self, role: Role) {
        self.kill_9(role);
        self.launch(role);
        self.wait_until_ready(role).await;
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (child, _) in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The configuration as the environment of a process.
pub fn variables(config: &Config) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([
        ("VBWD_ENVIRONMENT".to_owned(), "test".to_owned()),
        ("VBWD_DATABASE_URL".to_owned(), secret(&config.database.url)),
        ("VBWD_DATABASE_ROLE_PASSWORD".to_owned(), secret(&config.database.role_password)),
        ("VBWD_NATS_URL".to_owned(), secret(&config.nats.url)),
        ("VBWD_FLEET_SECRET".to_owned(), secret(&config.fleet.secret)),
        ("VBWD_GATEWAY_LISTEN".to_owned(), config.gateway.listen.to_string()),
        ("VBWD_SANDBOX_LISTEN".to_owned(), config.sandbox.listen.clone()),
        ("VBWD_SANDBOX_WEBHOOK_URL".to_owned(), config.sandbox.webhook_url.clone()),
        (
            "VBWD_PAYMENTS_PROVIDERS_SANDBOX_BASE_URL".to_owned(),
            config.payments.providers.sandbox.base_url.clone(),
        ),
        ("VBWD_NOTIFY_MAIL_SMTP_URL".to_owned(), secret(&config.notify.mail.smtp_url)),
        ("VBWD_NOTIFY_MAIL_FROM_ADDRESS".to_owned(), config.notify.mail.from_address.clone()),
        ("VBWD_NOTIFY_MAIL_LEASE_SECONDS".to_owned(), config.notify.mail.lease_seconds.to_string()),
        ("VBWD_NOTIFY_MAIL_TIMEOUT_SECONDS".to_owned(), config.notify.mail.timeout_seconds.to_string()),
        ("VBWD_NOTIFY_WEBHOOKS_LEASE_SECONDS".to_owned(), config.notify.webhooks.lease_seconds.to_string()),
        (
            "VBWD_NOTIFY_WEBHOOKS_TIMEOUT_SECONDS".to_owned(),
            config.notify.webhooks.timeout_seconds.to_string(),
        ),
        ("VBWD_NOTIFY_WEBHOOKS_ALLOW_HTTP".to_owned(), config.notify.webhooks.allow_http.to_string()),
        (
            "VBWD_NOTIFY_WEBHOOKS_ALLOWED_NETWORKS".to_owned(),
            config.notify.webhooks.allowed_networks.join(","),
        ),
        ("VBWD_TELEMETRY_LOG_FILTER".to_owned(), "error".to_owned()),
        ("RUST_BACKTRACE".to_owned(), "1".to_owned()),
    ]);
    for class in ["READ", "WRITE", "LOGIN", "REGISTRATION", "RESET", "WEBHOOK"] {
        variables.insert(format!("VBWD_GATEWAY_RATES_{class}_PER_MINUTE"), "0".to_owned());
    }
    for role in Role::ALL {
        if let Some(endpoint) = config.services.of(role) {
            let name = format!("VBWD_SERVICES_{}_ADDRESS", role.name().to_uppercase());
            variables.insert(name, endpoint.address.clone());
        }
    }
    variables
}

fn secret(secret: &runtime::config::Secret) -> String {
    secret.expose().expose_secret().to_owned()
}

/// Tells payments where the sandbox provider is and the provider where its webhooks go.
pub fn point_at_each_other(config: &mut Config) {
    config.sandbox.webhook_url = format!("http://{}/api/v1/webhooks/sandbox", config.gateway.listen);
    config.payments.providers.sandbox.base_url = format!("http://{}", config.sandbox.listen);
}
