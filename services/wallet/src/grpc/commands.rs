//! From messages to commands of the ledger. Each message becomes one command; a batch is a list of
//! the same messages.

use contracts::vbwd::wallet::v1 as proto;
use contracts::vbwd::wallet::v1::ledger_command::Command as Kind;
use fault::Fault;
use ids::{AccountId, OperationId, TenantId};
use wallet_domain::{
    AccountKind, AccountTerms, Capture, Command, Convert, Grant, Hold, LOT_PRIORITY_GENERAL, Leg, LotTerms,
    Note, Part, Release, RollOver, Verb,
};

use super::convert::{id, time_ms};

/// A command, or an order to undo, whose facts must be looked up before.
pub(super) enum Order {
    Command(Command),
    Reversal { command: proto::ReverseRequest },
}

/// Reason, reference and metadata.
pub(super) fn note(reason: &str, reference: String, metadata: String) -> fault::Result<Note> {
    if !metadata.is_empty() && !is_object(&metadata) {
        return Err(Fault::invalid("/metadata", "malformed", "Metadata is a JSON object."));
    }
    Ok(Note { reason: reason.into(), reference, metadata })
}

fn is_object(text: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
}

fn command(operation: &str, note: Note, verb: Verb) -> fault::Result<Command> {
    Ok(Command { operation: id(operation, "/operation_id")?, note, verb, unseen_through: 0 })
}

/// 0 stands for all that is left.
const fn amount(amount: i64) -> Option<i64> {
    if amount == 0 { None } else { Some(amount) }
}

pub(super) fn post(message: proto::PostRequest) -> fault::Result<Command> {
    let leg = |(index, posting): (usize, &proto::Posting)| {
        let side = |text: &str, side: &str| {
            text.parse::<AccountId>().map_err(|_| {
                let pointer = format!("/postings/{index}/{side}_account_id");
                Fault::invalid(pointer, "malformed", "This is no id.")
            })
        };
        Ok(Leg {
            debit: side(&posting.debit_account_id, "debit")?,
            credit: side(&posting.credit_account_id, "credit")?,
            amount: posting.amount,
        })
    };
    let legs = message.postings.iter().enumerate().map(leg).collect::<fault::Result<_>>()?;
    let note = note(&message.reason, message.reference, message.metadata)?;
    command(&message.operation_id, note, Verb::Post(legs))
}

pub(super) fn hold(message: proto::HoldRequest) -> fault::Result<Command> {
    let hold = Hold {
        leg: Leg {
            debit: id(&message.account_id, "/account_id")?,
            credit: id(&message.credit_account_id, "/credit_account_id")?,
            amount: message.amount,
        },
        expires_at_ms: message.expires_at.map(|at| time_ms(&at, "/expires_at")).transpose()?,
    };
    let note = note(&message.reason, message.reference, message.metadata)?;
    command(&message.operation_id, note, Verb::Hold(hold))
}

pub(super) fn capture(message: proto::CaptureRequest) -> fault::Result<Command> {
    let capture = Capture {
        hold: id(&message.hold_id, "/hold_id")?,
        amount: amount(message.amount),
        release_rest: message.release_rest,
    };
    let note = note(&message.reason, message.reference, message.metadata)?;
    command(&message.operation_id, note, Verb::Capture(capture))
}

pub(super) fn release(message: proto::ReleaseRequest) -> fault::Result<Command> {
    let release = Release { hold: id(&message.hold_id, "/hold_id")?, amount: amount(message.amount) };
    let note = note(&message.reason, message.reference, message.metadata)?;
    command(&message.operation_id, note, Verb::Release(release))
}

pub(super) fn convert(message: proto::ConvertRequest) -> fault::Result<Command> {
    let convert = Convert {
        from: id(&message.from_account_id, "/from_account_id")?,
        to: id(&message.to_account_id, "/to_account_id")?,
        amount: message.amount,
        rate_numerator: message.rate_numerator,
        rate_denominator: message.rate_denominator,
    };
    let note = note(&message.reason, message.reference, message.metadata)?;
    command(&message.operation_id, note, Verb::Convert(convert))
}

pub(super) fn grant(message: proto::GrantRequest) -> fault::Result<Command> {
    let priority = match message.priority {
        0 => LOT_PRIORITY_GENERAL,
        number => u8::try_from(number)
            .map_err(|_| Fault::invalid("/priority", "out_of_range", "Priorities are 1 to 255."))?,
    };
    let terms = LotTerms {
        source: message.source.as_str().into(),
        priority,
        expires_at_ms: message.expires_at.map(|at| time_ms(&at, "/expires_at")).transpose()?,
        series: LotTerms::series(&message.series),
    };
    let leg = Leg {
        debit: id(&message.debit_account_id, "/debit_account_id")?,
        credit: id(&message.credit_account_id, "/credit_account_id")?,
        amount: message.amount,
    };
    let roll_over = roll_over(message.roll_over, message.roll_over_cap)?;
    let note = note(&message.reason, message.reference, message.metadata)?;
    command(&message.operation_id, note, Verb::Grant(Box::new(Grant { leg, terms, roll_over })))
}

fn roll_over(policy: i32, cap: i64) -> fault::Result<RollOver> {
    Ok(match proto::RollOver::try_from(policy) {
        Ok(proto::RollOver::Unspecified | proto::RollOver::Keep) => RollOver::Keep,
        Ok(proto::RollOver::None) => RollOver::None,
        Ok(proto::RollOver::All) => RollOver::All,
        Ok(proto::RollOver::Capped) => RollOver::Capped(cap),
        Err(_) => return Err(Fault::invalid("/roll_over", "unknown", "There is no such policy.")),
    })
}

/// The parts of a reversal.
pub(super) fn parts(message: &proto::ReverseRequest) -> Vec<Part> {
    message.parts.iter().map(|part| Part { leg: part.leg, amount: part.amount }).collect()
}

/// A reversal whose facts were found.
pub(super) fn reversal(message: proto::ReverseRequest, verb: Verb) -> fault::Result<Command> {
    let note = note(&message.reason, message.reference, message.metadata)?;
    command(&message.operation_id, note, verb)
}

/// A command of a batch.
pub(super) fn order(message: proto::LedgerCommand) -> fault::Result<Order> {
    let missing = || Fault::invalid("/command", "missing", "There is no command.");
    Ok(Order::Command(match message.command.ok_or_else(missing)? {
        Kind::Post(message) => post(message)?,
        Kind::Hold(message) => hold(message)?,
        Kind::Capture(message) => capture(message)?,
        Kind::Release(message) => release(message)?,
        Kind::Convert(message) => convert(message)?,
        Kind::Grant(message) => grant(message)?,
        Kind::Reverse(command) => return Ok(Order::Reversal { command }),
    }))
}

/// The accounts that a command may need and that follow from the assets it names.
pub(super) fn system_accounts(
    tenant: TenantId,
    assets: impl IntoIterator<Item = wallet_domain::Asset>,
) -> Vec<AccountTerms> {
    let kinds = [AccountKind::Liquidity, AccountKind::Breakage];
    let of = |asset| kinds.map(|kind| AccountTerms::system(tenant, kind, asset));
    assets.into_iter().flat_map(of).collect()
}

/// The operation that a reversal undoes.
pub(super) fn reversed(message: &proto::ReverseRequest) -> fault::Result<OperationId> {
    id(&message.reversed_operation_id, "/reversed_operation_id")
}
