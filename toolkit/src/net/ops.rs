//! Layers on images as ops on dfdx tensors, with gradients: what dfdx itself has on nightly Rust only.
//!
//! Images are in PyTorch's and dfdx's order, images x channels x height x width; inside, the ops are those of
//! the fused passes. What has a tape gets its gradient; weights without one get theirs from the tape of the
//! images, as in dfdx's own ops.
//!
//! ```
//! use dfdx::prelude::*;
//! use jook::prelude::ops;
//! use jook::net::Window;
//!
//! let device = Cpu::default();
//! let images: Tensor<Rank4<2, 1, 8, 8>, f32, _> = device.sample_normal();
//! let weights: Tensor<Rank4<4, 1, 3, 3>, f32, _> = device.sample_normal();
//! let maps = ops::conv2d(images.leaky_trace(), weights.clone(), Window::square(3).padding(1), 1)?;
//! let pooled = ops::max_pool2d(maps.relu(), Window::square(2).stride(2), false)?;
//! let means = ops::global_avg_pool(pooled)?;
//! assert_eq!(means.shape(), &(2, 4));
//! let gradients = means.square().mean().backward();
//! assert!(gradients.get(&weights).as_vec().iter().any(|g| *g != 0.0));
//! # Ok::<(), jook::Error>(())
//! ```

use dfdx::prelude::{
    Cpu, CpuError, Gradients, HasShape, Merge, NoneTape, PutTape, ReshapeTo, Shape, SplitTape, Tape, Tensor,
    TensorFromVec,
};

use super::builder::Layers;
use super::cpu::Passes;
use super::executor::How;
use super::permute::{TO_OURS, TO_PYTORCH, inverse, permuted};
use super::tape::{add, no_memory};
use super::{Init, LayerKind, NetSpec, Network, Window};
use crate::data::Shape as Example;
use crate::{Error, Result, memory};

/// Images x channels x height x width.
pub type Images<T> = Tensor<(usize, usize, usize, usize), f32, Cpu, T>;
/// One number for each channel, `C` such as `Rank1<3>`.
pub type PerChannel<C, T = NoneTape> = Tensor<C, f32, Cpu, T>;

/// From output channels x input channels x height x width to height x width x input channels x output channels.
const WEIGHTS_TO_OURS: [usize; 4] = [2, 3, 1, 0];

/// A convolution (cross-correlation) without bias. `weights` are output channels x input channels / `groups` x
/// kernel height x kernel width, and `window` has that kernel.
///
/// # Errors
/// When the shapes do not fit each other, or there is too little memory.
pub fn conv2d<S, W, T, R>(
    x: Tensor<S, f32, Cpu, T>,
    weights: Tensor<W, f32, Cpu, R>,
    window: Window,
    groups: usize,
) -> Result<Images<T>>
where
    S: Shape<Concrete = [usize; 4]>,
    W: Shape<Concrete = [usize; 4]>,
    T: Tape<f32, Cpu> + Merge<R>,
    R: Tape<f32, Cpu>,
{
    let (kind, x_size) = (
        convolution(&x, &weights, window, groups, false)?,
        x.shape().concrete(),
    );
    let (x, tape) = Operand::new(x, &TO_OURS)?;
    let (weights, other) = Operand::new(weights, &WEIGHTS_TO_OURS)?;
    Pass::new("conv2d", kind, x_size, x, vec![weights])?.images(tape.merge(other))
}

/// As [`conv2d`], with one bias for each output channel.
///
/// # Errors
/// As [`conv2d`].
pub fn conv2d_with_bias<S, W, B, T, R, Q>(
    x: Tensor<S, f32, Cpu, T>,
    weights: Tensor<W, f32, Cpu, R>,
    bias: Tensor<B, f32, Cpu, Q>,
    window: Window,
    groups: usize,
) -> Result<Images<T>>
where
    S: Shape<Concrete = [usize; 4]>,
    W: Shape<Concrete = [usize; 4]>,
    B: Shape<Concrete = [usize; 1]>,
    T: Tape<f32, Cpu> + Merge<R> + Merge<Q>,
    R: Tape<f32, Cpu>,
    Q: Tape<f32, Cpu>,
{
    let (kind, x_size) = (
        convolution(&x, &weights, window, groups, true)?,
        x.shape().concrete(),
    );
    let channels = weights.shape().concrete()[0];
    one_a_channel(&bias, channels, "conv2d_with_bias", "biases")?;
    let (x, tape) = Operand::new(x, &TO_OURS)?;
    let (weights, other) = Operand::new(weights, &WEIGHTS_TO_OURS)?;
    let tape = tape.merge(other);
    let (bias, other) = Operand::new(bias, &[0])?;
    Pass::new("conv2d_with_bias", kind, x_size, x, vec![weights, bias])?.images(tape.merge(other))
}

