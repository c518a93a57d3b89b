//! [`Stepper`]: forward, backward and step for a loop of one's own.

use super::Recipe;
use super::engine::look;
use crate::data::Targets;
use crate::loss::{Objective, Part, Seen};
use crate::net::Network;
use crate::net::cpu::CpuExecutor;
use crate::net::executor::{Executor, How};
use crate::net::tape::{Logits, LossValue, value_and_gradient};
use crate::optim::{Optimizer, UpdateRule};
use crate::seed::{Rng, stream};
use crate::{Error, Result};

/// A network with its optimizer, for a loop of one's own: reinforcement, adaptation at test time, two networks that
/// train each other. Of the recipe it takes the rule with its rate and schedule (an epoch is one update, so that a
/// schedule over the length ends after as many updates as the recipe has epochs or steps), the penalties, groups, clipping and the seed of dropout.
///
/// ```
/// use jook::prelude::*;
/// let net = Mlp::new([2, 8, 1]).build(0)?;
/// let mut stepper = Stepper::new(&net, Recipe::new().sgd(0.1))?;
/// let (x, target) = ([0.0, 1.0, 1.0, 0.0], [1.0, -1.0]);
/// for _ in 0..50 {
///     let outputs = stepper.forward(&x)?;
///     // d loss / d outputs of the mean of (output - target)^2.
///     let slopes: Vec<f32> = outputs.iter().zip(&target).map(|(y, t)| y - t).collect();
///     stepper.backward(&slopes)?;
///     stepper.step()?;
/// }
/// assert!((stepper.network().predict(&x)?[0] - 1.0).abs() < 0.1);
/// # Ok::<(), jook::Error>(())
/// ```
pub struct Stepper {
    executor: CpuExecutor,
    taps: Vec<String>,
    rows: usize,
    recipe: Recipe,
    optimizer: Optimizer,
    rng: Rng,
    steps: u64,
}

impl Stepper {
    /// Steps on a copy of `network` by `recipe`.
    ///
    /// # Errors
    /// When the recipe cannot be followed.
    pub fn new(network: &Network, recipe: impl Into<Recipe>) -> Result<Self> {
        Self::tapped(network, recipe, &[])
    }

    /// As [`Stepper::new`], for the outputs of these layers.
    ///
    /// # Errors
    /// When there is no such layer, or the recipe cannot be followed.
    pub fn tapped(network: &Network, recipe: impl Into<Recipe>, taps: &[&str]) -> Result<Self> {
        let recipe = recipe.into();
        recipe.validate()?;
        recipe.check_loop()?;
        let taps: Vec<String> = taps.iter().map(|&tap| tap.to_owned()).collect();
        let rows = recipe.batch.min(256);
        let executor = CpuExecutor::new(network.clone(), rows, &taps)?;
        let mut optimizer = recipe.optimizer(None);
        optimizer.plan(executor.tensors())?;
        Ok(Self {
            rng: stream(recipe.seed, "dropout"),
            executor,
            taps,
            rows,
            optimizer,
            recipe,
            steps: 0,
        })
    }

    /// Updates by this rule instead of the recipe's, at the recipe's rate.
    ///
    /// # Errors
    /// When a group of the recipe fits no tensor.
    pub fn rule(mut self, rule: impl UpdateRule + 'static) -> Result<Self> {
        self.optimizer = self.recipe.optimizer(Some(std::sync::Arc::new(rule)));
        self.optimizer.plan(self.executor.tensors())?;
        self.executor.restore_states(Vec::new());
        Ok(self)
    }

    /// The outputs at the first tap (those of the network, if no others were asked for) for a batch `x`, rows x inputs,
    /// in training: dropout drops, batch norm uses the batch's statistics and moves the running ones.
    ///
    /// # Errors
    /// When `x` is no whole number of examples, or there is too little memory.
    pub fn forward(&mut self, x: &[f32]) -> Result<&[f32]> {
        self.take(x)?;
        self.executor.forward(How::train(&mut self.rng))?;
        self.output(0)
    }

