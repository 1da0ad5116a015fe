//! Looks at the journal of one partition, row by row.
//!
//! The first thing that is wrong with a row ends the replay: nothing that follows from it can be
//! judged any more. What the projected tables should hold is digested on the way, up to the batch
//! to which they have come.

use ids::TenantId;
use journal::{Chain, Hash, Row, Snapshot};
use tokio::time::Instant;
use uuid::Uuid;
use wallet_domain::{Batch, Broken, PartitionState, decode_snapshot, encode_snapshot};

use super::books::{Books, Flaw};
use super::facts::Expected;
use super::finding::{Check, Finding};
use super::report::PartitionReport;

/// Looks at the rows of one partition.
#[derive(Debug)]
pub struct Auditor {
    pub(super) partition: u16,
    chain: Chain,
    state: PartitionState,
    pub(super) books: Books,
    pub(super) expected: Expected,
    snapshot: Option<Snapshot>,
    anchor: Option<(u64, Hash)>,
    projected: u64,
    is_partial: bool,
    has_stopped: bool,
    /// The machine's time of the last batch.
    pub(super) at_ms: i64,
    began: Instant,
    pub(super) report: PartitionReport,
}

impl Auditor {
    /// An auditor of a journal from its first row.
    #[must_use]
    pub fn new(partition: u16) -> Self {
        Self {
            partition,
            chain: Chain::start(partition),
            state: PartitionState::default(),
            books: Books::default(),
            expected: Expected::default(),
            snapshot: None,
            anchor: None,
            projected: 0,
            is_partial: false,
            has_stopped: false,
            at_ms: 0,
            began: Instant::now(),
            report: PartitionReport { partition, first_sequence: 1, ..PartitionReport::default() },
        }
    }

    /// An auditor of rows that begin behind a row with this hash: it follows the chain and reads the
    /// batches, but cannot know any balance.
    #[must_use]
    pub fn behind(partition: u16, sequence: u64, hash: Hash) -> Self {
        let mut auditor = Self::new(partition);
        if sequence > 0 {
            auditor.chain = Chain::behind(partition, sequence, hash);
            auditor.is_partial = true;
            auditor.report.first_sequence = sequence.saturating_add(1);
        }
        auditor
    }

    /// Also compares a snapshot.
    #[must_use]
    pub fn with_snapshot(mut self, snapshot: Option<Snapshot>) -> Self {
        self.snapshot = snapshot;
        self
    }

    /// Also expects the row with this number to have this hash.
    #[must_use]
    pub fn with_anchor(mut self, anchor: Option<(u64, Hash)>) -> Self {
        self.anchor = anchor;
        self
    }

    /// Also digests what the tables should hold up to this batch.
    #[must_use]
    pub fn with_projected(mut self, sequence: u64) -> Self {
        self.projected = sequence;
        self.report.projected_sequence = Some(sequence);
        self
    }

