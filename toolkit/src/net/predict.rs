//! What a network puts out for examples, in evaluation mode.

use std::sync::Mutex;

use super::cpu::inference::Inference;
use super::cpu::{NUMBERS, Passes, ROWS};
use super::{NetSpec, Network};
use crate::data::{Augmentation, Dataset};
use crate::evaluate::{Examples, Meaning, Predictions, Predictor, predict_augmented};
use crate::{Error, Result, memory};

/// Images that go through a network together at most.
const IMAGES: usize = 8;
/// Numbers of buffers that are kept from one call to the next at most.
const KEPT: usize = 1 << 22;

#[cfg(test)]
thread_local! {
    /// How often predictions on this thread had to plan.
    pub(super) static PLANS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// What one call of [`Network::predict`] leaves for the next. Calls at the same time do not wait for each other: the
/// later one plans for itself.
#[derive(Default)]
pub(super) struct Planned(Mutex<Option<Plan>>);

enum Plan {
    /// Buffers; the weights are read from the network as they are.
    Numbers(Box<Passes>),
    /// Weights packed beside the buffers.
    Images(Box<Prepared>),
}

/// A copy plans for itself.
impl Clone for Planned {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Planned {
    fn take(&self) -> Option<Plan> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take()
    }

    fn put(&self, plan: Plan) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(plan);
    }

    /// The network's numbers may change: what holds copies of them is of no use any more.
    pub fn forget_weights(&mut self) {
        let plan = self.0.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        if matches!(plan, Some(Plan::Images(_))) {
            *plan = None;
        }
    }
}

impl Network {
    /// The outputs in evaluation mode: logits of a classifier, or numbers.
    ///
    /// For examples laid one after another, n x inputs numbers, the n x outputs that come out, both row-major. For a
    /// [`Dataset`] its [`Predictions`]: the classes, the mistakes, a table. The network does not know what it was trained
    /// on: its outputs are taken in the order of the dataset's classes or values, and for classes as logits of a softmax
    /// ([`Run::predict`](crate::train::Run::predict) knows better).
    ///
    /// The first call plans, and the next ones use its buffers and, for images, its packed weights, until a number of the
    /// network changes.
    ///
    /// ```
    /// use jook::prelude::*;
    ///
    /// let net = Mlp::new([2, 8, 3]).build(0)?;
    /// let logits = net.predict(&[0.0, 1.0, 1.0, 1.0])?;
    /// assert_eq!(logits.len(), 2 * 3);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When `examples` is not a whole number of examples, or there is too little memory for the pass or the
    /// outputs.
    #[doc(alias = "forward")]
    #[doc(alias = "predict_proba")]
    #[doc(alias = "argmax")]
    pub fn predict<E: Examples>(&self, examples: E) -> Result<E::Predicted> {
        examples.predicted_by(self)
    }

    /// The mean of the predictions for the examples as they are and for `times` random changes of each, drawn by `seed`
    /// (augmentation at test time, Krizhevsky et al. 2012). Of a classifier the probabilities are averaged, and the outputs
    /// are their logarithms.
    ///
    /// # Errors
    /// As `predict`; when a change does not fit the data, or mixes examples.
    pub fn predict_augmented(
        &self,
        data: &Dataset,
        changes: &[Augmentation],
        times: usize,
        seed: u64,
    ) -> Result<Predictions> {
        predict_augmented(self, data, changes, times, seed)
    }

    /// As [`Network::predict`] of numbers.
    pub(crate) fn outputs_for(&self, examples: &[f32]) -> Result<Vec<f32>> {
        if self.spec().image.is_some() {
            self.outputs_for_images(examples)
        } else {
            self.outputs_for_numbers(examples)
        }
    }

    /// As [`outputs_for`](Self::outputs_for), of the layer of this name where one is given.
    pub(crate) fn outputs_at(&self, layer: Option<&str>, examples: &[f32]) -> Result<Vec<f32>> {
        match layer {
            None => self.outputs_for(examples),
            Some(layer) => Ok(self.prepare(&[layer])?.run(examples)?[0].to_vec()),
        }
    }

    fn outputs_for_images(&self, examples: &[f32]) -> Result<Vec<f32>> {
        let mut prepared = match self.planned.take() {
            Some(Plan::Images(prepared)) => prepared,
            _ => {
                #[cfg(test)]
                PLANS.set(PLANS.get() + 1);
                Box::new(Prepared::new(self, vec![self.spec().layers.len() - 1])?)
            }
        };
        let outputs = prepared.run(examples).map(|outputs| outputs[0].to_vec());
        prepared.inference.release(KEPT);
        self.planned.put(Plan::Images(prepared));
        outputs
    }

    fn outputs_for_numbers(&self, examples: &[f32]) -> Result<Vec<f32>> {
        let inputs = self.inputs();
        let rows = rows_of(examples, inputs)?;
        self.spec().check_indices(examples, "")?;
        let each = Passes::floats_per_row(self, &[self.spec().layers.len() - 1]);
        let together = (NUMBERS / each).clamp(1, ROWS);
        check_outputs(rows, self.outputs())?;
        let mut passes = match self.planned.take() {
            Some(Plan::Numbers(passes)) if rows.min(together) <= passes.max_rows() => passes,
            _ => {
                #[cfg(test)]
                PLANS.set(PLANS.get() + 1);
                let _promised = Passes::check_memory(self, rows.min(together), each)?;
                Box::new(Passes::new(self, rows.min(together)))
            }
        };
        let mut predictions = Vec::with_capacity(rows * self.outputs());
        for chunk in examples.chunks(together * inputs) {
            predictions.extend_from_slice(passes.evaluate(self, chunk));
        }
        if passes.max_rows().saturating_mul(each) <= KEPT {
            self.planned.put(Plan::Numbers(passes));
        }
        Ok(predictions)
    }