/// The largest number of each window, channel by channel; `ceil` as in [`LayerKind::MaxPool2d`].
///
/// # Errors
/// When the window does not fit the images, or there is too little memory.
pub fn max_pool2d<S, T>(x: Tensor<S, f32, Cpu, T>, window: Window, ceil: bool) -> Result<Images<T>>
where
    S: Shape<Concrete = [usize; 4]>,
    T: Tape<f32, Cpu>,
{
    let size = x.shape().concrete();
    let (x, tape) = Operand::new(x, &TO_OURS)?;
    let kind = LayerKind::MaxPool2d { window, ceil };
    Pass::new("max_pool2d", kind, size, x, Vec::new())?.images(tape)
}

/// The mean of each window, channel by channel; `ceil` and `count_include_pad` as in [`LayerKind::AvgPool2d`].
///
/// # Errors
/// When the window does not fit the images, or there is too little memory.
pub fn avg_pool2d<S, T>(
    x: Tensor<S, f32, Cpu, T>,
    window: Window,
    ceil: bool,
    count_include_pad: bool,
) -> Result<Images<T>>
where
    S: Shape<Concrete = [usize; 4]>,
    T: Tape<f32, Cpu>,
{
    let size = x.shape().concrete();
    let (x, tape) = Operand::new(x, &TO_OURS)?;
    let kind = LayerKind::AvgPool2d {
        window,
        ceil,
        count_include_pad,
    };
    Pass::new("avg_pool2d", kind, size, x, Vec::new())?.images(tape)
}

/// The mean of each channel over the whole image: images x channels.
///
/// # Errors
/// When there is too little memory.
pub fn global_avg_pool<S, T>(x: Tensor<S, f32, Cpu, T>) -> Result<Tensor<(usize, usize), f32, Cpu, T>>
where
    S: Shape<Concrete = [usize; 4]>,
    T: Tape<f32, Cpu>,
{
    let size = x.shape().concrete();
    let (x, tape) = Operand::new(x, &TO_OURS)?;
    let pass = Pass::new("global_avg_pool", LayerKind::GlobalAvgPool, size, x, Vec::new())?;
    pass.finish((size[0], size[1]), &[size[0], size[1]], &[0, 1], tape)
}

/// Batch normalization with the statistics of this batch, as in training: (x - mean) / sqrt(variance + `epsilon`) *
/// `scale` + `shift`, with one scale and one shift for each channel. Usually `epsilon` is 1e-5.
///
/// # Errors
/// When there is not one scale and one shift for each channel, a channel has a single number, which has no
/// variance, or there is too little memory.
pub fn batch_norm2d<S, A, B, T, R, Q>(
    x: Tensor<S, f32, Cpu, T>,
    scale: Tensor<A, f32, Cpu, R>,
    shift: Tensor<B, f32, Cpu, Q>,
    epsilon: f32,
) -> Result<Images<T>>
where
    S: Shape<Concrete = [usize; 4]>,
    A: Shape<Concrete = [usize; 1]>,
    B: Shape<Concrete = [usize; 1]>,
    T: Tape<f32, Cpu> + Merge<R> + Merge<Q>,
    R: Tape<f32, Cpu>,
    Q: Tape<f32, Cpu>,
{
    let statistics = Statistics::Batch(None);
    normalized("batch_norm2d", x, (scale, shift), 0.1, epsilon, statistics)
}

