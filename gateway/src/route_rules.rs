//! What the routing rules say about one request, carried out: a redirect, a block, a front end, another
//! path, another tenant.

use fault::{Code, Fault};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use ids::TenantId;
use routing::{Action, Question, Rule};

use crate::answer::Answer;
use crate::gate::Gate;
use crate::metrics;
use crate::problem::{self, Refusal};
use crate::reply::Reply;

/// How a request goes on.
pub enum Ruled {
    /// It is answered.
    Answered(Reply),
    /// The platform's own paths answer: for which tenant, where that is known, and at which address
    /// in place of the one asked for.
    Passed {
        /// Whose host it is, by the table.
        tenant: Option<TenantId>,
        /// What a rewrite made of the address.
        uri: Option<Uri>,
    },
}

impl Gate {
    /// Asks the rules.
    ///
    /// # Errors
    /// 451 where a rule blocks; what a front end or a page answers instead of itself.
    pub(crate) async fn ruled(&self, parts: &Parts) -> problem::Result<Ruled> {
        let passed = |tenant, uri| Ok(Ruled::Passed { tenant, uri });
        let Some(host) = self.proxies.host(parts) else { return passed(None, None) };
        let known = self.rules.known();
        if known.table.is_empty() {
            return passed(known.table.tenant_of(&host), None);
        }
        let question = Question::new(&host, parts.uri.path(), accept_language(parts), self.country(parts));
        let Some(answer) = known.table.answer(&question) else { return passed(None, None) };
        let Some(rule) = answer.rule else { return passed(Some(answer.tenant), None) };
        metrics::ruled(word(&rule.action));
        match &rule.action {
            Action::Tenant(_) => passed(Some(answer.tenant), None),
            Action::Rewrite { .. } => passed(Some(answer.tenant), Some(rewritten(rule, &question, parts)?)),
            Action::Block { reason } => Err(blocked(reason)),
            Action::Redirect { status, .. } => {
                Ok(Ruled::Answered(redirect(rule, *status, &question, parts)?))
            }
            Action::FrontEnd(name) => {
                let rest = question.path.strip_prefix(rule.path.as_str()).unwrap_or(&question.path);
                let response = self.front_ends.serve(name, rest, parts).await?;
                Ok(Ruled::Answered(Reply::Open(response)))
            }
            Action::Page(slug) => Err(page_unserved(slug)),
        }
    }

    /// Where the client is, as far as a trusted proxy says so in the configured header.
    pub(crate) fn country<'a>(&self, parts: &'a Parts) -> Option<&'a str> {
        let name = self.config.country_header.as_str();
        if name.is_empty() || !self.proxies.is_forwarded(parts) {
            return None;
        }
        parts.headers.get(name)?.to_str().ok()
    }
}

fn accept_language(parts: &Parts) -> &str {
    parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn redirect(rule: &Rule, status: u16, question: &Question, parts: &Parts) -> problem::Result<Reply> {
    let location = rule.location(&question.path, parts.uri.query()).unwrap_or_default();
    let location = HeaderValue::try_from(location).map_err(Fault::internal)?;
    // Even a permanent redirect may be taken back: browsers shall ask again after a while.
    let life = if status == 302 { "no-store" } else { "max-age=300" };
    let headers = HeaderMap::from_iter([
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static(life)),
        (header::VARY, HeaderValue::from_static("accept-language")),
    ]);
    let status = StatusCode::from_u16(status).map_err(Fault::internal)?;
    Ok(Answer::new(status, headers, bytes::Bytes::new()).into())
}

fn rewritten(rule: &Rule, question: &Question, parts: &Parts) -> problem::Result<Uri> {
    let mut path = rule.rewritten(&question.path).unwrap_or_default();
    if let Some(query) = parts.uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let path: PathAndQuery = path.parse().map_err(Fault::internal)?;
    let mut uri = parts.uri.clone().into_parts();
    uri.path_and_query = Some(path);
    Uri::from_parts(uri).map_err(|error| Fault::internal(error).into())
}

fn blocked(reason: &str) -> Refusal {
    let message = "This is not available for legal reasons.";
    Refusal::http(StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, "blocked", message).with_fact("reason", reason)
}

fn page_unserved(slug: &str) -> Refusal {
    Fault::new(Code::Unavailable, "service_unknown", "This part of the platform is not running.")
        .with_fact("service", "cms")
        .with_fact("page", slug)
        .into()
}

const fn word(action: &Action) -> &'static str {
    match action {
        Action::Tenant(_) => "tenant",
        Action::FrontEnd(_) => "front_end",
        Action::Page(_) => "cms_page",
        Action::Redirect { .. } => "redirect",
        Action::Rewrite { .. } => "rewrite",
        Action::Block { .. } => "block",
    }
}
