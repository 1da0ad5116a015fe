//! Signing keys.

use auth::AccessTokens;
use auth::Caller;
use contracts::vbwd::identity::v1::RotateSigningKeyRequest;
use contracts::vbwd::identity::v1::auth_service_client::AuthServiceClient;
use kernel::Clock;

use crate::fixtures::{OWNER, PASSWORD, World, platform, refused, world};

async fn rotate(world: &World, channel: runtime::Channel) -> String {
    let service = Caller::service("operator", world.tenant);
    let request = world.call(&service, RotateSigningKeyRequest {});
    let answer = AuthServiceClient::new(channel).rotate_signing_key(request).await;
    answer.unwrap().into_inner().key_id
}

async fn verifies(world: &World, token: &str) -> bool {
    let tokens = AccessTokens::from_jwks(&world.jwks().await).unwrap();
    tokens.verify(token, world.tenant, world.clock.wall()).is_ok()
}

#[tokio::test]
async fn tokens_signed_before_a_rotation_stay_valid_to_their_end() {
    let world = world().await;
    let before = world.log_in(OWNER, PASSWORD).await.unwrap();
    let first = world.jwks().await;
    assert_eq!(first.len(), 1);
    let key = rotate(&world, world.channel()).await;
    let after = world.log_in(OWNER, PASSWORD).await.unwrap();
    let both = world.jwks().await;
    assert_eq!((both.len(), &both[0].kid, &both[1].kid), (2, &key, &first[0].kid));
    assert!(verifies(&world, &before.access_token).await && verifies(&world, &after.access_token).await);
    assert!(world.refresh(&before.refresh_token).await.is_ok(), "rotation logs nobody out");
    world.pass(299);
    assert!(verifies(&world, &before.access_token).await);
    world.pass(60);
    assert_eq!(world.jwks().await.len(), 1, "no token of the old key is left");
    identity::build(&world.platform, world.config.clone()).unwrap().sweep().await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM signing_keys").await, 1);
}

#[tokio::test]
async fn another_process_follows_a_rotation() {
    let world = world().await;
    world.log_in(OWNER, PASSWORD).await.unwrap();
    let elsewhere =
        platform(world.database.config(), &world.nats, &world.clock, crate::fixtures::SECRET).await;
    elsewhere.install(identity::service(&elsewhere, world.config.clone()).await.unwrap());
    let channel = elsewhere.peer("gateway", identity::NAME).unwrap().channel();
    let key = rotate(&world, channel).await;
    world.pass(15);
    let session = world.log_in(OWNER, PASSWORD).await.unwrap();
    assert_eq!(world.jwks().await[0].kid, key);
    assert!(verifies(&world, &session.access_token).await);
}

#[tokio::test]
async fn an_old_key_is_replaced_by_itself_and_once() {
    let world = world().await;
    world.log_in(OWNER, PASSWORD).await.unwrap();
    let replicas: Vec<_> =
        (0..4).map(|_| identity::build(&world.platform, world.config.clone()).unwrap()).collect();
    let day = 24 * 60 * 60;
    for (days, keys) in [(29, 1), (2, 2), (1, 2)] {
        world.pass(days * day);
        let turns = replicas.iter().map(identity::Identity::rotate_when_due);
        futures::future::try_join_all(turns).await.unwrap();
        assert_eq!(world.count("SELECT count(*) FROM signing_keys").await, keys);
    }
}

#[tokio::test]
async fn parallel_first_uses_make_one_key() {
    let world = world().await;
    let outcomes = futures::future::join_all((0..20).map(|_| world.log_in(OWNER, PASSWORD))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(world.count("SELECT count(*) FROM signing_keys").await, 1);
}

#[tokio::test]
async fn keys_sealed_under_another_fleet_secret_are_not_used() {
    let world = world().await;
    world.log_in(OWNER, PASSWORD).await.unwrap();
    let secret = "quite another secret of more than thirty-two characters";
    let stranger = platform(world.database.config(), &world.nats, &world.clock, secret).await;
    let identity = identity::build(&stranger, world.config.clone()).unwrap();
    assert_eq!(refused(identity.rotate_when_due().await), "internal");
    assert_eq!(world.count("SELECT count(*) FROM signing_keys").await, 1);
}
