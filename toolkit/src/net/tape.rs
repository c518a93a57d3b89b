//! The bridge to dfdx: a whole network as one op on its tape, and losses written in dfdx.
//!
//! [`Network::forward`] runs the fused executor on a dfdx tensor and gives a dfdx tensor. If the input has
//! a tape, one backward op joins it: at `backward()` it passes the gradient on to the input, and that of
//! the parameters is fetched with [`Network::parameter_gradients`]. [`NetworkModule`](super::NetworkModule) is a network
//! among dfdx's modules, for its optimizers.
//!
//! ```
//! use dfdx::prelude::*;
//! use jook::net::Mlp;
//!
//! let network = Mlp::new([2, 8, 1]).build(0)?;
//! let x = Cpu::default().tensor([[0.0, 1.0], [1.0, 1.0]]);
//! let outputs = network.forward(x.leaky_trace())?;
//! let mut gradients = outputs.square().mean().backward();
//! let by_parameter = network.parameter_gradients(&mut gradients)?;
//! assert_eq!(by_parameter.len(), network.parameters().len());
//! # Ok::<(), jook::Error>(())
//! ```

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use dfdx::optim::{Optimizer as _, Sgd, SgdConfig};
use dfdx::prelude::{
    AsArray, Backward, Cpu, CpuError, Gradients, HasShape, OwnedTape, PutTape, Rank0, RealizeTo, ReshapeTo,
    Shape, SplitTape, Tape, Tensor, TensorFromVec, Trace,
};

use super::Network;
use super::cpu::Passes;
use super::executor::How;
use super::permute::{TO_OURS, TO_PYTORCH, permuted};
use super::run_time::AtRunTime;
use crate::data::Shape as Example;
use crate::seed::Rng;
use crate::{Error, Result};

/// Outputs on their way into a loss written in dfdx, rows x outputs.
pub type Logits = Tensor<(usize, usize), f32, Cpu, OwnedTape<f32, Cpu>>;

/// What a loss written in dfdx returns.
pub type LossValue = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

/// Sizes of a batch that a network takes: rows x inputs, or images x channels x height x width, dfdx's order.
pub trait BatchSizes: Copy {
    /// Examples.
    fn rows(self) -> usize;

    /// What an example is.
    fn example(self) -> Example;
}

impl BatchSizes for [usize; 2] {
    fn rows(self) -> usize {
        self[0]
    }

    fn example(self) -> Example {
        Example::Flat(self[1])
    }
}

impl BatchSizes for [usize; 4] {
    fn rows(self) -> usize {
        self[0]
    }

    fn example(self) -> Example {
        let [_, channels, height, width] = self;
        Example::from((height, width, channels))
    }
}

/// What a network keeps for its ops on tapes. A copy of a network is another network: it gets gradients of its own.
#[derive(Default)]
pub(super) struct OnTapes {
    leaf: OnceLock<Leaf>,
    spare: Spare,
}

impl Clone for OnTapes {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Stands for a network's parameters on tapes: dfdx files their gradient under the first tensor, and under the second
/// how often a way back led here, as it hands out zeros for what it does not know.
#[derive(Clone)]
struct Leaf {
    parameters: Tensor<(usize,), f32, Cpu>,
    visits: Tensor<(usize,), f32, Cpu>,
}

impl OnTapes {
    fn leaf(&self, parameters: usize) -> Leaf {
        let zeros = |count| Cpu::default().tensor_from_vec(vec![0.0; count], (count,));
        let leaf = || Leaf {
            parameters: zeros(parameters),
            visits: zeros(1),
        };
        self.leaf.get_or_init(leaf).clone()
    }
}

/// Passes of a network that wait for its next batch.
#[derive(Clone, Default)]
pub(super) struct Spare(Arc<Mutex<Option<Passes>>>);

impl Spare {
    fn take(&self, network: &Network, rows: usize) -> Result<Passes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match kept.filter(|kept| kept.max_rows() >= rows) {
            Some(passes) => Ok(passes),
            None => {
                let _promised = Passes::check_rows(network, rows)?;
                Ok(Passes::new(network, rows))
            }
        }
    }

    /// Keeps the larger ones.
    fn put_back(&self, passes: Passes) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if place
            .as_ref()
            .is_none_or(|kept| kept.max_rows() < passes.max_rows())
        {
            *place = Some(passes);
        }
    }
}

