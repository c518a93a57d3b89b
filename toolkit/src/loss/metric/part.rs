//! What the metric losses have in common: where they look, and what they refuse.

use crate::data::{Dataset, Targets};
use crate::loss::{Learned, Seen, lacking};
use crate::{Error, Result};

/// Embeddings of a batch with their classes.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    /// Rows x width.
    pub x: &'a [f32],
    pub width: usize,
    pub labels: &'a [u32],
    /// The number of the update, from 1.
    pub step: u64,
}

/// A metric loss: [`objective_at_a_layer`] makes it an objective.
pub(super) trait Metric {
    /// What it is called in errors.
    const NAME: &'static str;
    /// Whether it compares examples of one class with each other.
    const OF_PAIRS: bool;

    /// Refuses settings out of range.
    fn validate(&self) -> Result<()>;

    /// Makes room for what it learns.
    fn prepare(&mut self, _classes: usize, _width: usize) -> Result<()> {
        Ok(())
    }

    /// Its value with the slopes by the embeddings, which are finite; `slopes` come as zeros.
    fn of(&mut self, batch: Batch<'_>, slopes: &mut [f32]) -> Result<f64>;

    fn own(&mut self) -> Vec<Learned<'_>> {
        Vec::new()
    }

    fn fits(&mut self, data: &Dataset, width: usize) -> Result<()> {
        self.validate()?;
        let place = || format!("{}, dataset {}", Self::NAME, data.name());
        let labels = match data.targets() {
            Targets::Classes(labels) => labels,
            Targets::None => return Err(lacking(data)),
            other => {
                return Err(Error::data(format!(
                    "expected the class of each example, found {}",
                    other.words()
                ))
                .at(place())
                .fix("give labels with Dataset::with_labels"));
            }
        };
        let classes = labels.iter().max().map_or(0, |&most| most as usize + 1);
        let mut counts = vec![0usize; classes];
        labels.iter().for_each(|&label| counts[label as usize] += 1);
        if counts.iter().filter(|&&count| count > 0).count() < 2 {
            return Err(
                Error::data("expected examples of at least two classes, found one class alone")
                    .at(place())
                    .fix("add examples of another class: without one there is nothing to tell apart"),
            );
        }
        if Self::OF_PAIRS && counts.iter().all(|&count| count < 2) {
            return Err(
                Error::data("expected two examples of one class, found one of each alone")
                    .at(place())
                    .fix("add examples, or join classes: without a pair there is nothing to draw together"),
            );
        }
        self.prepare(classes.max(data.class_names().len()), width)
    }

    fn on(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        let part = &seen.streams[0];
        let Targets::Classes(labels) = part.targets else {
            return Err(Error::data(format!(
                "expected the class of each example, found {}",
                part.targets.words()
            ))
            .at(Self::NAME)
            .fix("leave out what mixes examples"));
        };
        if part.weights.is_some() {
            return Err(
                Error::data("expected examples that all count alike, found weights")
                    .at(Self::NAME)
                    .fix("leave them out with Dataset::without_weights, or draw by them with Sampler::Weighted"),
            );
        }
        let (x, slopes) = (seen.output(0, 0), &mut slopes[0][seen.place(0, 0)]);
        slopes.fill(0.0);
        self.own().into_iter().for_each(|own| own.slopes.fill(0.0));
        let batch = Batch {
            x,
            width: seen.widths[0],
            labels,
            step: seen.step,
        };
        let fine = |numbers: &[f32]| numbers.iter().all(|x| x.is_finite());
        if !fine(x) || !self.own().iter().all(|own| fine(own.numbers)) {
            return Ok(f64::NAN);
        }
        self.of(batch, slopes)
    }
}

/// Refuses a number that is not above 0.
pub(super) fn above_zero(loss: &str, name: &str, x: f64) -> Result<()> {
    match x as f32 > 0.0 && (x as f32).is_finite() {
        true => Ok(()),
        false => Err(Error::spec(format!("expected a {name} above 0, found {x}")).at(loss)),
    }
}

/// Makes a [`Metric`] with a field `tap` an objective.
macro_rules! objective_at_a_layer {
    ($loss:ty) => {
        impl $loss {
            /// Of what the layer of this name puts out, instead of the network's outputs.
            pub fn at(mut self, layer: impl Into<String>) -> Self {
                self.tap = Some(layer.into());
                self
            }
        }

        impl Default for $loss {
            fn default() -> Self {
                Self::new()
            }
        }

        impl $crate::loss::Objective for $loss {
            fn taps(&self) -> Vec<String> {
                self.tap.iter().cloned().collect()
            }

            fn check(&mut self, data: &[&$crate::data::Dataset], widths: &[usize]) -> $crate::Result<()> {
                $crate::loss::metric::part::Metric::fits(self, data[0], widths[0])
            }

            fn value(
                &mut self,
                seen: &$crate::loss::Seen<'_>,
                slopes: &mut [&mut [f32]],
            ) -> $crate::Result<f64> {
                $crate::loss::metric::part::Metric::on(self, seen, slopes)
            }

            /// Outputs are places in a space, not classes.
            fn classifies(&self) -> Option<usize> {
                None
            }

            fn learned(&mut self) -> Vec<$crate::loss::Learned<'_>> {
                $crate::loss::metric::part::Metric::own(self)
            }
        }
    };
}
pub(super) use objective_at_a_layer;
