//! A learned vector for each class, of which the direction alone counts.

use super::geometry::{Unit, combine, products, transposed};
use super::part::Batch;
use crate::loss::Learned;
use crate::seed::{normal, stream};
use crate::{Error, Number, Result};

/// Vectors of classes, classes x width, with their slopes.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    pub numbers: Vec<f32>,
    pub slopes: Vec<f32>,
    pub width: usize,
    pub rate: Option<f64>,
    pub seed: u64,
    error: Option<Error>,
}

impl Proxies {
    pub fn set_rate(&mut self, rate: impl Number) {
        match rate.number() {
            Ok(rate) => self.rate = Some(rate),
            Err(error) => self.error = Some(error.within("rate of its own")),
        }
    }

    pub fn validate(&self, loss: &str) -> Result<()> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        match self.rate {
            Some(rate) if !(rate >= 0.0 && rate.is_finite()) => {
                Err(Error::spec(format!("expected a rate of its own of 0 or more, found {rate}")).at(loss))
            }
            _ => Ok(()),
        }
    }

    /// Draws directions, of length 1, where there are none for so many classes yet.
    pub fn prepare(&mut self, classes: usize, width: usize) {
        if self.width == width && self.numbers.len() >= classes * width {
            return;
        }
        let mut rng = stream(self.seed, "proxies of classes");
        let drawn: Vec<f32> = (0..classes * width).map(|_| normal(&mut rng) as f32).collect();
        self.numbers = Unit::new(&drawn, width).rows;
        self.slopes = vec![0.0; drawn.len()];
        self.width = width;
    }

    /// The cosines of a batch with all classes, rows x classes.
    ///
    /// # Errors
    /// When a label has no vector.
    pub fn cosines(&self, loss: &str, batch: &Batch<'_>) -> Result<Cosines> {
        let classes = self.numbers.len() / batch.width.max(1);
        let beyond = batch.labels.iter().find(|&&label| label as usize >= classes);
        match beyond {
            Some(label) => Err(Error::data(format!(
                "label {label} is out of range: {loss} was checked with data of {classes} classes"
            ))),
            None => {
                let (x, own) = (
                    Unit::new(batch.x, batch.width),
                    Unit::new(&self.numbers, batch.width),
                );
                let table = products(&x.rows, &own.rows, batch.width);
                Ok(Cosines {
                    x,
                    own,
                    table,
                    classes,
                })
            }
        }
    }

    pub fn learned(&mut self) -> Vec<Learned<'_>> {
        vec![Learned {
            numbers: &mut self.numbers,
            slopes: &mut self.slopes,
            rate: self.rate,
        }]
    }
}

/// Cosines between embeddings and the vectors of classes.
pub(super) struct Cosines {
    x: Unit,
    own: Unit,
    /// Rows x classes.
    pub table: Vec<f32>,
    pub classes: usize,
}

impl Cosines {
    /// From the slopes by the cosines to those by the embeddings and by the vectors.
    pub fn back(&self, by_cosine: &[f32], width: usize, slopes: &mut [f32], by_own: &mut [f32]) {
        self.x.back(&combine(by_cosine, &self.own.rows, width), slopes);
        let turned = transposed(by_cosine, self.classes);
        self.own.back(&combine(&turned, &self.x.rows, width), by_own);
    }
}
