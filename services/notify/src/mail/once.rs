//! A mail as it is asked for, and what makes two calls the same mail.

use std::collections::BTreeMap;

use eventstore::{body_hash, storage};
use fault::{Code, Fault};
use ids::{MailId, OperationId, TenantId, UserId};
use prost::Message as _;
use sqlx::PgConnection;
use uuid::Uuid;

/// A mail to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewMail {
    pub template: String,
    /// Empty: the tenant's.
    pub locale: String,
    pub recipient: String,
    pub user: Option<UserId>,
    pub variables: BTreeMap<String, String>,
}

/// The mail that an earlier call with the same operation made.
pub(super) async fn earlier(
    on: &mut PgConnection,
    tenant: TenantId,
    operation: OperationId,
    hash: &[u8; 32],
) -> fault::Result<MailId> {
    let (id, stored): (Uuid, Vec<u8>) =
        sqlx::query_as("SELECT mail_id, body_hash FROM mails WHERE tenant_id = $1 AND operation_id = $2")
            .bind(tenant.as_uuid())
            .bind(operation.as_uuid())
            .fetch_one(on)
            .await
            .map_err(storage)?;
    if stored == hash {
        return Ok(MailId::from_uuid(id));
    }
    let message = "This operation id was used before with another mail.";
    Err(Fault::new(Code::OperationReused, "operation_id_reused", message))
}

/// What makes two calls the same call.
pub(super) fn fingerprint(mail: &NewMail) -> [u8; 32] {
    let request = contracts::vbwd::notify::v1::EnqueueMailRequest {
        template: mail.template.clone(),
        locale: mail.locale.clone(),
        recipient: mail.recipient.clone(),
        user_id: mail.user.map(|user| user.to_string()).unwrap_or_default(),
        variables: std::collections::HashMap::new(),
    };
    let mut whole = request.encode_to_vec();
    for (name, value) in &mail.variables {
        // Lengths first, so that what ends one value cannot begin the next.
        whole.extend(format!("{}:{name}{}:{value}", name.len(), value.len()).bytes());
    }
    body_hash("EnqueueMail", &prost_types::Any { type_url: String::new(), value: whole })
}
