//! Batches and streams of them.
//!
//! A stream takes the next batch while earlier ones are on their way to the journal, a few at a time,
//! and answers in the order in which they came.

use std::pin::Pin;
use std::sync::Arc;

use auth::Caller;
use contracts::vbwd::wallet::v1 as proto;
use eventstore::CommandContext;
use fault::Fault;
use futures::{Stream, TryStreamExt as _};
use tonic::{Status, Streaming};
use wallet_domain::{Command, Note, Rejection, Request};

use super::refusals::sentence;
use super::{Api, commands, convert};
use crate::engine::PackedPosts;
use crate::teller::Done;

/// Most operations of one batch.
const OPERATIONS_MAX: usize = 8_192;
/// Batches of one stream that are under way at once.
const UNDER_WAY: usize = 4;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Api {
    pub(super) async fn batch(
        &self,
        caller: &Caller,
        request: &Request,
        message: proto::ExecuteBatchRequest,
    ) -> fault::Result<proto::ExecuteBatchResponse> {
        sized(message.commands.len(), "/commands")?;
        let mut prepared = Vec::with_capacity(message.commands.len());
        for (index, command) in message.commands.into_iter().enumerate() {
            prepared.push(self.prepare(caller, request, command).await.map_err(|fault| at(index, fault))?);
        }
        let commands = prepared.iter().filter_map(|prepared| prepared.as_ref().ok().cloned()).collect();
        let mut done = self.0.teller.execute_all(request, commands).await?.into_iter();
        let answers = prepared
            .into_iter()
            .map(|prepared| prepared.and_then(|_| done.next().unwrap_or(Err(Rejection::NotDue))));
        let answers: Vec<_> = answers.collect();
        let position = answers.iter().filter_map(|answer| answer.as_ref().ok()).map(|done| done.position);
        let position = position.max_by_key(|position| position.sequence);
        Ok(proto::ExecuteBatchResponse {
            results: answers.into_iter().map(result).collect(),
            position: position.map(|position| position.to_string()).unwrap_or_default(),
        })
    }

    /// The command of an order; a reversal of what never was is refused as such.
    async fn prepare(
        &self,
        caller: &Caller,
        request: &Request,
        message: proto::LedgerCommand,
    ) -> fault::Result<Result<Command, Rejection>> {
        let command = match commands::order(message)? {
            commands::Order::Command(command) => return Ok(Ok(command)),
            commands::Order::Reversal { command } => command,
        };
        // The batch's own permission is for posting; undoing has one of its own.
        auth::permit(caller, Some(&contracts::Access::Permission("ledger.reverse".to_owned())))?;
        let operation = commands::reversed(&command)?;
        let found = self.0.teller.reversal(request.tenant, operation, commands::parts(&command)).await?;
        found.map_or(Ok(Err(Rejection::NotReversible { operation })), |verb| {
            commands::reversal(command, verb).map(Ok)
        })
    }

    pub(super) fn batches(
        &self,
        caller: Arc<Caller>,
        context: CommandContext,
        messages: Streaming<proto::ExecuteBatchRequest>,
    ) -> Answers<proto::ExecuteBatchResponse> {
        let api = self.clone();
        let answer = move |message| {
            let (api, caller, request) = (api.clone(), Arc::clone(&caller), api.now(&caller, &context));
            async move { Ok(api.batch(&caller, &request, message).await?) }
        };
        Box::pin(messages.map_ok(answer).try_buffered(UNDER_WAY))
    }

    pub(super) async fn packed(
        &self,
        request: Request,
        message: proto::PostBatchRequest,
    ) -> fault::Result<proto::PostBatchResponse> {
        let posts = columns(message)?;
        let count = u32::try_from(posts.len()).unwrap_or(u32::MAX);
        let kept = posts.clone();
        let (position, mut answer) = self.0.ledger.execute_packed(request.clone(), posts).await?;
        let unsettled = |rejection: &Rejection| matches!(rejection, Rejection::OperationIdUnsettled { .. });
        if answer.refused.iter().any(|(_, rejection)| unsettled(rejection)) {
            let refused = std::mem::take(&mut answer.refused);
            for (place, rejection) in refused {
                match kept.command(place).filter(|_| unsettled(&rejection)) {
                    None => answer.refused.push((place, rejection)),
                    Some(command) => match self.0.teller.execute(&request, command, &[]).await? {
                        Ok(done) => answer.repeated.extend(done.repeated.then_some(place)),
                        Err(rejection) => answer.refused.push((place, rejection)),
                    },
                }
            }
        }
        let refused = answer.refused.iter().map(|(place, rejection)| proto::RefusedPost {
            place: *place,
            code: rejection.code().to_owned(),
            message: sentence(rejection).to_owned(),
        });
        let refused: Vec<_> = refused.collect();
        let failed = u32::try_from(refused.len()).unwrap_or(u32::MAX);
        Ok(proto::PostBatchResponse {
            position: position.to_string(),
            done: count.saturating_sub(failed),
            repeated: answer.repeated,
            refused,
        })
    }

    pub(super) fn packed_batches(
        &self,
        caller: Arc<Caller>,
        context: CommandContext,
        messages: Streaming<proto::PostBatchRequest>,
    ) -> Answers<proto::PostBatchResponse> {
        let api = self.clone();
        let answer = move |message| {
            let (api, request) = (api.clone(), api.now(&caller, &context));
            async move { Ok(api.packed(request, message).await?) }
        };
        Box::pin(messages.map_ok(answer).try_buffered(UNDER_WAY))
    }

    /// A stream lives long: every batch has the time at which it came.
    fn now(&self, caller: &Caller, context: &CommandContext) -> Request {
        let at = self.0.clock.now(context.tenant);
        convert::request_of(caller, &CommandContext { at, ..context.clone() })
    }
}

fn sized(count: usize, pointer: &str) -> fault::Result<()> {
    match count {
        0 => Err(Fault::invalid(pointer, "missing", "A batch has at least one operation.")),
        1..=OPERATIONS_MAX => Ok(()),
        _ => Err(Fault::invalid(pointer, "too_many", "A batch has at most 8192 operations.")
            .with_fact("limit", OPERATIONS_MAX)),
    }
}

/// Says in which command of the batch something was malformed.
fn at(index: usize, fault: Fault) -> Fault {
    fault.within(&format!("/commands/{index}"))
}

fn result(answer: Result<Done, Rejection>) -> proto::CommandResult {
    match answer {
        Ok(done) => proto::CommandResult {
            repeated: done.repeated,
            amount: done.outcome.amount,
            left: done.outcome.left,
            ..proto::CommandResult::default()
        },
        Err(rejection) => proto::CommandResult {
            code: rejection.code().to_owned(),
            message: sentence(&rejection).to_owned(),
            ..proto::CommandResult::default()
        },
    }
}

fn columns(message: proto::PostBatchRequest) -> fault::Result<PackedPosts> {
    sized(message.amounts.len(), "/amounts")?;
    let note: Note = commands::note(&message.reason, message.reference, String::new())?;
    let posts = PackedPosts {
        note,
        operations: message.operation_ids,
        debits: message.debit_account_ids,
        credits: message.credit_account_ids,
        amounts: message.amounts,
    };
    if !posts.is_even() {
        return Err(Fault::invalid(
            "/amounts",
            "uneven",
            "Every column has as many values as there are posts.",
        ));
    }
    let nil = posts.operations.chunks_exact(2).position(|halves| halves == [0, 0]);
    match nil {
        Some(place) => Err(Fault::invalid(format!("/operation_ids/{place}"), "malformed", "This is no id.")),
        None => Ok(posts),
    }
}
