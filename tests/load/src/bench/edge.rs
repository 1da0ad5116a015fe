//! The edge: what the gateway adds to a call, and what looking up a routing rule, verifying a token and
//! checking a permission cost.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use auth::{AccessTokenIssuer, AccessTokens, Caller, Permissions, Subject};
use contracts::Access;
use contracts::vbwd::wallet::v1::GetMyBalanceRequest;
use contracts::vbwd::wallet::v1::wallet_service_client::WalletServiceClient;
use ids::{SessionId, TenantId, UserId};
use jiff::Timestamp;
use routing::{Action, HostPattern, Question, Rule, Table, explain};
use tonic::metadata::AsciiMetadataValue;
use uuid::Uuid;

use crate::connection::Connection;
use crate::figures::Figures;
use crate::stand::Stand;
use crate::workload::{self, Worker};

const RULES: usize = 10_000;
const LOOKUPS: u32 = 200_000;
const VERIFICATIONS: u32 = 5_000;

struct Http {
    connection: Connection,
    token: String,
}

impl Worker for Http {
    async fn once(&mut self, _: usize) -> anyhow::Result<bool> {
        Ok(self.connection.get("/api/v1/wallet/balance", Some(&self.token)).await?.is_success())
    }
}

struct Grpc {
    client: WalletServiceClient<tonic::transport::Channel>,
    assertion: AsciiMetadataValue,
}

impl Worker for Grpc {
    async fn once(&mut self, _: usize) -> anyhow::Result<bool> {
        let mut request = tonic::Request::new(GetMyBalanceRequest::default());
        request.metadata_mut().insert(auth::METADATA_KEY, self.assertion.clone());
        Ok(self.client.get_my_balance(request).await.is_ok())
    }
}

/// The same read through the gateway and from the service by gRPC, one after the other over one
/// connection each. All services share a process here: behind the gateway the call is a function call,
/// directly it goes over TCP, so the difference is HTTP, JSON and the gateway's work against gRPC's.
pub async fn overhead(stand: &Stand, time: Duration, figures: &mut Figures) -> anyhow::Result<()> {
    let user = stand.users.first().context("a user")?;
    let mut connection = stand.connect().await?;
    let me = connection.get_json("/api/v1/me", Some(&user.token)).await?;
    let id = me["user"]["user_id"].as_str().context("a user id")?.parse()?;
    let http = Http { connection, token: user.token.clone() };
    figures.add_run("overhead.through_gateway", &workload::run(vec![http], time).await?, "req/s")?;
    let client = WalletServiceClient::new(stand.ledger_channel().await?);
    let grpc = Grpc { client, assertion: stand.assertion_of(id)?.parse()? };
    figures.add_run("overhead.direct_grpc", &workload::run(vec![grpc], time).await?, "req/s")
}

/// Looking up rules among ten thousand: of one tenant, and of a hundred.
pub fn lookup(figures: &mut Figures) -> anyhow::Result<()> {
    for (name, tenants) in [("one_tenant", 1), ("hundred_tenants", 100)] {
        let rules: Vec<Rule> = (0..RULES).map(|nth| rule(nth, tenants)).collect::<anyhow::Result<_>>()?;
        let hosts = (0..tenants).map(|nth| Ok((pattern(&format!("*.t{nth}.example"))?, tenant(nth))));
        let table = Table::new(hosts.collect::<anyhow::Result<Vec<_>>>()?, rules.clone(), []);
        let questions: Vec<Question> = (0..1_000).map(|nth| question(nth * 37, tenants)).collect();
        let found =
            questions.iter().filter(|asked| table.answer(asked).is_some_and(|answer| answer.rule.is_some()));
        anyhow::ensure!(found.count() > 900, "the questions miss the rules");
        let started = Instant::now();
        for nth in 0..LOOKUPS {
            black_box(table.answer(black_box(&questions[nth as usize % questions.len()])));
        }
        let each = started.elapsed() / LOOKUPS;
        figures.add(&format!("routing.lookup.10k.{name}_ns"), nanoseconds(each), "ns")?;
        if tenants == 1 {
            let started = Instant::now();
            for asked in questions.iter().take(20) {
                black_box(explain(&rules, asked));
            }
            figures.add("routing.naive.10k_ns", nanoseconds(started.elapsed() / 20), "ns")?;
        }
    }
    Ok(())
}

/// What knowing who calls and whether they may costs: the signature and claims of a token that was never
/// seen before, and one permission of a caller who holds forty.
pub fn authority(figures: &mut Figures) -> anyhow::Result<()> {
    const NOW: Timestamp = Timestamp::constant(1_795_435_200, 0);
    let issuer = AccessTokenIssuer::new("bench", &[7; 32])?;
    let tokens = AccessTokens::from_jwks(&[issuer.jwk()])?;
    let held = (0..40).map(|nth| format!("resource{nth}.write"));
    let somebody = |nth| Caller {
        subject: Subject::User(UserId::from_uuid(Uuid::from_u128(nth))),
        session: Some(SessionId::new()),
        ..Caller::anonymous(tenant(0))
    };
    let issued = (0..VERIFICATIONS).map(|nth| issuer.issue(&somebody(nth.into()), NOW, 300));
    let issued = issued.collect::<Result<Vec<_>, _>>()?;
    let started = Instant::now();
    for token in &issued {
        black_box(tokens.verify(black_box(token), tenant(0), NOW)?);
    }
    figures.add("authority.verify_token_ns", nanoseconds(started.elapsed() / VERIFICATIONS), "ns")?;
    let caller = Caller { permissions: Permissions::new(held)?, ..somebody(1) };
    let access = Access::Permission("resource20.write".to_owned());
    let started = Instant::now();
    for _ in 0..LOOKUPS {
        auth::permit(black_box(&caller), black_box(Some(&access)))?;
    }
    figures.add("authority.permission_check_ns", nanoseconds(started.elapsed() / LOOKUPS), "ns")
}

#[allow(clippy::cast_precision_loss, reason = "a figure to read")]
fn nanoseconds(time: Duration) -> f64 {
    time.as_nanos() as f64
}

fn tenant(nth: usize) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(nth as u128 + 1))
}

fn pattern(text: &str) -> anyhow::Result<HostPattern> {
    HostPattern::parse(text).context("a host")
}

fn rule(nth: usize, tenants: usize) -> anyhow::Result<Rule> {
    let (owner, number) = (nth % tenants, nth / tenants);
    let host = if number % 4 == 0 { String::new() } else { format!("h{}.t{owner}.example", number % 16) };
    Ok(Rule {
        id: Uuid::from_u128(nth as u128),
        tenant: tenant(owner),
        name: String::new(),
        enabled: true,
        priority: i32::try_from(number % 3)?,
        host: pattern(&host)?,
        path: format!("/section-{}/page-{}", number % 50, number / 50),
        locales: if number % 5 == 0 { vec!["de".to_owned()] } else { Vec::new() },
        countries: Vec::new(),
        action: Action::Rewrite { target: "/api/v1/x".to_owned() },
    })
}

fn question(nth: usize, tenants: usize) -> Question {
    let nth = nth % RULES;
    let (owner, number) = (nth % tenants, nth / tenants);
    let path = format!("/section-{}/page-{}/more/below", number % 50, number / 50);
    Question::new(&format!("h{}.t{owner}.example", number % 16), &path, "de-AT,en;q=0.5", Some("AT"))
}
