//! The table of every rpc and its rules, read once from the method options.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::{DynamicMessage, MethodDescriptor, ReflectMessage, Value};

use crate::pool;

/// One rpc with its rules.
#[derive(Debug, Clone)]
pub struct Method {
    /// The path on the wire: `/vbwd.wallet.v1.WalletService/GetMyBalance`.
    pub path: String,
    /// Who owns it: the word after `vbwd.` in the package, `wallet`.
    pub service: String,
    /// The HTTP route, if it is reachable over HTTP.
    pub http: Option<HttpRoute>,
    /// Who may call; `None` is refused to everybody.
    pub access: Option<Access>,
    /// The limits at the edge.
    pub rate_class: RateClass,
    /// What a repeated call means.
    pub idempotency: Idempotency,
    /// The descriptor: input, output, comments.
    pub descriptor: MethodDescriptor,
}

/// The HTTP route of an rpc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRoute {
    /// The verb.
    pub verb: Verb,
    /// Path with `{field}` placeholders.
    pub path: String,
    /// Whether the JSON body is the request message.
    pub body: bool,
    /// Whether the body reaches the rpc untouched.
    pub raw_body: bool,
    /// Status of a successful answer.
    pub success_status: u16,
    /// Of a stream: the dotted name of the answer's field that is an event's id; may be empty.
    pub event_id: String,
    /// Of a stream: the request field that the last event's id fills; may be empty.
    pub resume_field: String,
}

/// HTTP verbs in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// As it stands in a request: `GET`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may call an rpc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Any signed-in user.
    Authenticated,
    /// Callers with this permission.
    Permission(String),
    /// Sister services only.
    Internal,
}

/// Groups of rpcs that share limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum RateClass {
    Read,
    Write,
    Login,
    Webhook,
    Registration,
    Reset,
}

impl RateClass {
    /// Every class.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Write, Self::Login, Self::Webhook, Self::Registration, Self::Reset];
}

/// What a repeated call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// Changes nothing.
    Safe,
    /// Idempotent by its own identifiers.
    Natural,
    /// A key is honoured.
    KeyOptional,
    /// A key is demanded.
    KeyRequired,
}

impl Method {
    /// Whether calling it is a privileged action, which the audit trail tells of: it asks for a
    /// permission, and it changes something or shows what opens something.
    #[must_use]
    pub fn is_privileged(&self) -> bool {
        match &self.access {
            Some(Access::Permission(permission)) => {
                self.idempotency != Idempotency::Safe || permission.ends_with(".secrets")
            }
            _ => false,
        }
    }
}

static METHODS: LazyLock<Vec<Method>> = LazyLock::new(|| {
    let ours = pool().services().filter(|service| service.package_name().starts_with("vbwd."));
    ours.flat_map(|service| service.methods().map(read).collect::<Vec<_>>()).collect()
});

static BY_PATH: LazyLock<HashMap<&'static str, &'static Method>> =
    LazyLock::new(|| METHODS.iter().map(|method| (method.path.as_str(), method)).collect());

/// Every rpc.
#[must_use]
pub fn methods() -> &'static [Method] {
    &METHODS
}

/// The rpc with this path on the wire.
#[must_use]
pub fn method(path: &str) -> Option<&'static Method> {
    BY_PATH.get(path).copied()
}

fn read(descriptor: MethodDescriptor) -> Method {
    let package = descriptor.parent_service().package_name().to_owned();
    let service = package.split('.').nth(1).unwrap_or_default().to_owned();
    let path = format!("/{}/{}", descriptor.parent_service().full_name(), descriptor.name());
    Method {
        path,
        service,
        http: option(&descriptor, "http").and_then(|value| route(&value)),
        access: option(&descriptor, "access").and_then(|value| access(&value)),
        rate_class: rate_class(option(&descriptor, "rate_class").as_ref()),
        idempotency: idempotency(option(&descriptor, "idempotency").as_ref()),
        descriptor,
    }
}

