//! Several processes take one partition from each other while connections break: whatever happens, what
//! was acknowledged is in the stream once, the chain holds, and no append that began after a later epoch
//! was granted gets in. `VBWD_TEST_SEED` repeats the troubles.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use journal::conformance::holder;
use journal::double::{Double, Trouble};
use journal::{Chain, Claim, Hash, Journal as _, JournalError, KurrentJournal, Lease, MemoryJournal, Row};

const TURNS: usize = 25;
const APPENDS: u64 = 6;

/// What was acknowledged, by number.
type Acknowledged = Mutex<BTreeMap<u64, Hash>>;

struct Process<'a> {
    name: String,
    journal: KurrentJournal<MemoryJournal>,
    double: &'a Double,
    acknowledged: &'a Acknowledged,
    /// The latest epoch that was granted to anybody.
    granted: &'a AtomicU64,
    random: u64,
}

impl Process<'_> {
    /// Xorshift: the same numbers for the same seed.
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    async fn live(mut self) {
        for _ in 0..TURNS {
            // The lease has run out at once: anybody may take the partition at any time.
            let claim = self.journal.acquire(0, &holder(&self.name), Duration::ZERO).await;
            if let Ok(Claim::Granted(lease)) = claim {
                self.granted.fetch_max(lease.epoch, Ordering::SeqCst);
                self.own(lease).await;
            }
        }
    }

    async fn own(&mut self, lease: Lease) {
        let before = self.acknowledged.lock().unwrap().clone();
        let Ok((mut chain, hashes)) = follow(&self.journal).await else { return };
        for (sequence, hash) in before {
            assert_eq!(hashes.get(&sequence), Some(&hash), "row {sequence} was acknowledged and is lost");
        }
        for _ in 0..self.random(APPENDS) {
            let number = self.random(u64::MAX);
            let row = chain.seal(lease.epoch, format!("{} {number}", self.name).into_bytes());
            self.make_trouble();
            let stale = self.granted.load(Ordering::SeqCst) > lease.epoch;
            if !self.append(lease, &row).await {
                return;
            }
            assert!(!stale, "row {} got in after a later epoch was granted", row.sequence);
            let other = self.acknowledged.lock().unwrap().insert(row.sequence, row.hash);
            assert_eq!(other, None, "row {} was acknowledged twice", row.sequence);
        }
    }

    fn make_trouble(&mut self) {
        let pause = Duration::from_millis(self.random(120));
        match self.random(14) {
            0 => self.double.order([Trouble::AnswerLost]),
            1 => self.double.order([Trouble::Cut]),
            2 => self.double.order([Trouble::Late(pause)]),
            3 => self.double.order([Trouble::Slow(pause)]),
            4 => self.double.order([Trouble::Unavailable]),
            5 => self.double.order([Trouble::NotLeader]),
            _ => {}
        }
    }

    /// Repeats the append as the engine does; whether it is certain that the row is there.
    async fn append(&self, lease: Lease, row: &Row) -> bool {
        for _ in 0..20 {
            match self.journal.append(lease, row).await {
                Ok(()) => return true,
                Err(JournalError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(JournalError::Taken { .. } | JournalError::Fenced { .. }) => {
                    match self.journal.read(0, row.sequence - 1, 1).await {
                        Ok(stored) => return stored.first().is_some_and(|stored| stored.hash == row.hash),
                        Err(JournalError::Unavailable(_)) => {}
                        Err(damage) => panic!("{damage}"),
                    }
                }
                Err(damage) => panic!("{damage}"),
            }
        }
        false
    }
}

async fn follow(
    journal: &KurrentJournal<MemoryJournal>,
) -> Result<(Chain, BTreeMap<u64, Hash>), JournalError> {
    let (mut chain, mut hashes) = (Chain::start(0), BTreeMap::new());
    loop {
        let rows = journal.read(0, chain.sequence(), 200).await?;
        if rows.is_empty() {
            return Ok((chain, hashes));
        }
        for row in rows {
            chain.follow(&row).unwrap();
            hashes.insert(row.sequence, row.hash);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_that_race_over_broken_connections_lose_and_repeat_nothing() {
    let seed: u64 = std::env::var("VBWD_TEST_SEED").map_or(20_261_123, |seed| seed.parse().unwrap());
    eprintln!("VBWD_TEST_SEED={seed}");
    let double = Double::start(1_048_576).await.unwrap();
    let (leases, acknowledged) = (MemoryJournal::default(), Acknowledged::default());
    let granted = AtomicU64::new(0);
    let journal = || KurrentJournal::new(&double.url(), "ledger", leases.clone()).unwrap();
    let processes = (1..=3).map(|number: u64| Process {
        name: format!("process {number}"),
        journal: journal(),
        double: &double,
        acknowledged: &acknowledged,
        granted: &granted,
        random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number) | 1,
    });
    join_all(processes.map(Process::live)).await;
    tokio::time::sleep(Duration::from_millis(150)).await; // for what is late
    let (chain, hashes) = follow(&journal()).await.unwrap();
    let acknowledged = acknowledged.into_inner().unwrap();
    for (sequence, hash) in &acknowledged {
        assert_eq!(hashes.get(sequence), Some(hash), "row {sequence}");
    }
    eprintln!("{} rows, {} acknowledged", chain.sequence(), acknowledged.len());
    assert!(acknowledged.len() > 10, "hardly anything happened");
}
