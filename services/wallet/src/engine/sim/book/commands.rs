//! Which legs a command must lead to, and what it does to holds, limits and meters.

use ids::{AccountId, OperationId, TenantId};
use uuid::Uuid;
use wallet_domain::{
    AccountChange, AccountKind, Capture, Command, Freeze, Kind, Leg, LimitedVerb, Recorded, Reverse, Verb,
    system_account,
};

use super::super::rules::Gives;
use super::{Book, Entry, Hold, fail};

impl Book {
    /// The legs that a command must lead to.
    pub(super) fn obey(
        &mut self,
        tenant: TenantId,
        entry: &Entry<'_>,
        command: &Command,
        roles: &[String],
        left: &mut i64,
    ) -> Result<Vec<Leg>, String> {
        let at_ms = entry.at_ms;
        let operation = command.operation;
        let spend = (LimitedVerb::Spend, roles, at_ms);
        Ok(match &command.verb {
            Verb::Post(legs) => {
                let mut given: Vec<(AccountId, i64)> = Vec::new();
                for leg in legs {
                    match given.iter_mut().find(|(account, _)| *account == leg.debit) {
                        Some((_, amount)) => *amount = amount.saturating_add(leg.amount),
                        None => given.push((leg.debit, leg.amount)),
                    }
                }
                for (account, amount) in given {
                    self.give(account, amount, spend)?;
                }
                legs.to_vec()
            }
            Verb::Transfer(leg) => {
                self.give(leg.debit, leg.amount, (LimitedVerb::Transfer, roles, at_ms))?;
                let asset = self.account(leg.debit)?.asset;
                let (account, amount, verb) = (leg.debit, leg.amount, LimitedVerb::Transfer);
                let gives = Gives { tenant, account, asset, verb, amount, roles, at_ms };
                self.rules.send(&gives, leg.credit)?;
                vec![*leg]
            }
            Verb::Hold(hold) => {
                self.give(hold.leg.debit, hold.leg.amount, spend)?;
                *left = hold.leg.amount;
                self.place(operation, hold.leg, hold.expires_at_ms, None)?
            }
            Verb::Capture(Capture { hold, amount, release_rest }) => {
                let all = self.hold(*hold)?.left;
                let amount = amount.unwrap_or(all);
                let released = if *release_rest { all - amount } else { 0 };
                let legs = self.reduce(*hold, amount, released)?;
                *left = all - amount - released;
                legs
            }
            Verb::Release(release) => {
                let all = self.hold(release.hold)?.left;
                let amount = release.amount.unwrap_or(all);
                *left = all - amount;
                self.reduce(release.hold, 0, amount)?
            }
            Verb::Reverse(reverse) => self.reverse(reverse)?,
            Verb::Convert(convert) => {
                self.give(convert.from, convert.amount, (LimitedVerb::Convert, roles, at_ms))?;
                let product = i128::from(convert.amount) * i128::from(convert.rate_numerator);
                let result =
                    i64::try_from(product / i128::from(convert.rate_denominator)).unwrap_or(i64::MAX);
                let liquidity = |asset| system_account(tenant, AccountKind::Liquidity, asset);
                let sink = liquidity(self.account(convert.from)?.asset);
                let source = liquidity(self.account(convert.to)?.asset);
                let sold = Leg { debit: convert.from, credit: sink, amount: convert.amount };
                vec![sold, Leg { debit: source, credit: convert.to, amount: result }]
            }
            Verb::Grant(grant) => {
                let mut legs = self.rolled_over(tenant, grant.leg.credit, entry.recorded)?;
                legs.push(grant.leg);
                legs
            }
            Verb::ChangeAccount(change) => {
                let figures = &mut self.account_mut(change.account)?.figures;
                match change.change {
                    AccountChange::Freeze(Freeze::None) => figures.status = 0,
                    AccountChange::Freeze(Freeze::Debits) => figures.status = 1,
                    AccountChange::Freeze(Freeze::All) => figures.status = 2,
                    AccountChange::Close if (figures.balance, figures.held) != (0, 0) => {
                        return fail("an account that is not empty was closed");
                    }
                    AccountChange::Close => figures.status = 3,
                    AccountChange::Overdraft(most) => figures.overdraft = most,
                    AccountChange::Alerts(_) => {}
                }
                Vec::new()
            }
            Verb::SetLimits(rules) => {
                self.rules.set(tenant, rules);
                Vec::new()
            }
            Verb::PutMeter(meter) => {
                self.rules.put(tenant, meter);
                Vec::new()
            }
            Verb::ReserveUsage(usage) => {
                let who = (tenant, usage.account);
                let amount = self.rules.reserve(who, &usage.meter, usage.quantity, at_ms)?;
                self.give(usage.account, amount, spend)?;
                let leg = Leg { debit: usage.account, credit: usage.credit, amount };
                *left = amount;
                self.place(operation, leg, usage.expires_at_ms, Some((usage.meter.clone(), usage.quantity)))?
            }
            Verb::SettleUsage(settle) => {
                let hold = self.hold(settle.hold)?;
                let (account, all) = (hold.leg.debit, hold.left);
                let Some((meter, _)) = hold.usage.clone() else { return fail("it reserves nothing") };
                let cost = self.rules.count((tenant, account), &meter, (settle.quantity, true), at_ms)?;
                let charged = cost.min(all);
                self.reduce(settle.hold, charged, all - charged)?
            }
            Verb::RecordUsage(usage) => {
                let who = (tenant, usage.account);
                let amount = self.rules.count(who, &usage.meter, (usage.quantity, false), at_ms)?;
                self.give(usage.account, amount, spend)?;
                let leg = Leg { debit: usage.account, credit: usage.credit, amount };
                Some(leg).filter(|leg| leg.amount > 0).into_iter().collect()
            }
            Verb::Expire(_) => return fail("only the ledger lets things expire"),
        })
    }

