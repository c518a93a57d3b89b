//! Blocks: what the executor runs, one after another. A block is a layer, or a dense or convolutional layer
//! with the ReLU behind it.

mod compile;

use std::ops::Range;

use super::batch_norm::{Constants, Saved};
use super::conv::{Conv, PixelsMut};
use super::gemm::{self, Workspace};
use super::pool::{self, Pool, PoolKind};
use super::{activation, dropout, rows};
use crate::net::executor::{How, Norm};
use crate::net::{Activation, Network};
pub use compile::{compile, conv, floats_per_row, pool};

/// A block with its output and what its backward pass needs.
pub struct Block {
    kind: Kind,
    /// Where its first layer stands in the spec.
    layer: usize,
    /// The blocks whose outputs it reads; none stands for the network's input.
    pub sources: Vec<Option<usize>>,
    /// How many blocks read its output.
    pub readers: usize,
    /// Numbers that go in and come out for each example; of several sources, those of the first.
    pub inputs: usize,
    outputs: usize,
    /// Numbers that stand side by side at each place of the output.
    channels: usize,
    /// Rows x outputs, and padding that products may read.
    y: Vec<f32>,
}

enum Kind {
    Dense {
        weight: Range<usize>,
        bias: Option<Range<usize>>,
        relu: bool,
    },
    Activation {
        activation: Activation,
        saved: Vec<f32>,
    },
    /// The same numbers; the gradient comes back times this.
    Turned(f32),
    Dropout {
        p: f32,
        mask: Vec<f32>,
        dropped: bool,
    },
    BatchNorm {
        scale: Range<usize>,
        shift: Range<usize>,
        running: Range<usize>,
        constants: Constants,
        saved: Saved,
    },
    Conv {
        conv: Conv,
        weight: Range<usize>,
        bias: Option<Range<usize>>,
        relu: bool,
        /// The input with the columns of its padding, where the convolution wants that.
        padded: Vec<f32>,
    },
    Pool {
        pool: Pool,
        chosen: Vec<u32>,
    },
    GlobalAvgPool {
        pixels: usize,
    },
    /// The channels of each source.
    Concat(Vec<usize>),
    Add,
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
}

/// What every pass through a block has.
pub struct Pass<'a> {
    pub rows: usize,
    /// The network's input, rows x inputs, and padding.
    pub input: &'a [f32],
    /// The blocks before.
    pub before: &'a [Block],
    pub work: &'a mut Workspace,
}

impl<'a> Pass<'a> {
    /// What a source has put out, with the padding behind it.
    fn read(&self, source: Option<usize>) -> &'a [f32] {
        source.map_or(self.input, |at| &self.before[at].y)
    }
}

/// What flows back through a block.
pub struct Gradient<'a> {
    /// In: d loss / d output. Out, if it goes `onward`: d loss / d input.
    pub flowing: &'a mut Vec<f32>,
    pub spare: &'a mut Vec<f32>,
    /// d loss / d parameters of the whole network.
    pub learned: &'a mut [f32],
    /// Whether anything before the block needs d loss / d input.
    pub onward: bool,
    /// Whether the input is the output of a ReLU, whose derivative a product can take along.
    pub gate: bool,
    /// Whether the block behind has taken this block's ReLU along.
    pub gated: bool,
}

/// Products of dense layers above so many multiplications are shared among threads.
const SHARED_ABOVE: usize = 1 << 23;

/// A dense layer as a convolution of images of one pixel, whose products are shared among threads, when there is
/// enough to do; the same sums in the same order.
fn shared(rows: usize, inputs: usize, outputs: usize) -> Option<Conv> {
    (rows * inputs * outputs > SHARED_ABOVE).then(|| Conv::dense(inputs, outputs))
}

/// The gradients of a layer's own weights and biases: weights come before their biases.
fn own<'a>(
    learned: &'a mut [f32],
    weight: &Range<usize>,
    bias: Option<&Range<usize>>,
) -> (&'a mut [f32], Option<&'a mut [f32]>) {
    let end = bias.map_or(weight.end, |bias| bias.end);
    let (dw, db) = learned[weight.start..end].split_at_mut(weight.len());
    (dw, bias.is_some().then_some(db))
}

