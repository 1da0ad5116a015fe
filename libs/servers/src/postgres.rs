//! A private PostgreSQL server.
//!
//! A data folder is made next to its final name and renamed when `initdb` is through, so that an
//! interrupted first start leaves nothing that looks like a database. The server is started
//! directly, not through `pg_ctl`: its process id is ours to watch, its output goes to our log, and
//! its failure is seen at once. Readiness is read from `postmaster.pid`, where the server writes it.
//!
//! Stopping: [`Postgres::stop`] is orderly, [`Postgres::kill_9`] is the accident; after both,
//! [`Postgres::start_again`] brings the same data back on the same port. Dropping a `Postgres`, and
//! the end of the process that holds it, stop it, unless [`Postgres::leave_running`] let it go.

mod data_folder;
mod options;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

pub use options::PostgresOptions;

use crate::account::Account;
use crate::error::{Result, ServerError};
use crate::installed::PostgresInstallation;
use crate::keeper::Keeper;
use crate::log::StartLog;
use crate::ports;
use crate::process::{Found, Process, Signal, wait_until};

const NAME: &str = "PostgreSQL";
const READY_SECONDS: u64 = 90;
/// Ports that we chose ourselves can be lost to somebody else before the server listens.
const PORT_TRIES: usize = 5;
/// After `kill_9` the old back ends need a moment to notice.
const REMAINS_TRIES: usize = 60;
const REMAINS_WAIT: Duration = Duration::from_millis(250);

/// A running private PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    options: PostgresOptions,
    installation: PostgresInstallation,
    account: Account,
    port: u16,
    process: Option<Process>,
    // Dropped in this order: the keeper first lets go, then the folder disappears.
    keeper: Keeper,
    ephemeral_folder: Option<tempfile::TempDir>,
}

impl Postgres {
    /// Makes the data folder if there is none, and starts a server on it.
    pub fn start(options: &PostgresOptions) -> Result<Self> {
        Self::start_kept(options, Keeper::start(None, Signal::INT)?, None)
    }

    fn start_kept(
        options: &PostgresOptions,
        keeper: Keeper,
        ephemeral_folder: Option<tempfile::TempDir>,
    ) -> Result<Self> {
        options.check()?;
        let account = Account::for_postgres()?;
        let port = ports::take(options.port, NAME)?;
        let installation = data_folder::prepare(options, &account)?;
        let options = options.clone();
        let mut server =
            Self { options, installation, account, port, process: None, keeper, ephemeral_folder };
        server.launch_on_some_port()?;
        Ok(server)
    }

    /// A throw-away server in a temporary folder: not durable against power loss, superuser without
    /// a password, gone when this process is gone. Survives [`Postgres::kill_9`] with all its data.
    pub fn ephemeral() -> Result<Self> {
        let folder = ephemeral_folder("vbwd-postgres-")?;
        let keeper = Keeper::start(Some(folder.path()), Signal::QUIT)?;
        let options = PostgresOptions::ephemeral(folder.path().join("data"));
        Self::start_kept(&options, keeper, Some(folder))
    }

    /// The server that runs on this data folder, for commands that did not start it.
    #[must_use]
    pub fn find_running(data_folder: &Path) -> Option<Found> {
        data_folder::running(data_folder)
    }

    /// Stops a server that was found with [`Postgres::find_running`].
    pub fn stop_found(process: &mut Process) -> Result<()> {
        let ladder = [(Signal::INT, Duration::from_secs(30)), (Signal::QUIT, Duration::from_secs(20))];
        let pid = process.id();
        if process.stop(&ladder) { Ok(()) } else { Err(ServerError::DoesNotStop { server: NAME, pid }) }
    }

    /// URL of the superuser on the maintenance database.
    #[must_use]
    pub fn url(&self) -> String {
        self.options.url(self.port, "postgres")
    }

