//! Averages of the parameters over the updates, which stand in for them (Polyak and Juditsky 1992).

use super::super::watch::{Flow, Moment, Watcher};
use crate::Result;

/// The exponential average: after each update, average += (1 - decay) * (parameters - average), with the decay lower at
/// first, (1 + t) / (10 + t), so that the start is soon forgotten (as TensorFlow's `ExponentialMovingAverage`).
pub struct Average {
    decay: f64,
    average: Vec<f32>,
}

impl Average {
    pub fn new(decay: f64) -> Self {
        Self {
            decay,
            average: Vec::new(),
        }
    }
}

impl Watcher for Average {
    fn name(&self) -> Option<String> {
        Some("the recipe's average".to_owned())
    }

    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        let t = at.step() as f64;
        let decay = self.decay.min((1.0 + t) / (10.0 + t));
        let parameters = at.parameters();
        if self.average.len() != parameters.len() {
            self.average = parameters.to_vec();
            return Ok(Flow::On);
        }
        let share = (1.0 - decay) as f32;
        for (average, p) in self.average.iter_mut().zip(parameters) {
            *average += share * (p - *average);
        }
        Ok(Flow::On)
    }

    fn stand_in(&self) -> Option<&[f32]> {
        (!self.average.is_empty()).then_some(&self.average)
    }

    fn state(&self) -> Vec<f32> {
        self.average.clone()
    }

    fn restore(&mut self, state: &[f32]) {
        self.average = state.to_vec();
    }
}
