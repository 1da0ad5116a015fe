//! A private nats-server with JetStream.
//!
//! One server, no cluster: what the product needs from the broker in development and tests. Its data
//! is disposable by design (the stores can fill it again), so there is no durable variant. The
//! monitor port answers readiness. Everything on 127.0.0.1, without accounts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::{Result, ServerError};
use crate::installed::nats_binary;
use crate::keeper::Keeper;
use crate::log::StartLog;
use crate::ports;
use crate::postgres::ephemeral_folder;
use crate::probe;
use crate::process::{Found, Process, Signal, wait_until};

const NAME: &str = "NATS";
const READY_SECONDS: u64 = 30;
const PORT_TRIES: usize = 5;
const PID_FILE: &str = "nats.pid";

/// What a private nats-server is asked to be.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// Absolute path of the folder for streams; made if missing.
    pub store_folder: PathBuf,
    /// Where the server writes its log; made if missing.
    pub log_file: PathBuf,
    /// Port on 127.0.0.1 for clients; none takes any free one.
    pub port: Option<u16>,
}

/// A running private nats-server.
#[derive(Debug)]
pub struct Nats {
    options: NatsOptions,
    program: PathBuf,
    port: u16,
    monitor_port: u16,
    process: Option<Process>,
    keeper: Keeper,
    ephemeral_folder: Option<tempfile::TempDir>,
}

impl Nats {
    /// Starts a server.
    pub fn start(options: &NatsOptions) -> Result<Self> {
        Self::start_kept(options, Keeper::start(None, Signal::TERM)?, None)
    }

    fn start_kept(
        options: &NatsOptions,
        keeper: Keeper,
        ephemeral_folder: Option<tempfile::TempDir>,
    ) -> Result<Self> {
        let program = nats_binary()?;
        let folder = &options.store_folder;
        if let Some(found) = Self::find_running(folder) {
            return Err(ServerError::AlreadyRunning { folder: folder.clone(), pid: found.process.id() });
        }
        let port = ports::take(options.port, NAME)?;
        if folder.is_file() {
            return Err(ServerError::broken(folder, "it is a file"));
        }
        std::fs::create_dir_all(folder).map_err(ServerError::io("create", folder))?;
        check_writable(folder)?;
        let (options, monitor_port) = (options.clone(), ports::free()?);
        let mut server =
            Self { options, program, port, monitor_port, process: None, keeper, ephemeral_folder };
        server.launch_on_some_port()?;
        Ok(server)
    }

    /// A throw-away server in a temporary folder, gone when this process is gone.
    pub fn ephemeral() -> Result<Self> {
        let folder = ephemeral_folder("vbwd-nats-")?;
        let keeper = Keeper::start(Some(folder.path()), Signal::KILL)?;
        let (store_folder, log_file) = (folder.path().join("store"), folder.path().join("nats.log"));
        let options = NatsOptions { store_folder, log_file, port: None };
        Self::start_kept(&options, keeper, Some(folder))
    }

    /// The server that runs on this folder, for commands that did not start it.
    #[must_use]
    pub fn find_running(store_folder: &Path) -> Option<Found> {
        let text = std::fs::read_to_string(store_folder.join(PID_FILE)).ok()?;
        let (pid, port) = text.trim().split_once(' ')?;
        let process = Process::find(pid.parse().ok()?, &store_folder.display().to_string())?;
        Some(Found { process, port: port.parse().ok()? })
    }

    /// Stops a server that was found with [`Nats::find_running`].
    pub fn stop_found(process: &mut Process) -> Result<()> {
        let ladder = [(Signal::TERM, Duration::from_secs(20)), (Signal::KILL, Duration::from_secs(5))];
        let pid = process.id();
        if process.stop(&ladder) { Ok(()) } else { Err(ServerError::DoesNotStop { server: NAME, pid }) }
    }

    /// URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port for clients.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the HTTP monitor (`/jsz`, `/varz`, `/healthz`).
    #[must_use]
    pub fn monitor_port(&self) -> u16 {
        self.monitor_port
    }

