//! Abuse of the doors, over HTTP: sources are blocked, headers of strangers are not believed, limits
//! are stricter where nobody is signed in, mailboxes are not filled, places of origin are shown.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Customer, Fleet, Outside, eventually};

const ATTACKER: &str = "203.0.113.7";
const PASSWORD: &str = "correct horse battery staple";

/// A fleet behind a proxy: whoever talks to it may say where a request comes from, and from which country.
async fn behind_a_proxy() -> Fleet {
    Fleet::in_process_with(|config| {
        config.gateway.trusted_proxies = vec!["127.0.0.1".to_owned()];
        config.gateway.country_header = "cf-ipcountry".to_owned();
    })
    .await
}

trait From {
    fn post_from(
        &self,
        origin: &str,
        path: &str,
        body: Value,
    ) -> impl Future<Output = crate::harness::customer::Answer>;
}

impl From for Customer {
    async fn post_from(&self, origin: &str, path: &str, body: Value) -> crate::harness::customer::Answer {
        let request = self.request(Method::POST, path).header("x-forwarded-for", origin);
        self.send(request.json(&body)).await
    }
}

async fn spray(stranger: &Customer, origin: &str, accounts: usize) {
    for account in 0..accounts {
        let body = json!({"email": format!("a{account}@example.com"), "password": "not the password"});
        stranger.post_from(origin, "/api/v1/auth/login", body).await.refused(401, "credentials_invalid");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_sprays_passwords_is_blocked_and_an_administrator_can_lift_it() {
    let fleet = behind_a_proxy().await;
    let (admin, stranger) = (Customer::admin(&fleet).await, Customer::stranger(&fleet));
    let customer = Customer::new(&fleet).await;
    spray(&stranger, ATTACKER, 20).await;
    let right = json!({"email": customer.email, "password": PASSWORD});
    let rows = [
        ("/api/v1/auth/login", right.clone()),
        ("/api/v1/auth/register", json!({"email": "new@example.com", "password": PASSWORD})),
        ("/api/v1/auth/password-reset", json!({"email": customer.email})),
        ("/api/v1/auth/login/second-factor", json!({"challenge_token": "x", "code": "000000"})),
    ];
    for (path, body) in rows {
        let refused = stranger.post_from(ATTACKER, path, body).await;
        refused.refused(429, "source_blocked");
        let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=900).contains(&seconds), "{path} {seconds}");
        let text = refused.body.to_string();
        assert!(!text.contains("example.com") && !text.contains("account"), "{text}");
    }
    stranger.post_from("203.0.113.8", "/api/v1/auth/login", right.clone()).await.ok();
    let refresh = json!({"refresh_token": customer.refresh_token});
    customer.post_from(ATTACKER, "/api/v1/auth/refresh", refresh).await.ok();
    let listed = admin.get("/api/v1/admin/blocked-sources").await.ok();
    let block = &listed["sources"][0];
    assert_eq!((&block["network"], &block["why"]), (&json!("203.0.113.7/32"), &json!("many_accounts")));
    let path = format!("/api/v1/admin/blocked-sources/{}", block["block_id"].as_str().unwrap());
    customer.send(customer.request(Method::DELETE, &path)).await.refused(403, "permission_denied");
    admin.send(admin.request(Method::DELETE, &path)).await.ok();
    stranger.post_from(ATTACKER, "/api/v1/auth/login", right.clone()).await.ok();
    by_hand_and_by_figures(&admin, &stranger, right).await;
}

