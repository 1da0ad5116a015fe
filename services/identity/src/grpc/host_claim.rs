//! Claims of hosts as messages. The rpcs are in [`super::tenant`].

use contracts::vbwd::identity::v1 as proto;

use super::convert::timestamp;
use crate::Identity;
use crate::tables::host_claims::HostClaim;

/// A claim with the address of its proof.
pub(super) fn message(identity: &Identity, claim: HostClaim) -> proto::HostClaim {
    proto::HostClaim {
        proof_url: identity.probe.address(&claim.host, claim.claim),
        host: claim.host,
        status: claim.status.as_str().to_owned(),
        proof_content: claim.token,
        failure: claim.failure,
        claimed_at: Some(timestamp(claim.claimed_at)),
        checked_at: claim.checked_at.map(timestamp),
        next_check_at: claim.next_check_at.map(timestamp),
    }
}
