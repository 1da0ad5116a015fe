//! A process of ours: started here, or found again by a later command.
//!
//! A process id alone proves nothing, since ids are used again. A [`Process`] therefore carries a
//! *marker*, a string that stands in its command line and in no stranger's (a data folder, the
//! absolute path of a binary), and it counts as ours only while the marker is there. A zombie has
//! no command line and counts as gone, so that a container without a reaping init does no harm.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process};

pub use rustix::process::Signal;

use crate::error::{Result, ServerError};

const POLL: Duration = Duration::from_millis(10);

/// A running process that is ours.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    marker: String,
    child: Option<Child>,
}

/// A server that an earlier command left running.
#[derive(Debug)]
pub struct Found {
    /// The process.
    pub process: Process,
    /// The port it listens on for clients.
    pub port: u16,
}

impl Process {
    /// Starts a command in a process group of its own, so that Ctrl-C in a terminal goes to the
    /// caller only. The marker must be one of the command's arguments (or its program).
    pub fn spawn(command: &mut Command, marker: &str) -> Result<Self> {
        use std::os::unix::process::CommandExt;
        let program = command.get_program().to_owned();
        let failed = |source| ServerError::Io { doing: format!("run {}", program.display()), source };
        let child = command.process_group(0).spawn().map_err(failed)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| ServerError::BadOption("The system gave no process id.".to_owned()))?;
        Ok(Self { pid, marker: marker.to_owned(), child: Some(child) })
    }

    /// The process with this id, if it is alive and its command line has the marker.
    #[must_use]
    pub fn find(pid: i32, marker: &str) -> Option<Self> {
        let pid = Pid::from_raw(pid)?;
        has_marker(pid, marker).then(|| Self { pid, marker: marker.to_owned(), child: None })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => has_marker(self.pid, &self.marker),
        }
    }

    /// Sends a signal; one that finds nobody is no error.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_alive() {
            let _gone_meanwhile = kill_process(self.pid, signal);
        }
    }

    /// Waits until it is gone; false when it is still there after `limit`.
    pub fn wait_gone(&mut self, limit: Duration) -> bool {
        wait_until(limit, || !self.is_alive())
    }

    /// Tries the signals one after the other, each with the time it is given to work.
    pub fn stop(&mut self, ladder: &[(Signal, Duration)]) -> bool {
        ladder.iter().any(|(signal, limit)| {
            self.signal(*signal);
            self.wait_gone(*limit)
        })
    }
}

/// Asks every few milliseconds until the answer is yes; false when it never was within `limit`.
pub fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !done() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

fn has_marker(pid: Pid, marker: &str) -> bool {
    let path = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
    let command_line = std::fs::read(path).unwrap_or_default();
    command_line.split(|byte| *byte == 0).any(|argument| argument == marker.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_with_the_same_id_is_not_ours() {
        let mut ours = Process::spawn(Command::new("/bin/sleep").arg("60.5"), "60.5").unwrap();
        // The system shows the arguments a moment after the program has started.
        assert!(wait_until(Duration::from_secs(5), || Process::find(ours.id(), "60.5").is_some()));
        assert!(Process::find(ours.id(), "60").is_none(), "a part of an argument is no marker");
        assert!(ours.stop(&[(Signal::KILL, Duration::from_secs(5))]));
        assert!(Process::find(ours.id(), "60.5").is_none());
    }

    #[test]
    fn the_next_signal_comes_when_the_first_is_ignored() {
        let script = "trap '' TERM; sleep 60 & wait; wait";
        let mut deaf = Process::spawn(Command::new("/bin/sh").args(["-c", script, "deaf"]), "deaf").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let short = Duration::from_millis(100);
        assert!(deaf.stop(&[(Signal::TERM, short), (Signal::KILL, Duration::from_secs(5))]));
    }
}
