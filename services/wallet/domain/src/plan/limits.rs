//! Limits and alerts within a plan.

use super::Plan;
use crate::effect::{Alerted, Change, Counted, Sent};
use crate::state::{Watch, Window};
use crate::{AccountKind, Alerts, LimitRule, LimitedVerb, NewRecipient, Rejection};

impl Plan<'_> {
    /// Refuses what a limit forbids and counts what it allows, for every customer that gives.
    pub(crate) fn limit_debits(&mut self, verb: LimitedVerb, roles: &[String]) -> Result<(), Rejection> {
        if self.books().is_none_or(|books| books.limits.is_empty()) {
            return Ok(());
        }
        let mut given: Vec<(u32, i64)> = Vec::new();
        for posting in &self.facts.postings {
            match given.iter_mut().find(|(account, _)| *account == posting.debit) {
                Some((_, amount)) => *amount = amount.saturating_add(posting.amount),
                None => given.push((posting.debit, posting.amount)),
            }
        }
        given.into_iter().try_for_each(|(account, amount)| self.limit(verb, account, amount, roles))
    }

    /// Refuses what a limit forbids and counts what it allows.
    pub(crate) fn limit(
        &mut self,
        verb: LimitedVerb,
        number: u32,
        amount: i64,
        roles: &[String],
    ) -> Result<(), Rejection> {
        let Some(books) = self.books().filter(|books| !books.limits.is_empty()) else { return Ok(()) };
        let place = self.touch(number)?;
        let row = *self.row(place);
        if row.kind != AccountKind::Customer {
            return Ok(());
        }
        let asset = self.asset(&row);
        for rule in books.limits.iter().filter(|rule| rule.applies(verb, asset, roles)) {
            let refused = |limit, used| Rejection::LimitExceeded {
                account: row.id(),
                rule: rule.name.clone(),
                limit,
                used,
                needed: amount,
            };
            if let Some(most) = rule.operation_max.filter(|most| amount > *most) {
                return Err(refused(most, 0));
            }
            self.limit_window(number, amount, rule, &refused)?;
        }
        Ok(())
    }

    fn limit_window(
        &mut self,
        number: u32,
        amount: i64,
        rule: &LimitRule,
        refused: &impl Fn(i64, i64) -> Rejection,
    ) -> Result<(), Rejection> {
        let Some(window) = rule.window else { return Ok(()) };
        let slice_ms = window.slice_ms();
        let counted = self.state.counters.windows.get(&(number, rule.key()));
        let (units, times) = counted.unwrap_or(&Window::default()).total(slice_ms, self.at_ms());
        if let Some(most) = window.amount_max.filter(|most| units.saturating_add(amount) > *most) {
            return Err(refused(most, units));
        }
        if let Some(most) = window.count_max.filter(|most| times >= *most) {
            return Err(Rejection::TooManyOperations { rule: rule.name.clone(), limit: most });
        }
        self.note(Change::Counted(Counted { account: number, rule: rule.key(), slice_ms, amount }));
        Ok(())
    }

    /// Refuses what is too much for somebody new, and remembers who sent to whom.
    pub(crate) fn limit_recipient(
        &mut self,
        (account, recipient): (u32, u32),
        amount: i64,
        roles: &[String],
    ) -> Result<(), Rejection> {
        let place = self.touch(account)?;
        let (id, asset) = (self.row(place).id(), {
            let row = *self.row(place);
            self.asset(&row)
        });
        let books = self.books();
        let limits = books.iter().flat_map(|books| books.limits.iter());
        for rule in limits.filter(|rule| rule.applies(LimitedVerb::Transfer, asset, roles)) {
            let Some(new) = rule.new_recipient else { continue };
            let sent = self.sent_while_new(account, recipient, new);
            if sent.is_some_and(|sent| sent.saturating_add(amount) > new.amount_max) {
                return Err(Rejection::LimitExceeded {
                    account: id,
                    rule: rule.name.clone(),
                    limit: new.amount_max,
                    used: sent.unwrap_or_default(),
                    needed: amount,
                });
            }
        }
        self.note(Change::Sent(Sent { account, recipient, amount }));
        Ok(())
    }

    /// What a recipient that is still new has been sent.
    fn sent_while_new(&self, account: u32, recipient: u32, new: NewRecipient) -> Option<i64> {
        let Some(known) = self.state.counters.acquaintances.get(&(account, recipient)) else {
            return Some(0);
        };
        let new_until = known.since_ms.saturating_add(i64::from(new.seconds).saturating_mul(1_000));
        (self.at_ms() < new_until).then_some(known.sent)
    }

    /// Lets alerts go by what an account has agreed now; other thresholds begin anew.
    pub(crate) fn set_alerts(&mut self, place: usize, alerts: Alerts) {
        let touched = self.at(place);
        touched.row.watched = alerts != Alerts::default();
        let account = touched.number;
        let known = self.state.counters.watches.get(&account).filter(|watch| watch.alerts == alerts);
        let watch = known.copied().unwrap_or(Watch { alerts, ..Watch::default() });
        self.watch = Some((account, watch));
    }

    fn watch_on(&self, account: u32) -> Option<Watch> {
        match self.watch {
            Some((changed, watch)) if changed == account => Some(watch),
            _ => self.state.counters.watches.get(&account).copied(),
        }
    }

    /// Notes the thresholds that touched accounts have crossed, in either direction.
    pub(crate) fn watch(&mut self) {
        for place in 0..self.touched.len() {
            let touched = self.at(place);
            if touched.row.watched {
                let (number, available) = (touched.number, touched.row.available());
                self.watch_account(number, available);
            }
        }
    }

    fn watch_account(&mut self, account: u32, available: i64) {
        let Some(watch) = self.watch_on(account) else { return };
        let crossed =
            |below: Option<i64>, was_below: bool| below.filter(|below| (available < *below) != was_below);
        if let Some(below) = crossed(watch.alerts.low_below, watch.is_low) {
            self.note(Change::Alerted(Alerted { account, available, below, top_up_amount: 0 }));
        }
        if let Some(below) = crossed(watch.alerts.top_up_below, watch.is_asked) {
            let top_up_amount = watch.alerts.top_up_amount;
            self.note(Change::Alerted(Alerted { account, available, below, top_up_amount }));
        }
    }
}

#[cfg(test)]
mod tests;
