//! Delivering what was paid, taking back what was refunded, releasing what was given up.

use eventstore::{CommandContext, Loaded};
use fault::{Code, Fault};
use futures::future::join_all;
use ids::{InvoiceId, UserId};
use invoicing_domain::{
    AttemptOutcome, Invoice, InvoiceCommand, Line, LineStatus, MarkLineFulfilled, MarkLineReversed,
    MarkLineUnfulfillable, Status,
};
use kernel::StoredEvent;

use super::Aftermath;
use crate::metrics;

/// What a seller answers who is to take back what it never delivered.
const NOT_FULFILLED: &str = "line_not_fulfilled";

impl Aftermath {
    /// Asks the sellers for every pending line of a paid invoice, and records what they answered in
    /// one commit. Lines whose seller cannot answer now are asked for again.
    pub(super) async fn deliver(&self, stored: &StoredEvent, id: InvoiceId) -> fault::Result<()> {
        let invoice = self.book.load(stored.tenant, id).await?;
        if invoice.state.status() != Status::Paid {
            return Ok(()); // refunded in the meantime: nothing more is delivered
        }
        let context = self.book.because_of(stored, "deliver");
        let whom = (id, user(&invoice)?);
        let pending = lines(&invoice, LineStatus::Pending);
        let asked = join_all(pending.iter().map(|line| self.sellers.fulfil(&context, whom, line))).await;
        let (commands, trouble) = sorted(pending, asked, delivered);
        self.record(&context, &invoice, &commands).await?;
        trouble.map_or(Ok(()), Err)
    }

    /// Takes back every delivered line of a refunded invoice. A line that still counts as pending may
    /// have been delivered without our hearing of it, so its seller is asked as well.
    pub(super) async fn take_back(&self, stored: &StoredEvent, id: InvoiceId) -> fault::Result<()> {
        let invoice = self.book.load(stored.tenant, id).await?;
        let context = self.book.because_of(stored, "take_back");
        let whom = (id, user(&invoice)?);
        let mut perhaps = lines(&invoice, LineStatus::Fulfilled);
        perhaps.extend(lines(&invoice, LineStatus::Pending));
        let asked = join_all(perhaps.iter().map(|line| self.sellers.reverse(&context, whom, line))).await;
        let (commands, trouble) = sorted(perhaps, asked, taken_back);
        self.record(&context, &invoice, &commands).await?;
        trouble.map_or(Ok(()), Err)
    }

    /// Releases the holds of an invoice that was given up, and gives up the payments that wait.
    pub(super) async fn release(&self, stored: &StoredEvent, id: InvoiceId) -> fault::Result<()> {
        let invoice = self.book.load(stored.tenant, id).await?;
        let context = self.book.because_of(stored, "release");
        let held = invoice.state.lines().iter().map(|line| (&line.sold.kind, line.sold.line_id));
        let released = join_all(held.map(|(kind, line)| self.sellers.release(&context, kind, line))).await;
        let waiting =
            invoice.state.attempts().iter().filter(|attempt| attempt.outcome == AttemptOutcome::Pending);
        let given_up = waiting.map(|attempt| self.payments.give_up(&context, attempt.payment_id));
        released.into_iter().chain(join_all(given_up).await).collect()
    }

    async fn record(
        &self,
        context: &CommandContext,
        invoice: &Loaded<Invoice>,
        commands: &[InvoiceCommand],
    ) -> fault::Result<()> {
        if commands.is_empty() {
            return Ok(());
        }
        self.book.execute_on(context, invoice, commands).await
    }
}

/// What the answers ask of the invoice, and the first trouble that must be tried again.
fn sorted(
    lines: Vec<&Line>,
    answers: Vec<fault::Result<String>>,
    commands_of: fn(&Line, fault::Result<String>) -> fault::Result<Vec<InvoiceCommand>>,
) -> (Vec<InvoiceCommand>, Option<Fault>) {
    let (mut commands, mut trouble) = (Vec::new(), None);
    for (line, answer) in lines.into_iter().zip(answers) {
        match commands_of(line, answer) {
            Ok(more) => commands.extend(more),
            Err(fault) => trouble = trouble.or(Some(fault)),
        }
    }
    (commands, trouble)
}

fn delivered(line: &Line, answer: fault::Result<String>) -> fault::Result<Vec<InvoiceCommand>> {
    let line_id = line.sold.line_id;
    match answer {
        Ok(receipt) => {
            metrics::line("fulfilled");
            Ok(vec![InvoiceCommand::MarkLineFulfilled(MarkLineFulfilled { line_id, receipt })])
        }
        Err(refusal) if is_refusal(&refusal) => {
            metrics::line("unfulfillable");
            let reason = refusal.reason().to_owned();
            Ok(vec![InvoiceCommand::MarkLineUnfulfillable(MarkLineUnfulfillable { line_id, reason })])
        }
        // Trouble is asked again; what says nothing about the line (it was delivered with other
        // contents, say) is left to an operator, never refunded beside a delivery.
        Err(fault) => Err(fault),
    }
}

/// Whether the seller itself says that it will never deliver this.
fn is_refusal(fault: &Fault) -> bool {
    matches!(fault.code(), Code::Rejected | Code::NotFound | Code::InvalidInput)
}

/// A seller that refuses to take something back leaves a dead letter: the money is gone, the goods
/// are not, and somebody must look at it. What was never delivered needs no taking back.
fn taken_back(line: &Line, answer: fault::Result<String>) -> fault::Result<Vec<InvoiceCommand>> {
    let line_id = line.sold.line_id;
    let pending = line.status == LineStatus::Pending;
    let receipt = match answer {
        Err(refusal) if pending && refusal.reason() == NOT_FULFILLED => return Ok(Vec::new()),
        answer => answer?,
    };
    metrics::line("reversed");
    let unrecorded = MarkLineFulfilled { line_id, receipt: String::new() };
    let unrecorded = pending.then_some(InvoiceCommand::MarkLineFulfilled(unrecorded));
    let reversed = InvoiceCommand::MarkLineReversed(MarkLineReversed { line_id, receipt });
    Ok(unrecorded.into_iter().chain([reversed]).collect())
}

fn lines(invoice: &Loaded<Invoice>, status: LineStatus) -> Vec<&Line> {
    invoice.state.lines().iter().filter(|line| line.status == status).collect()
}

fn user(invoice: &Loaded<Invoice>) -> fault::Result<UserId> {
    let opened = invoice.state.opened().ok_or_else(|| Fault::internal("an event of an unopened invoice"))?;
    Ok(opened.user_id)
}