/// As [`batch_norm2d`], and moves running statistics, one mean and one variance for each channel, towards those of the
/// batch: running = (1 - `momentum`) * running + `momentum` * batch, the variance unbiased (PyTorch's `F.batch_norm` with
/// `training=True`, there with 0.1). They take no gradient; in a module they are tensors of
/// [`TensorOptions::detached`](dfdx::prelude::TensorOptions::detached).
///
/// # Errors
/// As [`batch_norm2d`], and when there is not one statistic for each channel.
pub fn batch_norm2d_moving<S, A, B, C, T, R, Q>(
    x: Tensor<S, f32, Cpu, T>,
    (scale, shift): (PerChannel<A, R>, PerChannel<B, Q>),
    (mean, variance): (&mut PerChannel<C>, &mut PerChannel<C>),
    momentum: f32,
    epsilon: f32,
) -> Result<Images<T>>
where
    S: Shape<Concrete = [usize; 4]>,
    A: Shape<Concrete = [usize; 1]>,
    B: Shape<Concrete = [usize; 1]>,
    C: Shape<Concrete = [usize; 1]>,
    T: Tape<f32, Cpu> + Merge<R> + Merge<Q>,
    R: Tape<f32, Cpu>,
    Q: Tape<f32, Cpu>,
{
    let op = "batch_norm2d_moving";
    let mut running = running(x.shape().concrete()[1], op, mean, variance)?;
    let statistics = Statistics::Batch(Some(&mut running));
    let outputs = normalized(op, x, (scale, shift), momentum, epsilon, statistics)?;
    let (means, variances) = running.split_at(running.len() / 2);
    mean.copy_from(means);
    variance.copy_from(variances);
    Ok(outputs)
}

/// Batch normalization as in evaluation: with these statistics, one mean and one variance for each channel, in place of
/// the batch's: (x - `mean`) / sqrt(`variance` + `epsilon`) * scale + shift (PyTorch's `F.batch_norm` with
/// `training=False`). The statistics take no gradient.
///
/// ```
/// use dfdx::prelude::*;
/// use jook::prelude::ops;
///
/// let dev = Cpu::seed_from_u64(0);
/// let images: Tensor<Rank4<8, 3, 4, 4>, f32, _> = dev.sample_normal();
/// let (scale, shift): (Tensor<Rank1<3>, f32, _>, Tensor<Rank1<3>, f32, _>) = (dev.ones(), dev.zeros());
/// let (mut mean, mut variance): (Tensor<Rank1<3>, f32, _>, Tensor<Rank1<3>, f32, _>) = (dev.zeros(), dev.ones());
/// // In training, each step:
/// let y = ops::batch_norm2d_moving(images.trace(Gradients::leaky()), (scale.clone(), shift.clone()), (&mut mean, &mut variance), 0.1, 1e-5)?;
/// # let _ = y;
/// // In evaluation:
/// let y = ops::batch_norm2d_running(images, (scale, shift), (&mean, &variance), 1e-5)?;
/// assert_eq!(y.shape(), &(8, 3, 4, 4));
/// # Ok::<(), jook::Error>(())
/// ```
///
/// # Errors
/// When there is not one scale, shift, mean and variance for each channel, or there is too little memory.
pub fn batch_norm2d_running<S, A, B, C, T, R, Q>(
    x: Tensor<S, f32, Cpu, T>,
    (scale, shift): (PerChannel<A, R>, PerChannel<B, Q>),
    (mean, variance): (&PerChannel<C>, &PerChannel<C>),
    epsilon: f32,
) -> Result<Images<T>>
where
    S: Shape<Concrete = [usize; 4]>,
    A: Shape<Concrete = [usize; 1]>,
    B: Shape<Concrete = [usize; 1]>,
    C: Shape<Concrete = [usize; 1]>,
    T: Tape<f32, Cpu> + Merge<R> + Merge<Q>,
    R: Tape<f32, Cpu>,
    Q: Tape<f32, Cpu>,
{
    let op = "batch_norm2d_running";
    let running = running(x.shape().concrete()[1], op, mean, variance)?;
    let statistics = Statistics::Running(&running);
    normalized(op, x, (scale, shift), 0.1, epsilon, statistics)
}

/// Running means and variances, one after another.
fn running<C: Shape<Concrete = [usize; 1]>>(
    channels: usize,
    op: &str,
    mean: &Tensor<C, f32, Cpu>,
    variance: &Tensor<C, f32, Cpu>,
) -> Result<Vec<f32>> {
    one_a_channel(mean, channels, op, "means")?;
    one_a_channel(variance, channels, op, "variances")?;
    Ok([mean.as_vec(), variance.as_vec()].concat())
}

