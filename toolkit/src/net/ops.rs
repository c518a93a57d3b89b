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

mod pass;

use dfdx::prelude::{Cpu, HasShape, Merge, NoneTape, Shape, Tape, Tensor};

use super::permute::TO_OURS;
use super::{Init, LayerKind, Window};
use crate::{Error, Result};
use pass::{Operand, Pass, Statistics};

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
