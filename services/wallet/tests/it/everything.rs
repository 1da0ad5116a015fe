//! A journal with operations of every kind, made by the domain's own writer.

use std::collections::BTreeSet;

use ids::OperationId;
use journal::{Chain, Row};
use smallvec::smallvec;
use uuid::Uuid;
use wallet_domain::samples::*;
use wallet_domain::*;

const HOUR_MS: i64 = 3_600_000;

/// A writer and what it has written.
pub struct Everything {
    pub writer: Writer,
    pub rows: Vec<Row>,
    pub batches: Vec<Batch>,
    chain: Chain,
    number: u32,
    at_ms: i64,
}

impl Everything {
    /// A journal of partition 0 with every kind of operation and some more batches of posts.
    pub fn new() -> Self {
        let writer = Writer::new(PartitionState::default(), 0);
        let mut all = Self {
            writer,
            rows: Vec::new(),
            batches: Vec::new(),
            chain: Chain::start(0),
            number: 1_000,
            at_ms: 0,
        };
        all.open_accounts();
        all.grant_and_spend();
        all.hold();
        all.change_settings();
        all.meter();
        all.convert_and_reverse();
        all.expire();
        for _ in 0..20 {
            for _ in 0..7 {
                all.post(2, 1);
            }
            all.cut();
        }
        let kinds: BTreeSet<_> =
            all.batches.iter().flat_map(|batch| &batch.operations).map(|operation| operation.kind).collect();
        assert_eq!(kinds.len(), Kind::ALL.len(), "a kind is missing: {kinds:?}");
        all
    }

    fn request(&self) -> Request {
        a_request_later(self.at_ms)
    }

    fn open(&mut self, terms: AccountTerms) {
        let request = self.request();
        self.writer.open_account(&request, &OpenAccount { terms }, NOON_MS).unwrap();
    }

    /// Does something and answers its id.
    pub fn run(&mut self, verb: Verb) -> OperationId {
        self.number += 1;
        let mut command = a_command(self.number, verb);
        if self.number.is_multiple_of(2) {
            command.operation = self.an_id_with_a_time();
        }
        command.note.metadata = r#"{"channel":"test"}"#.to_owned();
        let request = self.request();
        self.writer.execute(&request, &command, NOON_MS + self.at_ms).unwrap();
        command.operation
    }

    /// Every other id says when it was made, as a client's would.
    fn an_id_with_a_time(&self) -> OperationId {
        let (at_ms, number) = ((NOON_MS + self.at_ms).cast_unsigned(), u64::from(self.number));
        OperationId::from_uuid(Uuid::from_u64_pair(at_ms << 16 | 0x7000, 2 << 62 | number))
    }

    fn post(&mut self, user: u32, amount: i64) -> OperationId {
        let leg = Leg { debit: customer(user), credit: revenue(), amount };
        self.run(Verb::Post(smallvec![leg]))
    }

    pub fn cut(&mut self) {
        self.at_ms += 1_000;
        let (sequence, batch) = self.writer.cut().expect("something happened");
        let row = self.chain.seal(1, batch.to_payload());
        assert_eq!(row.sequence, sequence);
        self.rows.push(row);
        self.batches.push(batch);
    }

    fn open_accounts(&mut self) {
        for terms in [an_issuance(), a_customer(1), a_customer(2), a_customer(3)] {
            self.open(terms);
        }
        for kind in [AccountKind::Revenue, AccountKind::Breakage, AccountKind::Liquidity] {
            self.open(a_system(kind));
        }
        self.open(an_account_in_euro(1));
        self.open(AccountTerms::system(tenant(), AccountKind::Liquidity, "EUR".parse().unwrap()));
        self.cut();
    }

