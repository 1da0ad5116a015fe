//! A batch in the making: words and origins that repeat are stored once.

use std::collections::HashMap;
use std::sync::Arc;

use ids::TenantId;

use crate::{AccountTerms, Batch, Command, FORMAT, Facts, Opening, Operation, Origin, Recorded, Request};

/// Collects the facts of one batch.
#[derive(Debug)]
pub struct Draft {
    batch: Batch,
    words: HashMap<Arc<str>, u32>,
    last_word: Option<(Arc<str>, u32)>,
    last_origin: Option<Arc<Origin>>,
}

impl Draft {
    /// A batch without facts, begun at this machine time.
    #[must_use]
    pub fn new(at_ms: i64, (forget_pages, forget_timeless_pages): (u32, u32)) -> Self {
        let batch = Batch { format: FORMAT, at_ms, forget_pages, forget_timeless_pages, ..Batch::default() };
        Self { batch, words: HashMap::new(), last_word: None, last_origin: None }
    }

    /// Operations and openings so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.operations.len().saturating_add(self.batch.openings.len())
    }

    /// Whether nothing has happened yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// The machine's time at which the batch was begun.
    #[must_use]
    pub const fn at_ms(&self) -> i64 {
        self.batch.at_ms
    }

    /// Adds an opening.
    pub fn open(&mut self, request: &Request, terms: &AccountTerms) -> Opening {
        let (tenant_high, tenant_low) = halves(request.tenant);
        let (account_high, account_low) = terms.account.as_uuid().as_u64_pair();
        let (owner_high, owner_low) = terms.owner.map_or((0, 0), |owner| owner.as_uuid().as_u64_pair());
        let opening = Opening {
            tenant_high,
            tenant_low,
            account_high,
            account_low,
            kind: u32::from(terms.kind as u8),
            asset: self.word(&Arc::from(terms.asset.code())),
            owner_high,
            owner_low,
            origin: self.origin(&request.origin),
            at_offset_ms: request.at_ms.saturating_sub(self.batch.at_ms),
        };
        self.batch.openings.push(opening);
        opening
    }

    /// Adds an operation; answers it as it was recorded.
    pub fn record(&mut self, request: &Request, command: &Command, facts: Facts) -> Recorded<'_> {
        let (id_high, id_low) = command.operation.as_uuid().as_u64_pair();
        let operation = Operation {
            id_high,
            id_low,
            body: facts.body,
            postings: count(facts.postings.len()),
            reason: self.word(&command.note.reason),
            origin: self.origin(&request.origin),
            at_offset_ms: facts.at_ms.saturating_sub(self.batch.at_ms),
            reference: command.note.reference.clone(),
            kind: u32::from(facts.kind as u8),
            effects: count(facts.effects.len()),
            metadata: command.note.metadata.clone(),
            tenant: if facts.postings.is_empty() { facts.tenant.saturating_add(1) } else { 0 },
        };
        let batch = &mut self.batch;
        let (postings, effects) = (batch.postings.len(), batch.effects.len());
        batch.postings.extend_from_slice(&facts.postings);
        batch.effects.extend(facts.effects);
        Recorded {
            operation: batch.operations.push_mut(operation),
            postings: batch.postings.get(postings..).unwrap_or_default(),
            effects: batch.effects.get(effects..).unwrap_or_default(),
        }
    }

    /// The finished batch.
    #[must_use]
    pub fn finish(self) -> Batch {
        self.batch
    }

    fn word(&mut self, word: &Arc<str>) -> u32 {
        if let Some((last, index)) = &self.last_word
            && (Arc::ptr_eq(last, word) || last == word)
        {
            return *index;
        }
        let next = u32::try_from(self.batch.words.len()).unwrap_or(u32::MAX);
        let index = *self.words.entry(word.clone()).or_insert(next);
        if index == next {
            self.batch.words.push(word.to_string());
        }
        self.last_word = Some((word.clone(), index));
        index
    }

    fn origin(&mut self, origin: &Arc<Origin>) -> u32 {
        let known = self.last_origin.as_ref().is_some_and(|last| Arc::ptr_eq(last, origin) || last == origin);
        if !known {
            self.batch.origins.push((**origin).clone());
            self.last_origin = Some(origin.clone());
        }
        u32::try_from(self.batch.origins.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }
}

fn count(facts: usize) -> u32 {
    u32::try_from(facts).unwrap_or(u32::MAX)
}

fn halves(tenant: TenantId) -> (u64, u64) {
    tenant.as_uuid().as_u64_pair()
}