    /// Whether something is wrong with a row, so that no more can be looked at.
    #[must_use]
    pub const fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    /// Number of the last row that was sound.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.chain.sequence()
    }

    /// The number of an account.
    pub(super) fn number_of(&self, tenant: TenantId, account: ids::AccountId) -> Option<u32> {
        self.state.account(tenant, account).map(|view| view.number)
    }

    pub(super) fn found(&mut self, finding: Finding) {
        self.report.findings.push(finding);
    }

    /// Nothing that comes later can be judged.
    pub(super) fn stop(&mut self, finding: Finding) {
        self.has_stopped = true;
        self.found(finding);
    }

    /// Looks at the next row. Nothing is looked at behind something that is wrong.
    pub fn take(&mut self, row: &Row) {
        if self.has_stopped() {
            return;
        }
        if let Err(finding) = self.look(row) {
            self.stop(finding);
        }
    }

    fn look(&mut self, row: &Row) -> Result<(), Finding> {
        let wrong =
            |check, detail: String| Finding::new(check, self.partition, detail).in_batch(row.sequence);
        let last = self.chain.sequence();
        self.chain
            .follow(row)
            .map_err(|broken| wrong(Check::Chain, format!("{}; the row before is {last}", broken.detail)))?;
        if row.epoch < self.report.epoch {
            let detail = format!("epoch {} follows epoch {}", row.epoch, self.report.epoch);
            return Err(wrong(Check::Epoch, detail));
        }
        self.report.epoch = row.epoch;
        if self.anchor.is_some_and(|(sequence, hash)| sequence == row.sequence && hash != row.hash) {
            let detail = format!("its hash is {}, another one was noted", hex(&row.hash));
            return Err(wrong(Check::Chain, detail));
        }
        let batch =
            Batch::from_payload(&row.payload).map_err(|error| wrong(Check::Decode, error.to_string()))?;
        self.count(&batch);
        if self.is_partial { Ok(()) } else { self.replay(row, &batch) }
    }

    fn count(&mut self, batch: &Batch) {
        self.at_ms = batch.at_ms;
        let report = &mut self.report;
        report.operations = report.operations.saturating_add(batch.operations.len() as u64);
        report.postings = report.postings.saturating_add(batch.postings.len() as u64);
        report.effects = report.effects.saturating_add(batch.effects.len() as u64);
        report.accounts = report.accounts.saturating_add(batch.openings.len() as u64);
    }

    fn replay(&mut self, row: &Row, batch: &Batch) -> Result<(), Finding> {
        let partition = self.partition;
        let place = |flaw: Flaw| {
            let finding = Finding::new(flaw.check, partition, flaw.detail).in_batch(row.sequence);
            finding.by(flaw.operation).about(flaw.account)
        };
        let touched = self.books.take(batch).map_err(place)?;
        self.state.apply(row.sequence, batch).map_err(|broken| self.broken(row.sequence, batch, &broken))?;
        for number in touched {
            self.compare(row.sequence, number)?;
        }
        if row.sequence <= self.projected {
            self.expected.take(&self.books, row.sequence, batch);
        }
        let finding = self.compare_snapshot(row);
        self.report.findings.extend(finding);
        Ok(())
    }

    /// Says where the state refused a batch.
    fn broken(&self, sequence: u64, batch: &Batch, broken: &Broken) -> Finding {
        let finding = Finding::new(Check::Replay, self.partition, broken.to_string()).in_batch(sequence);
        match broken {
            Broken::OutOfSequence { .. } => finding,
            Broken::Opening { account, .. } => finding.about(Some(account.as_uuid())),
            Broken::Operation { operation, .. } => finding.by(Some(operation.as_uuid())),
            Broken::Posting { posting, .. } => {
                let owner = batch.recorded().find(|recorded| recorded.postings.contains(posting));
                let account = self.books.accounts.get(posting.debit as usize).map(|account| account.id);
                finding.by(owner.map(|recorded| recorded.operation.id())).about(account)
            }
        }
    }

    /// The state and the books must agree.
    fn compare(&self, sequence: u64, number: u32) -> Result<(), Finding> {
        let (account, view) = (self.books.accounts.get(number as usize), self.state.account_numbered(number));
        let kept = account.map(|row| (row.id, row.balance, row.held, row.overdraft));
        let seen = view.map(|row| (row.terms.account.as_uuid(), row.balance, row.held, row.overdraft));
        if kept == seen {
            return Ok(());
        }
        let detail = format!("postings and effects give {kept:?}, the state has {seen:?}");
        let finding = Finding::new(Check::Replay, self.partition, detail).in_batch(sequence);
        Err(finding.about(account.map(|account| account.id)))
    }

    fn compare_snapshot(&mut self, row: &Row) -> Option<Finding> {
        let snapshot = self.snapshot.take_if(|snapshot| snapshot.sequence == row.sequence)?;
        let wrong = |detail: String| {
            Some(Finding::new(Check::Snapshot, self.partition, detail).in_batch(row.sequence))
        };
        if snapshot.hash != row.hash {
            return wrong("the snapshot belongs to a row with another hash".to_owned());
        }
        match decode_snapshot(snapshot.payload.as_slice()) {
            // Written by another release: recovery does not use it either.
            Err(corrupt) if corrupt.is_foreign() => return None,
            Err(corrupt) => return wrong(corrupt.to_string()),
            Ok(_) => {}
        }
        let replayed = encode_snapshot(&self.state);
        if replayed != snapshot.payload {
            let same = replayed.iter().zip(&snapshot.payload).take_while(|(one, other)| one == other);
            let (at, kept, computed) = (same.count(), snapshot.payload.len(), replayed.len());
            return wrong(format!(
                "the snapshot has {kept} bytes, the replayed state {computed}; they differ at byte {at}"
            ));
        }
        self.report.snapshot_sequence = Some(row.sequence);
        None
    }

    /// Looks at what can only be judged at the end; afterwards the report is complete, but for tables.
    pub fn close(&mut self) {
        if !self.has_stopped() {
            let findings = self.at_the_end();
            self.report.findings.extend(findings);
        }
        let report = &mut self.report;
        (report.last_sequence, report.head) = (self.chain.sequence(), hex(&self.chain.hash()));
        report.open_lots = self.books.lots.len() as u64;
        report.open_holds = self.books.holds.len() as u64;
        report.replay_milliseconds = milliseconds(self.began);
    }

    /// What was looked at and found.
    #[must_use]
    pub fn into_report(self) -> PartitionReport {
        self.report
    }

    fn at_the_end(&self) -> Vec<Finding> {
        let wrong = |check, detail: String| Finding::new(check, self.partition, detail);
        let (last, mut found) = (self.chain.sequence(), Vec::new());
        let claims = [
            ("the tables hold batches up to", self.projected),
            ("there is a snapshot of batch", self.snapshot.as_ref().map_or(0, |snapshot| snapshot.sequence)),
            ("somebody noted the hash of batch", self.anchor.map_or(0, |(sequence, _)| sequence)),
        ];
        for (claim, sequence) in claims.into_iter().filter(|(_, sequence)| *sequence > last) {
            found.push(wrong(
                Check::Reach,
                format!("the journal ends with batch {last}, but {claim} {sequence}"),
            ));
        }
        if self.is_partial {
            return found;
        }
        found.extend(self.uneven_sums());
        found
            .extend((0..).zip(&self.books.accounts).find_map(|(number, _)| self.compare(last, number).err()));
        found.extend(self.lost_holds());
        found.extend(self.lost_lots());
        found
    }

    /// Sums over all accounts, of the books and of the state.
    fn uneven_sums(&self) -> Option<Finding> {
        let mut sums = std::collections::HashMap::<_, i128>::new();
        for account in &self.books.accounts {
            *sums.entry((account.tenant, account.asset)).or_default() += i128::from(account.balance);
        }
        let uneven = sums.values().chain(self.state.sums().values()).any(|sum| *sum != 0);
        let detail = "the balances of a tenant's asset do not sum to zero";
        uneven.then(|| Finding::new(Check::Conservation, self.partition, detail))
    }

    fn lost_holds(&self) -> Option<Finding> {
        let mut held = vec![0_i64; self.books.accounts.len()];
        for ((tenant, id), open) in &self.books.holds {
            if let Some(sum) = held.get_mut(open.account as usize) {
                *sum = sum.saturating_add(open.left);
            }
            let tenant = self.books.tenants.get(*tenant as usize).copied().unwrap_or_default();
            let view = self.state.hold(TenantId::from_uuid(tenant), ids::OperationId::from_uuid(*id));
            if view.map(|view| view.left) != Some(open.left) {
                let detail = format!("hold {id} has {} units left, the state has {view:?}", open.left);
                return Some(Finding::new(Check::Holds, self.partition, detail).by(Some(*id)));
            }
        }
        let wrong = self.books.accounts.iter().zip(held).find(|(account, held)| account.held != *held);
        wrong.map(|(account, held)| {
            let detail = format!("{} units are held, its open holds sum to {held}", account.held);
            Finding::new(Check::Holds, self.partition, detail).about(Some(account.id))
        })
    }

    fn lost_lots(&self) -> Option<Finding> {
        let mut kept = std::collections::HashMap::<u32, Vec<(Uuid, i64, i64)>>::new();
        for lot in self.books.lots.values() {
            kept.entry(lot.account).or_default().push((lot.id, lot.free, lot.held));
        }
        (0..).zip(&self.books.accounts).find_map(|(number, account)| {
            let mut seen: Vec<_> =
                self.state.lots_of(number).map(|lot| (lot.id, lot.free, lot.held)).collect();
            let mut own = kept.remove(&number).unwrap_or_default();
            seen.sort_unstable();
            own.sort_unstable();
            let detail = "its lots differ from those in the state";
            (seen != own).then(|| Finding::new(Check::Lots, self.partition, detail).about(Some(account.id)))
        })
    }
}

pub(super) fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