    fn place(
        &mut self,
        operation: OperationId,
        leg: Leg,
        expires_at_ms: Option<i64>,
        usage: Option<(String, i64)>,
    ) -> Result<Vec<Leg>, String> {
        self.account_mut(leg.debit)?.figures.held += leg.amount;
        self.holds.insert(operation, Hold { leg, left: leg.amount, expires_at_ms, usage });
        Ok(Vec::new())
    }

    fn reduce(&mut self, id: OperationId, captured: i64, released: i64) -> Result<Vec<Leg>, String> {
        let Some(hold) = self.holds.get_mut(&id) else { return fail(format!("there is no hold {id}")) };
        hold.left -= captured + released;
        let (leg, left) = (Leg { amount: captured, ..hold.leg }, hold.left);
        if left < 0 || captured < 0 || released < 0 {
            return fail("more than was held");
        }
        if left == 0
            && let Some(Hold { usage: Some((meter, quantity)), .. }) = self.holds.remove(&id)
        {
            self.rules.unreserve(leg.debit, &meter, quantity);
        }
        self.account_mut(leg.debit)?.figures.held -= captured + released;
        Ok(Some(leg).filter(|leg| leg.amount > 0).into_iter().collect())
    }

    fn reverse(&mut self, reverse: &Reverse) -> Result<Vec<Leg>, String> {
        let original = reverse.original.operation;
        let Some(legs) = self.log.get_mut(&original) else { return fail("the original is not there") };
        let mut back = Vec::new();
        for (place, (leg, undone)) in legs.iter_mut().enumerate() {
            let parts = reverse.parts.iter().filter(|part| part.leg as usize == place);
            let asked = parts.map(|part| part.amount).sum();
            let amount = if reverse.parts.is_empty() { leg.amount - *undone } else { asked };
            *undone += amount;
            if *undone > leg.amount {
                return fail(format!("more of {original} was undone than was done"));
            }
            if amount > 0 {
                back.push(Leg { debit: leg.credit, credit: leg.debit, amount });
            }
        }
        Ok(back)
    }

    /// What of earlier grants went to breakage before the grant itself.
    fn rolled_over(
        &self,
        tenant: TenantId,
        account: AccountId,
        recorded: Recorded<'_>,
    ) -> Result<Vec<Leg>, String> {
        let breakage = system_account(tenant, AccountKind::Breakage, self.account(account)?.asset);
        let before = recorded.postings.len().saturating_sub(1);
        let rolled = recorded.postings.iter().take(before);
        Ok(rolled.map(|posting| Leg { debit: account, credit: breakage, amount: posting.amount }).collect())
    }

    pub(super) fn expire(&mut self, tenant: TenantId, entry: &Entry<'_>) -> Result<Vec<Leg>, String> {
        let operation = entry.recorded.operation;
        let is_due = |expires: Option<i64>| expires.is_some_and(|expires| expires <= entry.at_ms);
        let id = operation.reference.split_once('/').and_then(|(_, id)| Uuid::try_parse(id).ok());
        let Some(id) = id else { return fail("nobody has sent it") };
        match Kind::numbered(operation.kind) {
            Some(Kind::ExpireHold) => {
                let hold = self.hold(OperationId::from_uuid(id))?;
                let (left, due) = (hold.left, is_due(hold.expires_at_ms));
                if !due {
                    return fail("the hold is not due");
                }
                self.reduce(OperationId::from_uuid(id), 0, left)
            }
            Some(Kind::ExpireLot) => {
                let Some(lot) = self.lots.get(&id).filter(|lot| is_due(lot.expires_at_ms) && lot.free > 0)
                else {
                    return fail("the lot is not due");
                };
                let asset = self.account(lot.account)?.asset;
                let credit = system_account(tenant, AccountKind::Breakage, asset);
                Ok(vec![Leg { debit: lot.account, credit, amount: lot.free }])
            }
            _ => fail("nobody has sent it"),
        }
    }
}
