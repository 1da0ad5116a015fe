//! The answer message as JSON.

use bytes::Bytes;
use fault::Fault;
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};

const OPTIONS: SerializeOptions =
    SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);

/// The JSON of an encoded message.
///
/// # Errors
/// `internal` when the bytes are no such message.
pub fn to_json(descriptor: &MessageDescriptor, encoded: Bytes) -> fault::Result<Bytes> {
    let mut json = Vec::with_capacity(128 + encoded.len() * 3);
    let message = DynamicMessage::decode(descriptor.clone(), encoded).map_err(Fault::internal)?;
    let mut serializer = serde_json::Serializer::new(&mut json);
    message.serialize_with_options(&mut serializer, &OPTIONS).map_err(Fault::internal)?;
    Ok(json.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::vbwd::wallet::v1::{Balance, GetMyBalanceResponse};
    use prost::Message as _;
    use serde_json::json;

    #[test]
    fn every_field_is_written_under_its_proto_name() {
        let balance = Balance { account_id: "a".to_owned(), posted: 1 << 60, ..Balance::default() };
        let answer = GetMyBalanceResponse { balances: vec![balance] };
        let descriptor =
            contracts::pool().get_message_by_name("vbwd.wallet.v1.GetMyBalanceResponse").unwrap();
        let written = to_json(&descriptor, answer.encode_to_vec().into()).unwrap();
        let expected = json!({"balances": [{
            "account_id": "a", "asset": "", "posted": "1152921504606846976", "held": "0", "available": "0",
            "position": "",
        }]});
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&written).unwrap(), expected);
    }

    #[test]
    fn bytes_that_are_no_message_are_our_fault() {
        let descriptor =
            contracts::pool().get_message_by_name("vbwd.wallet.v1.GetMyBalanceResponse").unwrap();
        let refused = to_json(&descriptor, Bytes::from_static(&[0xff, 0xff])).unwrap_err();
        assert_eq!(refused.reason(), "internal");
    }
}