impl Network {
    /// The outputs, rows x outputs, for a batch `x`, rows x inputs or images x channels x height x width, in evaluation
    /// mode, as one op on the tape of `x`, if it has one. The op computes with the parameters of this moment.
    ///
    /// # Errors
    /// When the examples are not of the network's input, or there is too little memory.
    pub fn forward<S, T>(&self, x: Tensor<S, f32, Cpu, T>) -> Result<Tensor<(usize, usize), f32, Cpu, T>>
    where
        S: Shape<Concrete: BatchSizes>,
        T: Tape<f32, Cpu>,
    {
        let mut op = Op::begin(self, &self.on_tapes.spare, x)?;
        op.passes.run_still(self);
        op.end(self, || self.leaves())
    }

    /// As [`Network::forward`], in training mode: dropout drops by `rng`, batch norm uses the batch's
    /// statistics and moves the running ones.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn forward_mut<S, T>(
        &mut self,
        x: Tensor<S, f32, Cpu, T>,
        rng: &mut Rng,
    ) -> Result<Tensor<(usize, usize), f32, Cpu, T>>
    where
        S: Shape<Concrete: BatchSizes>,
        T: Tape<f32, Cpu>,
    {
        let mut op = Op::begin(self, &self.on_tapes.spare, x)?;
        op.passes.run(self, How::train(rng));
        op.end(self, || self.leaves())
    }

    /// d loss / d parameters, laid out as [`Network::parameters`], from what `backward()` gave; the sum if
    /// the network was on the tape several times, zeros for frozen layers.
    ///
    /// # Errors
    /// When the loss did not come from this network by its tape, or dfdx finds no memory.
    pub fn parameter_gradients(&self, gradients: &mut Gradients<f32, Cpu>) -> Result<Vec<f32>> {
        let leaf = self.on_tapes.leaf(self.parameters().len());
        let visits = gradients.get_or_alloc_mut(&leaf.visits).map_err(no_memory)?;
        if visits.first().is_none_or(|&visits| visits == 0.0) {
            return Err(
                Error::spec("the loss does not come from this network by its tape: it has no gradient")
                    .at("parameter_gradients")
                    .fix(
                        "give forward a tensor with a tape (x.leaky_trace(); a tape from another model's alloc_grads \
                         forgets this one), compute the loss from its outputs without .array(), .as_vec() or a new trace \
                         between, and ask the very network that ran: a clone has gradients of its own",
                    ),
            );
        }
        let found = gradients.get_or_alloc_mut(&leaf.parameters).map_err(no_memory)?;
        Ok(found.to_vec())
    }

    fn leaves(&self) -> Leaves<(usize,)> {
        let all = self.parameters().len();
        let Leaf { parameters, visits } = self.on_tapes.leaf(all);
        Leaves {
            ranges: std::iter::once(0..all).collect(),
            tensor: parameters,
            visits: Some(visits),
        }
    }
}

/// Where the gradient of the parameters goes: ranges of them stand one after another under a tensor.
pub(super) struct Leaves<S: Shape> {
    ranges: Vec<Range<usize>>,
    tensor: Tensor<S, f32, Cpu>,
    /// Counts the ways back.
    visits: Option<Tensor<(usize,), f32, Cpu>>,
}

impl<S: Shape> Leaves<S> {
    pub fn in_parts(ranges: Vec<Range<usize>>, tensor: &Tensor<S, f32, Cpu>) -> Self {
        Self {
            ranges,
            tensor: tensor.clone(),
            visits: None,
        }
    }

    fn add(&self, found: &[f32], gradients: &mut Gradients<f32, Cpu>) -> Result<(), CpuError> {
        let place = gradients.get_or_alloc_mut(&self.tensor)?;
        for (range, own) in within(&self.ranges) {
            add(&mut place[own], &found[range]);
        }
        if let Some(visits) = &self.visits {
            add(gradients.get_or_alloc_mut(visits)?, &[1.0]);
        }
        Ok(())
    }
}

/// Each range, and where it lies when they stand one after another.
pub(super) fn within(ranges: &[Range<usize>]) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let mut end = 0;
    ranges.iter().map(move |range| {
        let start = end;
        end += range.len();
        (range.clone(), start..end)
    })
}

