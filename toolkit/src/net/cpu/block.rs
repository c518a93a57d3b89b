//! Blocks: what the executor runs, one after another. A block is a layer, or a dense layer with the ReLU
//! behind it.

use std::ops::Range;

use super::batch_norm::{Constants, Saved};
use super::gemm::{self, PADDING, Workspace};
use super::{activation, dropout};
use crate::net::{Activation, LayerKind, NetSpec, Network, TensorInfo};
use crate::seed::Rng;

/// A block with its output and what its backward pass needs.
pub struct Block {
    kind: Kind,
    /// Where its first layer stands in the spec.
    layer: usize,
    inputs: usize,
    outputs: usize,
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
}

/// What every pass through a block has.
pub struct Pass<'a> {
    pub rows: usize,
    /// Rows x inputs, and padding.
    pub x: &'a [f32],
    pub work: &'a mut Workspace,
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

/// The blocks of a network, with room for `max_rows` examples.
pub fn compile(network: &Network, max_rows: usize) -> Vec<Block> {
    let spec = network.spec();
    let mut tensors = network.tensors().iter();
    let mut next = || {
        tensors
            .next()
            .map(|tensor: &TensorInfo| tensor.range.clone())
            .unwrap_or_default()
    };
    let mut blocks: Vec<Block> = Vec::with_capacity(spec.layers.len());
    let mut width = spec.input;
    for (i, layer) in spec.layers.iter().enumerate() {
        let (inputs, outputs) = (width, layer.kind.outputs(width));
        width = outputs;
        let kind = match layer.kind {
            LayerKind::Dense { bias, .. } => Kind::Dense {
                weight: next(),
                bias: bias.then(&mut next),
                relu: false,
            },
            LayerKind::Activation(activation) => {
                if let (Activation::Relu, Some(block)) = (activation, blocks.last_mut())
                    && let Kind::Dense {
                        relu: relu @ false, ..
                    } = &mut block.kind
                {
                    *relu = true;
                    continue;
                }
                let saved = vec![0.0; activation::saved(activation, max_rows * outputs)];
                Kind::Activation { activation, saved }
            }
            LayerKind::Dropout(p) => Kind::Dropout {
                p,
                mask: vec![0.0; max_rows * outputs],
                dropped: false,
            },
            LayerKind::BatchNorm { momentum, epsilon } => {
                let (scale, shift, mean, variance) = (next(), next(), next(), next());
                Kind::BatchNorm {
                    scale,
                    shift,
                    running: mean.start..variance.end,
                    constants: Constants { momentum, epsilon },
                    saved: Saved::new(max_rows, outputs),
                }
            }
        };
        blocks.push(Block {
            kind,
            layer: i,
            inputs,
            outputs,
            y: vec![0.0; max_rows * outputs + PADDING],
        });
    }
    blocks
}

/// Numbers that the blocks of a network hold for each example: outputs, and what backward passes need.
pub fn floats_per_row(spec: &NetSpec) -> usize {
    let mut floats = 0;
    let mut behind_dense = false;
    for (layer, width) in spec.layers.iter().zip(spec.widths()) {
        floats += match layer.kind {
            // It is part of the dense layer's block.
            LayerKind::Activation(Activation::Relu) if behind_dense => 0,
            LayerKind::Activation(activation) => width + activation::saved(activation, width),
            LayerKind::Dropout(_) | LayerKind::BatchNorm { .. } => 2 * width,
            LayerKind::Dense { .. } => width,
        };
        behind_dense = matches!(layer.kind, LayerKind::Dense { .. });
    }
    floats
}

impl Block {
    /// Rows x outputs.
    pub fn output(&self, rows: usize) -> &[f32] {
        &self.y[..rows * self.outputs]
    }

    /// The output with everything behind it.
    pub fn padded_output(&self) -> &[f32] {
        &self.y
    }

    /// Whether the output is a ReLU's.
    pub fn ends_in_relu(&self) -> bool {
        matches!(
            self.kind,
            Kind::Dense { relu: true, .. }
                | Kind::Activation {
                    activation: Activation::Relu,
                    ..
                }
        )
    }

    /// Whether the backward pass can take the derivative of a ReLU before the block along.
    pub fn takes_gate(&self) -> bool {
        matches!(self.kind, Kind::Dense { .. })
    }

    /// Whether the block has parameters that take updates.
    pub fn learns(&self, network: &Network) -> bool {
        matches!(self.kind, Kind::Dense { .. } | Kind::BatchNorm { .. }) && !self.frozen(network)
    }

    fn frozen(&self, network: &Network) -> bool {
        network.spec().layers[self.layer].frozen
    }

    /// The forward pass in training.
    pub fn train(&mut self, pass: Pass<'_>, network: &mut Network, rng: &mut Rng) {
        let frozen = self.frozen(network);
        let (x, y) = (
            &pass.x[..pass.rows * self.inputs],
            &mut self.y[..pass.rows * self.outputs],
        );
        match &mut self.kind {
            Kind::Dropout { p, mask, dropped } => {
                let mask = &mut mask[..y.len()];
                dropout::draw(mask, *p, rng);
                dropout::apply(x, mask, y);
                *dropped = true;
            }
            Kind::BatchNorm {
                scale,
                shift,
                running,
                constants,
                saved,
            } if pass.rows > 1 && !frozen => {
                let running = network.buffers_mut()[running.clone()].split_at_mut(self.outputs);
                saved.measure(x, *constants, running);
                let parameters = network.parameters();
                saved.normalize(x, &parameters[scale.clone()], &parameters[shift.clone()], y);
            }
            _ => self.evaluate(pass, network),
        }
    }

    /// The forward pass in evaluation.
    pub fn evaluate(&mut self, pass: Pass<'_>, network: &Network) {
        let (x, y) = (
            &pass.x[..pass.rows * self.inputs],
            &mut self.y[..pass.rows * self.outputs],
        );
        let parameters = network.parameters();
        match &mut self.kind {
            Kind::Dense { weight, bias, relu } => {
                let w = &parameters[weight.clone()];
                let b = bias.clone().map(|bias| &parameters[bias]);
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
                    network.buffers()[running.clone()].split_at(self.outputs),
                );
                saved.normalize(x, &parameters[scale.clone()], &parameters[shift.clone()], y);
            }
        }
    }

    /// The backward pass of the last forward pass.
    pub fn backward(&mut self, pass: Pass<'_>, network: &Network, gradient: Gradient<'_>) {
        let learns = self.learns(network);
        let x = &pass.x[..pass.rows * self.inputs];
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
                if learns {
                    // Weights come before their biases.
                    let end = bias.as_ref().map_or(weight.end, |bias| bias.end);
                    let (dw, db) = learned[weight.start..end].split_at_mut(weight.len());
                    let db = bias.is_some().then_some(db);
                    gemm::weight_gradient(pass.work, pass.rows, shape, pass.x, grad, dw, db);
                }
                if onward {
                    let w = &network.parameters()[weight.clone()];
                    let dx = &mut spare[..x.len()];
                    gemm::input_gradient(pass.work, pass.rows, shape, grad, w, gate.then_some(x), dx);
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
