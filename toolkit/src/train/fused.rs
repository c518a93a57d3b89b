//! A [`Network`] as a [`Learner`]: the fused executor, and either a fused loss or one on dfdx's tape.

use std::ops::Range;

use dfdx::prelude::{Cpu, Tensor, TensorFromVec};

use super::learner::{Learner, Named, count_correct};
use crate::Result;
use crate::loss::{Loss, Targets};
use crate::net::cpu::{Executor, Mode};
use crate::net::tape::{Logits, LossValue, value_and_gradient};
use crate::net::{Network, Role};
use crate::seed::Rng;

/// The targets of a batch for a loss written in dfdx, rows x classes: 1 for the class of the row, else 0.
pub type OneHot = Tensor<(usize, usize), f32, Cpu>;

/// A loss written in dfdx.
pub(super) type OwnLoss<'a> = &'a mut dyn FnMut(Logits, OneHot) -> LossValue;

/// A network being trained.
pub(super) struct FusedLearner<'a> {
    network: Network,
    executor: Executor,
    loss: Loss,
    own: Option<OwnLoss<'a>>,
    device: Cpu,
    slope: Vec<f32>,
}

impl<'a> FusedLearner<'a> {
    pub fn new(network: Network, most_rows: usize, loss: Loss, own: Option<OwnLoss<'a>>) -> Self {
        let numbers = most_rows * network.outputs();
        Self {
            executor: Executor::new(&network, most_rows),
            network,
            loss,
            own,
            device: Cpu::default(),
            slope: vec![0.0; numbers],
        }
    }

    pub fn into_network(self) -> Network {
        self.network
    }
}

impl Learner for FusedLearner<'_> {
    fn parameters(&self) -> &[f32] {
        self.network.parameters()
    }

    fn buffers(&self) -> &[f32] {
        self.network.buffers()
    }

    fn restore(&mut self, parameters: &[f32], buffers: &[f32]) {
        self.network.parameters_mut().copy_from_slice(parameters);
        self.network.buffers_mut().copy_from_slice(buffers);
    }

    fn trainable(&self) -> Vec<Range<usize>> {
        self.network.trainable()
    }

    fn tensors(&self) -> Vec<Named> {
        named(&self.network)
    }

    fn widths(&self) -> (usize, usize) {
        (self.network.inputs(), self.network.outputs())
    }

    fn input(&mut self, rows: usize) -> &mut [f32] {
        self.executor.input(rows)
    }

    fn gradient(&mut self, labels: &[u32], rng: &mut Rng) -> Result<f32> {
        let logits = self.executor.run(&mut self.network, Mode::Train(rng));
        let slope = &mut self.slope[..logits.len()];
        let loss = match &mut self.own {
            None => self
                .loss
                .value_and_gradient(logits, Targets::Classes(labels), slope),
            Some(own) => own_loss(*own, &self.device, logits, labels, slope)?,
        };
        self.executor.backward(&self.network, slope);
        Ok(loss)
    }

    fn gradients(&self) -> &[f32] {
        self.executor.gradients()
    }

    fn update(&mut self, change: &mut dyn FnMut(&mut [f32], &[f32])) {
        change(self.network.parameters_mut(), self.executor.gradients());
    }

    fn evaluate(&mut self, labels: &[u32]) -> Result<(f32, usize)> {
        let logits = self.executor.run(&mut self.network, Mode::Evaluate);
        let loss = match &mut self.own {
            None => self.loss.value(logits, Targets::Classes(labels)),
            Some(own) => {
                // The slope is not wanted here; computing it keeps one path for a loss of one's own.
                let slope = &mut self.slope[..logits.len()];
                own_loss(*own, &self.device, logits, labels, slope)?
            }
        };
        Ok((loss, count_correct(logits, labels)))
    }

    fn logits_finite(&self) -> bool {
        self.executor.outputs().iter().all(|x| x.is_finite())
    }

    fn own_loss(&self) -> bool {
        self.own.is_some()
    }
}

/// The tensors of a network, for files.
pub(super) fn named(network: &Network) -> Vec<Named> {
    network
        .tensors()
        .iter()
        .map(|tensor| Named {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            buffer: tensor.role == Role::Running,
            range: tensor.range.clone(),
        })
        .collect()
}

/// The value of a loss written in dfdx, and d loss / d logits into `slope`.
fn own_loss(
    own: &mut dyn FnMut(Logits, OneHot) -> LossValue,
    device: &Cpu,
    logits: &[f32],
    labels: &[u32],
    slope: &mut [f32],
) -> Result<f32> {
    let classes = logits.len() / labels.len();
    let targets = device.tensor_from_vec(one_hot(labels, classes), (labels.len(), classes));
    value_and_gradient(logits, classes, slope, |logits| own(logits, targets))
}

/// Labels as rows of zeros with a 1.
pub(super) fn one_hot(labels: &[u32], classes: usize) -> Vec<f32> {
    let mut values = vec![0.0; labels.len() * classes];
    for (row, &label) in values.chunks_exact_mut(classes).zip(labels) {
        row[label as usize] = 1.0;
    }
    values
}
