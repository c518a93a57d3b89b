//! What a network puts out for examples, in evaluation mode.

use super::cpu::Passes;
use super::cpu::inference::Inference;
use super::{NetSpec, Network};
use crate::{Error, Result, memory};

/// Rows that go through a network of plain numbers together: enough to keep the matrix products busy, few
/// enough for the caches; fewer where an example takes very much room.
const ROWS: usize = 256;
/// Numbers of a batch, the outputs of all layers together.
const NUMBERS: usize = 1 << 24;
/// Images that go through a network together at most.
const IMAGES: usize = 8;

impl Network {
    /// The outputs (logits of a classifier) in evaluation mode for examples laid one after another:
    /// n x inputs numbers in, n x outputs out, both row-major.
    ///
    /// # Errors
    /// When `examples` is not a whole number of examples, or there is too little memory for the pass or the
    /// outputs.
    pub fn predict(&self, examples: &[f32]) -> Result<Vec<f32>> {
        if self.spec().image.is_some() {
            let last = self.spec().layers.len() - 1;
            return Ok(Prepared::new(self, vec![last])?.run(examples)?[0].to_vec());
        }
        let inputs = self.inputs();
        let rows = rows_of(examples, inputs)?;
        self.spec().check_indices(examples, "")?;
        let each = Passes::floats_per_row(self, &[self.spec().layers.len() - 1]);
        let together = (NUMBERS / each).clamp(1, ROWS);
        let _promised = Passes::check_memory(self, rows.min(together), each)?;
        check_outputs(rows, self.outputs())?;
        let mut passes = Passes::new(self, rows.min(together));
        let mut predictions = Vec::with_capacity(rows * self.outputs());
        for chunk in examples.chunks(together * inputs) {
            predictions.extend_from_slice(passes.evaluate(self, chunk));
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
