//! What all charts stand in: a field with axes, straight or by powers of ten.

use std::fmt::Write;

/// Outer measures, in the units of the drawing.
pub(super) const WIDTH: f64 = 720.0;
pub(super) const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 40.0;
/// How high the foot of a second is where nobody got a good answer.
const FOOT: f64 = 48.0;

/// From values to places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    by_powers: bool,
}

impl Scale {
    /// In even steps.
    pub(super) fn straight(from: f64, to: f64) -> Self {
        Self { from, to: if to > from { to } else { from + 1.0 }, by_powers: false }
    }

    /// By powers of ten, from and to whole ones.
    pub(super) fn by_powers(from: f64, to: f64) -> Self {
        let low = from.max(1e-3).log10().floor();
        let high = to.max(1e-3).log10().ceil().max(low + 1.0);
        Self { from: 10_f64.powf(low), to: 10_f64.powf(high), by_powers: true }
    }

    /// Where a value lies, from nought to one.
    pub(super) fn share(&self, value: f64) -> f64 {
        let share = if self.by_powers {
            (value.max(self.from).log10() - self.from.log10()) / (self.to.log10() - self.from.log10())
        } else {
            (value - self.from) / (self.to - self.from)
        };
        share.clamp(0.0, 1.0)
    }

    /// Where lines are drawn across.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let mut ticks = Vec::new();
        if self.by_powers {
            let mut at = self.from;
            while at <= self.to * 1.001 {
                ticks.push(at);
                at *= 10.0;
            }
            return ticks;
        }
        let rough = (self.to - self.from) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let mut at = (self.from / step).ceil() * step;
        while at <= self.to * 1.000_001 {
            ticks.push(at);
            at += step;
        }
        ticks
    }
}

/// A field, and what is drawn so far.
pub(super) struct Frame {
    pub(super) x: Scale,
    pub(super) y: Scale,
    drawn: String,
    title: String,
}

impl Frame {
    /// A field with its axes: what they are of, and how a value is told on each.
    pub(super) fn new(
        title: &str,
        (x, x_of, x_told): (Scale, &str, fn(f64) -> String),
        (y, y_of, y_told): (Scale, &str, fn(f64) -> String),
    ) -> Self {
        let mut frame = Self { x, y, drawn: String::new(), title: title.to_owned() };
        for tick in y.ticks() {
            let at = frame.down(tick);
            frame.put(format_args!(
                "<line class='grid' x1='{LEFT}' x2='{:.1}' y1='{at:.1}' y2='{at:.1}'/>\
                 <text class='tick' x='{:.1}' y='{:.1}' text-anchor='end'>{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                at + 4.0,
                y_told(tick)
            ));
        }
        for tick in x.ticks() {
            let at = frame.across(tick);
            frame.put(format_args!(
                "<text class='tick' x='{at:.1}' y='{:.1}' text-anchor='middle'>{}</text>",
                HEIGHT - BOTTOM + 18.0,
                x_told(tick)
            ));
        }
        frame.put(format_args!(
            "<text class='axis' x='{:.1}' y='{:.1}' text-anchor='end'>{x_of}</text>\
             <text class='axis' x='{LEFT}' y='10'>{y_of}</text>",
            WIDTH - RIGHT,
            HEIGHT - 4.0
        ));
        frame
    }

    pub(super) fn across(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    pub(super) fn down(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM)
    }

    pub(super) fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.drawn.write_fmt(text).expect("a string takes any text");
    }

    /// A line through values; where there is none it stops.
    pub(super) fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, Option<f64>)>) {
        let mut path = String::new();
        let mut pen = 'M';
        for (x, y) in points {
            let Some(y) = y else {
                pen = 'M';
                continue;
            };
            write!(path, "{pen}{:.1} {:.1}", self.across(x), self.down(y)).expect("a string takes any text");
            pen = 'L';
        }
        self.put(format_args!("<path class='{class}' d='{path}'/>"));
    }

    /// A word beside a place.
    pub(super) fn label(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        self.put(format_args!("<text class='{class}' x='{x:.1}' y='{y:.1}'>{}</text>", escaped(text)));
    }

    /// A stretch of the x axis.
    pub(super) fn band(&mut self, from: f64, to: f64, name: &str, row: usize) {
        let (from, to) = (self.across(from), self.across(to));
        let width = (to - from).max(1.0);
        let y = TOP + 10.0 + f64::from(u32::try_from(row % 3).unwrap_or_default()) * 13.0;
        let name = escaped(name);
        self.put(format_args!(
            "<rect class='band' x='{from:.1}' y='{TOP}' width='{width:.1}' height='{:.1}'><title>{name}</title></rect>\
             <text class='note' x='{:.1}' y='{y:.1}'>{name}</text>",
            HEIGHT - TOP - BOTTOM,
            from + 3.0
        ));
    }

    /// At the foot of a second, the share of those who got no good answer.
    pub(super) fn foot(&mut self, second: f64, share: f64, count: u64) {
        let (from, to) = (self.across(second), self.across(second + 1.0));
        let height = (share * FOOT).max(1.5);
        self.put(format_args!(
            "<rect class='bad' x='{:.1}' y='{:.1}' width='{:.1}' height='{height:.1}'><title>{count} got no good answer ({:.0} \
             %)</title></rect>",
            from + 0.5,
            HEIGHT - BOTTOM - height,
            (to - from - 1.0).max(0.5),
            share * 100.0
        ));
    }

    pub(super) fn done(self) -> String {
        drawing(&self.title, HEIGHT, &self.drawn)
    }
}

/// A drawing with a title that is read aloud.
pub(super) fn drawing(title: &str, height: f64, drawn: &str) -> String {
    let title = escaped(title);
    format!("<svg viewBox='0 0 {WIDTH} {height:.0}' role='img' aria-label='{title}'>{drawn}</svg>")
}

/// Text as it may stand in a page.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Milliseconds as short as they can be told.
pub(crate) fn told_ms(ms: f64) -> String {
    match ms {
        ms if ms >= 1000.0 => trimmed(&format!("{:.1}", ms / 1000.0), "s"),
        ms if ms >= 10.0 => format!("{ms:.0} ms"),
        ms => trimmed(&format!("{ms:.2}"), "ms"),
    }
}

fn trimmed(number: &str, unit: &str) -> String {
    let number =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number} {unit}")
}

pub(super) fn told_s(seconds: f64) -> String {
    format!("{seconds:.0} s")
}

pub(super) fn told_rate(rate: f64) -> String {
    if rate >= 1e6 {
        trimmed(&format!("{:.1}", rate / 1e6), "M")
    } else if rate >= 1000.0 {
        trimmed(&format!("{:.1}", rate / 1000.0), "k")
    } else {
        format!("{rate:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_lines_at_round_numbers() {
        assert_eq!(Scale::straight(0.0, 47.0).ticks(), [0.0, 10.0, 20.0, 30.0, 40.0]);
        let ticks = Scale::by_powers(0.3, 40.0).ticks();
        assert_eq!(ticks.len(), 4, "{ticks:?}");
    }

    #[test]
    fn times_are_told_shortly() {
        for (ms, told) in
            [(0.5, "0.5 ms"), (1.0, "1 ms"), (12.3, "12 ms"), (1500.0, "1.5 s"), (2000.0, "2 s")]
        {
            assert_eq!(told_ms(ms), told);
        }
    }
}
