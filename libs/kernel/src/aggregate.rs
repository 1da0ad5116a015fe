//! What every rule-bearing noun implements.

use jiff::Timestamp;

use crate::DomainEvent;

/// A consistency boundary whose state follows from its events alone.
///
/// `decide` looks at the state and a command and answers events or a rejection; everything it
/// needs from outside (ids, rates, limits of others) travels inside the command. `evolve` cannot
/// refuse: what has happened has happened.
pub trait Aggregate: Default + Clone + Send + Sync {
    /// Kind of the stream, a singular noun: `invoice`.
    const KIND: &'static str;
    /// What can be asked.
    type Command;
    /// What can happen.
    type Event: DomainEvent;
    /// Every "no", with its facts.
    type Rejection: std::error::Error;

    /// What happens if `command` is asked at `at`.
    ///
    /// # Errors
    /// The rule that refuses it; then nothing happens.
    fn decide(&self, command: Self::Command, at: Timestamp) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Takes one event into the state.
    fn evolve(&mut self, event: &Self::Event);

    /// The state after `events`, from nothing.
    #[must_use]
    fn replay<'a>(events: impl IntoIterator<Item = &'a Self::Event>) -> Self
    where
        Self::Event: 'a,
    {
        let mut state = Self::default();
        for event in events {
            state.evolve(event);
        }
        state
    }
}
