//! Passkeys over HTTP: made, used, asked for again, renamed and removed by a browser with an authenticator
//! in software.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::customer::Answer;
use crate::harness::device::Device;
use crate::harness::{Customer, Fleet};

const PASSWORD: &str = "correct horse battery staple";
const PASSKEYS: &str = "/api/v1/me/passkeys";

/// A fleet whose pages lie on a name, which is what a passkey belongs to.
async fn fleet() -> (Fleet, String) {
    let fleet = Fleet::in_process_with(|config| {
        config.identity.public_url = format!("http://localhost:{}", config.gateway.listen.port());
    })
    .await;
    let page = fleet.config.identity.public_url.clone();
    (fleet, page)
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}"))
}

/// Registers a passkey; answers its id and the recovery codes.
async fn registered(customer: &Customer, device: &mut Device, page: &str) -> (String, Value) {
    let begun = customer.post(&format!("{PASSKEYS}/begin"), json!({"password": PASSWORD})).await.ok();
    let made = device.make(page, text(&begun, "options_json")).await;
    let body = json!({"ceremony_token": begun["ceremony_token"], "credential_json": made, "name": "Phone"});
    let kept = customer.send(customer.request(Method::POST, PASSKEYS).json(&body)).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    (text(&kept.body["passkey"], "passkey_id").to_owned(), kept.body["recovery_codes"].clone())
}

/// One ceremony at `path`, from its challenge to the answer of the edge.
async fn signed(
    customer: &Customer,
    device: &mut Device,
    page: &str,
    (begin, complete): (&str, &str),
    more: Value,
) -> Answer {
    let begun = customer.post(begin, more.clone()).await.ok();
    let signed = device.sign(page, text(&begun, "options_json")).await.expect("the browser signs");
    let mut body = json!({"ceremony_token": begun["ceremony_token"], "credential_json": signed});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let request = customer.request(Method::POST, complete).json(&body);
    customer.send(request.header("vbwd-session", "cookie").header("sec-fetch-site", "same-origin")).await
}

const LOG_IN: (&str, &str) = ("/api/v1/auth/passkey/begin", "/api/v1/auth/passkey/complete");
const STEP_UP: (&str, &str) = ("/api/v1/me/step-up/passkey/begin", "/api/v1/me/step-up/passkey");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passkey_is_made_used_asked_for_again_and_removed() {
    let (fleet, page) = fleet().await;
    let (customer, mut device) = (Customer::new(&fleet).await, Device::new());
    let (id, codes) = registered(&customer, &mut device, &page).await;
    assert_eq!(codes.as_array().unwrap().len(), 10);
    let stranger = Customer { token: None, ..customer.clone() };
    let opened = signed(&stranger, &mut device, &page, LOG_IN, json!({})).await;
    let cookies: Vec<_> =
        opened.headers.get_all("set-cookie").iter().map(|one| one.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 2, "{}", opened.body);
    let cookie = cookies[0].split(';').next().unwrap().to_owned();
    let me = stranger.send(stranger.request(Method::GET, "/api/v1/me").header("cookie", cookie)).await.ok();
    assert_eq!(me["user"]["email"], json!(customer.email));
    let challenge = json!({"email": customer.email, "password": PASSWORD});
    let challenge = stranger.post("/api/v1/auth/login", challenge).await.ok()["challenge"].clone();
    assert_eq!(challenge["methods"], json!(["passkey", "recovery_code"]));
    let token = json!({"challenge_token": challenge["challenge_token"]});
    signed(&stranger, &mut device, &page, LOG_IN, token.clone()).await.ok();
    stranger.post(LOG_IN.0, token).await.refused(401, "challenge_invalid");
    let proven = signed(&customer, &mut device, &page, STEP_UP, json!({})).await.ok();
    assert_eq!(proven["methods"], json!(["mfa", "pop", "pwd"]));
    kept_in_order(&customer, &id).await;
    let gone = stranger.post(LOG_IN.0, json!({})).await.ok();
    let signed = device.sign(&page, text(&gone, "options_json")).await.unwrap();
    let body = json!({"ceremony_token": gone["ceremony_token"], "credential_json": signed});
    stranger.post(LOG_IN.1, body).await.refused(401, "passkey_invalid");
}

/// Listed, renamed, kept from others, removed.
async fn kept_in_order(customer: &Customer, id: &str) {
    let one = format!("{PASSKEYS}/{id}");
    assert_eq!(customer.put(&one, json!({"name": "Old phone"})).await.ok()["passkey"]["name"], "Old phone");
    customer.put(&one, json!({"name": "\u{7}"})).await.refused(400, "invalid_input");
    let listed = customer.get(PASSKEYS).await.ok();
    assert!(listed["passkeys"][0]["last_used_at"].is_string(), "{listed}");
    let unknown = format!("{PASSKEYS}/{}/remove", uuid::Uuid::now_v7());
    customer.post(&unknown, json!({"password": PASSWORD})).await.refused(404, "passkey_not_found");
    let wrong = json!({"password": "another"});
    customer.post(&format!("{one}/remove"), wrong).await.refused(403, "password_wrong");
    customer.post(&format!("{one}/remove"), json!({"password": PASSWORD})).await.ok();
    assert_eq!(customer.get(PASSKEYS).await.ok()["passkeys"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_page_or_an_earlier_ceremony_got_is_good_for_nothing() {
    let (fleet, page) = fleet().await;
    let (customer, mut device) = (Customer::new(&fleet).await, Device::new());
    registered(&customer, &mut device, &page).await;
    let stranger = Customer { token: None, ..customer.clone() };
    let begin = || async { stranger.post(LOG_IN.0, json!({})).await.ok() };
    let complete = |begun: &Value, signed: String| {
        let body = json!({"ceremony_token": begun["ceremony_token"], "credential_json": signed});
        let stranger = &stranger;
        async move { stranger.post(LOG_IN.1, body).await }
    };
    for other in ["https://evil.example", "http://evil.localhost", "http://localhost:1", "https://localhost"]
    {
        let begun = begin().await;
        if let Some(signed) = device.sign(other, text(&begun, "options_json")).await {
            complete(&begun, signed).await.refused(401, "passkey_invalid");
        }
    }
    let begun = begin().await;
    let signed = device.sign(&page, text(&begun, "options_json")).await.unwrap();
    let answers = futures::future::join_all((0..5).map(|_| complete(&begun, signed.clone()))).await;
    let opened = answers.iter().filter(|answer| answer.status.is_success()).count();
    assert_eq!(opened, 1, "{answers:?}");
    complete(&begin().await, signed).await.refused(401, "passkey_invalid");
    complete(&begin().await, "{}".to_owned()).await.refused(400, "invalid_input");
}