/// A network at work as one op.
pub(super) struct Op<S: Shape, T> {
    x: Tensor<S, f32, Cpu>,
    tape: T,
    /// With the batch in them.
    pub passes: Passes,
    spare: Spare,
}

impl<S: Shape<Concrete: BatchSizes>, T: Tape<f32, Cpu>> Op<S, T> {
    pub fn begin(network: &Network, spare: &Spare, x: Tensor<S, f32, Cpu, T>) -> Result<Self> {
        let sizes = x.shape().concrete();
        let (rows, example) = (sizes.rows(), sizes.example());
        check_example(network, example)?;
        let mut passes = spare.take(network, rows)?;
        // No copy unless the tensor is transposed or broadcast; then this is an op of its own.
        let (x, tape) = x.try_contiguous().map_err(no_memory)?.split_tape();
        match example {
            Example::Flat(_) => x.copy_into(passes.input(rows)),
            Example::Image { .. } => {
                let sizes: Vec<usize> = sizes.into_iter().collect();
                let numbers = permuted(&x.as_vec(), &sizes, &TO_OURS);
                passes.input(rows).copy_from_slice(&numbers);
            }
        }
        network.spec().check_indices(passes.input(rows), "")?;
        Ok(Self {
            x,
            tape,
            passes,
            spare: spare.clone(),
        })
    }

    /// The outputs of the pass that ran, with the way back on the tape.
    pub fn end<L: Shape>(
        self,
        network: &Network,
        leaves: impl FnOnce() -> Leaves<L>,
    ) -> Result<Tensor<(usize, usize), f32, Cpu, T>> {
        let Self {
            x,
            mut tape,
            mut passes,
            spare,
        } = self;
        let sizes = x.shape().concrete();
        let rows = sizes.rows();
        let outputs: Tensor<(usize, usize), f32, Cpu> = x
            .device()
            .try_tensor_from_vec(passes.outputs().to_vec(), (rows, network.outputs()))
            .map_err(no_memory)?;
        if !T::OWNS_TAPE {
            spare.put_back(passes);
            return Ok(outputs.put_tape(tape));
        }
        // It shares its numbers with the network until those change.
        let (network, result, leaves) = (network.clone(), outputs.clone(), leaves());
        tape.add_backward_op(move |gradients| {
            passes.backward_to_input(&network, gradients.get_or_alloc_mut(&result)?);
            leaves.add(passes.gradients(), gradients)?;
            let place = gradients.get_or_alloc_mut(&x)?;
            match sizes.example() {
                Example::Flat(_) => add(place, passes.input_gradient()),
                Example::Image {
                    height,
                    width,
                    channels,
                } => {
                    let ours = [rows, height, width, channels];
                    add(place, &permuted(passes.input_gradient(), &ours, &TO_PYTORCH));
                }
            }
            spare.put_back(passes);
            Ok(())
        });
        Ok(outputs.put_tape(tape))
    }
}

/// Refuses examples that the network does not take. A network on plain numbers takes images too, as their numbers.
fn check_example(network: &Network, example: Example) -> Result<()> {
    if example.width() != network.inputs() {
        return Err(Error::data(format!(
            "rows of {} numbers came, and the network takes {}",
            example.width(),
            network.inputs()
        )));
    }
    match (example, network.spec().image) {
        (Example::Image { .. }, Some(image)) if image != example => Err(Error::data(format!(
            "images of {example} came, and the network takes {image}"
        ))
        .fix("give images x channels x height x width, dfdx's and PyTorch's order")),
        _ => Ok(()),
    }
}

/// Runs a loss written in dfdx on several outputs, each with its width, and gives its value; d loss / d output goes to
/// the gradient at the same place, as long as the output.
///
/// # Errors
/// When the loss comes from none of the outputs by their tape, or dfdx finds no memory.
pub(crate) fn value_and_gradients(
    outputs: &[(&[f32], usize)],
    gradients: &mut [&mut [f32]],
    loss: impl FnOnce(Vec<Logits>) -> LossValue,
) -> Result<f64> {
    let leaf = |&(numbers, width): &(&[f32], usize)| {
        let shape = (numbers.len() / width.max(1), width);
        Cpu::default()
            .try_tensor_from_vec(numbers.to_vec(), shape)
            .map_err(no_memory)
    };
    let leaves: Vec<Tensor<(usize, usize), f32, Cpu>> = outputs.iter().map(leaf).collect::<Result<_>>()?;
    let reached = Arc::new(AtomicBool::new(false));
    let result = loss(leaves.iter().map(|leaf| traced(leaf, &reached)).collect());
    let (value, mut found) = finish(result, &reached)?;
    for (leaf, gradient) in leaves.iter().zip(gradients) {
        gradient.copy_from_slice(found.get_or_alloc_mut(leaf).map_err(no_memory)?);
    }
    Ok(value)
}