async fn by_hand_and_by_figures(admin: &Customer, stranger: &Customer, right: Value) {
    let block = json!({"network": "203.0.113.0/24", "reason": "attack", "until": "2099-01-01T00:00:00Z"});
    let late = admin.post("/api/v1/admin/blocked-sources", block.clone()).await;
    assert_eq!((late.status.as_u16(), &late.body["errors"][0]["pointer"]), (400, &json!("/until")));
    let until = (kernel::Clock::wall(&kernel::SystemClock) + jiff::SignedDuration::from_hours(1)).to_string();
    let block = json!({"network": "203.0.113.0/24", "reason": "attack", "until": until});
    let made = admin.post("/api/v1/admin/blocked-sources", block).await;
    assert_eq!(made.status, 201, "{}", made.body);
    stranger
        .post_from("203.0.113.99", "/api/v1/auth/login", right.clone())
        .await
        .refused(429, "source_blocked");
    let mut policy = admin.get("/api/v1/admin/source-policy").await.ok()["policy"].clone();
    policy["allowed_networks"] = json!(["203.0.113.99"]);
    let set = admin.put("/api/v1/admin/source-policy", json!({"policy": policy})).await.ok();
    assert_eq!(set["policy"]["allowed_networks"], json!(["203.0.113.99/32"]));
    stranger.post_from("203.0.113.99", "/api/v1/auth/login", right).await.ok();
    policy["accounts_max"] = json!(0);
    let refused = admin.put("/api/v1/admin/source-policy", json!({"policy": policy})).await;
    assert_eq!(refused.body["errors"][0]["pointer"], "/policy/accounts_max", "{}", refused.body);
    let trail = admin.get("/api/v1/admin/audit").await.ok().to_string();
    for action in ["source.blocked", "source.lift", "source.block", "source_policy.set"] {
        assert!(trail.contains(&format!("\"{action}\"")), "{action} is not in the trail");
    }
}

/// Without a proxy that is trusted, what a request says of its origin is a stranger's word: nobody can
/// have somebody else blocked, nor slip away from a count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_blocked_for_a_header_that_a_stranger_wrote() {
    let fleet = Fleet::in_process_with(|config| config.identity.sources.allowed_networks.clear()).await;
    let stranger = Customer::stranger(&fleet);
    spray(&stranger, ATTACKER, 20).await;
    let rows: Vec<String> = sqlx::query_scalar("SELECT network FROM sources WHERE blocked_until IS NOT NULL")
        .fetch_all(&fleet.database.superuser(identity::NAME))
        .await
        .unwrap();
    assert_eq!(rows, ["127.0.0.1/32"], "the one who really called");
    let body = json!({"email": "a@example.com", "password": "not the password"});
    stranger.post_from("198.51.100.1", "/api/v1/auth/login", body).await.refused(429, "source_blocked");
}

