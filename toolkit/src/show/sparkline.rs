//! A tiny curve of the values so far: inline SVG for a page, block characters for a line of text.

use super::chart::PALETTE;

/// Points kept; beyond it neighbours are averaged, so that memory and drawing stay small.
const CAPACITY: usize = 240;

/// Values in the order they came, thinned evenly when there are many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sparkline {
    points: Vec<f64>,
    /// How many values one point stands for: a power of two.
    each: usize,
    sum: f64,
    held: usize,
}

impl Sparkline {
    /// Adds a value; NaN and infinity are left out.
    pub(crate) fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.each = self.each.max(1);
        self.sum += value;
        self.held += 1;
        if self.held < self.each {
            return;
        }
        self.points.push(self.sum / self.held as f64);
        (self.sum, self.held) = (0.0, 0);
        if self.points.len() >= CAPACITY {
            self.points = self
                .points
                .chunks(2)
                .map(|pair| pair.iter().sum::<f64>() / pair.len() as f64)
                .collect();
            self.each *= 2;
        }
    }

    fn range(&self) -> Option<(f64, f64)> {
        let low = self.points.iter().copied().reduce(f64::min)?;
        let high = self.points.iter().copied().reduce(f64::max)?;
        (self.points.len() > 1).then_some((low, high))
    }

    /// The curve as an SVG of `width` x `height` pixels; empty with fewer than two points.
    pub(crate) fn to_svg(&self, width: f64, height: f64) -> String {
        let Some((low, high)) = self.range() else {
            return String::new();
        };
        let step = width / (self.points.len() - 1) as f64;
        let span = if high > low { high - low } else { 1.0 };
        let place = |(i, value): (usize, &f64)| {
            let y = 1.5 + (height - 3.0) * (1.0 - (value - low) / span);
            format!("{:.1},{y:.1}", i as f64 * step)
        };
        let path: Vec<String> = self.points.iter().enumerate().map(place).collect();
        format!(
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             style=\"vertical-align:middle;overflow:visible\"><polyline fill=\"none\" stroke=\"{}\" \
             stroke-width=\"1.5\" stroke-linejoin=\"round\" points=\"{}\"/></svg>",
            PALETTE[0],
            path.join(" ")
        )
    }

    /// The curve as `columns` block characters; empty with fewer than two points.
    pub(crate) fn to_blocks(&self, columns: usize) -> String {
        let Some((low, high)) = self.range() else {
            return String::new();
        };
        let blocks = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let (n, columns) = (self.points.len(), columns.min(self.points.len()));
        let level = |c: usize| {
            let part = &self.points[c * n / columns..(c + 1) * n / columns];
            let mean = part.iter().sum::<f64>() / part.len() as f64;
            let share = if high > low {
                (mean - low) / (high - low)
            } else {
                0.0
            };
            blocks[(share * 7.0).round() as usize]
        };
        (0..columns).map(level).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_values_are_thinned_and_keep_their_course() {
        let mut line = Sparkline::default();
        (0..100_000).for_each(|i| line.push(i as f64));
        assert!(line.points.len() < CAPACITY, "{}", line.points.len());
        assert!(line.points.windows(2).all(|w| w[1] > w[0]));
        // The first of the points is the mean of the values it stands for, 0 to each - 1.
        assert_eq!(line.points[0], (line.each as f64 - 1.0) / 2.0);
        assert_eq!(line.to_blocks(8), "▁▂▃▄▅▆▇█");
    }

    #[test]
    fn a_constant_and_a_broken_value_draw_a_line() {
        let mut line = Sparkline::default();
        [2.0, f64::NAN, 2.0, f64::INFINITY, 2.0]
            .iter()
            .for_each(|v| line.push(*v));
        assert_eq!(line.points, [2.0, 2.0, 2.0]);
        assert_eq!(line.to_blocks(8), "▁▁▁");
        assert!(!line.to_svg(100.0, 20.0).contains("NaN"));
        assert_eq!(Sparkline::default().to_svg(100.0, 20.0), "");
    }
}
