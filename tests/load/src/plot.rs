//! Plots as SVG, written by hand: panels under each other, each with titled axes, grid and series.
//! Colours follow the reader's light or dark theme and are readable on either.

mod scale;

use std::fmt::Write as _;

pub use scale::Scale;

const WIDTH: f64 = 720.0;
const PANEL: f64 = 300.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 56.0;
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}\
    .grid{stroke:#8c959f;stroke-opacity:.35}.axis{stroke:#57606a}.line{fill:none;stroke-width:2}\
    .s0{stroke:#0969da}.d0{fill:#0969da}.s1{stroke:#bf3989}.d1{fill:#bf3989}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.axis{stroke:#8d96a0}\
    .s0{stroke:#58a6ff}.d0{fill:#58a6ff}.s1{stroke:#f778ba}.d1{fill:#f778ba}}";

/// One set of axes with one series.
pub struct Panel {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub points: Vec<(f64, f64)>,
    pub marks: Marks,
}

/// What an axis says, unit included, and how it runs.
pub struct Axis {
    pub label: &'static str,
    pub scale: Scale,
}

/// How a series is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// A line with a dot and a value at every point.
    Dots,
    /// A line.
    Line,
    /// Bars from one point's place to the next one's.
    Bars,
}

/// A picture of panels; `note` says how it came about.
pub fn svg(panels: &[Panel], note: &str) -> String {
    let height = PANEL * f64::from(u16::try_from(panels.len()).unwrap_or(1)) + 24.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n",
        escaped(&panels.iter().map(|panel| panel.title.as_str()).collect::<Vec<_>>().join("; "))
    );
    for (nth, panel) in (0_u16..).zip(panels) {
        let _ = writeln!(out, "<g transform=\"translate(0 {})\">", PANEL * f64::from(nth));
        draw(&mut out, panel, nth % 2);
        out.push_str("</g>\n");
    }
    text(&mut out, (WIDTH / 2.0, height - 8.0), "middle", note);
    out.push_str("</svg>\n");
    out
}

/// Places on the canvas.
struct Frame<'a> {
    panel: &'a Panel,
    x: scale::Range,
    y: scale::Range,
}

impl Frame<'_> {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        PANEL - BOTTOM - self.y.share(value) * (PANEL - TOP - BOTTOM)
    }
}

fn draw(out: &mut String, panel: &Panel, colour: u16) {
    let xs: Vec<f64> = panel.points.iter().map(|point| point.0).collect();
    let ys: Vec<f64> = panel.points.iter().map(|point| point.1).collect();
    let at_points = panel.marks == Marks::Dots;
    let frame = Frame {
        panel,
        x: scale::Range::of(panel.x.scale, &xs, at_points),
        y: scale::Range::of(panel.y.scale, &ys, false),
    };
    axes(out, &frame);
    match panel.marks {
        Marks::Bars => bars(out, &frame, colour),
        Marks::Dots | Marks::Line => line(out, &frame, colour),
    }
}

fn axes(out: &mut String, frame: &Frame<'_>) {
    let (bottom, right) = (PANEL - BOTTOM, WIDTH - RIGHT);
    for tick in frame.y.ticks() {
        let y = frame.y(*tick);
        let _ = writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
        text(out, (LEFT - 8.0, y + 4.0), "end", &short(*tick));
    }
    for tick in frame.x.ticks() {
        let x = frame.x(*tick);
        let _ = writeln!(out, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>");
        text(out, (x, bottom + 18.0), "middle", &short(*tick));
    }
    let _ = writeln!(out, "<path class=\"axis\" fill=\"none\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>");
    text(out, ((LEFT + right) / 2.0, bottom + 40.0), "middle", frame.panel.x.label);
    let middle = (TOP + bottom) / 2.0;
    let _ = write!(out, "<g transform=\"rotate(-90 18 {middle})\">");
    text(out, (18.0, middle), "middle", frame.panel.y.label);
    let _ = writeln!(out, "</g>\n<g class=\"title\">");
    text(out, (LEFT, TOP - 16.0), "start", &frame.panel.title);
    out.push_str("</g>\n");
}

fn line(out: &mut String, frame: &Frame<'_>, colour: u16) {
    let mut path = String::new();
    for (x, y) in &frame.panel.points {
        let verb = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{verb}{:.1} {:.1}", frame.x(*x), frame.y(*y));
    }
    let _ = writeln!(out, "<path class=\"line s{colour}\" d=\"{path}\"/>");
    if frame.panel.marks == Marks::Dots {
        for (x, y) in &frame.panel.points {
            let (left, top) = (frame.x(*x), frame.y(*y));
            let _ = writeln!(out, "<circle class=\"d{colour}\" cx=\"{left:.1}\" cy=\"{top:.1}\" r=\"4\"/>");
            text(out, (left, top - 9.0), "middle", &short(*y));
        }
    }
}

fn bars(out: &mut String, frame: &Frame<'_>, colour: u16) {
    for pair in frame.panel.points.windows(2) {
        let [(from, value), (to, _)] = pair else { continue };
        let (left, right, top) = (frame.x(*from), frame.x(*to), frame.y(*value));
        let (width, height) = ((right - left - 1.0).max(0.5), (PANEL - BOTTOM - top).max(0.0));
        let _ = writeln!(
            out,
            "<rect class=\"d{colour}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let _ =
        writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escaped(words));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// 1 200 000 as `1.2M`, 8190 as `8190`, 0.25 as `0.25`.
fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        large if large >= 1_000_000.0 => (value / 1_000_000.0, "M"),
        large if large >= 10_000.0 => (value / 1_000.0, "k"),
        _ => (value, ""),
    };
    let digits = if value.fract().abs() < 0.05 || value.abs() >= 100.0 { 0 } else { 1 };
    let digits = if value.abs() < 1.0 && value.fract().abs() > f64::EPSILON { 2 } else { digits };
    format!("{value:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short() {
        for (value, text) in [(1_200_000.0, "1.2M"), (412_345.0, "412k"), (8_190.0, "8190"), (0.25, "0.25")] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn a_picture_has_its_panels_and_nothing_unescaped() {
        let panel = |marks| Panel {
            title: "a < b".to_owned(),
            x: Axis { label: "posts per batch", scale: Scale::Log },
            y: Axis { label: "posts/s", scale: Scale::Linear },
            points: vec![(1.0, 10.0), (8.0, 70.0), (64.0, 300.0)],
            marks,
        };
        let picture = svg(&[panel(Marks::Dots), panel(Marks::Bars)], "note");
        assert_eq!(picture.matches("<g transform=\"translate").count(), 2);
        assert!(picture.contains("a &lt; b") && !picture.contains("NaN"));
    }
}
