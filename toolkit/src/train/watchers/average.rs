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

/// The average, with equal weights, of the parameters at the ends of the epochs behind a share of the training, and at the
/// very end (Izmailov et al. 2018).
pub struct EqualAverage {
    share: f64,
    /// How many are in it.
    count: usize,
    average: Vec<f32>,
}

impl EqualAverage {
    pub fn new(share: f64) -> Self {
        Self {
            share,
            count: 0,
            average: Vec::new(),
        }
    }
}

impl Watcher for EqualAverage {
    fn name(&self) -> Option<String> {
        Some("the recipe's equal average".to_owned())
    }

    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        let (step, steps) = (at.step(), at.steps());
        let ends = step.is_multiple_of(at.work.per_epoch as u64) || step == steps;
        if !ends || step as f64 <= self.share * steps as f64 {
            return Ok(Flow::On);
        }
        let parameters = at.parameters();
        self.count += 1;
        if self.count == 1 {
            self.average = parameters.to_vec();
            return Ok(Flow::On);
        }
        let share = 1.0 / self.count as f32;
        for (average, p) in self.average.iter_mut().zip(parameters) {
            *average += share * (p - *average);
        }
        Ok(Flow::On)
    }

    fn stand_in(&self) -> Option<&[f32]> {
        (self.count > 0).then_some(&self.average)
    }

    fn state(&self) -> Vec<f32> {
        // As bits, which hold any count; of none there is nothing to remember.
        match self.count {
            0 => Vec::new(),
            count => [&[f32::from_bits(count as u32)], &self.average[..]].concat(),
        }
    }

    fn restore(&mut self, state: &[f32]) {
        if let Some((count, average)) = state.split_first() {
            self.count = count.to_bits() as usize;
            self.average = average.to_vec();
        }
    }
}
