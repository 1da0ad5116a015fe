//! Whose payment it is.

use auth::{Caller, Permissions, Subject};
use contracts::vbwd::payments::v1::*;
use fault::{Code, Fault};
use ids::{TenantId, UserId};

use crate::fixtures::{World, webhooks_only};

async fn read(world: &World, caller: &Caller, payment_id: &str) -> Result<Payment, Fault> {
    let message = GetPaymentRequest { payment_id: payment_id.to_owned() };
    Ok(world.payments().get_payment(world.request(caller, message)).await?.into_inner().payment.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_seen_by_its_owner_and_those_who_may_read_any() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_card").await.payment_id;
    let stranger = Caller { subject: Subject::User(UserId::new()), ..world.customer() };
    let support = Caller { permissions: Permissions::new(["payments.read"]).unwrap(), ..stranger.clone() };
    let elsewhere = Caller { tenant: TenantId::new(), ..support.clone() };
    assert!(read(&world, &world.customer(), &payment).await.is_ok());
    assert!(read(&world, &support, &payment).await.is_ok());
    for caller in [stranger, elsewhere] {
        let refused = read(&world, &caller, &payment).await.unwrap_err();
        assert_eq!((refused.code(), refused.reason()), (Code::NotFound, "payment_not_found"));
    }
    let nobody = read(&world, &Caller::anonymous(world.tenant), &payment).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_of_another_tenant_sees_no_row_in_any_table() {
    let world = World::start(webhooks_only()).await;
    world.pay("sandbox_card").await;
    world.wait_for_inbox(1).await;
    let pool = world.database.pool("payments");
    for (tenant, sees) in [(world.tenant, true), (TenantId::new(), false)] {
        for table in ["payments", "webhook_inbox", "events"] {
            let mut transaction = pool.begin().await.unwrap();
            let setting = format!("SET LOCAL vbwd.tenant_id = '{tenant}'");
            sqlx::query(sqlx::AssertSqlSafe(setting)).execute(&mut *transaction).await.unwrap();
            let count = format!("SELECT count(*) FROM {table}");
            let rows: i64 =
                sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&mut *transaction).await.unwrap();
            assert_eq!(rows > 0, sees, "{table}");
        }
    }
}