fn option(method: &MethodDescriptor, name: &str) -> Option<Value> {
    let extension = pool().get_extension_by_name(&format!("vbwd.options.v1.{name}"))?;
    let options = method.options();
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

fn route(value: &Value) -> Option<HttpRoute> {
    let message = value.as_message()?;
    let verb = match number(message, "verb") {
        1 => Verb::Get,
        2 => Verb::Post,
        3 => Verb::Put,
        4 => Verb::Patch,
        5 => Verb::Delete,
        _ => return None,
    };
    let success = message.get_field_by_name("success_status").and_then(|value| value.as_u32()).unwrap_or(0);
    Some(HttpRoute {
        verb,
        path: text(message, "path"),
        body: text(message, "body") == "*",
        raw_body: flag(message, "raw_body"),
        success_status: u16::try_from(success).ok().filter(|status| *status != 0).unwrap_or(200),
        event_id: text(message, "event_id"),
        resume_field: text(message, "resume_field"),
    })
}

fn access(value: &Value) -> Option<Access> {
    let message = value.as_message()?;
    let permission = text(message, "permission");
    match () {
        () if flag(message, "public") => Some(Access::Public),
        () if flag(message, "authenticated") => Some(Access::Authenticated),
        () if flag(message, "internal") => Some(Access::Internal),
        () if !permission.is_empty() => Some(Access::Permission(permission)),
        () => None,
    }
}

fn rate_class(value: Option<&Value>) -> RateClass {
    match value.and_then(Value::as_enum_number) {
        Some(1) => RateClass::Read,
        Some(3) => RateClass::Login,
        Some(4) => RateClass::Webhook,
        Some(5) => RateClass::Registration,
        Some(6) => RateClass::Reset,
        _ => RateClass::Write,
    }
}

fn idempotency(value: Option<&Value>) -> Idempotency {
    match value.and_then(Value::as_enum_number) {
        Some(1) => Idempotency::Safe,
        Some(3) => Idempotency::KeyOptional,
        Some(4) => Idempotency::KeyRequired,
        _ => Idempotency::Natural,
    }
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn flag(message: &DynamicMessage, field: &str) -> bool {
    message.get_field_by_name(field).and_then(|value| value.as_bool()).unwrap_or(false)
}

fn number(message: &DynamicMessage, field: &str) -> i32 {
    debug_assert!(message.descriptor().get_field_by_name(field).is_some());
    message.get_field_by_name(field).and_then(|value| value.as_enum_number()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rpc_states_who_may_call_it() {
        let silent: Vec<_> =
            methods().iter().filter(|rpc| rpc.access.is_none()).map(|rpc| &rpc.path).collect();
        assert!(silent.is_empty(), "rpcs without an access option: {silent:?}");
        assert!(methods().len() > 20, "the table is read at all");
    }

    #[test]
    fn every_rpc_states_what_a_repeated_call_means() {
        let extension = pool().get_extension_by_name("vbwd.options.v1.idempotency").unwrap();
        let silent: Vec<_> = methods()
            .iter()
            .filter(|rpc| !rpc.descriptor.options().has_extension(&extension))
            .map(|rpc| &rpc.path)
            .collect();
        assert!(silent.is_empty(), "rpcs without an idempotency option: {silent:?}");
    }

    #[test]
    fn internal_rpcs_have_no_route_and_reads_change_nothing() {
        for rpc in methods() {
            let internal = rpc.access == Some(Access::Internal);
            assert!(!(internal && rpc.http.is_some()), "{} is internal and routed", rpc.path);
            if rpc.http.as_ref().is_some_and(|route| route.verb == Verb::Get) {
                assert_eq!(rpc.idempotency, Idempotency::Safe, "{}", rpc.path);
            }
        }
    }

    #[test]
    fn no_two_rpcs_share_a_route() {
        let mut seen = std::collections::HashSet::new();
        for route in methods().iter().filter_map(|rpc| rpc.http.as_ref()) {
            assert!(seen.insert((route.verb, route.path.as_str())), "{route:?} twice");
        }
    }

    #[test]
    fn options_are_read() {
        let checkout = method("/vbwd.invoicing.v1.CheckoutService/CreateCheckout").unwrap();
        assert_eq!(checkout.service, "invoicing");
        assert_eq!(checkout.access, Some(Access::Authenticated));
        assert_eq!(checkout.idempotency, Idempotency::KeyRequired);
        let route = checkout.http.as_ref().unwrap();
        assert_eq!((route.verb, route.success_status, route.body), (Verb::Post, 201, true));
    }
}