    fn grant_and_spend(&mut self) {
        let request = self.request();
        for grant in [a_grant(1, 1, 1_000, Some(HOUR_MS)), a_grant(2, 1, 500, None), a_grant(3, 2, 800, None)]
        {
            self.writer.execute(&request, &grant, NOON_MS).unwrap();
        }
        self.post(1, 100);
        self.cut();
        // The second gift joins the lot that the first one opened.
        for amount in [10, 5] {
            self.run(Verb::Transfer(Leg { debit: customer(1), credit: customer(2), amount }));
        }
        self.cut();
    }

    fn hold(&mut self) {
        let leg = |user| Leg { debit: customer(user), credit: revenue(), amount: 200 };
        let hold = self.run(Verb::Hold(Hold { leg: leg(1), expires_at_ms: None }));
        self.run(Verb::Hold(Hold { leg: leg(2), expires_at_ms: Some(NOON_MS + HOUR_MS) }));
        self.cut();
        self.run(Verb::Capture(Capture { hold, amount: Some(50), release_rest: false }));
        self.run(Verb::Release(Release { hold, amount: Some(25) }));
        self.cut();
        self.run(Verb::Capture(Capture { hold, amount: Some(75), release_rest: true }));
        self.run(Verb::Hold(Hold { leg: leg(1), expires_at_ms: None }));
        self.cut();
    }

    fn change_settings(&mut self) {
        let rule = LimitRule {
            name: "daily".to_owned(),
            asset: Some(Asset::TOKEN),
            verbs: Vec::new(),
            role: None,
            operation_max: Some(10_000),
            window: Some(LimitWindow { seconds: 86_400, amount_max: Some(100_000), count_max: None }),
            new_recipient: None,
        };
        self.run(Verb::SetLimits(vec![rule]));
        let change = |user, change| Verb::ChangeAccount(ChangeAccount { account: customer(user), change });
        self.run(change(3, AccountChange::Overdraft(50)));
        self.cut();
        self.post(3, 20);
        self.cut();
        // Lowered below what is owed: the customer is excused until it is covered.
        self.run(change(3, AccountChange::Overdraft(0)));
        let alerts = Alerts { low_below: Some(2_000), top_up_below: None, top_up_amount: 0 };
        self.run(change(2, AccountChange::Alerts(alerts)));
        self.cut();
    }

    fn meter(&mut self) {
        let meter = Meter {
            name: "requests".to_owned(),
            asset: Asset::TOKEN,
            per: 10,
            tiers: vec![Tier { up_to: Some(100), price: 5 }, Tier { up_to: None, price: 3 }],
            period: Period::Day,
            quota: Some(10_000),
        };
        self.run(Verb::PutMeter(Box::new(meter)));
        let (meter, account, credit) = ("requests".to_owned(), customer(1), revenue());
        let hold = self.run(Verb::ReserveUsage(ReserveUsage {
            meter: meter.clone(),
            account,
            credit,
            quantity: 150,
            expires_at_ms: None,
        }));
        self.cut();
        self.run(Verb::SettleUsage(SettleUsage { hold, quantity: 120 }));
        self.run(Verb::RecordUsage(RecordUsage { meter, account, credit, quantity: 7 }));
        self.cut();
    }

    fn convert_and_reverse(&mut self) {
        let to = an_account_in_euro(1).account;
        let convert = Convert { from: customer(1), to, amount: 30, rate_numerator: 3, rate_denominator: 2 };
        self.run(Verb::Convert(convert));
        let spent = self.post(2, 40);
        self.cut();
        let batch = self.batches.last().unwrap();
        let found = batch.recorded().find(|found| found.operation.id() == spent.as_uuid()).unwrap();
        let original = original(found, batch.time_of(found.operation));
        let parts = smallvec![Part { leg: 0, amount: 15 }];
        self.run(Verb::Reverse(Box::new(Reverse { original, parts })));
        self.cut();
    }

    fn expire(&mut self) {
        self.at_ms += 2 * HOUR_MS;
        let request = self.request();
        assert_eq!(self.writer.expire_due(&request, 100, NOON_MS + self.at_ms), Ok(2));
        self.cut();
    }
}

fn revenue() -> ids::AccountId {
    a_system(AccountKind::Revenue).account
}
