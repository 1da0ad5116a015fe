//! Events: their stored names, and the envelope around them.

use ids::{EventId, OperationId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::Position;

/// An event that some aggregate understands. Implemented by [`events!`](crate::events).
pub trait DomainEvent: Clone + Send + Sync + Sized {
    /// Every stored name and version that can be written, in the order of the table.
    const NAMES: &'static [(&'static str, u16)];

    /// The stored name: `invoice.opened`.
    fn name(&self) -> &'static str;

    /// The version of the payload.
    fn version(&self) -> u16;

    /// The payload, without name and version.
    fn payload(&self) -> Value;

    /// The event that was stored under this name and version.
    ///
    /// # Errors
    /// [`UnknownEvent`]: a reader must stop there and must not skip it.
    fn restore(name: &str, version: u16, payload: Value) -> Result<Self, UnknownEvent>;
}

/// A stored event that this program cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read event {name} v{version}: {detail}")]
pub struct UnknownEvent {
    /// Stored name.
    pub name: String,
    /// Stored version.
    pub version: u16,
    /// Why: an unknown name, or what is wrong with the payload.
    pub detail: String,
}

/// Where an event came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Who acted: `user:<id>`, `service:<name>`.
    pub actor: String,
    /// The request that led to it.
    pub operation_id: OperationId,
    /// Shared by everything that follows from one outside request.
    pub correlation_id: Uuid,
    /// The event that led to it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    /// W3C trace context of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// When it was decided.
    pub at: Timestamp,
}

/// An event as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Identity of the event, also of its published form.
    pub event_id: EventId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Kind of its stream: `invoice`.
    pub kind: String,
    /// Its stream.
    pub stream: Uuid,
    /// Its place in the stream, from 1.
    pub revision: i64,
    /// Its place in the order of all events of the service.
    pub position: Position,
    /// Stored name.
    pub name: String,
    /// Version of the payload.
    pub version: u16,
    /// Payload.
    pub payload: Value,
    /// Where it came from.
    pub metadata: Metadata,
}

impl StoredEvent {
    /// The event itself.
    ///
    /// # Errors
    /// [`UnknownEvent`] when `E` has no such name and version or the payload does not fit.
    pub fn decode<E: DomainEvent>(&self) -> Result<E, UnknownEvent> {
        E::restore(&self.name, self.version, self.payload.clone())
    }
}

/// Declares an event enum and its table of stored names.
///
/// ```
/// #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
/// pub struct DoorOpened { pub by: String }
///
/// kernel::events! {
///     /// What can happen to a door.
///     pub enum DoorEvent {
///         /// Somebody opened it.
///         "door.opened" 1 => Opened(DoorOpened),
///     }
/// }
/// # use kernel::DomainEvent;
/// assert_eq!(DoorEvent::NAMES, [("door.opened", 1)]);
/// ```
///
/// A payload that changed incompatibly gets a new version; the old struct moves to `past.rs` and
/// is named in the `past` block, from which it is read through `Into`:
/// `past { "door.opened" 1 => past::DoorOpenedV1 as Opened }`.
#[macro_export]
macro_rules! events {
    (
        $(#[$doc:meta])*
        $vis:vis enum $name:ident {
            $( $(#[$variant_doc:meta])* $stored:literal $version:literal => $variant:ident($payload:ty) ),+ $(,)?
        }
        $( past { $( $past_stored:literal $past_version:literal => $past_payload:ty as $past_variant:ident ),+ $(,)? } )?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        $vis enum $name {
            $( $(#[$variant_doc])* $variant($payload), )+
        }

        impl $crate::DomainEvent for $name {
            const NAMES: &'static [(&'static str, u16)] = &[$( ($stored, $version) ),+];

            fn name(&self) -> &'static str {
                match self { $( Self::$variant(_) => $stored, )+ }
            }

            fn version(&self) -> u16 {
                match self { $( Self::$variant(_) => $version, )+ }
            }

            fn payload(&self) -> $crate::macros::serde_json::Value {
                // Payloads are plain data with text keys, which always serialise.
                match self {
                    $( Self::$variant(payload) =>
                        $crate::macros::serde_json::to_value(payload).unwrap_or_default(), )+
                }
            }

            fn restore(
                name: &str,
                version: u16,
                payload: $crate::macros::serde_json::Value,
            ) -> Result<Self, $crate::UnknownEvent> {
                let unknown = |detail: String| $crate::UnknownEvent { name: name.to_owned(), version, detail };
                match (name, version) {
                    $( ($stored, $version) => $crate::macros::serde_json::from_value::<$payload>(payload)
                        .map(Self::$variant)
                        .map_err(|error| unknown(error.to_string())), )+
                    $($( ($past_stored, $past_version) =>
                        $crate::macros::serde_json::from_value::<$past_payload>(payload)
                        .map(|old| Self::$past_variant(old.into()))
                        .map_err(|error| unknown(error.to_string())), )+)?
                    _ => Err(unknown("no such event".to_owned())),
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Opened {
        width_mm: i64,
    }

    #[derive(Deserialize)]
    struct OpenedV1 {
        width_cm: i64,
    }

    impl From<OpenedV1> for Opened {
        fn from(old: OpenedV1) -> Self {
            Self { width_mm: old.width_cm * 10 }
        }
    }

    crate::events! {
        enum DoorEvent {
            "door.opened" 2 => Opened(Opened),
        }
        past {
            "door.opened" 1 => OpenedV1 as Opened,
        }
    }

    #[test]
    fn an_event_survives_storage() {
        let event = DoorEvent::Opened(Opened { width_mm: 900 });
        assert_eq!((event.name(), event.version()), ("door.opened", 2));
        assert_eq!(DoorEvent::restore("door.opened", 2, event.payload()), Ok(event));
    }

    #[test]
    fn an_old_version_is_read_as_the_new_one() {
        let restored = DoorEvent::restore("door.opened", 1, serde_json::json!({"width_cm": 90}));
        assert_eq!(restored, Ok(DoorEvent::Opened(Opened { width_mm: 900 })));
    }

    #[test]
    fn an_unknown_name_or_version_is_refused() {
        for (name, version) in [("door.opened", 3), ("door.shut", 1)] {
            assert!(DoorEvent::restore(name, version, Value::Null).is_err(), "{name} v{version}");
        }
    }
}
