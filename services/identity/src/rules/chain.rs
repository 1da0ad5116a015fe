//! The audit trail as a hash chain.
//!
//! Every entry carries the hash of the one before; its own hash covers that and all of its fields,
//! each with its length, so that no two different entries have the same bytes. Whoever alters,
//! removes or inserts an entry breaks the chain at that place; whoever cuts off the end no longer
//! agrees with the head. Entries that say less are hashed as the first version did, so a chain that
//! was begun by it goes on.

use ids::TenantId;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Hash of an entry.
pub type Hash = [u8; 32];

/// What the first entry of a chain names as the one before.
pub const GENESIS: Hash = [0; 32];

/// One action, without its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Identity of the entry.
    pub entry_id: Uuid,
    /// When, to the microsecond.
    pub at: Timestamp,
    /// Who: `user:<id>`, `service:<name>`, `anonymous`.
    pub actor: String,
    /// What: `user.suspend`.
    pub action: String,
    /// On what: `user/<id>`.
    pub target: String,
    /// From where; empty when unknown.
    pub origin_address: String,
    /// Trace of the request; empty when there is none.
    pub trace_id: String,
    /// JSON before; empty where not applicable.
    pub before_json: String,
    /// JSON after; empty where not applicable.
    pub after_json: String,
    /// The service that was asked, or `plugin`; empty in entries of the first version.
    pub source: String,
    /// The operation it was part of; empty when unknown.
    pub operation_id: String,
    /// `done`, `refused`, `unknown`.
    pub outcome: String,
}

/// An entry with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Place, from 1.
    pub sequence: i64,
    /// The action.
    pub entry: Entry,
    /// Hash of the entry before.
    pub previous_hash: Hash,
    /// Hash of this entry.
    pub hash: Hash,
}

/// Where a chain was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// This entry was altered, or entries before it were removed or inserted.
    #[error("the audit chain is broken at entry {0}")]
    At(i64),
    /// The end is not where the head says.
    #[error("the audit chain ends elsewhere than its head says")]
    End,
}

/// The hash of an entry at `sequence` after `previous`.
#[must_use]
pub fn hash(tenant: TenantId, sequence: i64, previous: &Hash, entry: &Entry) -> Hash {
    let later = [&entry.source, &entry.operation_id, &entry.outcome];
    let first_version = later.iter().all(|text| text.is_empty());
    let mut digest = Sha256::new();
    digest.update(if first_version { b"vbwd audit v1" } else { b"vbwd audit v2" });
    digest.update(tenant.as_uuid().as_bytes());
    digest.update(sequence.to_be_bytes());
    digest.update(previous);
    digest.update(entry.entry_id.as_bytes());
    digest.update(entry.at.as_microsecond().to_be_bytes());
    let texts = [
        &entry.actor,
        &entry.action,
        &entry.target,
        &entry.origin_address,
        &entry.trace_id,
        &entry.before_json,
        &entry.after_json,
    ];
    let later = later.into_iter().filter(|_| !first_version);
    for text in texts.into_iter().chain(later) {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text.as_bytes());
    }
    digest.finalize().into()
}

/// Checks links in order, some at a time.
#[derive(Debug, Clone)]
pub struct Verifier {
    tenant: TenantId,
    sequence: i64,
    hash: Hash,
}

impl Verifier {
    /// A verifier at the beginning of the chain of `tenant`.
    #[must_use]
    pub const fn new(tenant: TenantId) -> Self {
        Self { tenant, sequence: 0, hash: GENESIS }
    }

    /// Place of the last link that was checked.
    #[must_use]
    pub const fn sequence(&self) -> i64 {
        self.sequence
    }

    /// Checks the next link.
    ///
    /// # Errors
    /// [`Broken::At`] its place.
    pub fn check(&mut self, link: &Link) -> Result<(), Broken> {
        let expected = hash(self.tenant, link.sequence, &self.hash, &link.entry);
        let follows = link.sequence == self.sequence + 1 && link.previous_hash == self.hash;
        if !follows || link.hash != expected {
            return Err(Broken::At(link.sequence));
        }
        self.sequence = link.sequence;
        self.hash = link.hash;
        Ok(())
    }

