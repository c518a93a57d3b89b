//! What a recipe says of each update: its rate and its momentum.

use super::super::Recipe;
use super::At;
use crate::optim::Update;

impl Recipe {
    /// The rate of update `step` (from 0), with `per_epoch` updates an epoch.
    pub fn rate_at(&self, step: usize, per_epoch: usize) -> f64 {
        self.rule.rate() * self.schedule.factor(self.place(step, per_epoch))
    }

    /// The momentum (or beta1) of update `step` (from 0), with `per_epoch` updates an epoch; none where the rule has none.
    pub fn momentum_at(&self, step: usize, per_epoch: usize) -> Option<f64> {
        let own = self.rule.momentum()?;
        Some(self.schedule.momentum(self.place(step, per_epoch)).unwrap_or(own))
    }

    /// Update `step` (from 0), its rate times `factor`.
    pub(in crate::train) fn update_at(&self, step: usize, per_epoch: usize, factor: f64) -> Update {
        Update {
            rate: self.rate_at(step, per_epoch) * factor,
            momentum: match self.cycles_momentum() {
                true => self.momentum_at(step, per_epoch),
                false => None,
            },
            number: step as u64 + 1,
        }
    }

    /// Whether the schedule changes the momentum of the rule.
    pub(in crate::train) fn cycles_momentum(&self) -> bool {
        self.rule.momentum().is_some() && self.schedule.cycles_momentum()
    }

    fn place(&self, step: usize, per_epoch: usize) -> At {
        At {
            step,
            total: self.length.steps(per_epoch),
            per_epoch,
        }
    }
}
