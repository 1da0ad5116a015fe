//! Reads of the past: statements, operations, lots.

use std::collections::HashMap;

use contracts::vbwd::wallet::v1 as proto;
use fault::Fault;
use ids::{AccountId, OperationId, TenantId};
use tonic::Request;
use uuid::Uuid;
use wallet_domain::effect::Change;
use wallet_domain::{AccountView, HoldView, PartitionState};

use super::Api;
use super::convert::{entry_message, filter, id, kind_number, milliseconds, timestamp};
use crate::Position;
use crate::history::{Found, LotPage, PageRequest};

/// What memory knows about an operation of the past.
struct Present {
    accounts: HashMap<u32, AccountView>,
    hold: Option<HoldView>,
    undone: Vec<i64>,
}

impl Api {
    pub(super) async fn entries(
        &self,
        call: Request<proto::ListEntriesRequest>,
    ) -> fault::Result<proto::ListEntriesResponse> {
        let (_, context) = self.context(&call)?;
        let (tenant, message) = (context.tenant, call.into_inner());
        let account: AccountId = id(&message.account_id, "/account_id")?;
        let asked = PageRequest {
            size: message.page_size,
            cursor: message.cursor,
            min_position: message.min_position,
            filter: filter(message.filter)?,
        };
        let found = self.0.ledger.account(tenant, account).await?;
        let view = found.accounts.first().ok_or_else(|| Fault::not_found("account"))?;
        let asset = view.terms.asset.to_string();
        let page = self.0.history.statement(tenant, &[account], &asked).await?;
        let partition = found.position.partition;
        Ok(proto::ListEntriesResponse {
            entries: page.lines.iter().map(|line| entry_message(line, &asset, partition)).collect(),
            next_cursor: page.next_cursor.unwrap_or_default(),
        })
    }

    pub(super) async fn operation(
        &self,
        call: Request<proto::GetOperationRequest>,
    ) -> fault::Result<proto::GetOperationResponse> {
        let (_, context) = self.context(&call)?;
        let (tenant, operation): (_, OperationId) =
            (context.tenant, id(&call.get_ref().operation_id, "/operation_id")?);
        let found = self.0.history.operation(tenant, operation).await?;
        let found = found.ok_or_else(|| Fault::not_found("operation"))?;
        let numbers: Vec<u32> =
            found.postings.iter().flat_map(|posting| [posting.debit, posting.credit]).collect();
        let look = move |state: &PartitionState| present(state, tenant, operation, &numbers);
        let (_, present) = self.0.ledger.look(tenant, look).await?;
        Ok(proto::GetOperationResponse { operation: Some(operation_message(&found, &present)) })
    }

    pub(super) async fn lot_movements(
        &self,
        call: Request<proto::ListLotMovementsRequest>,
    ) -> fault::Result<proto::ListLotMovementsResponse> {
        let (_, context) = self.context(&call)?;
        let message = call.into_inner();
        let lot: Uuid = id(&message.lot_id, "/lot_id")?;
        let asked = PageRequest {
            size: message.page_size,
            cursor: message.cursor,
            min_position: message.min_position,
            ..PageRequest::default()
        };
        let page = self.0.history.lot(context.tenant, lot, &asked).await?;
        page.map(lot_message).ok_or_else(|| Fault::not_found("lot"))
    }
}

fn present(state: &PartitionState, tenant: TenantId, operation: OperationId, numbers: &[u32]) -> Present {
    let view = |number: &u32| state.account_numbered(*number).map(|view| (*number, view));
    Present {
        accounts: numbers.iter().filter_map(view).collect(),
        hold: state.hold(tenant, operation),
        undone: state.undone(tenant, operation),
    }
}

fn operation_message(found: &Found, present: &Present) -> proto::Operation {
    let operation = &found.operation;
    let account = |number: u32| present.accounts.get(&number);
    let id_of = |number: u32| account(number).map(|view| view.terms.account.to_string()).unwrap_or_default();
    let postings = found.postings.iter().enumerate().map(|(leg, posting)| proto::RecordedPosting {
        debit_account_id: id_of(posting.debit),
        credit_account_id: id_of(posting.credit),
        asset: account(posting.debit).map(|view| view.terms.asset.to_string()).unwrap_or_default(),
        amount: posting.amount,
        debit_after: posting.debit_after,
        credit_after: posting.credit_after,
        reversed: present.undone.get(leg).copied().unwrap_or_default(),
    });
    let reversed = found.effects.iter().find_map(|effect| match &effect.change {
        Some(Change::Reversed(reversed)) => Some(Uuid::from_u64_pair(reversed.id_high, reversed.id_low)),
        _ => None,
    });
    proto::Operation {
        operation_id: operation.id().to_string(),
        kind: kind_number(operation.kind),
        postings: postings.collect(),
        reason: found.reason.clone(),
        reference: operation.reference.clone(),
        metadata: operation.metadata.clone(),
        at: Some(milliseconds(found.at_ms)),
        position: found.position.to_string(),
        actor: found.actor.clone(),
        hold: present.hold.map(|hold| proto::OpenHold {
            left: hold.left,
            expires_at: hold.expires_at_ms.map(milliseconds),
        }),
        reversed_operation_id: reversed.map(|id| id.to_string()).unwrap_or_default(),
        correlation_id: found.correlation.to_string(),
    }
}

fn lot_message(page: LotPage) -> proto::ListLotMovementsResponse {
    let newest = page.movements.first();
    let lot = proto::Lot {
        lot_id: page.lot.lot_id.to_string(),
        source: page.lot.source.clone(),
        priority: u32::try_from(page.lot.priority).unwrap_or_default(),
        expires_at: page.lot.expires_at.0.map(timestamp),
        granted: page.lot.granted,
        free: newest.map_or(0, |movement| movement.free_after),
        held: newest.map_or(0, |movement| movement.held_after),
    };
    let movement = |row: &crate::history::MovementRow| proto::LotMovement {
        operation_id: row.operation_id.to_string(),
        kind: kind_number(u32::try_from(row.kind).unwrap_or_default()),
        left: row.units_left,
        free_after: row.free_after,
        held_after: row.held_after,
        at: Some(timestamp(row.at)),
        position: Position {
            partition: u16::try_from(row.partition).unwrap_or_default(),
            sequence: u64::try_from(row.sequence).unwrap_or_default(),
        }
        .to_string(),
    };
    proto::ListLotMovementsResponse {
        lot: Some(lot),
        movements: page.movements.iter().map(movement).collect(),
        next_cursor: page.next_cursor.unwrap_or_default(),
    }
}
