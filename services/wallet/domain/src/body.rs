//! The digest by which a repeated operation is told from a reused id.
//!
//! It covers what the client said, not what followed. XXH3 is stable across machines and releases;
//! 64 bits suffice, because a collision could only return a client its own earlier answer.

use smallvec::SmallVec;

use crate::Post;

/// The digest of a command's body, without its operation id.
pub(crate) fn digest(post: &Post) -> u64 {
    let mut bytes = SmallVec::<[u8; 128]>::new();
    for leg in &post.legs {
        bytes.extend_from_slice(leg.debit.as_uuid().as_bytes());
        bytes.extend_from_slice(leg.credit.as_uuid().as_bytes());
        bytes.extend_from_slice(&leg.amount.to_le_bytes());
    }
    bytes.extend_from_slice(&post.reason.len().to_le_bytes());
    bytes.extend_from_slice(post.reason.as_bytes());
    bytes.extend_from_slice(post.reference.as_bytes());
    twox_hash::XxHash3_64::oneshot(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{a_post, customer, issuance};

    #[test]
    fn the_digest_is_pinned() {
        let post = a_post(1, issuance(), customer(1), 5);
        assert_eq!(digest(&post), 2_056_350_933_632_407_550);
    }

    #[test]
    fn every_part_of_the_body_counts() {
        let post = a_post(1, issuance(), customer(1), 5);
        let mut others = vec![post.clone(), post.clone(), post.clone()];
        others[0].reference.push('x');
        others[1].reason = "other".into();
        others[2].legs[0].amount = 6;
        for other in others {
            assert_ne!(digest(&other), digest(&post));
        }
    }
}