    /// As [`forward`](Self::forward), in evaluation mode.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn evaluate(&mut self, x: &[f32]) -> Result<&[f32]> {
        self.take(x)?;
        self.executor.forward(How::evaluate())?;
        self.output(0)
    }

    /// As [`forward`](Self::forward), without dropout: batch norm uses the batch's statistics, and the running ones move
    /// if `moves` (adaptation at test time, Nado et al. 2020). A frozen batch norm uses its running statistics, which stay.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn adapt(&mut self, x: &[f32], moves: bool) -> Result<&[f32]> {
        self.take(x)?;
        self.executor.forward(How::adapt(moves))?;
        self.output(0)
    }

    /// The outputs of the last pass at a tap, rows x its width.
    ///
    /// # Errors
    /// When there is no such tap.
    pub fn output(&mut self, tap: usize) -> Result<&[f32]> {
        let (outputs, _) = self.executor.taps();
        let count = outputs.len();
        outputs.into_iter().nth(tap).ok_or_else(|| {
            Error::spec(format!(
                "there is no tap {tap}: expected 0 to {}",
                count.saturating_sub(1)
            ))
        })
    }

    /// From d loss / d outputs at the first tap, rows x its width, to the gradients; other taps put in nothing.
    ///
    /// # Errors
    /// When `slopes` is not as long as the outputs of the last pass.
    pub fn backward(&mut self, slopes: &[f32]) -> Result<()> {
        self.backward_at(&[(0, slopes)], false)
    }

    /// As [`backward`](Self::backward), added to the gradients that are there: a step over several batches.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub fn add_backward(&mut self, slopes: &[f32]) -> Result<()> {
        self.backward_at(&[(0, slopes)], true)
    }

    /// From d loss / d outputs at several taps, each with its number, to the gradients, in place of those that are there
    /// or added to them.
    ///
    /// # Errors
    /// When there is no such tap, or slopes are not as long as its outputs.
    pub fn backward_at(&mut self, slopes: &[(usize, &[f32])], add: bool) -> Result<()> {
        let (_, mut places) = self.executor.taps();
        places.iter_mut().for_each(|place| place.fill(0.0));
        for (tap, own) in slopes {
            match places.get_mut(*tap) {
                Some(place) if place.len() == own.len() => place.copy_from_slice(own),
                Some(place) => {
                    return Err(Error::data(format!(
                        "expected {} slopes, one an output of the last pass, found {}",
                        place.len(),
                        own.len()
                    ))
                    .at(format!("tap {tap}")));
                }
                None => return Err(Error::spec(format!("there is no tap {tap}"))),
            }
        }
        self.executor.backward(add)
    }

    /// One update from the gradients.
    ///
    /// # Errors
    /// When a gradient is not finite; nothing is changed then.
    pub fn step(&mut self) -> Result<()> {
        if let Some(at) = self.executor.gradients().iter().position(|g| !g.is_finite()) {
            let tensor = self.executor.tensors().iter().find(|t| t.range.contains(&at));
            let name = tensor.map_or("", |tensor| tensor.name.as_str());
            return Err(Error::data("expected finite gradients, found others")
                .at(format!("update {}, tensor {name}", self.steps + 1))
                .fix("lower the rate, or look for a log of 0 or a division by 0 in the loss"));
        }
        let update = self.recipe.update_at(self.steps as usize, 1, 1.0);
        self.steps += 1;
        self.executor.update(&self.optimizer, update)
    }

    /// One whole step on a batch `x`, rows x inputs, towards a smaller objective; gives its value.
    ///
    /// # Errors
    /// When batch, targets and objective do not fit each other, or the gradient is not finite.
    pub fn minimize(
        &mut self,
        x: &[f32],
        targets: Targets<'_>,
        objective: &mut dyn Objective,
    ) -> Result<f64> {
        self.descend(x, targets, |seen, slopes| objective.value(seen, slopes))
    }

    /// One whole step on a batch `x`, rows x inputs, towards a smaller loss written in dfdx, which is given the outputs
    /// at the first tap; gives its value.
    ///
    /// # Errors
    /// When `x` is no whole number of examples, the loss leaves the tape, or the gradient is not finite.
    pub fn learn(&mut self, x: &[f32], loss: impl FnOnce(Logits) -> LossValue) -> Result<f64> {
        self.descend(x, Targets::None, |seen, slopes| {
            let value = value_and_gradient(seen.outputs[0], seen.widths[0], slopes[0], loss)?;
            Ok(f64::from(value))
        })
    }

    /// Forward, a look at the outputs, backward and step; gives what the look did.
    fn descend(
        &mut self,
        x: &[f32],
        targets: Targets<'_>,
        value: impl FnOnce(&Seen<'_>, &mut [&mut [f32]]) -> Result<f64>,
    ) -> Result<f64> {
        let value = self.gradient_of(x, (targets, None), value)?;
        self.step()?;
        Ok(value)
    }

    /// Forward, a look at the outputs and backward; gives what the look did. The weights say how much each row counts.
    pub(super) fn gradient_of(
        &mut self,
        x: &[f32],
        (targets, weights): (Targets<'_>, Option<&[f32]>),
        value: impl FnOnce(&Seen<'_>, &mut [&mut [f32]]) -> Result<f64>,
    ) -> Result<f64> {
        let rows = self.take(x)?;
        self.executor.forward(How::train(&mut self.rng))?;
        let numbers: Vec<u32> = (0..rows as u32).collect();
        let part = Part {
            range: 0..rows,
            rows: &numbers,
            targets,
            weights,
        };
        let value = look(&mut self.executor, &[part], self.steps + 1, value)?;
        self.executor.backward(false)?;
        Ok(value)
    }

    /// The gradients, flat as [`Network::parameters`].
    pub fn gradients(&mut self) -> &[f32] {
        self.executor.gradients()
    }

    /// The network as it is now.
    pub fn network(&self) -> &Network {
        self.executor.network()
    }

    /// The network as it is now, for good.
    pub fn into_network(self) -> Network {
        self.executor.into_network()
    }

    /// Takes over the numbers of a network of the same layers: a target network, say.
    ///
    /// # Errors
    /// When it has other layers.
    pub fn take_over(&mut self, other: &Network) -> Result<()> {
        if other.wiring() != self.network().wiring() {
            return Err(Error::spec(
                "expected a network of the same layers, found another",
            ));
        }
        self.executor.restore(other.parameters(), other.buffers());
        Ok(())
    }

    /// The rate from now on, before the schedule.
    ///
    /// # Errors
    /// When it is not finite, or below 0.
    pub fn set_rate(&mut self, rate: f64) -> Result<()> {
        self.recipe.set_rate(rate)
    }

    /// Updates made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Freezes the layer of this name from now on, or lets it learn again.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn set_frozen(&mut self, layer: &str, frozen: bool) -> Result<()> {
        self.executor.set_frozen(layer, frozen)?;
        self.optimizer.plan(self.executor.tensors())
    }

    /// Puts a batch where the network reads it; gives its rows.
    fn take(&mut self, x: &[f32]) -> Result<usize> {
        let inputs = self.executor.inputs();
        if x.is_empty() || !x.len().is_multiple_of(inputs) {
            return Err(Error::data(format!(
                "{} numbers are no whole number of examples: the network takes {inputs} each",
                x.len()
            )));
        }
        self.network().spec().check_indices(x, "")?;
        let rows = x.len() / inputs;
        if rows > self.rows {
            self.executor.make_room(rows, &self.taps)?;
            self.rows = rows;
        }
        self.executor.input(rows).copy_from_slice(x);
        Ok(rows)
    }
}
