//! Digests by which two long lists are compared without keeping either.
//!
//! They are keyed with a number that every run makes anew, so nobody can prepare rows that differ
//! and digest alike.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use twox_hash::XxHash3_64;

/// The key of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key(u64);

/// A list in its order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rolling {
    pub(super) count: u64,
    hash: u64,
}

/// A list in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) count: u64,
    sum: u64,
}

impl Key {
    pub(super) fn random() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }

    fn hash(self, bytes: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.0, bytes)
    }
}

impl Rolling {
    pub(super) fn add(&mut self, key: Key, bytes: &[u8]) {
        self.count = self.count.saturating_add(1);
        let mixed = [self.hash, key.hash(bytes)];
        let mut link = [0; 16];
        link[..8].copy_from_slice(&mixed[0].to_be_bytes());
        link[8..].copy_from_slice(&mixed[1].to_be_bytes());
        self.hash = key.hash(&link);
    }
}

impl Tally {
    pub(super) fn add(&mut self, key: Key, bytes: &[u8]) {
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.wrapping_add(key.hash(bytes));
    }
}

/// The place for a number in a list that grows as needed.
pub(super) fn slot<T: Default + Clone>(list: &mut Vec<T>, number: usize) -> &mut T {
    if list.len() <= number {
        list.resize(number.saturating_add(1), T::default());
    }
    &mut list[number]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolling_digest_knows_the_order_and_a_tally_does_not() {
        let key = Key::random();
        let digest = |items: [&[u8]; 2]| {
            let (mut rolling, mut tally) = (Rolling::default(), Tally::default());
            items.iter().for_each(|item| {
                rolling.add(key, item);
                tally.add(key, item);
            });
            (rolling, tally)
        };
        let (forth, back) = (digest([b"a", b"b"]), digest([b"b", b"a"]));
        assert!(forth.0 != back.0 && forth.1 == back.1 && digest([b"a", b"a"]).1 != forth.1);
    }
}
