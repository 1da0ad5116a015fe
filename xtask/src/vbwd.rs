//! The `vbwd` process of a developer's fleet: its subcommands, its start, its end.
//!
//! The absolute path of the binary stands in the command line of the process, and that is how a
//! later command tells it from a stranger that got its process id.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use servers::process::{Process, Signal};
use servers::{Keeper, probe};

use crate::console;
use crate::place::Place;
use crate::shell;

const READY_SECONDS: u64 = 120;
const DRAIN_SECONDS: u64 = 40;
const TAIL_LINES: usize = 25;

/// Everything that is needed to run the binary.
pub struct Vbwd {
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
    log: PathBuf,
    pid_file: PathBuf,
    admin_port: u16,
}

impl Vbwd {
    /// The binary at its place with its environment.
    pub fn new(place: &Place, admin_port: u16, environment: Vec<(&'static str, String)>) -> Result<Self> {
        let (log, pid_file) = (place.run_file("vbwd.log"), place.run_file("vbwd.pid"));
        Ok(Self { program: program(place)?, environment, log, pid_file, admin_port })
    }

    /// Runs a subcommand to its end, its output going to the terminal.
    pub fn run(&self, arguments: &[&str]) -> Result<()> {
        let what = format!("vbwd {}", arguments.join(" "));
        shell::run(&what, self.command().args(arguments))
    }

    /// Starts `vbwd serve` and waits until it is ready. On failure it is stopped again.
    pub fn serve(&self) -> Result<Serving> {
        let begins_at = std::fs::metadata(&self.log).map_or(0, |metadata| metadata.len());
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = self.command();
        command.arg("serve").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut keeper = Keeper::start(None, Signal::TERM)?;
        let process = Process::spawn(&mut command, &self.program.display().to_string())?;
        keeper.watch(Some(process.id()));
        std::fs::write(&self.pid_file, format!("{}\n{}\n", process.id(), self.program.display()))?;
        let mut serving = Serving { process: Some(process), _keeper: keeper };
        match self.wait_ready(&mut serving) {
            Ok(()) => Ok(serving),
            Err(error) => {
                bail!("{error} Its log {} ends with:\n{}", self.log.display(), self.last_words(begins_at))
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn wait_ready(&self, serving: &mut Serving) -> Result<()> {
        let start = Instant::now();
        let mut next_note = Duration::from_secs(3);
        while start.elapsed() < Duration::from_secs(READY_SECONDS) {
            if serving.process.as_mut().is_none_or(|process| !process.is_alive()) {
                bail!("vbwd ended during its start.");
            }
            if is_ready(self.admin_port) {
                return Ok(());
            }
            if start.elapsed() > next_note {
                console::note(&format!("not ready yet: {}", not_ready_because(self.admin_port)));
                next_note += Duration::from_secs(3);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("vbwd was not ready after {READY_SECONDS} s ({}).", not_ready_because(self.admin_port))
    }

    fn last_words(&self, begins_at: u64) -> String {
        let all = std::fs::read(&self.log).unwrap_or_default();
        let from = usize::try_from(begins_at).unwrap_or_default();
        let text = String::from_utf8_lossy(all.get(from..).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| format!("  {line}\n")).collect()
    }
}

/// A started `vbwd serve`; dropped, it is stopped.
pub struct Serving {
    process: Option<Process>,
    _keeper: Keeper,
}

impl Serving {
    /// Lets it run on after this command.
    pub fn leave_running(mut self) {
        self.process = None;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            drain(process);
        }
    }
}

/// The `vbwd` of this checkout that an earlier command left running.
pub fn find_running(place: &Place) -> Option<Process> {
    let text = std::fs::read_to_string(place.run_file("vbwd.pid")).ok()?;
    let (pid, program) = text.trim().split_once('\n')?;
    Process::find(pid.parse().ok()?, program)
}

/// Asks it to drain and waits; false when it had to be killed.
pub fn drain(process: &mut Process) -> bool {
    let drained = process.stop(&[(Signal::TERM, Duration::from_secs(DRAIN_SECONDS))]);
    if !drained {
        process.stop(&[(Signal::KILL, Duration::from_secs(5))]);
    }
    drained
}

/// Whether the fleet takes work.
pub fn is_ready(admin_port: u16) -> bool {
    probe::get(admin_port, "/ready").is_ok_and(|answer| answer.status == 200)
}

fn not_ready_because(admin_port: u16) -> String {
    match probe::get(admin_port, "/ready") {
        Ok(answer) => answer.body.split_whitespace().collect::<Vec<_>>().join(" "),
        Err(_) => "the admin port does not answer".to_owned(),
    }
}

fn program(place: &Place) -> Result<PathBuf> {
    Ok(place.target_folder()?.join("debug").join("vbwd"))
}
