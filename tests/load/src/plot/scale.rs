//! Values to places on an axis, and where its ticks are.

/// How an axis runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From zero.
    Linear,
    /// By powers; values are above zero.
    Log,
}

/// What an axis covers.
pub struct Range {
    scale: Scale,
    from: f64,
    to: f64,
    ticks: Vec<f64>,
}

impl Range {
    /// Covers the values. Ticks are round, or at the values themselves.
    pub fn of(scale: Scale, values: &[f64], ticks_at_values: bool) -> Self {
        let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(min, max), v| (min.min(*v), max.max(*v)));
        let (min, max) = if values.is_empty() { (1.0, 10.0) } else { (min, max) };
        let (from, to, round) = match scale {
            Scale::Linear => linear(max),
            Scale::Log if ticks_at_values => (min.max(f64::EPSILON), max, Vec::new()),
            Scale::Log => powers(min.max(1e-3), max),
        };
        let to = if to > from { to } else { from + 1.0 };
        Self { scale, from, to, ticks: if ticks_at_values { values.to_vec() } else { round } }
    }

    /// From 0 at the start of the axis to 1 at its end.
    pub fn share(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Log => (value.max(self.from) / self.from).ln() / (self.to / self.from).ln(),
        }
    }

    /// Where the axis is labelled.
    pub fn ticks(&self) -> &[f64] {
        &self.ticks
    }
}

/// From zero by about five round steps.
fn linear(max: f64) -> (f64, f64, Vec<f64>) {
    let max = if max > 0.0 { max } else { 1.0 };
    let magnitude = 10_f64.powf((max / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude);
    let step = steps.into_iter().find(|step| max / step <= 5.0).unwrap_or(magnitude * 10.0);
    let count =
        u16::try_from(1 + (1..10).take_while(|nth| f64::from(*nth) * step < max).count()).unwrap_or(5);
    (0.0, f64::from(count) * step, (0..=count).map(|nth| f64::from(nth) * step).collect())
}

/// From the power of ten below to the one above.
fn powers(min: f64, max: f64) -> (f64, f64, Vec<f64>) {
    let (from, to) = (10_f64.powf(min.log10().floor()), 10_f64.powf(max.log10().ceil()));
    let ticks = std::iter::successors(Some(from), |at| Some(at * 10.0));
    (from, to, ticks.take_while(|at| *at <= to * 1.001).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_axes_end_on_a_round_step_above_the_largest_value() {
        let range = Range::of(Scale::Linear, &[3.0, 412_000.0], false);
        assert_eq!(range.ticks(), [0.0, 100_000.0, 200_000.0, 300_000.0, 400_000.0, 500_000.0]);
        assert!(range.share(412_000.0) < 1.0);
    }

    #[test]
    fn logarithmic_axes_cover_whole_powers() {
        let range = Range::of(Scale::Log, &[20.0, 900.0], false);
        assert_eq!(range.ticks().len(), 3);
        assert!((range.share(100.0) - 0.5).abs() < 1e-9);
    }
}
