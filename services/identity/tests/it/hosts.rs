//! Proof that a host belongs to a tenant: looked for on a real server, refused inside, raced for by two
//! tenants, given up and begun again; an operator needs none, nor does a developer.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use auth::Caller;
use contracts::vbwd::identity::v1::tenant_settings_service_client::TenantSettingsServiceClient;
use contracts::vbwd::identity::v1::*;
use identity::Config;
use identity::config::Hosts;

use crate::fixtures::{OWNER, World, answer, quick, refused, world, world_with};

/// The web server of whoever owns `localhost`.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<HashMap<String, (&'static str, String)>>>);

impl Pages {
    /// Serves on a free port, which it answers.
    fn serve() -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (pages, port) = (Self::default(), listener.local_addr().unwrap().port());
        let serving = pages.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let page = serving.0.lock().unwrap().get(&path).cloned();
                let (status, body) = page.unwrap_or(("404 Not Found", String::new()));
                let location = if status.starts_with('3') { "location: /proof\r\n" } else { "" };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\n{location}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        (pages, port)
    }

    fn put(&self, claim: &HostClaim, status: &'static str, body: &str) {
        let url = url::Url::parse(&claim.proof_url).unwrap();
        self.0.lock().unwrap().insert(url.path().to_owned(), (status, body.to_owned()));
    }

    fn prove(&self, claim: &HostClaim) {
        self.put(claim, "200 OK", &format!("{}\n", claim.proof_content));
    }
}

/// A world that may speak to this machine, and what `localhost` serves.
async fn open_world() -> (World, Pages) {
    let (pages, port) = Pages::serve();
    let networks = vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()];
    let hosts = Hosts { allow_http: true, allowed_networks: networks, port, ..Hosts::default() };
    (world_with(Config { hosts, ..quick() }).await, pages)
}

impl World {
    fn settings(&self) -> TenantSettingsServiceClient<runtime::Channel> {
        TenantSettingsServiceClient::new(self.channel())
    }

    pub async fn claim(&self, caller: &Caller, host: &str) -> fault::Result<HostClaim> {
        let request = self.call(caller, ClaimHostRequest { host: host.to_owned() });
        answer(self.settings().claim_host(request).await).map(|answer| answer.claim.unwrap())
    }

    async fn verify(&self, caller: &Caller, host: &str) -> fault::Result<HostClaim> {
        let request = self.call(caller, VerifyHostRequest { host: host.to_owned() });
        answer(self.settings().verify_host(request).await).map(|answer| answer.claim.unwrap())
    }

    async fn release(&self, caller: &Caller, host: &str) -> fault::Result<ReleaseHostResponse> {
        let request = self.call(caller, ReleaseHostRequest { host: host.to_owned() });
        answer(self.settings().release_host(request).await)
    }

    async fn claims(&self, caller: &Caller) -> Vec<HostClaim> {
        let request = self.call(caller, ListHostClaimsRequest {});
        answer(self.settings().list_host_claims(request).await).unwrap().claims
    }

    /// What every process does twice a minute.
    async fn look(&self) {
        identity::build(&self.platform, self.config.clone()).unwrap().look_for_hosts().await.unwrap();
    }
}

fn desk(world: &World, other: bool) -> Caller {
    Caller::service("desk", if other { world.other } else { world.tenant })
}

