//! Tokens that must not open anything, and what happens to a stolen refresh token.

use base64_url::encode;
use serde_json::json;

use crate::harness::{Customer, Fleet};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_are_not_ours_open_nothing() {
    let fleet = Fleet::in_process_with(|config| config.identity.refresh_grace_seconds = 1).await;
    let customer = Customer::new(&fleet).await;
    let genuine = customer.token.clone().unwrap();
    let parts: Vec<_> = genuine.split('.').collect();
    let (claims, signature) = (parts[1], parts[2]);
    let none = format!("{}.{claims}.", encode(r#"{"alg":"none","typ":"at+jwt"}"#));
    let swapped = format!("{}.{}.{signature}", parts[0], encode(r#"{"sub":"somebody"}"#));
    let unknown_key = format!("{}.{claims}.{signature}", encode(r#"{"alg":"EdDSA","kid":"nobody"}"#));
    for forged in [none, swapped, unknown_key, "garbage".to_owned(), "a.b.c".to_owned()] {
        let thief = Customer { token: Some(forged.clone()), ..customer.clone() };
        thief.get("/api/v1/me").await.refused(401, "token_invalid");
    }
    let nobody = Customer { token: None, ..customer.clone() };
    nobody.get("/api/v1/me").await.refused(401, "authentication_required");
    customer.get("/api/v1/admin/users").await.refused(403, "permission_denied");
    a_replayed_refresh_token(&customer).await;
}

async fn a_replayed_refresh_token(customer: &Customer) {
    let refresh = |token: String| async move {
        customer.post("/api/v1/auth/refresh", json!({"refresh_token": token})).await
    };
    let first = customer.refresh_token.clone();
    let second = refresh(first.clone()).await.ok()["session"]["refresh_token"].as_str().unwrap().to_owned();
    let third = refresh(second).await.ok()["session"]["refresh_token"].as_str().unwrap().to_owned();
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await; // past the grace for parallel calls
    let replayed = refresh(first).await;
    assert_eq!(replayed.status, 401, "{}", replayed.body);
    assert_eq!(refresh(third).await.status, 401, "the whole family has ended");
}

mod base64_url {
    /// Base64url without padding, enough for a forged header.
    pub fn encode(text: &str) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::new();
        for chunk in text.as_bytes().chunks(3) {
            let bits = chunk.iter().fold(0u32, |bits, byte| (bits << 8) | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            for index in 0..=chunk.len() {
                out.push(ALPHABET[(bits >> (18 - 6 * index)) as usize & 63] as char);
            }
        }
        out
    }
}
