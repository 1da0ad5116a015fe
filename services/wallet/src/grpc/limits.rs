//! Limits as data.

use contracts::vbwd::wallet::v1 as proto;
use fault::Fault;
use tonic::Request;
use wallet_domain::{
    AccountKind, AccountTerms, Asset, Command, LimitRule, LimitWindow, LimitedVerb, NewRecipient, Verb,
};

use super::convert::{id, refused, request_of};
use super::{Api, commands};

impl Api {
    pub(super) async fn replace_limits(
        &self,
        call: Request<proto::SetLimitsRequest>,
    ) -> fault::Result<proto::SetLimitsResponse> {
        let (caller, context) = self.context(&call)?;
        let message = call.into_inner();
        let rules = message.rules.iter().enumerate().map(|(index, rule)| read(index, rule));
        let rules: Vec<LimitRule> = rules.collect::<fault::Result<_>>()?;
        let reason = if message.reason.is_empty() { "limits_changed" } else { &message.reason };
        let note = commands::note(reason, String::new(), String::new())?;
        let operation = id(&message.operation_id, "/operation_id")?;
        let command = Command { operation, note, verb: Verb::SetLimits(rules), unseen_through: 0 };
        let may_open = [AccountTerms::system(context.tenant, AccountKind::Issuance, Asset::TOKEN)];
        let done = self.0.teller.execute(&request_of(&caller, &context), command, &may_open).await?;
        Ok(proto::SetLimitsResponse { position: done.map_err(refused)?.position.to_string() })
    }

    pub(super) async fn limits(
        &self,
        call: Request<proto::GetLimitsRequest>,
    ) -> fault::Result<proto::GetLimitsResponse> {
        let (_, context) = self.context(&call)?;
        let tenant = context.tenant;
        let (_, rules) = self.0.ledger.look(tenant, move |state| state.limits(tenant).to_vec()).await?;
        Ok(proto::GetLimitsResponse { rules: rules.iter().map(write).collect() })
    }
}

fn read(index: usize, rule: &proto::LimitRule) -> fault::Result<LimitRule> {
    let unknown =
        |field: &str| Fault::invalid(format!("/rules/{index}/{field}"), "unknown", "There is no such value.");
    let asset = match rule.asset.as_str() {
        "" => None,
        code => Some(code.parse::<Asset>().map_err(|_| unknown("asset"))?),
    };
    let verb = |number: &i32| match number {
        1 => Ok(LimitedVerb::Spend),
        2 => Ok(LimitedVerb::Transfer),
        3 => Ok(LimitedVerb::Convert),
        _ => Err(unknown("verbs")),
    };
    let window = LimitWindow {
        seconds: rule.window_seconds,
        amount_max: rule.window_amount_max,
        count_max: rule.window_count_max,
    };
    let new = NewRecipient { seconds: rule.new_recipient_seconds, amount_max: rule.new_recipient_amount_max };
    Ok(LimitRule {
        name: rule.name.clone(),
        asset,
        verbs: rule.verbs.iter().map(verb).collect::<fault::Result<_>>()?,
        role: Some(rule.role.clone()).filter(|role| !role.is_empty()),
        operation_max: rule.operation_max,
        window: (window.seconds > 0).then_some(window),
        new_recipient: (new.seconds > 0).then_some(new),
    })
}

fn write(rule: &LimitRule) -> proto::LimitRule {
    proto::LimitRule {
        name: rule.name.clone(),
        asset: rule.asset.map(|asset| asset.to_string()).unwrap_or_default(),
        verbs: rule.verbs.iter().map(|verb| i32::from(*verb as u8)).collect(),
        role: rule.role.clone().unwrap_or_default(),
        operation_max: rule.operation_max,
        window_seconds: rule.window.map_or(0, |window| window.seconds),
        window_amount_max: rule.window.and_then(|window| window.amount_max),
        window_count_max: rule.window.and_then(|window| window.count_max),
        new_recipient_seconds: rule.new_recipient.map_or(0, |new| new.seconds),
        new_recipient_amount_max: rule.new_recipient.map_or(0, |new| new.amount_max),
    }
}
