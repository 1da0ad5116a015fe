//! Requests that no well-meaning client sends: malformed, uneven, oversized, overflowing, unknown.
//!
//! Whatever comes in, the service answers: a status for a request that cannot be read, a result per
//! operation otherwise; and what is not acknowledged is not in the books, not even in part. At the
//! end the proof library looks at everything.
#![allow(clippy::cast_possible_truncation, reason = "dice are cut on purpose")]

use std::sync::Arc;

use auth::{AssertionKeys, Caller, Permissions, Subject};
use contracts::vbwd::wallet::v1::ledger_command::Command;
use contracts::vbwd::wallet::v1::ledger_service_client::LedgerServiceClient;
use contracts::vbwd::wallet::v1::*;
use ids::{OperationId, TenantId, UserId};
use kernel::{Clock as _, SystemClock};
use prost::Message as _;
use prost::bytes::{Buf as _, BufMut as _};
use runtime::{Channel, Directory, Drain, Environment, Platform};
use secrecy::SecretString;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use uuid::Uuid;
use wallet::Store;
use wallet::proof::{Source, verify_database};

const SECRET: &str = "a fleet secret of more than thirty-two characters";
const FUNDS: i64 = 1_000;

struct World {
    platform: Platform,
    tenant: TenantId,
    database: testkit::TestDatabase,
    _nats: testkit::Nats,
    /// Issuance, two customers and revenue in tokens; a customer in euro.
    accounts: Vec<Uuid>,
}

async fn world() -> World {
    let database = testkit::database(wallet::NAME, wallet::migrations()).await;
    let nats = testkit::nats();
    let bus = bus::Bus::connect(&nats.url(), "").await.unwrap();
    let secret = SecretString::from(SECRET.to_owned());
    let directory = Directory::new([wallet::NAME], []).unwrap();
    let config = database.config().clone();
    let platform =
        Platform::new(Environment::Test, Arc::new(SystemClock), secret, config, bus, directory, Drain::new())
            .unwrap();
    platform.install(wallet::service(&platform, wallet::Config::default()).await.unwrap());
    let mut world = World { platform, tenant: TenantId::new(), database, _nats: nats, accounts: Vec::new() };
    for (kind, asset) in [
        (AccountKind::Issuance, "TOKEN"),
        (AccountKind::Customer, "TOKEN"),
        (AccountKind::Customer, "TOKEN"),
        (AccountKind::Revenue, "TOKEN"),
        (AccountKind::Customer, "EUR"),
    ] {
        let account = world.open(kind, asset).await;
        world.accounts.push(account);
    }
    let funds = world.packed(&[(0, 1, FUNDS), (0, 2, FUNDS)]);
    assert_eq!(world.post_batch(funds).await.unwrap().done, 2);
    world
}

impl World {
    fn channel(&self) -> Channel {
        self.platform.peer("gateway", wallet::NAME).unwrap().channel()
    }

    fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel())
    }

    fn call<M>(&self, message: M) -> Request<M> {
        let keys = AssertionKeys::from_secret(&SecretString::from(SECRET.to_owned())).unwrap();
        let subject = Subject::User(UserId::new());
        let caller = Caller { permissions: Permissions::all(), subject, ..Caller::anonymous(self.tenant) };
        let assertion = keys.sign("gateway", &caller, SystemClock.wall()).unwrap();
        let mut request = Request::new(message);
        request.metadata_mut().insert(auth::METADATA_KEY, assertion.parse().unwrap());
        request
    }

    async fn open(&self, kind: AccountKind, asset: &str) -> Uuid {
        let is_customer = kind == AccountKind::Customer;
        let request = OpenAccountRequest {
            kind: kind as i32,
            asset: asset.to_owned(),
            owner_user_id: if is_customer { UserId::new().to_string() } else { String::new() },
            ..OpenAccountRequest::default()
        };
        let answer = self.ledger().open_account(self.call(request)).await.unwrap().into_inner();
        answer.account.unwrap().account_id.parse().unwrap()
    }

    /// Posts between accounts by their place; a place that is not there is an unknown account.
    fn packed(&self, posts: &[(usize, usize, i64)]) -> PostBatchRequest {
        let mut request = PostBatchRequest { reason: "adjustment".to_owned(), ..PostBatchRequest::default() };
        for (debit, credit, amount) in posts {
            let account = |place: &usize| self.accounts.get(*place).copied().unwrap_or(Uuid::from_u128(77));
            let halves = |id: Uuid| <[u64; 2]>::from(id.as_u64_pair());
            request.operation_ids.extend(halves(OperationId::new().as_uuid()));
            request.debit_account_ids.extend(halves(account(debit)));
            request.credit_account_ids.extend(halves(account(credit)));
            request.amounts.push(*amount);
        }
        request
    }

    async fn post_batch(&self, request: PostBatchRequest) -> Result<PostBatchResponse, Status> {
        self.ledger().post_batch(self.call(request)).await.map(tonic::Response::into_inner)
    }

    async fn execute_batch(&self, commands: Vec<LedgerCommand>) -> Result<ExecuteBatchResponse, Status> {
        let request = self.call(ExecuteBatchRequest { commands });
        self.ledger().execute_batch(request).await.map(tonic::Response::into_inner)
    }

    /// Balances by place, and how many batches the journal has.
    async fn books(&self) -> (Vec<i64>, i64) {
        let account_ids = self.accounts.iter().map(ToString::to_string).collect();
        let request = BatchGetBalancesRequest { account_ids, ..BatchGetBalancesRequest::default() };
        let found = self.ledger().batch_get_balances(self.call(request)).await.unwrap().into_inner();
        let batches = sqlx::query_scalar("SELECT count(*) FROM journal");
        let batches = batches.fetch_one(&self.database.superuser("wallet")).await.unwrap();
        (found.balances.iter().map(|balance| balance.posted).collect(), batches)
    }

    async fn assert_sound(&self) {
        let store = Store::new(self.database.pool("wallet"));
        let journal = wallet::chosen_journal(&wallet::Config::default(), &store).unwrap();
        let source = Source { store: &store, journal: &journal };
        let report = verify_database(&source, None, &[], i64::MAX).await.unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_cannot_be_read_is_refused_whole() {
    let world = world().await;
    let before = world.books().await;
    let good = || world.packed(&[(1, 3, 1), (1, 2, 1)]);
    type Spoil = fn(&mut PostBatchRequest);
    let spoils: [(&str, Spoil); 13] = [
        ("no operations", |request| *request = PostBatchRequest::default()),
        ("an id too few", |request| request.operation_ids.truncate(request.operation_ids.len() - 1)),
        ("an id too many", |request| request.operation_ids.push(1)),
        ("a debit too few", |request| {
            request.debit_account_ids.truncate(request.debit_account_ids.len() - 1)
        }),
        ("no debits", |request| request.debit_account_ids.clear()),
        ("a credit too many", |request| request.credit_account_ids.push(1)),
        ("no credits", |request| request.credit_account_ids.clear()),
        ("an amount too many", |request| request.amounts.push(1)),
        ("an amount too few", |request| request.amounts.truncate(request.amounts.len() - 1)),
        ("no operation id", |request| request.operation_ids[2..].fill(0)),
        ("too many", |request| {
            request.amounts = vec![1; 8_193];
            for column in
                [&mut request.operation_ids, &mut request.debit_account_ids, &mut request.credit_account_ids]
            {
                *column = vec![1; 16_386];
            }
        }),
        ("far too many", |request| request.amounts = vec![1; 300_000]),
        ("ids only", |request| {
            *request = PostBatchRequest { operation_ids: vec![1; 16_384], ..PostBatchRequest::default() };
        }),
    ];
    for (name, spoil) in spoils {
        let mut request = good();
        spoil(&mut request);
        let status = world.post_batch(request).await.expect_err(name);
        assert_eq!(status.code(), Code::InvalidArgument, "{name}: {status:?}");
    }
    let mut huge = good();
    huge.reference = "x".repeat(64 << 20);
    let status = world.post_batch(huge).await.unwrap_err();
    assert!(!matches!(status.code(), Code::Ok | Code::Unknown), "{status:?}");
    assert_eq!(world.books().await, before, "nothing was applied");
    world.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn impossible_posts_are_refused_one_by_one_and_the_others_are_done() {
    let world = world().await;
    let cases: [(usize, usize, i64, &str); 14] = [
        (1, 3, 10, ""),
        (1, 3, 0, "amount_not_positive"),
        (1, 3, -1, "amount_not_positive"),
        (1, 3, i64::MIN, "amount_not_positive"),
        (1, 3, i64::MAX, "insufficient_funds"),
        (0, 1, i64::MAX, "balance_out_of_range"),
        (99, 1, 1, "account_unknown"),
        (1, 99, 1, "account_unknown"),
        (1, 1, 1, "same_account"),
        (1, 4, 1, "asset_mismatch"),
        (4, 1, 1, "asset_mismatch"),
        (2, 3, FUNDS + 1, "insufficient_funds"),
        (2, 3, FUNDS, ""),
        (2, 3, 1, "insufficient_funds"),
    ];
    let posts: Vec<_> = cases.iter().map(|(debit, credit, amount, _)| (*debit, *credit, *amount)).collect();
    let request = world.packed(&posts);
    let answer = world.post_batch(request.clone()).await.unwrap();
    let mut codes = vec![""; cases.len()];
    for refused in &answer.refused {
        codes[refused.place as usize] = &refused.code;
        assert!(!refused.message.is_empty());
    }
    let expected: Vec<_> = cases.iter().map(|(.., code)| *code).collect();
    assert_eq!(codes, expected);
    assert_eq!(answer.done, 2);
    let (balances, _) = world.books().await;
    assert_eq!(balances, [-2 * FUNDS, FUNDS - 10, 0, FUNDS + 10, 0]);
    let again = world.post_batch(request.clone()).await.unwrap();
    assert_eq!((again.repeated.as_slice(), again.done), ([0, 12].as_slice(), 2), "repeated, not done again");
    let mut other = request;
    other.amounts[0] += 1;
    let reused = world.post_batch(other).await.unwrap();
    assert_eq!(reused.refused[0].code, "operation_id_reused");
    let twice = world.packed(&[(1, 3, 1)]);
    let mut doubled = twice.clone();
    doubled.operation_ids.extend(twice.operation_ids);
    doubled.debit_account_ids.extend(twice.debit_account_ids);
    doubled.credit_account_ids.extend(twice.credit_account_ids);
    doubled.amounts.extend(twice.amounts);
    assert_eq!(world.post_batch(doubled).await.unwrap().repeated, [1], "once within one batch");
    assert_eq!(world.books().await.0[3], FUNDS + 11);
    world.assert_sound().await;
}

/// The same numbers every time; any other seed must pass too.
struct Dice {
    state: u64,
    /// Whether what cannot even be read is sent, too.
    is_wild: bool,
}

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % sides
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len() as u64) as usize].clone()
    }

    fn amount(&mut self) -> i64 {
        let edge = self.one_of(&[0, -1, i64::MIN, i64::MAX, i64::MAX - 1, 1 << 62, 0xffff_ffff]);
        if self.roll(4) == 0 { edge } else { self.roll(300) as i64 }
    }

    fn id(&mut self, known: &[String]) -> String {
        let garbage =
            ["", "x", "00000000-0000-0000-0000-000000000000", "ÿ\0", "018f", "{", "'; DROP TABLE journal"];
        match self.roll(12) {
            _ if !self.is_wild => self.one_of(known),
            0 => self.one_of(&garbage).to_owned(),
            1 => OperationId::new().to_string(),
            2 => "9".repeat(70_000),
            _ => self.one_of(known),
        }
    }

    fn text(&mut self) -> String {
        match self.roll(8) {
            _ if !self.is_wild => "adjustment".to_owned(),
            0 => String::new(),
            1 => "\u{10ffff}\0\n".repeat(100),
            2 => "r".repeat(50),
            _ => "adjustment".to_owned(),
        }
    }

    /// Expiry, including times that no calendar has.
    fn time(&mut self) -> Option<prost_types::Timestamp> {
        let seconds = self.one_of(&[0, -1, i64::MAX, i64::MIN, 4_000_000_000]);
        let nanos = self.one_of(&[0, -1, i32::MAX, 999_999_999]);
        (self.is_wild && self.roll(3) == 0).then_some(prost_types::Timestamp { seconds, nanos })
    }

    fn command(&mut self, accounts: &[String], operations: &[String]) -> LedgerCommand {
        let operation_id =
            if self.roll(8) == 0 { self.id(operations) } else { OperationId::new().to_string() };
        let (reason, reference) = (self.text(), self.text());
        let metadata = if self.is_wild { self.one_of(&["", "[1]", "{"]) } else { "{\"a\":1}" }.to_owned();
        let mut account = || self.id(accounts);
        let (first, second) = (account(), account());
        let (amount, hold_id) = (self.amount(), self.id(operations));
        let command = match self.roll(8) {
            0 => Command::Post(PostRequest {
                operation_id,
                postings: (0..self.one_of(&[0, 1, 1, 1, 1, 2, 32, 33]))
                    .map(|_| Posting {
                        debit_account_id: self.id(accounts),
                        credit_account_id: self.id(accounts),
                        amount: self.amount(),
                    })
                    .collect(),
                reason,
                reference,
                metadata,
            }),
            1 => Command::Hold(HoldRequest {
                operation_id,
                account_id: first,
                credit_account_id: second,
                amount,
                expires_at: self.time(),
                reason,
                reference,
                metadata,
            }),
            2 => Command::Capture(CaptureRequest {
                operation_id,
                hold_id,
                amount,
                release_rest: self.roll(2) == 0,
                reason,
                reference,
                metadata,
            }),
            3 => Command::Release(ReleaseRequest {
                operation_id,
                hold_id,
                amount,
                reason,
                reference,
                metadata,
            }),
            4 => Command::Convert(ConvertRequest {
                operation_id,
                from_account_id: first,
                to_account_id: second,
                amount,
                rate_numerator: self.amount(),
                rate_denominator: self.amount(),
                reason,
                reference,
                metadata,
            }),
            5 => Command::Grant(GrantRequest {
                operation_id,
                debit_account_id: first,
                credit_account_id: second,
                amount,
                source: self.text(),
                priority: if self.is_wild {
                    self.one_of(&[0, 256, u32::MAX])
                } else {
                    self.one_of(&[0, 1, 255])
                },
                expires_at: self.time(),
                series: self.text(),
                roll_over: if self.is_wild { self.one_of(&[5, -1]) } else { self.one_of(&[0, 1, 2, 3, 4]) },
                roll_over_cap: self.amount(),
                reason,
                reference,
                metadata,
            }),
            6 => Command::Reverse(ReverseRequest {
                operation_id,
                reversed_operation_id: hold_id,
                parts: (0..self.roll(3))
                    .map(|_| ReversedPart { leg: self.one_of(&[0, 1, u32::MAX]), amount: self.amount() })
                    .collect(),
                reason,
                reference,
                metadata,
            }),
            _ if self.is_wild => return LedgerCommand::default(),
            _ => return self.command(accounts, operations),
        };
        LedgerCommand { command: Some(command) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_in_batches_of_every_kind_is_answered_and_nothing_is_applied_in_part() {
    let world = world().await;
    let accounts: Vec<_> = world.accounts.iter().map(ToString::to_string).collect();
    let (mut dice, mut operations) =
        (Dice { state: 0x5eed_1e55, is_wild: false }, vec![OperationId::new().to_string()]);
    let (mut refused, mut done, mut unread) = (0, 0, 0);
    for round in 0..250 {
        dice.is_wild = dice.roll(3) == 0;
        let size = dice.one_of(&[1, 1, 1, 2, 5, 12]);
        let commands: Vec<_> = (0..size).map(|_| dice.command(&accounts, &operations)).collect();
        let ids = commands.iter().filter_map(|command| match &command.command {
            Some(Command::Post(post)) => Some(post.operation_id.clone()),
            Some(Command::Hold(hold)) => Some(hold.operation_id.clone()),
            _ => None,
        });
        let ids: Vec<_> = ids.filter(|id| id.parse::<OperationId>().is_ok()).collect();
        let before = (round % 10 == 0).then_some(world.books().await);
        match world.execute_batch(commands).await {
            Ok(answer) => {
                assert_eq!(answer.results.len(), size, "a result per operation");
                done += answer.results.iter().filter(|result| result.code.is_empty()).count();
                refused += answer.results.iter().filter(|result| !result.code.is_empty()).count();
                operations.extend(ids);
            }
            Err(status) => {
                assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
                unread += 1;
                if let Some(before) = before {
                    assert_eq!(world.books().await, before, "nothing of a refused batch is applied");
                }
            }
        }
    }
    println!("{done} operations done, {refused} refused, {unread} batches could not be read");
    assert!(done > 50 && refused > 50 && unread > 50);
    world.assert_sound().await;
}

/// Sends bytes as they are.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_message_are_answered_with_a_status() {
    let world = world().await;
    let (mut dice, mut failed) = (Dice { state: 0xbad_5eed, is_wild: true }, 0);
    for round in 0..400_u32 {
        let posts: Vec<_> = (0..dice.roll(6)).map(|_| (1, 3, dice.amount())).collect();
        let mut bytes = world.packed(&posts).encode_to_vec();
        match dice.roll(4) {
            0 => bytes.truncate(dice.roll(bytes.len() as u64 + 1) as usize),
            1 => bytes = (0..dice.roll(200)).map(|_| dice.roll(256) as u8).collect(),
            _ => {
                for _ in 0..=dice.roll(6) {
                    let place = dice.roll(bytes.len().max(1) as u64) as usize;
                    bytes.get_mut(place).into_iter().for_each(|byte| *byte = dice.roll(256) as u8);
                }
            }
        }
        let path = if round % 2 == 0 { "PostBatch" } else { "ExecuteBatch" };
        let path = format!("/vbwd.wallet.v1.LedgerService/{path}").parse().unwrap();
        let mut client = tonic::client::Grpc::new(world.channel());
        client.ready().await.unwrap();
        if let Err(status) = client.unary(world.call(bytes), path, Raw).await {
            let is_clear = matches!(status.code(), Code::InvalidArgument | Code::Internal | Code::OutOfRange);
            assert!(is_clear && !status.message().contains("panic"), "{status:?}");
            let is_decoding = status.message().contains("decode") || status.message().contains("Protobuf");
            assert!(status.code() != Code::Internal || is_decoding, "{status:?}");
            failed += 1;
        }
    }
    println!("{failed} of 400 were refused");
    assert!(failed > 100);
    world.assert_sound().await;
}
