//! Messages as canonical proto JSON, by descriptor.

use fault::Fault;
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value;

/// The canonical JSON of a message; `full_name` is its name in `proto/`: `vbwd.invoicing.v1.InvoicePaid`.
///
/// # Errors
/// There is no such message, or it is not this one: a bug.
pub fn canonical_json<M: Message>(full_name: &str, message: &M) -> fault::Result<Value> {
    let bytes = message.encode_to_vec();
    let dynamic =
        DynamicMessage::decode(descriptor(full_name)?, bytes.as_slice()).map_err(Fault::internal)?;
    serde_json::to_value(&dynamic).map_err(Fault::internal)
}

/// Reads canonical JSON back into a message. Fields that are not known here are
/// ignored: published messages only ever gain fields.
///
/// # Errors
/// There is no such message, or the JSON does not fit.
pub fn from_canonical_json<M: Message + Default>(full_name: &str, json: &Value) -> fault::Result<M> {
    let options = prost_reflect::DeserializeOptions::new().deny_unknown_fields(false);
    let dynamic = DynamicMessage::deserialize_with_options(descriptor(full_name)?, json, &options)
        .map_err(Fault::internal)?;
    dynamic.transcode_to().map_err(Fault::internal)
}

fn descriptor(full_name: &str) -> fault::Result<MessageDescriptor> {
    let found = contracts::pool().get_message_by_name(full_name);
    found.ok_or_else(|| Fault::internal(format!("no message {full_name} in proto/")))
}

#[cfg(test)]
mod tests {
    use contracts::vbwd::invoicing::v1::InvoicePaid;
    use serde_json::json;

    use super::*;

    const NAME: &str = "vbwd.invoicing.v1.InvoicePaid";

    #[test]
    fn a_message_survives_its_json() {
        let paid = InvoicePaid {
            invoice_id: "i".to_owned(),
            total: Some(contracts::vbwd::money::v1::Money { minor: 1_999, currency: "EUR".to_owned() }),
            ..InvoicePaid::default()
        };
        let json = canonical_json(NAME, &paid).unwrap();
        assert_eq!(json["invoiceId"], "i");
        assert_eq!(json["total"]["minor"], "1999", "64 bits travel as text");
        assert_eq!(from_canonical_json::<InvoicePaid>(NAME, &json).unwrap(), paid);
    }

    #[test]
    fn a_field_of_a_later_release_is_ignored() {
        let json = json!({"invoiceId": "i", "addedLater": {"a": 1}});
        assert_eq!(from_canonical_json::<InvoicePaid>(NAME, &json).unwrap().invoice_id, "i");
    }

    #[test]
    fn an_unknown_message_is_a_bug() {
        assert!(canonical_json("vbwd.nowhere.v1.Nothing", &InvoicePaid::default()).is_err());
    }
}
