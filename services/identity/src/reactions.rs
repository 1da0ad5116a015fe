//! What identity does after a commit, by tailing its own log: it welcomes who has registered, looks up
//! who wished to reset a password, and hands letters to notify.
//!
//! All are asked again after a crash. A wish leaves its table in the transaction that answers it; a
//! letter goes out under an operation id that follows from it, so notify takes it once.

use std::sync::Arc;

use eventstore::unknown_event;
use kernel::StoredEvent;
use projection::Reactor;
use runtime::Peer;

use crate::Identity;
use crate::events::{ADDRESS, IdentityEvent};

/// Works letters and wishes off.
pub struct Correspondent {
    identity: Arc<Identity>,
    notify: Option<Peer>,
}

impl Correspondent {
    /// A correspondent of `identity`, which hands letters to `notify`; in a fleet without it, letters
    /// stay where they are.
    #[must_use]
    pub const fn new(identity: Arc<Identity>, notify: Option<Peer>) -> Self {
        Self { identity, notify }
    }
}

impl Reactor for Correspondent {
    fn name(&self) -> &'static str {
        "on_post"
    }

    async fn react(&self, event: &StoredEvent) -> fault::Result<()> {
        if event.kind == ADDRESS {
            return Ok(());
        }
        match event.decode::<IdentityEvent>().map_err(unknown_event)? {
            IdentityEvent::ResetWished(wished) => {
                self.identity.grant_wish(event.tenant, wished.wish, &event.metadata).await
            }
            IdentityEvent::LetterDue(due) => match &self.notify {
                Some(notify) => {
                    self.identity.hand_over(notify, event.tenant, due.letter, &event.metadata).await
                }
                None => {
                    tracing::warn!(letter = %due.letter, "this fleet has no notify; the letter waits");
                    Ok(())
                }
            },
            IdentityEvent::UserRegistered(new) => {
                self.identity.welcome(event.tenant, new.user, &event.metadata).await
            }
            _ => Ok(()),
        }
    }
}