/// Whose statistics batch norm takes: means and variances, one after another.
enum Statistics<'a> {
    /// The batch's, which move these.
    Batch(Option<&'a mut Vec<f32>>),
    /// These.
    Running(&'a [f32]),
}

fn normalized<S, A, B, T, R, Q>(
    op: &str,
    x: Tensor<S, f32, Cpu, T>,
    (scale, shift): (PerChannel<A, R>, PerChannel<B, Q>),
    momentum: f32,
    epsilon: f32,
    statistics: Statistics<'_>,
) -> Result<Images<T>>
where
    S: Shape<Concrete = [usize; 4]>,
    A: Shape<Concrete = [usize; 1]>,
    B: Shape<Concrete = [usize; 1]>,
    T: Tape<f32, Cpu> + Merge<R> + Merge<Q>,
    R: Tape<f32, Cpu>,
    Q: Tape<f32, Cpu>,
{
    let size = x.shape().concrete();
    let a_channel = size[0].saturating_mul(size[2]).saturating_mul(size[3]);
    if a_channel < 2 && matches!(statistics, Statistics::Batch(_)) {
        return Err(Error::data(format!(
            "images of {size:?} have one number a channel: it has no variance"
        ))
        .at(op.to_owned())
        .fix("use larger batches"));
    }
    one_a_channel(&scale, size[1], op, "scales")?;
    one_a_channel(&shift, size[1], op, "shifts")?;
    let (x, tape) = Operand::new(x, &TO_OURS)?;
    let (scale, other) = Operand::new(scale, &[0])?;
    let tape = tape.merge(other);
    let (shift, other) = Operand::new(shift, &[0])?;
    let kind = LayerKind::BatchNorm { momentum, epsilon };
    Pass::normalizing(op, kind, size, x, vec![scale, shift], statistics)?.images(tape.merge(other))
}

fn convolution<S, W, T, R>(
    x: &Tensor<S, f32, Cpu, T>,
    weights: &Tensor<W, f32, Cpu, R>,
    window: Window,
    groups: usize,
    bias: bool,
) -> Result<LayerKind>
where
    S: Shape<Concrete = [usize; 4]>,
    W: Shape<Concrete = [usize; 4]>,
{
    let inputs = x.shape().concrete()[1];
    let [channels, each, height, width] = weights.shape().concrete();
    if [height, width] != window.kernel || each.checked_mul(groups) != Some(inputs) {
        let [rows, columns] = window.kernel;
        return Err(Error::data(format!(
            "weights of {channels} x {each} x {height} x {width} came for images of {inputs} channels in {groups} \
             groups and a window of {rows} x {columns}"
        ))
        .at("conv2d")
        .fix("expected: output channels x (input channels / groups) x the window's rows x its columns"));
    }
    Ok(LayerKind::Conv2d {
        channels,
        window,
        groups,
        bias,
        init: Init::Zeros,
        bias_init: Init::Zeros,
    })
}

fn one_a_channel<S, T>(tensor: &Tensor<S, f32, Cpu, T>, channels: usize, op: &str, what: &str) -> Result<()>
where
    S: Shape<Concrete = [usize; 1]>,
{
    match tensor.shape().concrete() {
        [count] if count == channels => Ok(()),
        [count] => Err(Error::data(format!("{count} {what} came for {channels} channels")).at(op)),
    }
}

/// Where the gradient of an operand goes.
type Add = Box<dyn FnOnce(&mut Gradients<f32, Cpu>, &[f32]) -> Result<(), CpuError>>;

/// A tensor in the passes's order, and how its gradient comes back.
struct Operand {
    values: Vec<f32>,
    add: Add,
}

impl Operand {
    /// Takes a tensor with its dimensions in this order, and its tape.
    fn new<S: Shape, T: Tape<f32, Cpu>>(tensor: Tensor<S, f32, Cpu, T>, axes: &[usize]) -> Result<(Self, T)> {
        let shape: Vec<usize> = tensor.shape().concrete().into_iter().collect();
        // A broadcast tensor may say that it has more numbers than it holds.
        let numbers = shape.iter().fold(1u64, |n, &side| n.saturating_mul(side as u64));
        if let Some(lack) = memory::lacking(numbers.saturating_mul(12)) {
            return Err(
                Error::data(format!("a tensor of {shape:?} does not fit the memory: {lack}"))
                    .fix("use smaller batches"),
            );
        }
        // No copy unless the tensor is transposed or broadcast; then this is an op of its own.
        let (tensor, tape) = tensor.try_contiguous().map_err(no_memory)?.split_tape();
        let mut values = vec![0.0; numbers as usize];
        tensor.copy_into(&mut values);
        let values = permuted(&values, &shape, axes);
        let (ours, back) = (
            axes.iter().map(|&axis| shape[axis]).collect::<Vec<_>>(),
            inverse(axes),
        );
        let add: Add = Box::new(move |gradients, gradient| {
            add(
                gradients.get_or_alloc_mut(&tensor)?,
                &permuted(gradient, &ours, &back),
            );
            Ok(())
        });
        Ok((Self { values, add }, tape))
    }
}

/// One layer run forward, with what its backward pass needs.
struct Pass {
    passes: Passes,
    network: Network,
    x: Operand,
    learned: Vec<Operand>,
    rows: usize,
}

impl Pass {
    /// Runs a layer on images of `size`, images x channels x height x width.
    fn new(name: &str, kind: LayerKind, size: [usize; 4], x: Operand, learned: Vec<Operand>) -> Result<Self> {
        Self::normalizing(name, kind, size, x, learned, Statistics::Running(&[]))
    }

    /// As [`Pass::new`], batch norm by these statistics.
    fn normalizing(
        name: &str,
        kind: LayerKind,
        size: [usize; 4],
        x: Operand,
        learned: Vec<Operand>,
        statistics: Statistics<'_>,
    ) -> Result<Self> {
        let [rows, channels, height, width] = size;
        if rows == 0 {
            return Err(Error::data("there is no image in the batch: expected 1 or more").at(name.to_owned()));
        }
        let image = Example::from((height, width, channels));
        let mut layers = Layers::default();
        layers.push(name, kind);
        let spec = NetSpec {
            input: image.width(),
            image: Some(image),
            layers: layers.into_vec(),
        };
        let mut network = Network::new(&spec, 0)?;
        let parameters: Vec<f32> = learned
            .iter()
            .flat_map(|operand| &operand.values)
            .copied()
            .collect();
        network.parameters_mut().copy_from_slice(&parameters);
        let _promised = Passes::check_rows(&network, rows)?;
        let mut passes = Passes::new(&network, rows);
        passes.input(rows).copy_from_slice(&x.values);
        match statistics {
            Statistics::Running(statistics) => {
                network.buffers_mut().copy_from_slice(statistics);
                passes.run_still(&network);
            }
            Statistics::Batch(moved) => {
                if let Some(moved) = &moved {
                    network.buffers_mut().copy_from_slice(moved);
                }
                passes.run(&mut network, How::adapt(true));
                if let Some(moved) = moved {
                    moved.copy_from_slice(network.buffers());
                }
            }
        }
        Ok(Self {
            passes,
            network,
            x,
            learned,
            rows,
        })
    }

    /// The outputs as images, on this tape.
    fn images<T: Tape<f32, Cpu>>(self, tape: T) -> Result<Images<T>> {
        let Some(&Example::Image {
            height,
            width,
            channels,
        }) = self.network.spec().shapes().last()
        else {
            return Err(Error::spec("the layer gives no images"));
        };
        let rows = self.rows;
        let (shape, ours) = ((rows, channels, height, width), [rows, height, width, channels]);
        self.finish(shape, &ours, &TO_PYTORCH, tape)
    }

    /// The outputs, of shape `ours` with its dimensions in the order of `axes`, on this tape.
    fn finish<D: Shape, T: Tape<f32, Cpu>>(
        self,
        shape: D,
        ours: &[usize],
        axes: &[usize],
        mut tape: T,
    ) -> Result<Tensor<D, f32, Cpu, T>> {
        let Self {
            mut passes,
            network,
            x,
            learned,
            ..
        } = self;
        let outputs: Tensor<D, f32, Cpu> = Cpu::default()
            .try_tensor_from_vec(permuted(passes.outputs(), ours, axes), shape)
            .map_err(no_memory)?;
        if T::OWNS_TAPE {
            let result = outputs.clone();
            let theirs: Vec<usize> = axes.iter().map(|&axis| ours[axis]).collect();
            let back = inverse(axes);
            tape.add_backward_op(move |gradients| {
                let above = permuted(gradients.get_or_alloc_mut(&result)?, &theirs, &back);
                passes.backward_to_input(&network, &above);
                (x.add)(gradients, passes.input_gradient())?;
                let mut rest = passes.gradients();
                for operand in learned {
                    let (gradient, others) = rest.split_at(operand.values.len());
                    (operand.add)(gradients, gradient)?;
                    rest = others;
                }
                Ok(())
            });
        }
        Ok(outputs.put_tape(tape))
    }
}