    /// Checks that the chain ends where its head says.
    ///
    /// # Errors
    /// [`Broken::End`] when it does not.
    pub fn finish(&self, head_sequence: i64, head_hash: &Hash) -> Result<(), Broken> {
        let ends = self.sequence == head_sequence && self.hash == *head_hash;
        if ends { Ok(()) } else { Err(Broken::End) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: &str) -> Entry {
        Entry {
            entry_id: Uuid::from_u128(7),
            at: Timestamp::UNIX_EPOCH,
            actor: "user:1".to_owned(),
            action: action.to_owned(),
            target: "user/2".to_owned(),
            origin_address: "192.0.2.1".to_owned(),
            trace_id: String::new(),
            before_json: String::new(),
            after_json: r#"{"a":1}"#.to_owned(),
            source: String::new(),
            operation_id: String::new(),
            outcome: String::new(),
        }
    }

    fn tenant() -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(1))
    }

    fn chain(actions: &[&str]) -> Vec<Link> {
        let (mut previous, mut links) = (GENESIS, Vec::new());
        for (sequence, action) in (1..).zip(actions) {
            let hash = hash(tenant(), sequence, &previous, &entry(action));
            links.push(Link { sequence, entry: entry(action), previous_hash: previous, hash });
            previous = hash;
        }
        links
    }

    fn verify(tenant: TenantId, links: &[Link], head: &Link) -> Result<(), Broken> {
        let mut verifier = Verifier::new(tenant);
        links.iter().try_for_each(|link| verifier.check(link))?;
        verifier.finish(head.sequence, &head.hash)
    }

    #[test]
    fn an_untouched_chain_verifies() {
        let links = chain(&["a", "b", "c"]);
        assert_eq!(verify(tenant(), &links, &links[2]), Ok(()));
    }

    #[test]
    fn every_kind_of_tampering_is_found() {
        let links = chain(&["a", "b", "c"]);
        let head = links[2].clone();
        let mut altered = links.clone();
        altered[1].entry.target = "user/3".to_owned();
        let mut rehashed = altered.clone();
        rehashed[1].hash = hash(tenant(), 2, &rehashed[0].hash, &rehashed[1].entry);
        let removed = vec![links[0].clone(), links[2].clone()];
        let cut = links[..2].to_vec();
        let swapped = vec![links[1].clone(), links[0].clone(), links[2].clone()];
        let mut shifted = links.clone();
        shifted[0].entry.actor = "user:1u".to_owned();
        shifted[0].entry.action = String::new();
        let rows = [
            (altered, Broken::At(2)),
            (rehashed, Broken::At(3)),
            (removed, Broken::At(3)),
            (cut, Broken::End),
            (swapped, Broken::At(2)),
            (shifted, Broken::At(1)),
        ];
        for (links, expected) in rows {
            assert_eq!(verify(tenant(), &links, &head), Err(expected));
        }
    }

    #[test]
    fn both_versions_stand_in_one_chain_and_neither_can_pass_for_the_other() {
        let mut links = chain(&["a", "b"]);
        let later = Entry { source: "payments".to_owned(), outcome: "done".to_owned(), ..entry("c") };
        let hash = hash(tenant(), 3, &links[1].hash, &later);
        links.push(Link { sequence: 3, entry: later, previous_hash: links[1].hash, hash });
        let head = links[2].clone();
        assert_eq!(verify(tenant(), &links, &head), Ok(()));
        let mut claimed = links.clone();
        claimed[1].entry.source = "payments".to_owned();
        assert_eq!(verify(tenant(), &claimed, &head), Err(Broken::At(2)));
        links[2].entry.source.clear();
        assert_eq!(verify(tenant(), &links, &head), Err(Broken::At(3)));
    }

    #[test]
    fn a_chain_belongs_to_its_tenant() {
        let links = chain(&["a"]);
        assert_eq!(verify(TenantId::new(), &links, &links[0]), Err(Broken::At(1)));
    }
}
