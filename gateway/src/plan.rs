//! Everything about one routed rpc that can be known before a request arrives: descriptors, field
//! handles, the path on the wire. Made once at start; a route that cannot work (a placeholder
//! without a field, no access option) stops the start and not the customer.

use contracts::{Access, HttpRoute, Idempotency, Method, Verb};
use fault::Fault;
use http::StatusCode;
use http::uri::PathAndQuery;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// The field whose value stays in the browser that is sent to sign in elsewhere.
pub(crate) const ATTEMPT_TOKEN: &str = "attempt_token";

/// How one rpc is served over HTTP.
#[derive(Debug)]
pub struct Plan {
    /// The rpc and its rules.
    pub rpc: &'static Method,
    /// Its route.
    pub route: &'static HttpRoute,
    /// Its path on the wire.
    pub wire_path: PathAndQuery,
    /// The request message.
    pub input: MessageDescriptor,
    /// The answer message.
    pub output: MessageDescriptor,
    /// Fields that placeholders of the path fill.
    pub path_fields: Vec<FieldDescriptor>,
    /// The field `min_position`, which the header `Min-Position` fills too.
    pub min_position: Option<FieldDescriptor>,
    /// The field `revision` of the request, which the header `If-Match` fills too.
    pub expected_revision: Option<FieldDescriptor>,
    /// Where an answer about one thing says its revision, which is its entity tag.
    pub revision: Option<RevisionFields>,
    /// With an untouched body: where it goes, and where the headers go.
    pub raw: Option<RawFields>,
    /// Status of a successful answer.
    pub success: StatusCode,
    /// Whether its answer carries the tokens of a session, which browsers may wish for as cookies.
    pub opens_session: bool,
    /// The request field that the refresh token of a cookie fills.
    pub refresh_token: Option<FieldDescriptor>,
    /// Whether its answer carries what binds a sign-in elsewhere to the browser that was sent there.
    pub binds_browser: bool,
    /// The request field that the token of such a cookie fills.
    pub attempt_token: Option<FieldDescriptor>,
    /// Whether the answer is a stream, served as server-sent events.
    pub streams: bool,
    /// Of a stream: the fields that lead to an event's id; may be empty.
    pub event_id: Vec<FieldDescriptor>,
    /// Of a stream: the request field that the last event's id fills.
    pub resume: Option<FieldDescriptor>,
}

/// Where an untouched body and its headers go.
#[derive(Debug)]
pub struct RawFields {
    /// Bytes.
    pub body: FieldDescriptor,
    /// Map of strings.
    pub headers: FieldDescriptor,
}

/// Where an answer says the revision of the one thing it is about.
#[derive(Debug)]
pub struct RevisionFields {
    /// The thing.
    pub thing: FieldDescriptor,
    /// Its revision.
    pub revision: FieldDescriptor,
}

impl Plan {
    /// The plan of `rpc`; `None` when it has no route.
    ///
    /// # Errors
    /// `internal` when the route cannot work.
    pub fn new(rpc: &'static Method) -> fault::Result<Option<Self>> {
        let Some(route) = &rpc.http else { return Ok(None) };
        match rpc.access {
            None => return Err(broken(rpc, "it has no access option")),
            Some(Access::Internal) => return Err(broken(rpc, "it is internal")),
            Some(_) => {}
        }
        let input = rpc.descriptor.input();
        Ok(Some(Self {
            wire_path: rpc.path.parse().map_err(|_| broken(rpc, "its wire path is malformed"))?,
            path_fields: path_fields(rpc, route, &input)?,
            min_position: input.get_field_by_name("min_position"),
            raw: if route.raw_body { Some(raw_fields(rpc, &input)?) } else { None },
            success: StatusCode::from_u16(route.success_status)
                .map_err(|_| broken(rpc, "its success status is none"))?,
            expected_revision: revision_of(&input),
            revision: revision_fields(&rpc.descriptor.output()),
            opens_session: opens_session(&rpc.descriptor.output()),
            refresh_token: text_field(&input, "refresh_token"),
            binds_browser: text_field(&rpc.descriptor.output(), ATTEMPT_TOKEN).is_some(),
            attempt_token: text_field(&input, ATTEMPT_TOKEN),
            streams: streams(rpc, route)?,
            event_id: event_id(rpc, route)?,
            resume: resume_field(rpc, route, &input)?,
            output: rpc.descriptor.output(),
            input,
            rpc,
            route,
        }))
    }

    /// What its answers are.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        if self.streams { "text/event-stream" } else { "application/json" }
    }

    /// Whether its answers may be kept for others: the same for everybody.
    #[must_use]
    pub fn is_public_read(&self) -> bool {
        self.route.verb == Verb::Get
            && !self.streams
            && self.is_public()
            && self.rpc.idempotency == Idempotency::Safe
    }

    /// Whether anybody may call it; such an rpc never learns who calls.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.rpc.access == Some(Access::Public)
    }

    /// Whether it changes something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.rpc.idempotency != Idempotency::Safe
    }
}

