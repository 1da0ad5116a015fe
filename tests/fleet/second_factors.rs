//! Second factors over HTTP: an authenticator app from its secret to a log-in in two steps, recovery
//! codes, a demand of the tenant, step-up, and the letters that tell of it.

use std::time::{Duration, UNIX_EPOCH};

use identity::rules::totp::{code_at, step_at};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::customer::Answer;
use crate::harness::{Customer, Fleet, Outside, eventually};

const PASSWORD: &str = "correct horse battery staple";
const FACTOR: &str = "/api/v1/me/second-factor";

/// An authenticator app, which knows the secret and the time.
struct App {
    secret: Vec<u8>,
    /// The last step it has shown: a code is good once, so the next one is of a later step.
    shown: i64,
}

impl App {
    /// Reads what is typed in, not what the QR code says.
    fn with(secret: &str) -> Self {
        Self { secret: decoded(secret), shown: 0 }
    }

    /// The next code that is still good: the edge accepts one step of drift either way.
    async fn code(&mut self) -> String {
        loop {
            let present = step_at(UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed());
            let step = (self.shown + 1).max(present - 1);
            if step <= present + 1 {
                self.shown = step;
                return code_at(&self.secret, step);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Base32 as apps read it.
fn decoded(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter).unwrap();
        (bits, held) = (bits << 5 | u32::try_from(value).unwrap(), held + 5);
        if held >= 8 {
            held -= 8;
            bytes.extend(u8::try_from((bits >> held) & 0xff));
            bits &= (1 << held) - 1;
        }
    }
    bytes
}

/// Somebody with an app; answers the recovery codes too.
async fn with_app(customer: &Customer) -> (App, Vec<String>) {
    let enrolled = customer.post(&format!("{FACTOR}/totp"), json!({"password": PASSWORD})).await.ok();
    let secret = enrolled["secret"].as_str().unwrap();
    assert!(enrolled["otpauth_uri"].as_str().unwrap().contains(&format!("secret={secret}")));
    let mut app = App::with(secret);
    let code = app.code().await;
    let confirmed = customer.post(&format!("{FACTOR}/totp/confirm"), json!({"code": code})).await.ok();
    (app, strings(&confirmed["recovery_codes"]))
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// The challenge that a right password gets.
async fn challenged(customer: &Customer) -> Value {
    let body = json!({"email": customer.email, "password": PASSWORD});
    let answer = customer.post("/api/v1/auth/login", body).await.ok();
    assert!(answer["session"].is_null(), "{answer}");
    answer["challenge"].clone()
}

async fn answered(customer: &Customer, challenge: &Value, field: &str, value: &str) -> Answer {
    let body = json!({"challenge_token": challenge["challenge_token"], field: value});
    customer.post("/api/v1/auth/login/second-factor", body).await
}

/// What the access token says its session rests on.
fn methods(session: &Value) -> Vec<String> {
    use base64::Engine as _;
    let token = session["access_token"].as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    strings(&serde_json::from_slice::<Value>(&claims).unwrap()["amr"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_makes_of_a_log_in_two_steps() {
    let outside = Outside::start();
    let fleet = Fleet::in_process_with(|config| outside.known_to(config)).await;
    let customer = Customer::new(&fleet).await;
    let wrong = json!({"password": "another one"});
    customer.post(&format!("{FACTOR}/totp"), wrong).await.refused(403, "password_wrong");
    let (mut app, codes) = with_app(&customer).await;
    assert_eq!(codes.len(), 10);
    let stranger = Customer { token: None, ..customer.clone() };
    let challenge = challenged(&stranger).await;
    assert_eq!(strings(&challenge["methods"]), ["totp", "recovery_code"]);
    answered(&stranger, &challenge, "code", "000000").await.refused(401, "second_factor_invalid");
    let code = app.code().await;
    let session = answered(&stranger, &challenge, "code", &code).await.ok()["session"].clone();
    assert_eq!(methods(&session), ["pwd", "mfa", "otp"]);
    answered(&stranger, &challenge, "code", &code).await.refused(401, "challenge_invalid");
    let replayed = answered(&stranger, &challenged(&stranger).await, "code", &code).await;
    replayed.refused(401, "second_factor_invalid");
    let letter = eventually("the letter that tells of it", Duration::from_secs(20), || async {
        let mails = outside.mail.taken_by(&customer.email);
        mails.into_iter().find(|mail| mail.data.contains("second factor"))
    })
    .await;
    assert!(letter.data.contains("an authenticator app was set up"), "{}", letter.data);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_code_opens_once_and_guesses_lock() {
    let fleet = Fleet::in_process().await;
    let customer = Customer::new(&fleet).await;
    let (mut app, codes) = with_app(&customer).await;
    let stranger = Customer { token: None, ..customer.clone() };
    let challenge = challenged(&stranger).await;
    let session = answered(&stranger, &challenge, "recovery_code", &codes[0]).await.ok();
    assert!(session["session"]["access_token"].is_string());
    let spent = answered(&stranger, &challenged(&stranger).await, "recovery_code", &codes[0]).await;
    spent.refused(401, "second_factor_invalid");
    let left = customer.get(FACTOR).await.ok();
    assert_eq!(left["recovery_codes_left"], 9);
    let (one, two) = (challenged(&stranger).await, challenged(&stranger).await);
    let guesses = (0..12).map(|guess| {
        let challenge = if guess % 2 == 0 { &one } else { &two };
        let stranger = &stranger;
        async move { answered(stranger, challenge, "code", &format!("{guess:06}")).await }
    });
    let refused = futures::future::join_all(guesses).await;
    let locked = refused.iter().filter(|answer| answer.code() == "account_locked").count();
    assert!(locked >= 8, "of twelve guesses at once at most four count: {refused:?}");
    let late = answered(&stranger, &two, "code", &app.code().await).await;
    late.refused(429, "account_locked");
    assert!(late.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demanded_factor_is_enrolled_while_logging_in_and_cookies_carry_the_session() {
    let fleet = Fleet::in_process().await;
    let (admin, customer) = (Customer::admin(&fleet).await, Customer::new(&fleet).await);
    let demand = json!({"required_of": "everybody"});
    let (mut app, _) = {
        let enrolled =
            admin.post(&format!("{FACTOR}/totp"), json!({"password": "vbwd-demo-admin"})).await.ok();
        let mut app = App::with(enrolled["secret"].as_str().unwrap());
        let code = app.code().await;
        (app, admin.post(&format!("{FACTOR}/totp/confirm"), json!({"code": code})).await.ok())
    };
    admin.put("/api/v1/admin/second-factor-policy", demand).await.ok();
    customer.get("/api/v1/me").await.refused(401, "session_ended");
    let stranger = Customer { token: None, ..customer.clone() };
    let challenge = challenged(&stranger).await;
    assert_eq!(challenge["enrolment_required"], true, "{challenge}");
    let token = json!({"challenge_token": challenge["challenge_token"]});
    let secret = stranger.post("/api/v1/auth/login/enrol", token).await.ok();
    let mut own = App::with(secret["secret"].as_str().unwrap());
    let body = json!({"challenge_token": challenge["challenge_token"], "code": own.code().await});
    let request = stranger.request(Method::POST, "/api/v1/auth/login/enrol/confirm").json(&body);
    let request = request.header("vbwd-session", "cookie").header("sec-fetch-site", "same-origin");
    let opened = stranger.send(request).await;
    let cookies: Vec<_> =
        opened.headers.get_all("set-cookie").iter().map(|one| one.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    let access = cookies[0].split(';').next().unwrap().to_owned();
    let answer = opened.ok();
    assert_eq!(
        (answer["session"]["access_token"].as_str(), strings(&answer["recovery_codes"]).len()),
        (Some(""), 10)
    );
    let me = stranger.send(stranger.request(Method::GET, "/api/v1/me").header("cookie", access)).await;
    assert_eq!(me.ok()["user"]["email"], json!(customer.email));
    step_up(&admin, &mut app).await;
}

/// Proves again, and needs no second code for what matters.
async fn step_up(admin: &Customer, app: &mut App) {
    let password = "vbwd-demo-admin";
    let body = json!({"password": password, "code": app.code().await});
    let proven = admin.post("/api/v1/me/step-up", body.clone()).await.ok();
    assert!(strings(&proven["methods"]).contains(&"mfa".to_owned()));
    admin.post("/api/v1/me/step-up", body).await.refused(401, "second_factor_invalid");
    let made = admin.post(&format!("{FACTOR}/recovery-codes"), json!({"password": password})).await.ok();
    assert_eq!(strings(&made["recovery_codes"]).len(), 10);
}