/// Where nothing is configured, registration and reset are answered less often than log-in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registration_and_reset_have_limits_of_their_own() {
    let fleet =
        Fleet::in_process_with(|config| config.gateway.rates = gateway::config::Rates::default()).await;
    let stranger = Customer::stranger(&fleet);
    let until_refused = async |path: &'static str, class: &str| {
        for sent in 1..100 {
            let body = json!({"email": format!("a{sent}@example.com"), "password": "not the password"});
            let answer = stranger.post(path, body).await;
            if answer.status == 429 {
                answer.refused(429, "rate_limited");
                assert_eq!(answer.body["facts"]["class"], class);
                assert!(answer.headers.contains_key("retry-after"));
                return sent;
            }
        }
        panic!("{path} is not limited");
    };
    let log_in = until_refused("/api/v1/auth/login", "login").await;
    let registration = until_refused("/api/v1/auth/register", "registration").await;
    let reset = until_refused("/api/v1/auth/password-reset", "reset").await;
    println!("refused at the {log_in}th log-in, {registration}th registration, {reset}th reset");
    assert!(log_in > registration && registration > reset, "{log_in} {registration} {reset}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobodys_mailbox_is_filled_and_the_answers_do_not_tell() {
    let outside = Outside::start();
    let fleet = Fleet::in_process_with(|config| outside.known_to(config)).await;
    let (customer, stranger) = (Customer::new(&fleet).await, Customer::stranger(&fleet));
    let ask = async |email: &str| {
        let answer = stranger.post("/api/v1/auth/password-reset", json!({"email": email})).await;
        (answer.status, answer.body)
    };
    let (known, unknown) = (ask(&customer.email).await, ask("nobody@example.com").await);
    assert_eq!(known, unknown);
    for _ in 0..12 {
        assert_eq!(
            (ask(&customer.email).await, ask("nobody@example.com").await),
            (known.clone(), known.clone())
        );
    }
    let resets = || {
        let taken = outside.mail.taken_by(&customer.email);
        taken.iter().filter(|mail| format!("{mail:?}").contains("reset-password")).count()
    };
    eventually("three letters", Duration::from_secs(30), || async { (resets() >= 3).then_some(()) }).await;
    let wishes = "SELECT count(*) FROM reset_wishes";
    let database = fleet.database.superuser(identity::NAME);
    eventually("every wish is looked at", Duration::from_secs(30), || async {
        let left: i64 = sqlx::query_scalar(wishes).fetch_one(&database).await.ok()?;
        (left == 0).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(resets(), 3, "three of an hour");
    assert_eq!(outside.mail.taken_by("nobody@example.com").len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_show_the_country_that_the_edge_was_told() {
    let fleet = behind_a_proxy().await;
    let customer = Customer::new(&fleet).await;
    let from = async |country: &str| {
        let body = json!({"email": customer.email, "password": PASSWORD});
        let request = customer.client.post(format!("{}/api/v1/auth/login", customer.base)).json(&body);
        let request = request.header("x-forwarded-for", ATTACKER).header("cf-ipcountry", country);
        customer.send(request).await.ok()["session"]["refresh_token"].as_str().unwrap().to_owned()
    };
    for country in ["de", "XX", "T1", "<b>", "Germany"] {
        from(country).await;
    }
    let token = from("FR").await;
    let request = customer.client.post(format!("{}/api/v1/auth/refresh", customer.base));
    let request = request.header("cf-ipcountry", "BR").json(&json!({"refresh_token": token}));
    customer.send(request).await.ok();
    let listed = customer.get("/api/v1/me/sessions").await.ok();
    let mut places: Vec<_> = listed["sessions"].as_array().unwrap().iter().map(place).collect();
    places.sort();
    assert_eq!(places[..5], vec![place(&Value::Null); 5]);
    assert_eq!(places[5..], [("DE".to_owned(), "DE".to_owned()), ("FR".to_owned(), "BR".to_owned())]);
}

fn place(session: &Value) -> (String, String) {
    let text = |name: &str| session[name].as_str().unwrap_or_default().to_owned();
    (text("country"), text("last_country"))
}

/// The times are printed; what is asserted is what makes them alike: for a known and an unknown address
/// the same number of hashes is computed, one each. Services run in processes of their own, so that
/// nobody else's hashes are counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_costs_the_same_work_whether_or_not_there_is_an_account() {
    const ROUNDS: usize = 16;
    let mut fleet = Fleet::of_processes().await;
    let stranger = Customer::stranger(&fleet);
    let mut emails = Vec::new();
    for _ in 0..ROUNDS / 4 {
        emails.push(Customer::new(&fleet).await.email); // four failures each do not lock
    }
    let (mut times, mut hashes) = ([Vec::new(), Vec::new()], [0, 0]);
    for round in 0..ROUNDS {
        let addresses = [emails[round / 4].clone(), format!("nobody{round}@example.com")];
        for (kind, email) in addresses.into_iter().enumerate() {
            let before = hashed(&mut fleet).await;
            let started = Instant::now();
            let body = json!({"email": email, "password": "not the password"});
            stranger.post("/api/v1/auth/login", body).await.refused(401, "credentials_invalid");
            times[kind].push(started.elapsed());
            hashes[kind] += hashed(&mut fleet).await - before;
        }
    }
    for (name, times) in ["known", "unknown"].iter().zip(&mut times) {
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        println!("{name:>8}: p25 {:?}  p50 {:?}  p75 {:?}  p95 {:?}", at(25), at(50), at(75), at(95));
    }
    assert_eq!(hashes, [ROUNDS, ROUNDS], "one hash for each log-in");
}

/// How many hashes identity has computed.
async fn hashed(fleet: &mut Fleet) -> usize {
    let metrics = fleet.processes().metrics(fleet::roles::Role::Identity).await;
    let line = metrics.lines().find(|line| line.starts_with("identity_password_hash_seconds_count"));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |count| count.parse().unwrap())
}