/// The backward pass of a convolution whose forward pass read `x` and left copies in `room`: what it learns, and
/// d loss / d x, where they are wanted; with a `gate` only where x is above 0.
#[allow(clippy::too_many_arguments)]
fn convolution_backward(
    conv: &Conv,
    rows: usize,
    (x, room): (&[f32], &[f32]),
    grad: &[f32],
    weights: &[f32],
    learned: Option<(&mut [f32], Option<&mut [f32]>)>,
    dx: Option<&mut [f32]>,
    gate: bool,
) {
    if let Some((dw, db)) = learned {
        conv.weight_gradient(rows, x, grad, dw, db, room);
    }
    if let Some(dx) = dx {
        conv.input_gradient(rows, grad, weights, gate.then_some(x), dx);
    }
}

impl Block {
    /// Numbers that come out for each example.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Rows x outputs.
    pub fn output(&self, rows: usize) -> &[f32] {
        &self.y[..rows * self.outputs]
    }

    /// Whether the output is a ReLU's.
    pub fn ends_in_relu(&self) -> bool {
        matches!(
            self.kind,
            Kind::Dense { relu: true, .. }
                | Kind::Conv { relu: true, .. }
                | Kind::Activation {
                    activation: Activation::Relu,
                    ..
                }
        )
    }

    /// Whether the backward pass can take the derivative of a ReLU before the block along.
    pub fn takes_gate(&self) -> bool {
        match &self.kind {
            Kind::Dense { .. } | Kind::Conv { .. } => true,
            Kind::Pool { pool, .. } => pool.takes_gate(),
            _ => false,
        }
    }

    /// Where the parameters lie that the block learns.
    pub fn learned(&self) -> Option<Range<usize>> {
        match &self.kind {
            Kind::Dense { weight, bias, .. } | Kind::Conv { weight, bias, .. } => {
                Some(weight.start..bias.as_ref().map_or(weight.end, |bias| bias.end))
            }
            Kind::BatchNorm { scale, shift, .. } => Some(scale.start..shift.end),
            _ => None,
        }
    }

    /// Whether the block has parameters that take updates.
    pub fn learns(&self, network: &Network) -> bool {
        self.learned().is_some() && !self.frozen(network)
    }

    fn frozen(&self, network: &Network) -> bool {
        network.spec().layers[self.layer].frozen
    }

    /// The forward pass in training: dropout and batch norm as `how` says.
    pub fn train(&mut self, pass: Pass<'_>, network: &mut Network, how: &mut How<'_>) {
        let frozen = self.frozen(network);
        let (x, y) = (
            &pass.read(self.sources[0])[..pass.rows * self.inputs],
            &mut self.y[..pass.rows * self.outputs],
        );
        match (&mut self.kind, &mut how.dropout, how.norm) {
            (Kind::Dropout { p, mask, dropped }, Some(rng), _) => {
                let mask = &mut mask[..y.len()];
                dropout::draw(mask, *p, rng);
                dropout::apply(x, mask, y);
                *dropped = true;
            }
            (
                Kind::BatchNorm {
                    scale,
                    shift,
                    running,
                    constants,
                    saved,
                },
                _,
                Norm::Batch { moves },
            ) if x.len() > self.channels && !frozen => {
                if moves {
                    let running = network.buffers_mut()[running.clone()].split_at_mut(self.channels);
                    saved.measure(x, *constants, running);
                } else {
                    let mut aside = network.buffers()[running.clone()].to_vec();
                    saved.measure(x, *constants, aside.split_at_mut(self.channels));
                }
                let parameters = network.parameters();
                saved.normalize(x, &parameters[scale.clone()], &parameters[shift.clone()], y);
            }
            _ => self.evaluate(pass, network),
        }
    }

