//! Define a meter, or replace it: prices and quota change from the next use on; what was counted in
//! the period stays counted. The asset cannot change, because reservations are held in it.

use crate::effect::Change;
use crate::plan::Plan;
use crate::{Meter, Rejection, TIERS_MAX, stored};

/// Most meters of one tenant.
const METERS_MAX: usize = 256;

pub(super) fn put_meter(plan: &mut Plan<'_>, meter: &Meter) -> Result<(), Rejection> {
    super::word(&meter.name, "/name")?;
    if meter.per <= 0 {
        return Err(Rejection::malformed("/per", "1 or above"));
    }
    if meter.quota.is_some_and(|quota| quota < 0) {
        return Err(Rejection::malformed("/quota", "0 or above"));
    }
    tiers(meter)?;
    let books = plan.books();
    let present = books.and_then(|books| books.meter(&meter.name));
    if present.is_some_and(|present| present.asset != meter.asset) {
        return Err(Rejection::malformed("/asset", "as it was"));
    }
    if present.is_none() && books.is_some_and(|books| books.meters.len() >= METERS_MAX) {
        return Err(Rejection::malformed("/name", "at most 256 meters"));
    }
    plan.note(Change::MeterPut(stored::write_meter(meter)));
    Ok(())
}

fn tiers(meter: &Meter) -> Result<(), Rejection> {
    let tiers = &meter.tiers;
    if tiers.is_empty() || tiers.len() > TIERS_MAX {
        return Err(Rejection::malformed("/tiers", "1 to 16"));
    }
    if tiers.iter().any(|tier| tier.price < 0) {
        return Err(Rejection::malformed("/tiers", "prices of 0 or above"));
    }
    let ends: Vec<_> = tiers.iter().map(|tier| tier.up_to.unwrap_or(i64::MAX)).collect();
    let rising = ends.first().is_some_and(|end| *end > 0) && ends.is_sorted_by(|one, next| one < next);
    let open = tiers.last().is_some_and(|tier| tier.up_to.is_none());
    if rising && open { Ok(()) } else { Err(Rejection::malformed("/tiers", "rising, the last one open")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{Given, given};
    use crate::samples::{a_command, a_customer, tenant};
    use crate::{Asset, Command, Period, Tier, Verb};

    fn a_meter(name: &str) -> Meter {
        let tiers = vec![Tier { up_to: Some(10), price: 3 }, Tier { up_to: None, price: 1 }];
        let (name, asset) = (name.to_owned(), Asset::TOKEN);
        Meter { name, asset, per: 1, tiers, period: Period::Month, quota: None }
    }

    fn putting(number: u32, meter: Meter) -> Command {
        a_command(number, Verb::PutMeter(Box::new(meter)))
    }

    fn world() -> Given {
        given([a_customer(1)])
    }

    #[track_caller]
    fn refused(meter: Meter, pointer: &str, expected: &'static str) {
        world().when(&putting(1, meter)).then_rejected(Rejection::malformed(pointer, expected));
    }

    #[test]
    fn a_meter_is_defined_and_replaced() {
        let dearer = Meter { per: 7, quota: Some(5), ..a_meter("calls") };
        let world = world().and(putting(1, a_meter("calls"))).and(putting(2, a_meter("minutes")));
        let world = world.and(putting(3, dearer.clone()));
        assert_eq!(world.state().meters(tenant()), [a_meter("minutes"), dearer]);
    }

    #[test]
    fn the_asset_stays_as_it_was() {
        let other = Meter { asset: "EUR".parse().unwrap(), ..a_meter("calls") };
        let refused = Rejection::malformed("/asset", "as it was");
        world().and(putting(1, a_meter("calls"))).when(&putting(2, other)).then_rejected(refused);
    }

    #[test]
    fn what_cannot_be_counted_or_priced_is_refused() {
        refused(a_meter(""), "/name", "1 to 40 characters");
        refused(a_meter(&"x".repeat(41)), "/name", "1 to 40 characters");
        refused(Meter { per: 0, ..a_meter("a") }, "/per", "1 or above");
        refused(Meter { quota: Some(-1), ..a_meter("a") }, "/quota", "0 or above");
    }

    #[test]
    fn tiers_rise_and_the_last_one_is_open() {
        let tier = |up_to, price| Tier { up_to, price };
        let with = |tiers: &[Tier]| Meter { tiers: tiers.to_vec(), ..a_meter("a") };
        refused(with(&[]), "/tiers", "1 to 16");
        refused(with(&[tier(None, 1); 17]), "/tiers", "1 to 16");
        refused(with(&[tier(None, -1)]), "/tiers", "prices of 0 or above");
        for wrong in [
            vec![tier(Some(5), 1)],
            vec![tier(Some(5), 1), tier(Some(5), 1), tier(None, 1)],
            vec![tier(Some(0), 1), tier(None, 1)],
            vec![tier(None, 1), tier(None, 1)],
        ] {
            refused(with(&wrong), "/tiers", "rising, the last one open");
        }
    }

    #[test]
    fn a_tenant_has_so_many_meters() {
        let mut world = world();
        for number in 0..256 {
            world = world.and(putting(number, a_meter(&number.to_string())));
        }
        let refused = Rejection::malformed("/name", "at most 256 meters");
        world.clone().when(&putting(300, a_meter("one more"))).then_rejected(refused);
        world.and(putting(300, Meter { per: 2, ..a_meter("7") }));
    }
}
