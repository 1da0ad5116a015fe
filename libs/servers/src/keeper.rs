//! Ends a server when the process that asked for it is gone, however it went.
//!
//! `Drop` does not run after `kill -9` or Ctrl-C, nor for statics. So a tiny shell holds the reading end of a
//! pipe whose only writer is us: when we end, the kernel closes the pipe, the shell reads
//! end-of-file, stops the server and removes the folder. The parent-death signal of Linux would be
//! shorter, but it fires when the *thread* that started the server ends, and tests are threads.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{Result, ServerError};
use crate::process::Signal;

/// `$1` folder to remove or nothing, `$2` signal. Each line names the process to end; `quit` ends the keeper itself.
const SCRIPT: &str = r#"
pid=
while read -r line; do
  if [ "$line" = quit ]; then exit 0; fi
  pid=$line
done
if [ -n "$pid" ]; then
  kill "-$2" "$pid" 2>/dev/null
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.25
  done
  kill -KILL "$pid" 2>/dev/null
fi
if [ -n "$1" ]; then rm -rf "$1"; fi
"#;

/// The shell that watches us. Dropping it ends the watch and leaves the server alone.
#[derive(Debug)]
pub struct Keeper {
    shell: Child,
}

impl Keeper {
    /// Starts watching. When we are gone, the server gets `signal`, and 5 s later the hard one; then
    /// the folder, if one is named, is removed.
    pub fn start(folder: Option<&Path>, signal: Signal) -> Result<Self> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "vbwd-server-keeper"])
            .arg(folder.unwrap_or(Path::new("")))
            .arg(signal.as_raw().to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = command.current_dir("/").process_group(0).spawn();
        let failed = |source| ServerError::Io { doing: "run /bin/sh".to_owned(), source };
        Ok(Self { shell: shell.map_err(failed)? })
    }

    /// Tells which process to end; none while there is none.
    pub fn watch(&mut self, pid: Option<i32>) {
        self.say(&pid.map(|pid| pid.to_string()).unwrap_or_default());
    }

    fn say(&mut self, line: &str) {
        if let Some(pipe) = &mut self.shell.stdin {
            // A keeper that somebody killed leaves us with `Drop` alone, which is still right.
            let _keeper_is_gone = writeln!(pipe, "{line}");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.say("quit");
        self.shell.stdin = None;
        let _already_gone = self.shell.wait();
    }
}