    /// URL of the superuser on another database.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        self.options.url(self.port, database)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The main process, if the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(Process::id)
    }

    /// Major version of the server, 15.
    #[must_use]
    pub fn major_version(&self) -> u32 {
        self.installation.major
    }

    /// The data folder.
    #[must_use]
    pub fn data_folder(&self) -> &Path {
        &self.options.data_folder
    }

    /// Stops in order: running transactions are rolled back, everything committed is on disk.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Self::stop_found)
    }

    /// Kills the main process the hard way and waits until it is gone. Its back ends follow by
    /// themselves within moments.
    pub fn kill_9(&mut self) -> Result<()> {
        self.end(|process| {
            let pid = process.id();
            let gone = process.stop(&[(Signal::KILL, Duration::from_secs(10))]);
            if gone { Ok(()) } else { Err(ServerError::DoesNotStop { server: NAME, pid }) }
        })
    }

    /// Starts on the same data and port after [`Postgres::stop`] or [`Postgres::kill_9`].
    pub fn start_again(&mut self) -> Result<()> {
        if self.process.is_none() {
            ports::take(Some(self.port), NAME)?;
            self.launch()?;
        }
        Ok(())
    }

    /// Stops and starts again on the same data and port.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// Lets the server run on after this process; find it again with [`Postgres::find_running`].
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
                Err(ServerError::PortTaken { .. }) if self.options.port.is_none() => {
                    self.port = ports::free()?
                }
                other => return other,
            }
        }
        self.launch()
    }

    /// Starts the server; right after a crash it may take a few tries until the remains are gone.
    fn launch(&mut self) -> Result<()> {
        for _ in 1..REMAINS_TRIES {
            match self.launch_once() {
                Err(Failure::RemainsOfACrash) => std::thread::sleep(REMAINS_WAIT),
                Err(Failure::For(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
        self.launch_once().map_err(|failure| match failure {
            Failure::For(error) => error,
            Failure::RemainsOfACrash => {
                ServerError::broken(&self.options.data_folder, "a crashed server's processes still use it")
            }
        })
    }

    fn launch_once(&mut self) -> std::result::Result<(), Failure> {
        let log = StartLog::open(&self.options.log_file)?;
        let marker = self.options.data_folder.display().to_string();
        let mut command = self.account.command(self.installation.bin.join("postgres"));
        command.args(self.options.arguments(self.port));
        command.stdin(Stdio::null()).stdout(log.output()?).stderr(log.output()?);
        self.process = Some(Process::spawn(&mut command, &marker)?);
        self.tell_keeper();
        let answer = self.wait_ready(&log);
        if answer.is_err() {
            // Half-started is worse than not started.
            let _reported_below = self.kill_9();
        }
        answer
    }

    fn wait_ready(&mut self, log: &StartLog) -> std::result::Result<(), Failure> {
        let Some(process) = &mut self.process else { return Ok(()) };
        let (folder, pid) = (&self.options.data_folder, process.id());
        let (mut ready, mut ended) = (false, false);
        wait_until(Duration::from_secs(READY_SECONDS), || {
            ready = data_folder::says_ready(folder, pid);
            ended = !ready && !process.is_alive();
            ready || ended
        });
        match (ready, ended) {
            (true, _) => Ok(()),
            (false, true) => Err(self.why_it_ended(log)),
            (false, false) => Err(Failure::For(log.not_ready(NAME, READY_SECONDS))),
        }
    }

    fn why_it_ended(&self, log: &StartLog) -> Failure {
        let text = log.text();
        if text.contains("could not bind") || text.contains("could not create any TCP/IP sockets") {
            return Failure::For(ServerError::PortTaken { server: NAME, port: self.port });
        }
        if text.contains("is still in use") || text.contains("\"postmaster.pid\" already exists") {
            return Failure::RemainsOfACrash;
        }
        Failure::For(log.did_not_start(NAME))
    }
}

/// How one launch can fail: for good, or because a crashed predecessor is not quite gone.
enum Failure {
    For(ServerError),
    RemainsOfACrash,
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::For(error)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let Some(process) = &mut self.process else { return };
        let graceful = if self.ephemeral_folder.is_some() { Signal::QUIT } else { Signal::INT };
        process.stop(&[(graceful, Duration::from_secs(20)), (Signal::KILL, Duration::from_secs(5))]);
    }
}

/// A folder below the system's temporary folder that the server's user can pass through.
pub(crate) fn ephemeral_folder(prefix: &str) -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let wanted = std::env::temp_dir();
    // TMPDIR may be private to us; `/tmp` is everybody's.
    let reachable = Account::for_postgres().is_ok_and(|account| account.can_enter(&wanted));
    let parent = if reachable { wanted } else { PathBuf::from("/tmp") };
    let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(&parent);
    let folder = folder.map_err(ServerError::io("create a folder in", &parent))?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))
        .map_err(ServerError::io("change the permissions of", folder.path()))?;
    Ok(folder)
}
