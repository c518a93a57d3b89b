//! [`NetworkModule`]: a network as a module of dfdx, for its optimizers, its tuples and its training loops.

use std::ops::Range;

use dfdx::prelude::{
    Const, Cpu, CpuError, Device, Dim, Dtype, Module, ModuleMut, ModuleVisitor, RealizeTo, Tape, Tensor,
    TensorCollection, TensorFromVec, TensorOptions,
};

use super::Network;
use super::executor::How;
use super::run_time::AtRunTime;
use super::tape::{Leaves, Op, Spare, no_memory, within};
use crate::seed::{Rng, stream};
use crate::{Error, Result};

/// Numbers of a network, flat.
type Flat<E, D> = Tensor<AtRunTime<(usize,)>, E, D>;

/// A network of `I` inputs and `O` outputs as a module of dfdx: it stands in a tuple of modules, and dfdx's optimizers
/// (`Sgd`, `Adam`, `RMSprop`), `alloc_grads`, `zero_grads` and `ModelEMA` work on it. To them it has three flat tensors:
/// `learned`, the parameters that take updates; `frozen`, those that do not; and `running`, the running statistics.
///
/// `forward` is in evaluation mode, `forward_mut` in training mode: dropout drops, batch norm uses the batch's statistics
/// and moves the running ones.
///
/// ```
/// use dfdx::optim::{Sgd, SgdConfig};
/// use dfdx::prelude::*;
/// use jook::net::{Mlp, NetworkModule};
///
/// let mut net = NetworkModule::<5, 2>::new(&Mlp::new([5, 32, 2]).build(0)?, 0)?;
/// let mut grads = net.alloc_grads();
/// let mut sgd = Sgd::new(&net, SgdConfig { lr: 0.01, momentum: None, weight_decay: None });
/// let dev = Cpu::seed_from_u64(0);
/// let (x, y): (Tensor<Rank2<3, 5>, f32, _>, Tensor<Rank2<3, 2>, f32, _>) = (dev.sample_normal(), dev.sample_normal());
/// let mut losses = Vec::new();
/// for _ in 0..5 {
///     let loss = mse_loss(net.forward_mut(x.trace(grads)), y.clone());
///     losses.push(loss.array());
///     grads = loss.backward();
///     sgd.update(&mut net, &grads).expect("all tensors have gradients");
///     net.zero_grads(&mut grads);
/// }
/// assert!(losses[4] < losses[0]);
/// let trained = net.network();
/// # let _ = trained;
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone)]
pub struct NetworkModule<const I: usize, const O: usize> {
    /// Its numbers are old: those of the tensors count.
    network: Network,
    learned: Flat<f32, Cpu>,
    frozen: Flat<f32, Cpu>,
    running: Flat<f32, Cpu>,
    rng: Rng,
    spare: Spare,
}

impl<const I: usize, const O: usize> NetworkModule<I, O> {
    /// A copy of `network`, its numbers as they are; `seed` decides what dropout drops.
    ///
    /// # Errors
    /// When the network has other inputs or outputs.
    pub fn new(network: &Network, seed: u64) -> Result<Self> {
        let found = (network.inputs(), network.outputs());
        if found != (I, O) {
            return Err(Error::spec(format!(
                "expected a network of {I} inputs and {O} outputs, found one of {} and {}",
                found.0, found.1
            ))
            .at(format!("NetworkModule::<{I}, {O}>"))
            .fix(format!("use NetworkModule::<{}, {}>", found.0, found.1)));
        }
        let of = |ranges: &[Range<usize>]| {
            let numbers = ranges
                .iter()
                .flat_map(|range| &network.parameters()[range.clone()]);
            flat(numbers.copied().collect())
        };
        Ok(Self {
            learned: of(&network.trainable())?,
            frozen: of(&network.untrainable())?,
            running: flat(network.buffers().to_vec())?,
            network: network.clone(),
            rng: stream(seed, "dropout"),
            spare: Spare::default(),
        })
    }

