//! The harness for rule tests: given events, when a command, then events or a rejection; and golden
//! files, which show in review what a change does to the stored form.
#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test harness reports by panicking")]

use std::fmt::Debug;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use crate::{Aggregate, DomainEvent};

/// An aggregate with a past.
#[derive(Debug)]
pub struct Given<A: Aggregate> {
    state: A,
}

/// What the aggregate answered.
#[derive(Debug)]
pub struct Answer<A: Aggregate> {
    outcome: Result<Vec<A::Event>, A::Rejection>,
}

/// An aggregate to which `events` have happened.
#[must_use]
pub fn given<A: Aggregate>(events: impl IntoIterator<Item = A::Event>) -> Given<A> {
    let events: Vec<_> = events.into_iter().collect();
    Given { state: A::replay(&events) }
}

impl<A: Aggregate> Given<A> {
    /// Asks the aggregate.
    #[must_use]
    pub fn when(self, command: A::Command, at: Timestamp) -> Answer<A> {
        Answer { outcome: self.state.decide(command, at) }
    }
}

impl<A: Aggregate> Answer<A>
where
    A::Event: Debug + PartialEq,
    A::Rejection: Debug + PartialEq,
{
    /// Exactly these events follow.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) {
        let expected: Vec<_> = expected.into_iter().collect();
        match self.outcome {
            Ok(events) => assert_eq!(events, expected),
            Err(rejection) => panic!("rejected with {rejection:?}, expected {expected:?}"),
        }
    }

    /// Nothing follows, and nothing is wrong: the command had been done before.
    #[track_caller]
    pub fn then_nothing(self) {
        self.then([]);
    }

    /// The rule says no, for this reason.
    #[track_caller]
    pub fn then_rejected(self, expected: A::Rejection) {
        match self.outcome {
            Ok(events) => panic!("answered {events:?}, expected {expected:?}"),
            Err(rejection) => assert_eq!(rejection, expected),
        }
    }
}

/// Compares the stored form of `samples` with the files in `folder`, and reads the files back.
///
/// Every name in the table needs a sample. With `VBWD_BLESS=1` in the environment the files are
/// written; what changes in them changes history, so look twice.
#[track_caller]
pub fn golden<E: DomainEvent + Debug + PartialEq>(folder: impl AsRef<Path>, samples: &[E]) {
    for (name, version) in E::NAMES {
        let sample = samples.iter().find(|sample| (sample.name(), sample.version()) == (*name, *version));
        let sample = sample.unwrap_or_else(|| panic!("no sample for {name} v{version}"));
        compare(folder.as_ref(), sample);
    }
}

#[track_caller]
fn compare<E: DomainEvent + Debug + PartialEq>(folder: &Path, sample: &E) {
    let file = folder.join(format!("{}.v{}.json", sample.name().replace('.', "_"), sample.version()));
    if std::env::var_os("VBWD_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&sample.payload()).expect("plain data");
        std::fs::create_dir_all(folder).expect("golden folder");
        std::fs::write(&file, text + "\n").expect("golden file");
    }
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; write it with VBWD_BLESS=1", file.display()));
    let stored: Value = serde_json::from_str(&text).expect("golden JSON");
    assert_eq!(sample.payload(), stored, "stored form of {} changed", sample.name());
    let read = E::restore(sample.name(), sample.version(), stored).expect("golden file is readable");
    assert_eq!(&read, sample);
}
