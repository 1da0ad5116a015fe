//! What a handler adds to the note about the action it is carrying out.
//!
//! The handler runs within the scope of the layer; anywhere else these do nothing, so code that is
//! also used by consumers and timers may call them.

use std::cell::RefCell;

use serde_json::Value;

tokio::task_local! {
    static NOTE: RefCell<Note>;
}

/// What is known about an action beyond its request.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Note {
    pub target: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// Says what is acted on, `webhook_endpoint/<id>`, where the request cannot know it.
pub fn acted_on(target: impl Into<String>) {
    let target = target.into();
    let _ = NOTE.try_with(|note| note.borrow_mut().target = Some(target));
}

/// Says what it was and what it became. It stays in the audit trail, so neither secrets nor personal
/// data belong into it. Called several times, the first `before` and the last `after` count.
pub fn changed(before: Option<Value>, after: Option<Value>) {
    let _ = NOTE.try_with(|note| {
        let mut note = note.borrow_mut();
        note.before = note.before.take().or(before);
        note.after = after.or_else(|| note.after.take());
    });
}

/// A message of the contracts, by its full name, as the trail may keep it: without secrets, with
/// addresses masked and long parts shortened.
#[must_use]
pub fn state(name: &str, message: &impl prost::Message) -> Option<Value> {
    super::request::state(name, message)
}

/// Runs `work` and answers what was said meanwhile.
pub(super) async fn listening<F: Future>(work: F) -> (F::Output, Note) {
    let scope = async {
        let done = work.await;
        let note = NOTE.try_with(|note| note.borrow().clone()).unwrap_or_default();
        (done, note)
    };
    NOTE.scope(RefCell::default(), scope).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn what_is_said_within_an_action_is_heard_and_nothing_else() {
        acted_on("nobody/listens");
        let (answer, note) = listening(async {
            acted_on("invoice/1");
            changed(Some(json!(1)), Some(json!(2)));
            changed(Some(json!(2)), Some(json!(3)));
            7
        })
        .await;
        assert_eq!(answer, 7);
        let (before, after) = (Some(json!(1)), Some(json!(3)));
        assert_eq!(note, Note { target: Some("invoice/1".to_owned()), before, after });
    }
}