    /// The process, if the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(Process::id)
    }

    /// Stops in order.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Self::stop_found)
    }

    /// Kills it the hard way and waits until it is gone.
    pub fn kill_9(&mut self) -> Result<()> {
        self.end(|process| {
            let pid = process.id();
            let gone = process.stop(&[(Signal::KILL, Duration::from_secs(10))]);
            if gone { Ok(()) } else { Err(ServerError::DoesNotStop { server: NAME, pid }) }
        })
    }

    /// Freezes the server: connections stay open and nothing answers, like a cut network.
    pub fn pause(&mut self) {
        if let Some(process) = &mut self.process {
            process.signal(Signal::STOP);
        }
    }

    /// Ends [`Nats::pause`].
    pub fn resume(&mut self) {
        if let Some(process) = &mut self.process {
            process.signal(Signal::CONT);
        }
    }

    /// Starts on the same streams and port after [`Nats::stop`] or [`Nats::kill_9`].
    pub fn start_again(&mut self) -> Result<()> {
        if self.process.is_none() {
            ports::take(Some(self.port), NAME)?;
            self.monitor_port = ports::free()?;
            self.launch()?;
        }
        Ok(())
    }

    /// Stops and starts again on the same streams and port.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// Lets the server run on after this process; find it again with [`Nats::find_running`].
    pub fn leave_running(mut self) {
        self.process = None;
    }

    fn end(&mut self, how: impl FnOnce(&mut Process) -> Result<()>) -> Result<()> {
        if let Some(process) = &mut self.process {
            how(process)?;
            self.process = None;
            self.tell_keeper();
        }
        Ok(())
    }

    fn tell_keeper(&mut self) {
        let pid = self.pid();
        self.keeper.watch(pid);
    }

    fn launch_on_some_port(&mut self) -> Result<()> {
        for _ in 1..PORT_TRIES {
            match self.launch() {
                Err(ServerError::PortTaken { port, .. }) if Some(port) != self.options.port => {
                    self.monitor_port = ports::free()?;
                    self.port = self.options.port.map_or_else(ports::free, Ok)?;
                }
                other => return other,
            }
        }
        self.launch()
    }

    fn launch(&mut self) -> Result<()> {
        let log = StartLog::open(&self.options.log_file)?;
        let process = self.spawn(&log)?;
        let pid_file = self.options.store_folder.join(PID_FILE);
        std::fs::write(&pid_file, format!("{} {}", process.id(), self.port))
            .map_err(ServerError::io("write", &pid_file))?;
        self.process = Some(process);
        self.tell_keeper();
        let answer = self.wait_ready(&log);
        if answer.is_err() {
            let _reported_below = self.kill_9();
        }
        answer
    }

    fn spawn(&self, log: &StartLog) -> Result<Process> {
        let folder = self.options.store_folder.display().to_string();
        let mut command = Command::new(&self.program);
        command.env_clear().args(["--jetstream", "--store_dir", &folder, "--addr", "127.0.0.1"]);
        command.args(["--port", &self.port.to_string(), "--http_port", &self.monitor_port.to_string()]);
        command.stdin(Stdio::null()).stdout(log.output()?).stderr(log.output()?).current_dir("/");
        Process::spawn(&mut command, &folder)
    }

    fn wait_ready(&mut self, log: &StartLog) -> Result<()> {
        let Some(process) = &mut self.process else { return Ok(()) };
        let (mut ready, mut ended) = (false, false);
        wait_until(Duration::from_secs(READY_SECONDS), || {
            ended = !process.is_alive();
            ready = !ended && is_healthy(self.monitor_port);
            ready || ended
        });
        match (ready, ended) {
            (true, _) => Ok(()),
            (false, true) => Err(self.why_it_ended(log)),
            (false, false) => Err(log.not_ready(NAME, READY_SECONDS)),
        }
    }

    fn why_it_ended(&self, log: &StartLog) -> ServerError {
        let text = log.text();
        let taken = |port: u16| text.contains(&format!(":{port}: bind: address already in use"));
        let port = [self.port, self.monitor_port].into_iter().find(|port| taken(*port));
        match port {
            Some(port) => ServerError::PortTaken { server: NAME, port },
            None => log.did_not_start(NAME),
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let Some(process) = &mut self.process else { return };
        process.signal(Signal::CONT);
        let graceful = if self.ephemeral_folder.is_some() { Signal::KILL } else { Signal::TERM };
        process.stop(&[(graceful, Duration::from_secs(20)), (Signal::KILL, Duration::from_secs(5))]);
    }
}

fn check_writable(folder: &Path) -> Result<()> {
    let probe = folder.join(PID_FILE);
    std::fs::write(&probe, "").map_err(ServerError::io("write", &probe))
}

/// Asks the monitor. The listener for clients is up before the monitor says "ok".
fn is_healthy(monitor_port: u16) -> bool {
    probe::get(monitor_port, "/healthz").is_ok_and(|answer| answer.status == 200)
}
