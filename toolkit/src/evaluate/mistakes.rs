//! [`Mistakes`]: the examples that a model got wrong, as pictures or in a table.

use std::fmt;

use super::Predictions;
use super::predictions::Meaning;
use crate::Result;
use crate::data::Shape;
use crate::show::{Bundle, ImageGrid, Show, Table, readable_number};

/// Features of an example in a table of mistakes.
const FEATURES: usize = 6;

/// Examples that a model got wrong: [`Predictions::mistakes`]. Ends a cell as their pictures, or as a table.
#[derive(Clone)]
pub struct Mistakes {
    count: usize,
    rows: Vec<usize>,
    shown: Bundle,
}

impl Mistakes {
    /// How many there are in all, shown or not.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The rows, in the dataset, of those that are shown.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }
}

impl fmt::Debug for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown.plain())
    }
}

impl Show for Mistakes {
    fn bundle(&self) -> Bundle {
        self.shown.clone()
    }
}

impl Predictions {
    /// The first `n` examples that are classified wrongly, in the order of the data; of a model that predicts values the
    /// `n` whose numbers are furthest off. Ends a cell as a grid of the images with what they are and what they were
    /// taken for; as a table where the examples are no images.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?.few_shot(10, 7)?;
    /// let run = Mlp::new([64, 32, 10]).train(&digits.train, Recipe::new().epochs(20))?;
    /// let mistakes = run.predict(&digits.test)?.mistakes(30)?;
    /// println!("{} misread", mistakes.count());
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// Without labels or values, or when an output is not finite.
    #[doc(alias = "plot_top_losses")]
    #[doc(alias = "errors")]
    pub fn mistakes(&self, n: usize) -> Result<Mistakes> {
        match &self.meaning {
            Meaning::Classes { names, .. } => self.wrong_classes(names, n),
            Meaning::Values(names) => self.largest_errors(names, n),
        }
    }

    fn wrong_classes(&self, names: &[String], n: usize) -> Result<Mistakes> {
        let (said, truth) = (self.labels()?, self.truth()?);
        let wrong = |row: &usize| said[*row] != truth[*row];
        let all: Vec<usize> = (0..self.len()).filter(wrong).collect();
        let rows: Vec<usize> = all.iter().copied().take(n).collect();
        let name = |label: u32| names.get(label as usize).map_or("?", String::as_str);
        let mut title = format!("{} of {} wrong", all.len(), self.len());
        if rows.len() < all.len() {
            title += &format!(", the first {}", rows.len());
        }
        let shown = match self.image_grid(&rows, |row| {
            format!("{} as {}", name(truth[row]), name(said[row]))
        }) {
            Some(grid) => grid.title(title).bundle(),
            None => {
                let probabilities = self.probabilities().ok();
                let mut head = vec!["row", "true", "predicted"];
                head.extend(probabilities.is_some().then_some("probability"));
                let mut table = Table::new(self.with_features(head)).caption(title);
                for &row in &rows {
                    let mut cells = vec![row.to_string(), name(truth[row]).into(), name(said[row]).into()];
                    if let Some(probabilities) = &probabilities {
                        let p = probabilities[row * names.len() + said[row] as usize];
                        cells.push(format!("{p:.3}"));
                    }
                    table = table.row(self.and_features(cells, row));
                }
                table.bundle()
            }
        };
        Ok(Mistakes {
            count: all.len(),
            rows,
            shown,
        })
    }

    fn largest_errors(&self, names: &[String], n: usize) -> Result<Mistakes> {
        self.check_finite()?;
        let Some(values) = self.data.values() else {
            return Err(self.lacking_values());
        };
        let width = names.len();
        // Each value in its own spread, so that one of large numbers does not hide the others.
        let spread: Vec<f64> = (0..width)
            .map(|j| deviation(values.chunks_exact(width).map(|row| f64::from(row[j]))))
            .collect();
        let off = |row: usize| -> f64 {
            let far = (0..width).map(|j| {
                let (p, y) = (self.outputs[row * width + j], values[row * width + j]);
                (f64::from(p) - f64::from(y)).abs() / spread[j]
            });
            far.fold(0.0, f64::max)
        };
        let mut all: Vec<(usize, f64)> = (0..self.len()).map(|row| (row, off(row))).collect();
        all.retain(|&(_, off)| off > 0.0);
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        let rows: Vec<usize> = all.iter().map(|&(row, _)| row).take(n).collect();
        let mut head = vec!["row".to_owned()];
        head.extend(
            names
                .iter()
                .flat_map(|name| [format!("true {name}"), format!("predicted {name}")]),
        );
        let mut table = Table::new(self.with_features(head)).caption("furthest off");
        for &row in &rows {
            let mut cells = vec![row.to_string()];
            let range = row * width..(row + 1) * width;
            for (&y, &p) in values[range.clone()].iter().zip(&self.outputs[range]) {
                cells.extend([y, p].map(|x| readable_number(f64::from(x))));
            }
            table = table.row(self.and_features(cells, row));
        }
        Ok(Mistakes {
            count: all.len(),
            shown: counted(table, rows.len(), all.len()).bundle(),
            rows,
        })
    }

    /// These examples as pictures, if they are images that can be drawn.
    fn image_grid(&self, rows: &[usize], caption: impl Fn(usize) -> String) -> Option<ImageGrid> {
        let Shape::Image {
            height,
            width,
            channels,
        } = self.data.shape()
        else {
            return None;
        };
        let pixels: Vec<f32> = rows.iter().flat_map(|&row| self.data.row(row)).copied().collect();
        let captions = rows.iter().map(|&row| caption(row));
        let grid = ImageGrid::new((height, width, channels), &pixels, captions).ok()?;
        let grid = grid.limit(rows.len());
        match self.data.range()? {
            (low, high) if low < 0.0 || high > 1.0 => Some(grid.range(low, high)),
            _ => Some(grid),
        }
    }

    /// The names of the first features behind these.
    fn with_features<S: Into<String>>(&self, head: Vec<S>) -> Vec<String> {
        let name = |j: usize| match self.data.feature_names().get(j) {
            Some(name) => name.clone(),
            None => format!("feature {j}"),
        };
        let shown = match self.data.shape() {
            Shape::Flat(width) => width.min(FEATURES),
            Shape::Image { .. } => 0,
        };
        head.into_iter()
            .map(Into::into)
            .chain((0..shown).map(name))
            .collect()
    }

    fn and_features(&self, mut cells: Vec<String>, row: usize) -> Vec<String> {
        if let Shape::Flat(_) = self.data.shape() {
            let numbers = self.data.row(row).iter().take(FEATURES);
            cells.extend(numbers.map(|&x| readable_number(f64::from(x))));
        }
        cells
    }
}

/// Says how many there are where not all are shown.
fn counted(table: Table, shown: usize, all: usize) -> Table {
    match shown < all {
        true => table.note(format!("{shown} of {all}")),
        false => table,
    }
}

/// The standard deviation; 1 where there is none.
fn deviation(numbers: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = numbers.clone().count().max(1) as f64;
    let mean = numbers.clone().sum::<f64>() / n;
    let deviation = (numbers.map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    if deviation > 0.0 { deviation } else { 1.0 }
}