    /// The network with the numbers of this moment.
    pub fn network(&self) -> Network {
        let mut network = self.network.clone();
        for (ranges, tensor) in [
            (network.trainable(), &self.learned),
            (network.untrainable(), &self.frozen),
        ] {
            // Not as_vec, which panics where there are no numbers.
            let mut numbers = vec![0.0; ranges.iter().map(Range::len).sum()];
            tensor.copy_into(&mut numbers);
            for (range, own) in within(&ranges) {
                network.parameters_mut()[range].copy_from_slice(&numbers[own]);
            }
        }
        self.running.copy_into(network.buffers_mut());
        network
    }

    /// Runs the network on a batch, as one op on its tape.
    fn run<B: Dim, T: Tape<f32, Cpu>>(
        &self,
        network: &mut Network,
        x: Tensor<(B, Const<I>), f32, Cpu, T>,
        how: How<'_>,
    ) -> Result<Tensor<(B, Const<O>), f32, Cpu, T>, CpuError> {
        let mut op = Op::begin(network, &self.spare, x).map_err(no_room)?;
        op.passes.run(network, how);
        let outputs = op.end(network, || Leaves::in_parts(network.trainable(), &self.learned));
        outputs
            .map_err(no_room)?
            .try_realize()
            .map_err(|_| CpuError::WrongNumElements)
    }
}

/// The widths are right by their types: what remains is the memory.
fn no_room(_: Error) -> CpuError {
    CpuError::OutOfMemory
}

fn flat(numbers: Vec<f32>) -> Result<Flat<f32, Cpu>> {
    let shape = (numbers.len(),);
    let flat = Cpu::default()
        .try_tensor_from_vec(numbers, shape)
        .map_err(no_memory)?;
    flat.try_realize()
        .map_err(|_| Error::spec("dfdx refused a tensor of one dimension"))
}

impl<const I: usize, const O: usize> TensorCollection<f32, Cpu> for NetworkModule<I, O> {
    /// The tensors alone: a network of ours is of f32 on the CPU.
    type To<E: Dtype, D: Device<E>> = (Flat<E, D>, Flat<E, D>, Flat<E, D>);

    fn iter_tensors<V: ModuleVisitor<Self, f32, Cpu>>(
        visitor: &mut V,
    ) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        // Fresh numbers come with a fresh network: dfdx's reset leaves these.
        visitor.visit_fields(
            (
                Self::tensor(
                    "learned",
                    |s| &s.learned,
                    |s| &mut s.learned,
                    TensorOptions::reset_with(|_| Ok(())),
                ),
                Self::tensor(
                    "frozen",
                    |s| &s.frozen,
                    |s| &mut s.frozen,
                    TensorOptions::detached(|_| Ok(())),
                ),
                Self::tensor(
                    "running",
                    |s| &s.running,
                    |s| &mut s.running,
                    TensorOptions::detached(|_| Ok(())),
                ),
            ),
            |tensors| tensors,
        )
    }
}

impl<const I: usize, const O: usize, B: Dim, T: Tape<f32, Cpu>> Module<Tensor<(B, Const<I>), f32, Cpu, T>>
    for NetworkModule<I, O>
{
    type Output = Tensor<(B, Const<O>), f32, Cpu, T>;
    type Error = CpuError;

    fn try_forward(&self, x: Tensor<(B, Const<I>), f32, Cpu, T>) -> Result<Self::Output, CpuError> {
        self.run(&mut self.network(), x, How::evaluate())
    }
}

impl<const I: usize, const O: usize, B: Dim, T: Tape<f32, Cpu>> ModuleMut<Tensor<(B, Const<I>), f32, Cpu, T>>
    for NetworkModule<I, O>
{
    type Output = Tensor<(B, Const<O>), f32, Cpu, T>;
    type Error = CpuError;

    fn try_forward_mut(&mut self, x: Tensor<(B, Const<I>), f32, Cpu, T>) -> Result<Self::Output, CpuError> {
        let mut network = self.network();
        let mut rng = self.rng.clone();
        let outputs = self.run(&mut network, x, How::train(&mut rng))?;
        self.rng = rng;
        self.running.copy_from(network.buffers());
        Ok(outputs)
    }
}