    /// The network made ready for the outputs of these layers, in evaluation mode, batch after batch: batch
    /// norm folded into weights, weights packed, buffers made. Later changes to the network do not reach it.
    ///
    /// ```
    /// use jook::prelude::*;
    ///
    /// let net = Mlp::new([2, 8, 3]).build(0)?;
    /// let mut prepared = net.prepare(&["dense1", "logits"])?;
    /// let outputs = prepared.run(&[0.0, 1.0, 1.0, 1.0])?;
    /// assert_eq!((outputs[0].len(), outputs[1].len()), (2 * 8, 2 * 3));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such layer, or too little memory.
    pub fn prepare(&self, layers: &[&str]) -> Result<Prepared> {
        let places: Result<Vec<usize>> = layers.iter().map(|name| self.spec().position(name)).collect();
        Prepared::new(self, places?)
    }
}

impl Predictor for Network {
    fn outputs(&self, examples: &[f32]) -> Result<Vec<f32>> {
        self.outputs_for(examples)
    }

    fn predictions(&self, data: &Dataset) -> Result<Predictions> {
        let place = || format!("dataset {}", data.name());
        crate::train::check_shape(data, self.spec())?;
        if data.width() != self.inputs() {
            return Err(Error::data(format!(
                "expected {} numbers an example, as the network takes, found {}",
                self.inputs(),
                data.width()
            ))
            .at(place()));
        }
        let meaning = Meaning::of(data, self.outputs(), self.gives_log_probabilities)?;
        let outputs = self.outputs_for(data.features()).map_err(|e| e.at(place()))?;
        Ok(Predictions::new(data, outputs, meaning))
    }
}

/// A network made ready to run batch after batch, for some of its layers: see [`Network::prepare`].
pub struct Prepared {
    inference: Inference,
    /// The spec of a network that looks numbers up by index.
    looks_up: Option<NetSpec>,
    inputs: usize,
    widths: Vec<usize>,
    together: usize,
    /// The outputs of several batches, one after another.
    outputs: Vec<Vec<f32>>,
}

impl Prepared {
    fn new(network: &Network, targets: Vec<usize>) -> Result<Self> {
        let inference = Inference::new(network, &targets);
        let each = inference.floats_per_row();
        let together =
            (4 * NUMBERS / each.max(1)).clamp(1, IMAGES.max(ROWS * 1024 / network.inputs().max(1)));
        if let Some(lack) = memory::lacking((each as u64).saturating_mul(together as u64).saturating_mul(4)) {
            return Err(Error::spec(format!(
                "{together} examples do not fit the memory, at {each} numbers each on the way through the \
                 network: {lack}"
            ))
            .fix("use fewer units or fewer layers"));
        }
        let widths = network.spec().widths();
        Ok(Self {
            inference,
            looks_up: {
                let spec = network.spec();
                let mut layers = spec.layers.iter();
                let found = layers.any(|layer| layer.kind.rules().indices().is_some());
                found.then(|| spec.clone())
            },
            inputs: network.inputs(),
            widths: targets.iter().map(|&target| widths[target]).collect(),
            together,
            outputs: vec![Vec::new(); targets.len()],
        })
    }

    /// What each of the layers puts out for examples laid one after another, rows x width each.
    ///
    /// # Errors
    /// When `examples` is not a whole number of examples, or there is too little memory.
    pub fn run<'a>(&'a mut self, examples: &'a [f32]) -> Result<Vec<&'a [f32]>> {
        let rows = rows_of(examples, self.inputs)?;
        if let Some(spec) = &self.looks_up {
            spec.check_indices(examples, "")?;
        }
        if rows <= self.together {
            self.inference.run(examples);
            let outputs = (0..self.widths.len()).map(|target| self.inference.output(target, examples));
            return Ok(outputs.collect());
        }
        check_outputs(rows, self.widths.iter().sum())?;
        for output in &mut self.outputs {
            output.clear();
        }
        for chunk in examples.chunks(self.together * self.inputs) {
            self.inference.run(chunk);
            for (target, output) in self.outputs.iter_mut().enumerate() {
                output.extend_from_slice(self.inference.output(target, chunk));
            }
        }
        Ok(self.outputs.iter().map(Vec::as_slice).collect())
    }
}

/// How many examples of so many numbers these are.
fn rows_of(examples: &[f32], inputs: usize) -> Result<usize> {
    if examples.len().is_multiple_of(inputs) {
        return Ok(examples.len() / inputs);
    }
    Err(Error::data(format!(
        "{} numbers are no whole number of examples: the network takes {inputs} each",
        examples.len()
    )))
}

fn check_outputs(rows: usize, outputs: usize) -> Result<()> {
    let bytes = (rows as u64).saturating_mul(outputs as u64).saturating_mul(4);
    match memory::lacking(bytes) {
        None => Ok(()),
        Some(lack) => Err(Error::data(format!(
            "the {outputs} outputs of each of {rows} examples do not fit the memory: {lack}"
        ))
        .fix("predict a part of the examples at a time")),
    }
}
