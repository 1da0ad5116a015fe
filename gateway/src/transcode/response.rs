//! The answer message as JSON.

use bytes::Bytes;
use fault::Fault;
use prost_reflect::{DynamicMessage, SerializeOptions};

use crate::plan::Plan;

const OPTIONS: SerializeOptions =
    SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);

/// An answer message, written.
pub struct Written {
    /// The JSON.
    pub json: Bytes,
    /// The revision of the one thing that the answer is about.
    pub revision: Option<i64>,
    /// Of an event of a stream: its id.
    pub event_id: Option<String>,
}

/// Writes the encoded answer of an rpc.
///
/// # Errors
/// `internal` when the bytes are no such message.
pub fn to_json(plan: &Plan, encoded: Bytes) -> fault::Result<Written> {
    let mut json = Vec::with_capacity(128 + encoded.len() * 3);
    let message = DynamicMessage::decode(plan.output.clone(), encoded).map_err(Fault::internal)?;
    let mut serializer = serde_json::Serializer::new(&mut json);
    message.serialize_with_options(&mut serializer, &OPTIONS).map_err(Fault::internal)?;
    let revision = plan.revision.as_ref().and_then(|fields| {
        let thing = message.get_field(&fields.thing);
        thing.as_message()?.get_field(&fields.revision).as_i64()
    });
    let revision = revision.filter(|revision| *revision > 0);
    Ok(Written { json: json.into(), revision, event_id: event_id(plan, &message) })
}

fn event_id(plan: &Plan, message: &DynamicMessage) -> Option<String> {
    let (last, way) = plan.event_id.split_last()?;
    let mut message = message.clone();
    for field in way {
        message = message.get_field(field).as_message()?.clone();
    }
    message.get_field(last).as_str().map(str::to_owned).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::vbwd::wallet::v1::{Balance, GetMyBalanceResponse, GetTokenBundleResponse, TokenBundle};
    use prost::Message as _;
    use serde_json::json;

    fn plan(path: &str) -> Plan {
        Plan::new(contracts::method(path).unwrap()).unwrap().unwrap()
    }

    #[test]
    fn an_answer_about_one_thing_says_its_revision() {
        let bundle = TokenBundle { revision: 7, ..TokenBundle::default() };
        let answer = GetTokenBundleResponse { bundle: Some(bundle) };
        let plan = plan("/vbwd.wallet.v1.TokenBundleService/GetTokenBundle");
        assert_eq!(to_json(&plan, answer.encode_to_vec().into()).unwrap().revision, Some(7));
    }

    #[test]
    fn every_field_is_written_under_its_proto_name() {
        let balance = Balance { account_id: "a".to_owned(), posted: 1 << 60, ..Balance::default() };
        let answer = GetMyBalanceResponse { balances: vec![balance] };
        let plan = plan("/vbwd.wallet.v1.WalletService/GetMyBalance");
        let written = to_json(&plan, answer.encode_to_vec().into()).unwrap();
        let expected = json!({"balances": [{
            "account_id": "a", "asset": "", "posted": "1152921504606846976", "held": "0", "available": "0",
            "position": "", "overdraft_limit": "0", "lots": [],
        }]});
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&written.json).unwrap(), expected);
        assert_eq!(written.revision, None);
    }

    #[test]
    fn bytes_that_are_no_message_are_our_fault() {
        let plan = plan("/vbwd.wallet.v1.WalletService/GetMyBalance");
        let refused = to_json(&plan, Bytes::from_static(&[0xff, 0xff])).err().unwrap();
        assert_eq!(refused.reason(), "internal");
    }
}
