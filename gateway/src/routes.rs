//! The route table: path and verb to the plan of an rpc, or to a page of the gateway's own.

use std::sync::Arc;

use contracts::Verb;
use fault::Fault;
use http::{HeaderValue, Method, StatusCode, header};
use matchit::Router;
use percent_encoding::percent_decode_str;

use crate::pages::Page;
use crate::plan::Plan;
use crate::problem::{self, Refusal};

/// All routes.
pub struct Routes {
    table: Router<Entry>,
}

/// What answers at one path.
#[derive(Default)]
struct Entry {
    rpcs: Vec<(Verb, Arc<Plan>)>,
    page: Option<Page>,
}

/// What a request found.
pub enum Found {
    /// An rpc, and the decoded values of the path's placeholders in the order of its path fields.
    Rpc(Arc<Plan>, Vec<String>),
    /// A page of the gateway.
    Page(Page),
    /// `OPTIONS`: the verbs that the path knows.
    Verbs(HeaderValue),
}

impl Routes {
    /// The routes of every routed rpc, and the pages.
    ///
    /// # Errors
    /// `internal` when a route cannot work or two routes collide.
    pub fn new() -> fault::Result<Self> {
        let mut paths: Vec<(String, Entry)> = Vec::new();
        for rpc in contracts::methods() {
            let Some(plan) = Plan::new(rpc)? else { continue };
            let (path, rpc) = (plan.route.path.clone(), (plan.route.verb, Arc::new(plan)));
            match paths.iter_mut().find(|(known, _)| *known == path) {
                Some((_, entry)) => entry.rpcs.push(rpc),
                None => paths.push((path, Entry { rpcs: vec![rpc], page: None })),
            }
        }
        let pages =
            Page::ALL.map(|page| (page.path().to_owned(), Entry { rpcs: Vec::new(), page: Some(page) }));
        let mut table = Router::new();
        for (path, entry) in paths.into_iter().chain(pages) {
            table
                .insert(path.clone(), entry)
                .map_err(|error| Fault::internal(error.to_string()).with_fact("path", path))?;
        }
        Ok(Self { table })
    }

    /// What answers a request.
    ///
    /// # Errors
    /// 404 `route_unknown`, 405 `method_not_allowed` with `Allow`, 400 for a path that is no UTF-8.
    pub fn find(&self, method: &Method, path: &str) -> problem::Result<Found> {
        let found = self.table.at(path).map_err(|_| unknown())?;
        if method == Method::OPTIONS {
            return Ok(Found::Verbs(found.value.allow()));
        }
        if let Some(page) = found.value.page.filter(|_| matches!(*method, Method::GET | Method::HEAD)) {
            return Ok(Found::Page(page));
        }
        let plan = verb(method).and_then(|verb| found.value.rpc(verb)).ok_or_else(|| {
            Refusal::http(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This path knows other methods.",
            )
            .with_header(header::ALLOW, found.value.allow())
        })?;
        let values = plan.path_fields.iter().map(|field| {
            let text = found.params.get(field.name()).unwrap_or_default();
            percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| {
                Fault::invalid(format!("/{}", field.name()), "malformed", "The path is not UTF-8.").into()
            })
        });
        let values = values.collect::<problem::Result<_>>()?;
        Ok(Found::Rpc(Arc::clone(plan), values))
    }
}

impl Entry {
    fn rpc(&self, verb: Verb) -> Option<&Arc<Plan>> {
        self.rpcs.iter().find(|(known, _)| *known == verb).map(|(_, plan)| plan)
    }

    fn allow(&self) -> HeaderValue {
        let mut verbs: Vec<_> = self.rpcs.iter().map(|(verb, _)| verb.name()).collect();
        if self.page.is_some() || verbs.contains(&"GET") {
            verbs.retain(|verb| *verb != "GET");
            verbs.extend(["GET", "HEAD"]);
        }
        verbs.push("OPTIONS");
        HeaderValue::from_str(&verbs.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
    }
}

fn verb(method: &Method) -> Option<Verb> {
    match *method {
        Method::GET | Method::HEAD => Some(Verb::Get),
        Method::POST => Some(Verb::Post),
        Method::PUT => Some(Verb::Put),
        Method::PATCH => Some(Verb::Patch),
        Method::DELETE => Some(Verb::Delete),
        _ => None,
    }
}

fn unknown() -> Refusal {
    Fault::new(fault::Code::NotFound, "route_unknown", "There is nothing at this path.").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(answer: problem::Result<Found>) -> (u16, String) {
        match answer {
            Ok(_) => (200, String::new()),
            Err(refusal) => {
                let reason = refusal.fault().reason().to_owned();
                (refusal.into_answer("t").status().as_u16(), reason)
            }
        }
    }

    #[test]
    fn every_routed_rpc_is_found_at_its_path() {
        let routes = Routes::new().unwrap();
        for rpc in contracts::methods() {
            let Some(route) = &rpc.http else { continue };
            let method: Method = route.verb.name().parse().unwrap();
            let path = route.path.replace(['{', '}'], "");
            match routes.find(&method, &path) {
                Ok(Found::Rpc(plan, _)) => assert_eq!(plan.rpc.path, rpc.path),
                _ => panic!("{} is not found at {path}", rpc.path),
            }
        }
    }

    #[test]
    fn internal_rpcs_have_no_path() {
        let routes = Routes::new().unwrap();
        for rpc in contracts::methods().iter().filter(|rpc| rpc.http.is_none()) {
            assert_eq!(reason(routes.find(&Method::POST, &rpc.path)).0, 404, "{}", rpc.path);
        }
    }

    #[test]
    fn placeholders_are_decoded() {
        let routes = Routes::new().unwrap();
        let found = routes.find(&Method::GET, "/api/v1/token-bundles/a%20b%2Fc");
        assert!(matches!(found, Ok(Found::Rpc(_, values)) if values == ["a b/c"]));
        assert_eq!(reason(routes.find(&Method::GET, "/api/v1/token-bundles/%ff")).0, 400);
    }

    #[test]
    fn other_paths_and_other_methods_are_told_apart() {
        let routes = Routes::new().unwrap();
        assert_eq!(reason(routes.find(&Method::GET, "/nothing")), (404, "route_unknown".to_owned()));
        let refused = reason(routes.find(&Method::DELETE, "/api/v1/checkout"));
        assert_eq!(refused, (405, "method_not_allowed".to_owned()));
        let verbs = routes.find(&Method::OPTIONS, "/api/v1/invoices");
        assert!(matches!(verbs, Ok(Found::Verbs(allow)) if allow == "GET, HEAD, OPTIONS"));
    }
}
