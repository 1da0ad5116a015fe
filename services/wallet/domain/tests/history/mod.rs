//! One batch in which everything happens that can happen.
#![allow(dead_code)]

use ids::AccountId;
use smallvec::smallvec;
use wallet_domain::samples::{
    NOON_MS, a_capture, a_command, a_customer, a_grant, a_hold, a_post, a_release, a_request,
    a_request_later, a_system, an_account_in_euro, an_issuance, an_operation, customer, issuance, tenant,
};
use wallet_domain::{
    AccountChange, AccountKind, AccountTerms, Alerts, Asset, Batch, ChangeAccount, Convert, Leg, LimitRule,
    LimitWindow, LimitedVerb, Meter, NewRecipient, OpenAccount, Original, OriginalLeg, Part, PartitionState,
    Period, RecordUsage, ReserveUsage, Reverse, SettleUsage, Tier, Verb, Writer,
};

fn chart() -> Vec<AccountTerms> {
    let euro = an_account_in_euro(1);
    let liquidity = AccountTerms::system(tenant(), AccountKind::Liquidity, euro.asset);
    let systems = [AccountKind::Revenue, AccountKind::Breakage, AccountKind::Liquidity].map(a_system);
    let others = [an_issuance(), a_customer(1), a_customer(2), euro, liquidity];
    others.into_iter().chain(systems).collect()
}

fn revenue() -> AccountId {
    a_system(AccountKind::Revenue).account
}

fn settings() -> Vec<Verb> {
    let rule = LimitRule {
        name: "daily".to_owned(),
        asset: Some(Asset::TOKEN),
        verbs: vec![LimitedVerb::Spend, LimitedVerb::Transfer],
        role: None,
        operation_max: Some(500),
        window: Some(LimitWindow { seconds: 86_400, amount_max: Some(9_000), count_max: Some(100) }),
        new_recipient: Some(NewRecipient { seconds: 3_600, amount_max: 50 }),
    };
    let tiers = vec![Tier { up_to: Some(10), price: 3 }, Tier { up_to: None, price: 1 }];
    let (name, asset) = ("calls".to_owned(), Asset::TOKEN);
    let meter = Meter { name, asset, per: 1, tiers, period: Period::Month, quota: Some(1_000) };
    let alerts = Alerts { low_below: Some(120), top_up_below: Some(60), top_up_amount: 100 };
    let change = |change| Verb::ChangeAccount(ChangeAccount { account: customer(1), change });
    vec![
        Verb::SetLimits(vec![rule]),
        Verb::PutMeter(Box::new(meter)),
        change(AccountChange::Overdraft(20)),
        change(AccountChange::Alerts(alerts)),
    ]
}

fn undoing() -> Verb {
    let leg = OriginalLeg { debit: 0, credit: 1, amount: 100, taken: Vec::new(), given: Vec::new() };
    let original = Original {
        operation: an_operation(10),
        reversible: true,
        divisible: true,
        at_ms: NOON_MS,
        legs: vec![leg],
    };
    Verb::Reverse(Box::new(Reverse { original, parts: smallvec![Part { leg: 0, amount: 40 }] }))
}

/// The batch; its first operation that posts issues 100 to the first user.
pub fn a_batch_of_everything() -> Batch {
    let mut writer = Writer::new(PartitionState::default(), 0);
    for terms in chart() {
        writer.open_account(&a_request(), &OpenAccount { terms }, NOON_MS).unwrap();
    }
    let (meter, credit) = ("calls".to_owned(), revenue());
    let record = RecordUsage { meter: meter.clone(), account: customer(1), credit, quantity: 2 };
    let reserve = ReserveUsage {
        meter,
        account: customer(1),
        credit,
        quantity: 5,
        expires_at_ms: Some(NOON_MS + 9_000),
    };
    let convert = Convert {
        from: customer(1),
        to: an_account_in_euro(1).account,
        amount: 9,
        rate_numerator: 2,
        rate_denominator: 4,
    };
    let mut commands: Vec<_> = (1..).zip(settings()).map(|(number, verb)| a_command(number, verb)).collect();
    commands.extend([
        a_post(10, issuance(), customer(1), 100),
        a_grant(11, 1, 50, Some(1_000)),
        a_hold(12, 1, 30, Some(500)),
        a_capture(13, 12, Some(10), false),
        a_release(14, 12, Some(5)),
        a_command(15, Verb::Transfer(Leg { debit: customer(1), credit: customer(2), amount: 7 })),
        a_command(22, Verb::Transfer(Leg { debit: customer(1), credit: customer(2), amount: 3 })),
        a_command(16, Verb::Convert(convert)),
        a_command(17, Verb::RecordUsage(record)),
        a_command(18, Verb::ReserveUsage(reserve)),
        a_command(19, Verb::SettleUsage(SettleUsage { hold: an_operation(18), quantity: 3 })),
        a_command(20, undoing()),
    ]);
    for command in &commands {
        writer.execute(&a_request(), command, NOON_MS).unwrap();
    }
    writer.expire_due(&a_request_later(1_000), 10, NOON_MS).unwrap();
    writer.execute(&a_request_later(1_000), &a_hold(21, 1, 4, None), NOON_MS).unwrap();
    writer.cut().unwrap().1
}
