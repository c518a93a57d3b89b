//! The bridge to dfdx: a whole network as one op on its tape, and losses written in dfdx.
//!
//! [`Network::forward`] runs the fused executor on a dfdx tensor and gives a dfdx tensor. If the input has
//! a tape, one backward op joins it: at `backward()` it passes the gradient on to the input, and that of
//! the parameters is fetched with [`Network::parameter_gradients`].
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

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use dfdx::prelude::{
    AsArray, Backward, Cpu, CpuError, Gradients, HasShape, OwnedTape, PutTape, Rank0, ReshapeTo, Shape,
    SplitTape, Tape, Tensor, TensorFromVec, Trace,
};

use super::Network;
use super::cpu::Passes;
use super::executor::How;
use crate::seed::Rng;
use crate::{Error, Result};

/// Outputs on their way into a loss written in dfdx, rows x outputs.
pub type Logits = Tensor<(usize, usize), f32, Cpu, OwnedTape<f32, Cpu>>;

/// What a loss written in dfdx returns.
pub type LossValue = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

/// Stands for a network's parameters on tapes: dfdx files their gradient under this tensor.
#[derive(Debug, Default)]
pub(super) struct Leaf(OnceLock<Tensor<(usize,), f32, Cpu>>);

impl Leaf {
    fn of(&self, parameters: usize) -> Tensor<(usize,), f32, Cpu> {
        self.0
            .get_or_init(|| Cpu::default().tensor_from_vec(vec![0.0; parameters], (parameters,)))
            .clone()
    }
}

