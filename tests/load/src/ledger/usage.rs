//! How much processor time was used, by whom.

use crate::figures::Figures;

/// Kernel clock ticks per second; fixed on Linux.
const TICKS: f64 = 100.0;

/// Processor time up to a moment, seconds.
#[derive(Clone, Copy)]
pub struct Usage {
    at: std::time::Instant,
    client: f64,
    wallet: f64,
    machine: f64,
}

impl Usage {
    /// Up to now; `wallet` is a process id.
    pub fn now(wallet: u32) -> anyhow::Result<Self> {
        let (client, wallet) = (of_process("self")?, of_process(&wallet.to_string())?);
        Ok(Self { at: std::time::Instant::now(), client, wallet, machine: of_machine()? })
    }

    /// What was used since, in processors.
    pub fn report(&self, bench: &str, wallet: u32, figures: &mut Figures) -> anyhow::Result<()> {
        let (now, elapsed) = (Self::now(wallet)?, self.at.elapsed().as_secs_f64());
        figures.add(&format!("{bench}.cores_client"), (now.client - self.client) / elapsed, "cores")?;
        figures.add(&format!("{bench}.cores_wallet"), (now.wallet - self.wallet) / elapsed, "cores")?;
        figures.add(&format!("{bench}.cores_machine"), (now.machine - self.machine) / elapsed, "cores")
    }
}

fn of_process(pid: &str) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th after it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    ticks(fields)
}

/// User, nice and system time of all processors.
fn of_machine() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    ticks(stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(3))
}

fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for field in fields {
        sum += field.parse::<f64>()?;
    }
    Ok(sum / TICKS)
}

/// Resident memory of a process, bytes.
pub fn resident_bytes(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    Ok(line.split_whitespace().nth(1).unwrap_or_default().parse::<f64>()? * 1_024.0)
}
