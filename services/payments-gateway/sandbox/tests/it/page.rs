//! The hosted page.

use crate::fixtures::Fixture;

async fn challenge(sandbox: &Fixture) -> (String, String) {
    let payment = sandbox.pay("sandbox_card_3ds").await;
    let id = payment["id"].as_str().unwrap().to_owned();
    assert_eq!(payment["redirect_url"], format!("http://pay.example/pay/{id}"));
    let page = format!("{}/pay/{id}", sandbox.base);
    (id, page)
}

#[tokio::test]
async fn approving_captures_and_sends_the_browser_back() {
    let sandbox = Fixture::start_without_sender().await;
    let (id, page) = challenge(&sandbox).await;
    let html = sandbox.client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("19.99 EUR") && html.contains("Approve"), "{html}");
    assert!(html.contains("Tokens &lt;1000&gt;"), "texts of others are escaped");
    for _ in 0..2 {
        let answer = sandbox.client.post(format!("{page}/approve")).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.headers()["location"], "https://shop.example/back?x=1&payment_id=0193-ours");
    }
    assert_eq!(sandbox.get(&id).await["status"], "captured");
    let decided = sandbox.client.post(format!("{page}/decline")).send().await.unwrap();
    assert_eq!(decided.status(), 409);
}

#[tokio::test]
async fn declining_fails_the_payment() {
    let sandbox = Fixture::start_without_sender().await;
    let (id, page) = challenge(&sandbox).await;
    let answer = sandbox.client.post(format!("{page}/decline")).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let payment = sandbox.get(&id).await;
    assert_eq!(
        (&payment["status"], &payment["failure_code"]),
        (&"failed".into(), &"authentication_failed".into())
    );
}

#[tokio::test]
async fn there_is_no_page_for_an_unknown_payment() {
    let sandbox = Fixture::start_without_sender().await;
    let answer = sandbox.client.get(format!("{}/pay/pay_none", sandbox.base)).send().await.unwrap();
    assert_eq!(answer.status(), 404);
}