    /// The forward pass in evaluation.
    pub fn evaluate(&mut self, pass: Pass<'_>, network: &Network) {
        let (x, y) = (
            &pass.read(self.sources[0])[..pass.rows * self.inputs],
            &mut self.y[..pass.rows * self.outputs],
        );
        let parameters = network.parameters();
        match &mut self.kind {
            Kind::Dense { weight, bias, relu } => {
                let w = &parameters[weight.clone()];
                let b = bias.clone().map(|bias| &parameters[bias]);
                if let Some(conv) = shared(pass.rows, self.inputs, self.outputs) {
                    let y = PixelsMut {
                        numbers: y,
                        pitch: self.outputs,
                    };
                    conv.forward(pass.rows, x, &conv.pack(w, b), *relu, y, &mut Vec::new());
                    return;
                }
                gemm::forward(
                    pass.work,
                    pass.rows,
                    (self.inputs, self.outputs),
                    x,
                    w,
                    b,
                    *relu,
                    y,
                );
            }
            Kind::Activation { activation, saved } => activation::forward(*activation, x, y, saved),
            Kind::Turned(_) => y.copy_from_slice(x),
            Kind::Dropout { dropped, .. } => {
                y.copy_from_slice(x);
                *dropped = false;
            }
            Kind::BatchNorm {
                scale,
                shift,
                running,
                constants,
                saved,
            } => {
                saved.recall(
                    *constants,
                    network.buffers()[running.clone()].split_at(self.channels),
                );
                saved.normalize(x, &parameters[scale.clone()], &parameters[shift.clone()], y);
            }
            Kind::Conv {
                conv,
                weight,
                bias,
                relu,
                padded,
            } => {
                let bias = bias.clone().map(|bias| &parameters[bias]);
                let weights = conv.pack(&parameters[weight.clone()], bias);
                let y = PixelsMut {
                    numbers: y,
                    pitch: self.channels,
                };
                conv.forward(pass.rows, x, &weights, *relu, y, padded);
            }
            Kind::Pool { pool, chosen } => {
                let y = PixelsMut {
                    numbers: y,
                    pitch: self.channels,
                };
                pool.forward(pass.rows, x, y, (pool.kind == PoolKind::Max).then_some(chosen));
            }
            Kind::GlobalAvgPool { pixels } => pool::global_mean(*pixels, self.channels, x, y),
            Kind::Concat(widths) => {
                let mut first = 0;
                for (source, &width) in self.sources.iter().zip(widths.iter()) {
                    let from = &pass.read(*source)[..y.len() / self.channels * width];
                    rows::put(from, width, y, first, self.channels);
                    first += width;
                }
            }
            Kind::Add => {
                y.copy_from_slice(x);
                for source in &self.sources[1..] {
                    y.iter_mut().zip(pass.read(*source)).for_each(|(y, x)| *y += x);
                }
            }
            Kind::Affine { scale, shift } => rows::affine(x, (scale, shift), y, self.channels),
        }
    }

    /// Of a block with several sources: the part of d loss / d output, in `grad`, that goes to the source at
    /// this place among them.
    pub fn part(&self, place: usize, grad: &[f32], part: &mut [f32]) {
        match &self.kind {
            Kind::Concat(widths) => {
                let (first, width) = (widths[..place].iter().sum::<usize>(), widths[place]);
                rows::take(grad, first, self.channels, part, width);
            }
            _ => part[..grad.len()].copy_from_slice(grad),
        }
    }