/// Names of the `{placeholders}` of a path, in order.
pub fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_fields(
    rpc: &Method,
    route: &HttpRoute,
    input: &MessageDescriptor,
) -> fault::Result<Vec<FieldDescriptor>> {
    let fields = placeholders(&route.path).map(|name| {
        let field = input.get_field_by_name(name);
        let scalar = |field: &FieldDescriptor| !field.is_list() && field.kind().as_message().is_none();
        field.filter(scalar).ok_or_else(|| broken(rpc, "a placeholder names no scalar field"))
    });
    fields.collect()
}

/// A stream answers GET; what clients stream to us has no route.
fn streams(rpc: &Method, route: &HttpRoute) -> fault::Result<bool> {
    if rpc.descriptor.is_client_streaming() {
        return Err(broken(rpc, "a stream of requests has no route"));
    }
    match rpc.descriptor.is_server_streaming() {
        true if route.verb != Verb::Get => Err(broken(rpc, "a stream answers GET")),
        streams => Ok(streams),
    }
}

fn text_field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).filter(|field| field.kind() == Kind::String && !field.is_list())
}

fn opens_session(output: &MessageDescriptor) -> bool {
    let session = output.get_field_by_name("session");
    let kind = session.and_then(|field| field.kind().as_message().map(|kind| kind.full_name().to_owned()));
    kind.as_deref() == Some("vbwd.identity.v1.Session")
}

fn event_id(rpc: &Method, route: &HttpRoute) -> fault::Result<Vec<FieldDescriptor>> {
    let (mut message, mut fields) = (Some(rpc.descriptor.output()), Vec::new());
    for name in route.event_id.split('.').filter(|name| !name.is_empty()) {
        let field = message.and_then(|message| message.get_field_by_name(name));
        let field = field.ok_or_else(|| broken(rpc, "its event id names no field"))?;
        message = field.kind().as_message().cloned();
        fields.push(field);
    }
    match fields.last() {
        Some(last) if last.kind() != Kind::String => Err(broken(rpc, "an event id is a string")),
        _ => Ok(fields),
    }
}

fn resume_field(
    rpc: &Method,
    route: &HttpRoute,
    input: &MessageDescriptor,
) -> fault::Result<Option<FieldDescriptor>> {
    if route.resume_field.is_empty() {
        return Ok(None);
    }
    let field = input.get_field_by_name(&route.resume_field).filter(|field| field.kind() == Kind::String);
    field.map(Some).ok_or_else(|| broken(rpc, "its resume field names no string"))
}

fn revision_of(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    message.get_field_by_name("revision").filter(|field| field.kind() == Kind::Int64 && !field.is_list())
}

/// The one field of the answer that is a message with a revision; a list has none.
fn revision_fields(output: &MessageDescriptor) -> Option<RevisionFields> {
    let mut things =
        output.fields().filter(|field| !field.is_list() && !field.is_map()).filter_map(|thing| {
            let revision = revision_of(thing.kind().as_message()?)?;
            Some(RevisionFields { thing, revision })
        });
    let first = things.next()?;
    things.next().is_none().then_some(first)
}

fn raw_fields(rpc: &Method, input: &MessageDescriptor) -> fault::Result<RawFields> {
    let body = input.get_field_by_name("body").filter(|field| field.kind() == Kind::Bytes);
    let headers = input.get_field_by_name("headers").filter(FieldDescriptor::is_map);
    match (body, headers) {
        (Some(body), Some(headers)) => Ok(RawFields { body, headers }),
        _ => Err(broken(rpc, "a raw body needs the fields `body` and `headers`")),
    }
}

fn broken(rpc: &Method, why: &'static str) -> Fault {
    Fault::internal(why).with_fact("rpc", &rpc.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_routed_rpc_has_a_plan() {
        for rpc in contracts::methods() {
            let plan = Plan::new(rpc).unwrap_or_else(|fault| panic!("{}: {fault:?}", rpc.path));
            assert_eq!(plan.is_some(), rpc.http.is_some(), "{}", rpc.path);
        }
    }

    #[test]
    fn an_rpc_without_access_or_for_sister_services_gets_no_plan() {
        let routed = contracts::methods().iter().find(|rpc| rpc.http.is_some()).unwrap();
        for access in [None, Some(Access::Internal)] {
            let rpc: &'static Method = Box::leak(Box::new(Method { access, ..routed.clone() }));
            assert!(Plan::new(rpc).is_err());
        }
    }

    #[test]
    fn a_placeholder_without_a_field_is_refused() {
        let routed = contracts::method("/vbwd.wallet.v1.TokenBundleService/GetTokenBundle").unwrap();
        let route = HttpRoute { path: "/api/v1/{nonsense}".to_owned(), ..routed.http.clone().unwrap() };
        let rpc: &'static Method = Box::leak(Box::new(Method { http: Some(route), ..routed.clone() }));
        assert!(Plan::new(rpc).is_err());
    }
}
