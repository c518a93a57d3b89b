//! [`Plateau`]: a lower rate when nothing gets better.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::watch::{Flow, Moment, Watcher};
use super::super::{History, Record};
use crate::{Error, Result};

/// Multiplies the rate by `factor` when `patience` checks in a row brought no lower loss (of the held-out part, where
/// there is one), and begins to count anew: PyTorch's `ReduceLROnPlateau` with a threshold of 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// Between 0 and 1.
    pub factor: f64,
    /// Checks; 1 or more.
    pub patience: usize,
}

impl Plateau {
    pub(in crate::train) fn validate(&self) -> Result<()> {
        if self.factor > 0.0 && self.factor < 1.0 && self.patience > 0 {
            return Ok(());
        }
        Err(Error::spec(format!(
            "expected a factor between 0 and 1 after 1 check or more, found {} after {}",
            self.factor, self.patience
        ))
        .at("recipe, plateau"))
    }

    /// What the rate is multiplied by after these checks. Pure, so that a resumed training needs nothing else.
    fn factor_after(&self, history: &History) -> f64 {
        let (mut factor, mut best, mut stale) = (1.0, f64::INFINITY, 0);
        for record in history.records() {
            let loss = watched(record);
            if loss < best {
                (best, stale) = (loss, 0);
            } else {
                stale += 1;
            }
            if stale >= self.patience {
                (factor, stale) = (factor * self.factor, 0);
            }
        }
        factor
    }
}

fn watched(record: &Record) -> f64 {
    match record.held_out_loss.is_nan() {
        true => record.loss,
        false => record.held_out_loss,
    }
}

impl fmt::Display for Plateau {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "times {} after {} checks without a lower loss",
            self.factor, self.patience
        )
    }
}

/// A plateau at work.
pub struct PlateauWatcher(pub Plateau);

impl Watcher for PlateauWatcher {
    fn name(&self) -> Option<String> {
        Some("the recipe's plateau".to_owned())
    }

    fn after_check(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        Ok(Flow::Rate(self.0.factor_after(at.history())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_as_pytorchs() {
        // torch 2: ReduceLROnPlateau(factor=0.1, patience=1, threshold=0), which falls after patience + 1 bad checks.
        let losses = [1.0, 0.9, 0.95, 0.93, 0.92, 0.91, 0.8, 0.81, 0.82];
        let factors = [1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001];
        let plateau = Plateau {
            factor: 0.1,
            patience: 2,
        };
        let mut history = History::default();
        for (loss, factor) in losses.into_iter().zip(factors) {
            history.records.push(Record {
                step: 0,
                epoch: 0.0,
                rate: 1.0,
                loss,
                held_out_loss: f64::NAN,
                held_out_accuracy: f64::NAN,
                seconds: 0.0,
            });
            let found = plateau.factor_after(&history);
            assert!((found - factor).abs() < 1e-12, "{loss}: {found}");
        }
    }
}
