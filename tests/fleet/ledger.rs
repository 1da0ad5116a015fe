//! The ledger as merchants and customers use it, over HTTP: gifts, corrections, holds, statements.

use serde_json::{Value, json};

use crate::harness::{Customer, Ear, Fleet, books};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_give_tokens_and_merchants_correct_in_one_process() {
    Box::pin(gifts_and_corrections(&Fleet::in_process().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_give_tokens_and_merchants_correct_in_a_fleet_of_processes() {
    Box::pin(gifts_and_corrections(&Fleet::of_processes().await)).await;
}

async fn gifts_and_corrections(fleet: &Fleet) {
    let ear = Ear::on(fleet).await;
    let (giver, taker) = (Customer::new(fleet).await, Customer::new(fleet).await);
    let admin = Customer::admin(fleet).await;
    let (bundle, _) = giver.bundle("500").await;
    giver.buy_patiently(&bundle).await;
    giver.wait_for_tokens(500).await;

    let gift = json!({
        "recipient_user_id": user_id(&taker).await,
        "amount": "120",
        "kind": "TRANSFER_KIND_GIFT",
        "message": "Happy birthday",
    });
    let key = uuid::Uuid::now_v7().to_string();
    let given = giver.post_once("/api/v1/wallet/transfers", &key, gift.clone()).await.ok();
    assert_eq!(given["balance"]["available"], "380");
    let again = giver.post_once("/api/v1/wallet/transfers", &key, gift).await.ok();
    assert_eq!(again, given, "one gift, one answer");
    taker.wait_for_tokens(120).await;
    let operation = given["operation_id"].as_str().unwrap();
    let heard = ear.wait_for("tokens.transferred", operation).await;
    assert_eq!(heard["data"]["reference"], "Happy birthday");
    nobody_is_given_anything(&giver).await;

    let path = format!("/api/v1/admin/ledger/operations/{operation}/reversals");
    let undo = json!({"operation_id": uuid::Uuid::now_v7(), "reason": "fraud"});
    giver.post(&path, undo.clone()).await.refused(403, "permission_denied");
    admin.post(&path, undo).await.ok();
    giver.wait_for_tokens(500).await;
    taker.wait_for_tokens(0).await;
    the_statement_can_be_filtered(&giver).await;
    limits_hold_for_gifts(&admin, &giver, &taker).await;
    books::assert_balanced(fleet).await;
}

async fn user_id(customer: &Customer) -> String {
    let me = customer.get("/api/v1/me").await.ok();
    me["user"]["user_id"].as_str().unwrap().to_owned()
}

async fn nobody_is_given_anything(giver: &Customer) {
    let gift = |to: String, amount: &str| json!({"recipient_user_id": to, "amount": amount, "kind": "TRANSFER_KIND_TIP"});
    let key = || uuid::Uuid::now_v7().to_string();
    let path = "/api/v1/wallet/transfers";
    let nobody = uuid::Uuid::now_v7().to_string();
    giver.post_once(path, &key(), gift(nobody, "1")).await.refused(409, "recipient_unknown");
    let myself = user_id(giver).await;
    giver.post_once(path, &key(), gift(myself, "1")).await.refused(400, "invalid_input");
    giver
        .post(path, gift(uuid::Uuid::now_v7().to_string(), "1"))
        .await
        .refused(400, "idempotency_key_missing");
}

async fn the_statement_can_be_filtered(customer: &Customer) {
    let amounts = |statement: &Value| {
        let entries = statement["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["amount"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let balance = customer.get("/api/v1/wallet/balance").await.ok();
    let position = balance["balances"][0]["position"].as_str().unwrap().to_owned();
    let all = customer.get(&format!("/api/v1/wallet/statement?min_position={position}")).await.ok();
    assert_eq!(amounts(&all), ["120", "-120", "500"]);
    let out = "/api/v1/wallet/statement?filter.direction=ENTRY_DIRECTION_OUT";
    assert_eq!(amounts(&customer.get(out).await.ok()), ["-120"]);
    let gifts = "/api/v1/wallet/statement?filter.reason=gift";
    assert_eq!(amounts(&customer.get(gifts).await.ok()), ["-120"]);
}

async fn limits_hold_for_gifts(admin: &Customer, giver: &Customer, taker: &Customer) {
    let rules = json!([{
        "name": "new-friends",
        "asset": "TOKEN",
        "verbs": ["LIMITED_VERB_TRANSFER"],
        "operation_max": "50",
        "new_recipient_seconds": 86_400,
        "new_recipient_amount_max": "150",
    }]);
    let path = "/api/v1/admin/ledger/limits";
    let change = json!({"operation_id": uuid::Uuid::now_v7(), "rules": rules});
    giver.put(path, change.clone()).await.refused(403, "permission_denied");
    admin.put(path, change).await.ok();
    let to = user_id(taker).await;
    let give = |amount: &'static str| {
        let gift = json!({"recipient_user_id": to, "amount": amount, "kind": "TRANSFER_KIND_GIFT"});
        let key = uuid::Uuid::now_v7().to_string();
        async move { giver.post_once("/api/v1/wallet/transfers", &key, gift).await }
    };
    give("51").await.refused(409, "limit_exceeded");
    give("30").await.ok();
    // 120 were sent before and came back; what was sent to somebody new still counts.
    give("1").await.refused(409, "limit_exceeded");
    let none = json!({"operation_id": uuid::Uuid::now_v7(), "rules": []});
    admin.put(path, none).await.ok();
    give("1").await.ok();
}
