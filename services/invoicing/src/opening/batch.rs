//! One transaction that opens several invoices of a tenant.
//!
//! Two statements and a commit: numbers and rows in the first, events in the second. Nothing else
//! happens while the series' row is locked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use eventstore::{EventStore, Loaded, NewStream};
use fault::Fault;
use ids::InvoiceId;
use invoicing_domain::{Invoice, InvoiceCommand, InvoiceEvent, InvoiceNumber, OpenInvoice};
use jiff::SignedDuration;
use kernel::{Aggregate, Position};

use super::{Draft, Opening};
use crate::grpc::convert::rejected;
use crate::metrics;
use crate::projections::invoices::{self, NewInvoice};

/// What a batch needs beside its drafts.
pub(super) struct Batch<'a> {
    pub store: &'a EventStore,
    pub series: &'a str,
    pub year: i16,
    pub check_after: SignedDuration,
}

/// Opened invoices by id.
type Opened = HashMap<InvoiceId, (Loaded<Invoice>, Position)>;

impl Batch<'_> {
    /// Opens the drafts; answers in their order. When they cannot be opened together for a reason
    /// that lies in one of them, each is tried alone.
    pub(super) async fn open(&self, drafts: &[Arc<Draft>]) -> Vec<fault::Result<Opening>> {
        metrics::opening_batch(drafts.len());
        match self.open_together(drafts).await {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(fault) if fault.is_transient() || drafts.len() == 1 => {
                drafts.iter().map(|_| Err(copy(&fault))).collect()
            }
            Err(_) => self.open_one_by_one(drafts).await,
        }
    }

    async fn open_one_by_one(&self, drafts: &[Arc<Draft>]) -> Vec<fault::Result<Opening>> {
        let mut outcomes = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let outcome = self.open_together(std::slice::from_ref(draft)).await;
            outcomes.push(outcome.map(|mut openings| openings.pop().unwrap_or(Opening::Exists)));
        }
        outcomes
    }

    async fn open_together(&self, drafts: &[Arc<Draft>]) -> fault::Result<Vec<Opening>> {
        // The same draft may wait twice; the second one finds it open.
        let mut seen = HashSet::new();
        let mut fresh: Vec<&Draft> =
            drafts.iter().map(Arc::as_ref).filter(|draft| seen.insert(draft.id)).collect();
        let mut opened = loop {
            match self.attempt(&fresh).await? {
                Ok(opened) => break opened,
                Err(new) => fresh.retain(|draft| new.contains(&draft.id)),
            }
        };
        let outcome = |draft: &Arc<Draft>| match opened.remove(&draft.id) {
            Some((invoice, position)) => Opening::Opened(Box::new(invoice), position),
            None => Opening::Exists,
        };
        Ok(drafts.iter().map(outcome).collect())
    }

    /// One transaction; `Err` names the drafts that are new when some are not.
    async fn attempt(&self, drafts: &[&Draft]) -> fault::Result<Result<Opened, HashSet<InvoiceId>>> {
        let Some(first) = drafts.first() else { return Ok(Ok(HashMap::new())) };
        let unnumbered =
            drafts.iter().map(|draft| self.decide(draft, 0)).collect::<fault::Result<Vec<_>>>()?;
        let states: Vec<_> = unnumbered.iter().map(Invoice::replay).collect();
        let new: Vec<_> = drafts
            .iter()
            .zip(&states)
            .zip(&unnumbered)
            .map(|((draft, state), events)| NewInvoice {
                id: draft.id,
                state,
                revision: i64::try_from(events.len()).unwrap_or(i64::MAX),
                request_hash: &draft.request_hash,
            })
            .collect();
        let mut unit = self.store.begin(&first.context).await?;
        let series = (self.series, self.year);
        let numbers =
            invoices::open(unit.connection(), first.context.tenant, series, &new, self.check_after).await?;
        if numbers.len() < drafts.len() {
            unit.rollback().await?;
            return Ok(Err(numbers.into_keys().collect()));
        }
        let numbered = |draft: &&Draft| {
            let number = numbers.get(&draft.id).copied().unwrap_or_default();
            let (context, id) = (draft.context.clone(), draft.id.as_uuid());
            Ok(NewStream::<Invoice> { context, id, events: self.decide(draft, number)? })
        };
        let streams = drafts.iter().map(numbered).collect::<fault::Result<Vec<_>>>()?;
        let opened = unit.append_new(&streams).await?;
        unit.commit().await?;
        metrics::opened(drafts.len());
        Ok(Ok(drafts.iter().map(|draft| draft.id).zip(opened).collect()))
    }

    /// The events of an opening under the number `sequence`.
    fn decide(&self, draft: &Draft, sequence: i64) -> fault::Result<Vec<InvoiceEvent>> {
        let number = InvoiceNumber { series: self.series.to_owned(), year: self.year, sequence };
        let open = OpenInvoice {
            number,
            user_id: draft.user_id,
            priced: draft.priced.clone(),
            due_at: draft.due_at,
        };
        let at = draft.context.at;
        let mut events = Invoice::default().decide(InvoiceCommand::Open(open), at).map_err(rejected)?;
        if let Some(payment) = &draft.payment {
            let command = InvoiceCommand::StartPayment(payment.clone());
            events.extend(Invoice::replay(&events).decide(command, at).map_err(rejected)?);
        }
        Ok(events)
    }
}

/// A fault for everyone it concerns; the cause stays with the first.
fn copy(fault: &Fault) -> Fault {
    Fault::new(fault.code(), fault.reason().to_owned(), fault.message().to_owned())
        .with_source(format!("{fault:?}"))
}