/// As [`value_and_gradients`], of one tensor of any shape.
pub(crate) fn slope_of<S: Shape>(
    leaf: &Tensor<S, f32, Cpu>,
    gradient: &mut [f32],
    loss: impl FnOnce(Tensor<S, f32, Cpu, OwnedTape<f32, Cpu>>) -> LossValue,
) -> Result<f64> {
    let reached = Arc::new(AtomicBool::new(false));
    let (value, mut found) = finish(loss(traced(leaf, &reached)), &reached)?;
    gradient.copy_from_slice(found.get_or_alloc_mut(leaf).map_err(no_memory)?);
    Ok(value)
}

/// The tensor with a tape. dfdx hands out zeros for what a tape does not know: an op of our own says in `reached`
/// whether the way back led here.
fn traced<S: Shape>(
    leaf: &Tensor<S, f32, Cpu>,
    reached: &Arc<AtomicBool>,
) -> Tensor<S, f32, Cpu, OwnedTape<f32, Cpu>> {
    let (leaf, mut tape) = leaf.leaky_trace().split_tape();
    let (reached, own) = (reached.clone(), leaf.clone());
    tape.add_backward_op(move |gradients| {
        reached.fetch_or(has_gradient(gradients, &own), Ordering::Relaxed);
        Ok(())
    });
    leaf.put_tape(tape)
}

/// Whether a way back has led to this tensor. Of all that dfdx makes public its optimizers alone tell a gradient that is
/// not there from one of zeros: one of rate 0 is asked, on a copy.
fn has_gradient<S: Shape>(gradients: &Gradients<f32, Cpu>, tensor: &Tensor<S, f32, Cpu>) -> bool {
    let Ok(mut copy) = tensor.clone().try_realize::<AtRunTime<S>>() else {
        return false;
    };
    let still = SgdConfig {
        lr: 0.0,
        momentum: None,
        weight_decay: None,
    };
    Sgd::new(&copy, still).update(&mut copy, gradients).is_ok()
}

/// The value of a loss, and the gradients on its tape.
fn finish(result: LossValue, reached: &AtomicBool) -> Result<(f64, Gradients<f32, Cpu>)> {
    let value = f64::from(result.array());
    let found = result.try_backward().map_err(no_memory)?;
    if reached.load(Ordering::Relaxed) {
        return Ok((value, found));
    }
    Err(Error::spec("the loss does not come from the outputs by their tape: nothing could be learnt from it")
        .at("a loss written in dfdx")
        .fix("compute it from the tensors it is given, without .array(), .as_vec(), a clone or a new trace between"))
}

/// Runs a loss written in dfdx on `logits`, rows x `outputs`, and gives its value; d loss / d logits goes
/// to `gradient`, as long as `logits`.
///
/// # Errors
/// When `logits` is not a whole number of rows, `gradient` has another length, the loss leaves the tape, or dfdx finds
/// no memory.
pub fn value_and_gradient(
    logits: &[f32],
    outputs: usize,
    gradient: &mut [f32],
    loss: impl FnOnce(Logits) -> LossValue,
) -> Result<f32> {
    if outputs == 0 || !logits.len().is_multiple_of(outputs) || gradient.len() != logits.len() {
        return Err(Error::data(format!(
            "{} logits and a gradient of {} numbers: expected the same count, a multiple of {outputs}",
            logits.len(),
            gradient.len()
        )));
    }
    let one = |mut outputs: Vec<Logits>| match outputs.pop() {
        Some(logits) => loss(logits),
        None => unreachable!("one output was given"),
    };
    Ok(value_and_gradients(&[(logits, outputs)], &mut [gradient], one)? as f32)
}

pub(super) fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

pub(crate) fn no_memory(error: CpuError) -> Error {
    Error::spec(format!("dfdx could not make a tensor: {error}")).fix("use smaller batches or fewer units")
}
