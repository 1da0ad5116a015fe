//! What browsers do: other origins, sessions in cookies, forged requests.

use axum::body::Body;
use contracts::vbwd::identity::v1::TenantRouting;
use serde_json::{Value, json};

use crate::fixtures::{Fleet, Received, fleet};

const BALANCE: &str = "/api/v1/wallet/balance";
const PREVIEW: &str = "/api/v1/checkout/preview";
const SHOP: &str = "https://shop.example";

impl Fleet {
    async fn allow(&self, origin: &str) {
        let one = TenantRouting {
            tenant_id: self.tenant.to_string(),
            hosts: vec!["a.test".to_owned()],
            origins: vec![origin.to_owned()],
            ..TenantRouting::default()
        };
        self.follow(vec![one]).await;
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Received {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        self.send(request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap())
            .await
    }
}

fn cookies(answer: &Received) -> Vec<String> {
    answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn only_allowed_origins_learn_anything() {
    let fleet = fleet().await;
    fleet.allow(SHOP).await;
    let ask = |origin| [("origin", origin), ("access-control-request-method", "POST")];
    let preflight = fleet.ask("OPTIONS", PREVIEW, &ask(SHOP), None).await;
    assert_eq!((preflight.status.as_u16(), preflight.header("access-control-allow-origin")), (204, SHOP));
    assert!(preflight.header("access-control-allow-headers").contains("idempotency-key"));
    assert_eq!(preflight.header("access-control-allow-credentials"), "true");
    for origin in ["https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example"]
    {
        let refused = fleet.ask("OPTIONS", PREVIEW, &ask(origin), None).await;
        assert_eq!(refused.header("access-control-allow-origin"), "", "{origin}");
        let answer = fleet.ask("GET", "/api/v1/token-bundles", &[("origin", origin)], None).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
    }
    let problem = fleet.ask("GET", BALANCE, &[("origin", SHOP)], None).await;
    assert_eq!((problem.status.as_u16(), problem.header("access-control-allow-origin")), (401, SHOP));
    let vary: Vec<_> = problem.headers.get_all("vary").iter().collect();
    assert!(vary.iter().any(|value| *value == "origin"), "{vary:?}");
}

#[tokio::test]
async fn a_session_moves_into_cookies_for_who_wishes() {
    let fleet = fleet().await;
    let log_in = json!({"email": "a@b.test", "password": "p"});
    let plain = fleet.ask("POST", "/api/v1/auth/login", &[], Some(log_in.clone())).await;
    assert!(cookies(&plain).is_empty() && plain.json()["session"]["access_token"] != "");
    let headers = [("vbwd-session", "cookie"), ("sec-fetch-site", "same-origin")];
    let moved = fleet.ask("POST", "/api/v1/auth/login", &headers, Some(log_in.clone())).await;
    assert_eq!(
        (&moved.json()["session"]["access_token"], &moved.json()["session"]["refresh_token"]),
        (&json!(""), &json!(""))
    );
    let [access, refresh] = &cookies(&moved)[..] else { panic!("two cookies") };
    assert!(access.starts_with("__Host-vbwd_access=203.0.113.7; Path=/; "), "{access}");
    for cookie in [access, refresh] {
        assert!(cookie.contains("; Secure; HttpOnly; SameSite="), "{cookie}");
    }
    assert!(refresh.contains("Path=/api/v1/auth;") && refresh.ends_with("SameSite=Strict"), "{refresh}");
    let forged = [("vbwd-session", "cookie"), ("sec-fetch-site", "cross-site")];
    let forged = fleet.ask("POST", "/api/v1/auth/login", &forged, Some(log_in)).await;
    assert_eq!(forged.problem(), (403, "request_forged".to_owned()), "nobody is logged in by another site");
}

#[tokio::test]
async fn what_a_cookie_signs_must_come_from_own_pages() {
    let fleet = fleet().await;
    fleet.allow(SHOP).await;
    let cookie = format!("x=y; __Host-vbwd_access={}", fleet.token(&fleet.user(&[])));
    assert_eq!(
        fleet.ask("GET", BALANCE, &[("cookie", &cookie)], None).await.status,
        200,
        "reads change nothing"
    );
    let rows: [(&[(&str, &str)], bool); 10] = [
        (&[("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "none")], true),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("origin", "http://a.test")], true),
        (&[("origin", SHOP), ("sec-fetch-site", "cross-site")], true),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], false),
        (&[("origin", "null")], false),
        (&[], false),
    ];
    for (headers, fine) in rows {
        let mut all = vec![("cookie", cookie.as_str())];
        all.extend(headers);
        let answer = fleet.ask("POST", PREVIEW, &all, Some(json!({}))).await;
        let refused = answer.problem() == (403, "request_forged".to_owned());
        assert_eq!(refused, !fine, "{headers:?}: {answer:?}");
    }
    let bearer = format!("Bearer {}", fleet.token(&fleet.user(&[])));
    let programs = [("authorization", bearer.as_str()), ("origin", "https://evil.example")];
    assert_eq!(
        fleet.ask("POST", PREVIEW, &programs, Some(json!({}))).await.status,
        400,
        "a header is no cookie"
    );
}
