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