#[tokio::test]
async fn a_tenant_answers_on_a_host_once_it_has_proven_it() {
    let (world, pages) = open_world().await;
    let owner = world.signed_in(OWNER).await;
    let claim = world.claim(&owner, "localhost").await.unwrap();
    assert_eq!((claim.status.as_str(), claim.checked_at), ("pending", None));
    assert_eq!(world.claim(&owner, "localhost").await.unwrap(), claim, "claimed again it stays the same");
    assert_eq!(refused(world.resolve("localhost").await), "tenant_not_found");
    for (status, body, failure) in [
        ("404 Not Found", claim.proof_content.as_str(), "not_found"),
        ("301 Moved Permanently", "", "not_found"),
        ("200 OK", "something else", "wrong_content"),
        ("200 OK", &format!("{} and more", claim.proof_content), "wrong_content"),
        ("200 OK", &claim.proof_content.repeat(100), "wrong_content"),
    ] {
        pages.put(&claim, status, body);
        let looked = world.verify(&owner, "localhost").await.unwrap();
        assert_eq!((looked.status.as_str(), looked.failure.as_str()), ("pending", failure), "{status}");
    }
    assert_eq!(refused(world.resolve("localhost").await), "tenant_not_found");
    pages.prove(&claim);
    assert_eq!(world.verify(&owner, "localhost").await.unwrap().status, "verified");
    assert_eq!(world.resolve("localhost").await.unwrap().tenant_id, world.tenant.to_string());
    let audited = "SELECT count(*) FROM audit_entries WHERE action = 'tenant.verify_host'";
    assert_eq!(world.count(audited).await, 6);
    world.release(&owner, "localhost").await.unwrap();
    assert_eq!(refused(world.resolve("localhost").await), "tenant_not_found");
    assert_eq!(refused(world.release(&owner, "localhost").await), "host_not_found");
    assert_eq!(refused(world.verify(&owner, "localhost").await), "host_not_found");
    assert_eq!(refused(world.claim(&owner, "two.example").await), "host_taken");
    assert_eq!(refused(world.claim(&owner, "a b").await), "invalid_input");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_prove_a_host_at_once_one_has_it() {
    let (world, pages) = open_world().await;
    let (one, two) = (desk(&world, false), desk(&world, true));
    let mine = world.claim(&one, "localhost").await.unwrap();
    let theirs = world.claim(&two, "localhost").await.unwrap();
    assert_ne!(mine.proof_url, theirs.proof_url, "each proves at an address of its own");
    pages.put(&theirs, "200 OK", &mine.proof_content);
    assert_eq!(world.verify(&two, "localhost").await.unwrap().failure, "wrong_content", "the other's proof");
    pages.prove(&mine);
    pages.prove(&theirs);
    let looks = (0..10).map(|look| world.verify(if look % 2 == 0 { &one } else { &two }, "localhost"));
    for claim in futures::future::join_all(looks).await {
        let claim = claim.unwrap();
        assert!(claim.status == "verified" || claim.failure == "host_taken", "{claim:?}");
    }
    let verified = "SELECT count(*) FROM host_claims WHERE status = 'verified'";
    assert_eq!(world.count(verified).await, 1);
    assert_eq!(world.count("SELECT count(*) FROM tenant_hosts WHERE host = 'localhost'").await, 1);
}

#[tokio::test]
async fn proofs_are_looked_for_ever_more_rarely_until_the_claim_has_failed() {
    let (world, pages) = open_world().await;
    let owner = desk(&world, false);
    world.claim(&owner, "localhost").await.unwrap();
    let checks = || async { world.claims(&owner).await.remove(0) };
    world.look().await;
    assert!(checks().await.checked_at.is_none(), "not yet");
    world.pass(60);
    tokio::join!(world.look(), world.look());
    let looked = checks().await;
    assert_eq!((looked.status.as_str(), looked.failure.as_str()), ("pending", "not_found"));
    let wait = looked.next_check_at.unwrap().seconds - looked.checked_at.unwrap().seconds;
    assert_eq!(wait, 60, "two processes have looked once");
    world.pass(73 * 60 * 60);
    world.look().await;
    let failed = checks().await;
    assert_eq!((failed.status.as_str(), failed.next_check_at), ("failed", None));
    pages.prove(&failed);
    world.pass(24 * 60 * 60);
    world.look().await;
    assert_eq!(checks().await.status, "failed", "nobody looks any more");
    assert_eq!(world.verify(&owner, "localhost").await.unwrap().status, "verified", "unless asked to");
}

#[tokio::test]
async fn a_proof_is_found_without_anybody_asking() {
    let (world, pages) = open_world().await;
    let claim = world.claim(&desk(&world, false), "localhost").await.unwrap();
    pages.prove(&claim);
    world.pass(60);
    world.look().await;
    assert_eq!(world.resolve("localhost").await.unwrap().tenant_id, world.tenant.to_string());
}

#[tokio::test]
async fn nothing_inside_is_spoken_to_and_trusted_hosts_need_no_proof() {
    let world = world().await;
    let owner = desk(&world, false);
    world.claim(&owner, "127.0.0.1").await.unwrap();
    let inside = world.verify(&owner, "127.0.0.1").await.unwrap();
    assert_eq!(inside.failure, "address_not_allowed", "by number");
    world.claim(&owner, "localhost").await.unwrap();
    assert_eq!(world.verify(&owner, "localhost").await.unwrap().failure, "unreachable", "by name");
    let hosts = Hosts { without_proof: vec!["localhost".to_owned()], ..Hosts::default() };
    let world = world_with(Config { hosts, ..quick() }).await;
    assert_eq!(world.claim(&desk(&world, false), "shop.localhost").await.unwrap().status, "verified");
    assert_eq!(world.claim(&desk(&world, false), "shop.example").await.unwrap().status, "pending");
    assert!(world.resolve("shop.localhost").await.is_ok());
}