/// A copy of a network is another network: it gets gradients of its own.
impl Clone for Leaf {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Network {
    /// The outputs for a batch `x`, rows x inputs, in evaluation mode, as one op on the tape of `x`, if it
    /// has one. The op computes with the parameters of this moment.
    ///
    /// # Errors
    /// When the rows are not as wide as the network's input, or there is too little memory.
    pub fn forward<S, T>(&self, x: Tensor<S, f32, Cpu, T>) -> Result<Tensor<(usize, usize), f32, Cpu, T>>
    where
        S: Shape<Concrete = [usize; 2]>,
        T: Tape<f32, Cpu>,
    {
        self.on_tape(x, |passes| {
            passes.run_still(self);
            self.clone()
        })
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
        S: Shape<Concrete = [usize; 2]>,
        T: Tape<f32, Cpu>,
    {
        let mut moved = self.clone();
        let outputs = self.on_tape(x, |passes| {
            passes.run(&mut moved, How::train(rng));
            moved.clone()
        })?;
        self.buffers_mut().copy_from_slice(moved.buffers());
        Ok(outputs)
    }

    /// d loss / d parameters, laid out as [`Network::parameters`], from what `backward()` gave; the sum if
    /// the network was on the tape several times, zeros if it was not, and for frozen layers.
    ///
    /// # Errors
    /// When dfdx finds no memory for the zeros.
    pub fn parameter_gradients(&self, gradients: &mut Gradients<f32, Cpu>) -> Result<Vec<f32>> {
        let found = gradients
            .get_or_alloc_mut(&self.leaf.of(self.parameters().len()))
            .map_err(no_memory)?;
        Ok(found.to_vec())
    }

    fn on_tape<S, T>(
        &self,
        x: Tensor<S, f32, Cpu, T>,
        run: impl FnOnce(&mut Passes) -> Network,
    ) -> Result<Tensor<(usize, usize), f32, Cpu, T>>
    where
        S: Shape<Concrete = [usize; 2]>,
        T: Tape<f32, Cpu>,
    {
        let [rows, width] = x.shape().concrete();
        if width != self.inputs() {
            return Err(Error::data(format!(
                "rows of {width} numbers came, and the network takes {}",
                self.inputs()
            )));
        }
        let _promised = Passes::check_rows(self, rows)?;
        // No copy unless the tensor is transposed or broadcast; then this is an op of its own.
        let (x, mut tape) = x.try_contiguous().map_err(no_memory)?.split_tape();
        let mut passes = Passes::new(self, rows);
        x.copy_into(passes.input(rows));
        self.spec().check_indices(passes.input(rows), "")?;
        let network = run(&mut passes);
        let outputs: Tensor<(usize, usize), f32, Cpu> = x
            .device()
            .try_tensor_from_vec(passes.outputs().to_vec(), (rows, self.outputs()))
            .map_err(no_memory)?;
        if T::OWNS_TAPE {
            let leaf = self.leaf.of(self.parameters().len());
            let result = outputs.clone();
            tape.add_backward_op(move |gradients| {
                passes.backward_to_input(&network, gradients.get_or_alloc_mut(&result)?);
                add(gradients.get_or_alloc_mut(&leaf)?, passes.gradients());
                add(gradients.get_or_alloc_mut(&x)?, passes.input_gradient());
                Ok(())
            });
        }
        Ok(outputs.put_tape(tape))
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
    let reached = reached.clone();
    tape.add_backward_op(move |_| {
        reached.store(true, Ordering::Relaxed);
        Ok(())
    });
    leaf.put_tape(tape)
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

pub(super) fn no_memory(error: CpuError) -> Error {
    Error::spec(format!("dfdx could not make a tensor: {error}")).fix("use smaller batches or fewer units")
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::*;

    use super::value_and_gradient;
    use crate::data::Targets;
    use crate::loss::Loss;
    use crate::net::cpu::Passes;
    use crate::net::tests::{relative_error, scattered};
    use crate::net::{Mlp, Network};
    use crate::seed::stream;

    fn wide(values: &[f32]) -> Vec<f64> {
        values.iter().map(|&v| f64::from(v)).collect()
    }

    type Input = Tensor<(usize, Const<3>), f32, Cpu, OwnedTape<f32, Cpu>>;

    /// A network and the same one made of dfdx's parts.
    fn twins() -> (Network, impl Fn(Input) -> super::LossValue) {
        let network = Mlp::new([3, 5, 2])
            .activation(crate::net::Activation::Tanh)
            .build(4)
            .unwrap();
        let device = Cpu::default();
        let take = |name: &str| network.tensor(name).unwrap().to_vec();
        let w1 = device.tensor_from_vec(take("dense1.weight"), (Const::<3>, Const::<5>));
        let w2 = device.tensor_from_vec(take("logits.weight"), (Const::<5>, Const::<2>));
        (network, move |x| {
            x.matmul(w1.clone()).tanh().matmul(w2.clone()).square().mean()
        })
    }

    #[test]
    fn a_network_is_an_op_like_dfdxs_own() {
        let (network, twin) = twins();
        let device = Cpu::default();
        let x = device.tensor_from_vec(scattered(4 * 3, 1), (4, Const::<3>));
        // The network between two other ops: the input is scaled, the output squared.
        let here = network.forward(x.leaky_trace() * 1.5).unwrap().square().mean();
        let there = twin(x.leaky_trace() * 1.5);
        let (one, other): (f32, f32) = (here.array(), there.array());
        assert!((one - other).abs() < 1e-6);
        let (mut here, there) = (here.backward(), there.backward());
        let (got, expected) = (here.get(&x).as_vec(), there.get(&x).as_vec());
        assert!(relative_error(&got, &wide(&expected)) < 1e-5);

        let gradients = network.parameter_gradients(&mut here).unwrap();
        let mut passes = Passes::new(&network, 4);
        let scaled: Vec<f32> = x.as_vec().iter().map(|x| 1.5 * x).collect();
        let y = passes.evaluate(&network, &scaled).to_vec();
        let above: Vec<f32> = y.iter().map(|y| 2.0 * y / y_count(&network)).collect();
        passes.backward(&network, &above);
        assert!(relative_error(&gradients, &wide(passes.gradients())) < 1e-5);
        assert!(gradients.iter().any(|g| g.abs() > 1e-3));
    }

    fn y_count(network: &Network) -> f32 {
        (4 * network.outputs()) as f32
    }

    #[test]
    fn gradients_add_up_over_uses_and_stay_apart_for_copies() {
        let (network, _) = twins();
        let other = network.clone();
        let x = Cpu::default().tensor_from_vec(scattered(4 * 3, 1), (4usize, 3usize));
        let once = {
            let mut gradients = network
                .forward(x.leaky_trace())
                .unwrap()
                .sum::<Rank0, _>()
                .backward();
            network.parameter_gradients(&mut gradients).unwrap()
        };
        let both = network.forward(x.leaky_trace()).unwrap() + network.forward(x.clone()).unwrap();
        let mut gradients = both.sum::<Rank0, _>().backward();
        // The second use had no tape.
        assert_eq!(network.parameter_gradients(&mut gradients).unwrap(), once);
        let both = network.forward(x.leaky_trace()).unwrap() + network.forward(x.leaky_trace()).unwrap();
        let mut gradients = both.sum::<Rank0, _>().backward();
        let twice: Vec<f64> = once.iter().map(|&g| 2.0 * f64::from(g)).collect();
        assert!(relative_error(&network.parameter_gradients(&mut gradients).unwrap(), &twice) < 1e-6);
        assert!(
            other
                .parameter_gradients(&mut gradients)
                .unwrap()
                .iter()
                .all(|&g| g == 0.0)
        );
    }

    #[test]
    fn transposed_inputs_and_wrong_widths() {
        let (network, _) = twins();
        let device = Cpu::default();
        let values = scattered(4 * 3, 1);
        let straight = network
            .forward(device.tensor_from_vec(values.clone(), (4usize, 3usize)))
            .unwrap();
        let mut turned = vec![0.0; 12];
        for (i, &value) in values.iter().enumerate() {
            turned[(i % 3) * 4 + i / 3] = value;
        }
        let turned = device
            .tensor_from_vec(turned, (3usize, 4usize))
            .permute::<(usize, usize), Axes2<1, 0>>();
        assert_eq!(network.forward(turned).unwrap().as_vec(), straight.as_vec());
        let error = network
            .forward(device.tensor_from_vec(values, (3usize, 4usize)))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("rows of 4") && error.contains("takes 3"),
            "{error}"
        );
    }

    #[test]
    fn a_batch_too_large_is_an_error() {
        // A broadcast tensor holds one number, and as a batch it would hold 2^60.
        let network = Mlp::new([1, 1]).build(0).unwrap();
        let one: Tensor<Rank0, f32, _> = Cpu::default().tensor(0.0);
        let x = one.broadcast_like::<_, Axes2<0, 1>>(&(1usize << 60, 1usize));
        let error = network.forward(x).unwrap_err().to_string();
        assert!(error.contains("GiB of free memory"), "{error}");
    }

    #[test]
    fn training_mode_drops_and_moves_running_statistics() {
        let mut network = Mlp::new([3, 50, 2]).batch_norm().dropout(0.5).build(4).unwrap();
        let x = Cpu::default().tensor_from_vec(scattered(4 * 3, 1), (4usize, 3usize));
        let before = network.buffers().to_vec();
        let still = network.forward(x.clone()).unwrap().as_vec();
        assert_eq!(network.buffers(), before);
        let mut rng = stream(1, "dropout");
        let first = network.forward_mut(x.clone(), &mut rng).unwrap().as_vec();
        assert_ne!(network.buffers(), before);
        let second = network.forward_mut(x, &mut rng).unwrap().as_vec();
        assert!(first != still && first != second);
    }

    #[test]
    fn a_loss_in_dfdx_meets_the_fused_one() {
        let logits: Vec<f32> = scattered(5 * 4, 2).iter().map(|x| 3.0 * x).collect();
        let classes = [0u32, 3, 1, 1, 2];
        let mut one_hot = vec![0.0; 20];
        classes
            .iter()
            .enumerate()
            .for_each(|(row, &class)| one_hot[row * 4 + class as usize] = 1.0);
        let (mut here, mut there) = (vec![0.0; 20], vec![0.0; 20]);
        let fused =
            Loss::SoftmaxCrossEntropy.value_and_gradient(&logits, Targets::Classes(&classes), &mut here);
        let written = value_and_gradient(&logits, 4, &mut there, |z| {
            let targets = z.device().tensor_from_vec(one_hot, (5, 4));
            cross_entropy_with_logits_loss(z, targets)
        })
        .unwrap();
        assert!((fused - written).abs() < 1e-5 * fused);
        assert!(relative_error(&here, &wide(&there)) < 1e-5);
        assert!(value_and_gradient(&logits, 3, &mut there, |z| z.square().mean()).is_err());
    }
}