    /// The backward pass of the last forward pass.
    pub fn backward(&mut self, pass: Pass<'_>, network: &Network, gradient: Gradient<'_>) {
        let learns = self.learns(network);
        let padded_x = pass.read(self.sources[0]);
        let x = &padded_x[..pass.rows * self.inputs];
        let y = &self.y[..pass.rows * self.outputs];
        let Gradient {
            flowing,
            spare,
            learned,
            onward,
            gate,
            gated,
        } = gradient;
        let grad = &mut flowing[..y.len()];
        match &mut self.kind {
            Kind::Dense { weight, bias, relu } => {
                if *relu && !gated {
                    activation::backward(Activation::Relu, x, y, &[], grad);
                }
                let shape = (self.inputs, self.outputs);
                let w = &network.parameters()[weight.clone()];
                let learned = learns.then(|| own(learned, weight, bias.as_ref()));
                if let Some(conv) = shared(pass.rows, self.inputs, self.outputs) {
                    let dx = onward.then_some(&mut spare[..x.len()]);
                    convolution_backward(&conv, pass.rows, (x, &[]), grad, w, learned, dx, gate);
                } else {
                    if let Some((dw, db)) = learned {
                        gemm::weight_gradient(pass.work, pass.rows, shape, padded_x, grad, dw, db);
                    }
                    if onward {
                        let dx = &mut spare[..x.len()];
                        gemm::input_gradient(pass.work, pass.rows, shape, grad, w, gate.then_some(x), dx);
                    }
                }
                if onward {
                    std::mem::swap(flowing, spare);
                }
            }
            Kind::Activation {
                activation: Activation::Maxout(k),
                ..
            } => {
                activation::maxout_backward(*k, x, y, grad, &mut spare[..x.len()]);
                std::mem::swap(flowing, spare);
            }
            Kind::Activation {
                activation: Activation::Relu,
                ..
            } if gated => {}
            Kind::Activation { activation, saved } => activation::backward(*activation, x, y, saved, grad),
            Kind::Turned(factor) => grad.iter_mut().for_each(|grad| *grad *= *factor),
            Kind::Dropout { mask, dropped, .. } => {
                if *dropped {
                    dropout::scale(grad, mask);
                }
            }
            Kind::BatchNorm {
                scale, shift, saved, ..
            } => {
                let learned = learns.then(|| learned[scale.start..shift.end].split_at_mut(scale.len()));
                saved.backward(&network.parameters()[scale.clone()], grad, learned);
            }
            Kind::Conv {
                conv,
                weight,
                bias,
                relu,
                padded,
            } => {
                if *relu && !gated {
                    activation::backward(Activation::Relu, x, y, &[], grad);
                }
                let w = &network.parameters()[weight.clone()];
                let learned = learns.then(|| own(learned, weight, bias.as_ref()));
                let dx = onward.then_some(&mut spare[..x.len()]);
                convolution_backward(conv, pass.rows, (x, padded), grad, w, learned, dx, gate);
                if onward {
                    std::mem::swap(flowing, spare);
                }
            }
            Kind::Pool { pool, chosen } => {
                pool.backward(pass.rows, grad, chosen, gate.then_some(y), &mut spare[..x.len()]);
                std::mem::swap(flowing, spare);
            }
            Kind::GlobalAvgPool { pixels } => {
                pool::global_mean_backward(*pixels, self.channels, grad, &mut spare[..x.len()]);
                std::mem::swap(flowing, spare);
            }
            Kind::Affine { scale, .. } => {
                for grad in grad.chunks_exact_mut(self.channels) {
                    grad.iter_mut()
                        .zip(scale.iter())
                        .for_each(|(grad, scale)| *grad *= scale);
                }
            }
            Kind::Concat(_) | Kind::Add => {
                unreachable!("blocks of several sources pass their gradient on in parts")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::net::{Mlp, Role};

    // The ranges of blocks rely on it.
    #[test]
    fn tensors_of_a_layer_lie_side_by_side() {
        let network = Mlp::new([3, 5, 2]).batch_norm().build(0).unwrap();
        let roles: Vec<Role> = network.tensors().iter().map(|t| t.role).collect();
        let expected = [
            Role::Weight,
            Role::Bias,
            Role::Scale,
            Role::Shift,
            Role::Running,
            Role::Running,
            Role::Weight,
            Role::Bias,
        ];
        assert_eq!(roles, expected);
        for pair in network
            .tensors()
            .windows(2)
            .filter(|p| (p[0].role == Role::Running) == (p[1].role == Role::Running))
        {
            assert_eq!(pair[0].range.end, pair[1].range.start);
        }
    }
}
