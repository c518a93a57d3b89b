//! Blocks: what the executor runs, one after another. A block is a layer, or a dense or convolutional layer
//! with the ReLU behind it.

mod compile;

use std::ops::Range;

use super::aligned::Aligned;
use super::gemm::{PADDING, Workspace};
use super::layers::Op;
use crate::net::Network;
use crate::net::executor::How;
pub use compile::compile;

/// A block with its output and what its backward pass needs.
pub struct Block {
    op: Box<dyn Op>,
    /// Where its first layer stands in the spec.
    layer: usize,
    /// The blocks whose outputs it reads; none stands for the network's input.
    pub sources: Vec<Option<usize>>,
    /// How many blocks read its output.
    pub readers: usize,
    /// Numbers that go in and come out for each example; of several sources, those of the first.
    pub inputs: usize,
    outputs: usize,
    /// Rows x outputs, and padding that products may read.
    y: Aligned,
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

/// What a layer reads in a pass.
pub struct Reading<'a> {
    pass: Pass<'a>,
    sources: &'a [Option<usize>],
    /// Numbers for each example in the first source.
    inputs: usize,
}

impl<'a> Reading<'a> {
    pub fn rows(&self) -> usize {
        self.pass.rows
    }

    /// What the source at this place has put out, with the padding behind it.
    pub fn source(&self, place: usize) -> &'a [f32] {
        let pass = &self.pass;
        self.sources[place].map_or(pass.input, |at| &pass.before[at].y)
    }

    /// The first source, with padding behind it that products may read.
    pub fn padded(&self) -> &'a [f32] {
        self.source(0)
    }

    /// The first source, rows x inputs.
    pub fn x(&self) -> &'a [f32] {
        &self.padded()[..self.pass.rows * self.inputs]
    }

    /// Scratch for products.
    pub fn work(self) -> &'a mut Workspace {
        self.pass.work
    }
}

/// What flows back through a block.
pub struct Gradient<'a> {
    /// In: d loss / d output, unless it is `given`. Out, if it goes `onward`: d loss / d input.
    pub flowing: &'a mut Aligned,
    /// d loss / d output where whoever put it in has it; only for blocks that leave it alone.
    pub given: Option<&'a [f32]>,
    pub spare: &'a mut Aligned,
    /// The output of the forward pass; the block puts it here.
    pub y: &'a [f32],
    /// d loss / d parameters of the whole network.
    pub learned: &'a mut [f32],
    /// Whether those of the block are wanted; the block says so here.
    pub learns: bool,
    /// Whether anything before the block needs d loss / d input.
    pub onward: bool,
    /// Whether the input is the output of a ReLU, whose derivative a product can take along.
    pub gate: bool,
    /// Whether the block behind has taken this block's ReLU along.
    pub gated: bool,
}

impl Gradient<'_> {
    /// d loss / d output, as long as the output.
    pub fn grad(&mut self) -> &mut [f32] {
        &mut self.flowing[..self.y.len()]
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

    /// Numbers that it holds for the rows it was made for.
    pub fn floats(&self) -> usize {
        self.y.len() - PADDING + self.op.floats()
    }

    /// Whether the output is a ReLU's.
    pub fn ends_in_relu(&self) -> bool {
        self.op.ends_in_relu()
    }

    /// Whether the backward pass can take the derivative of a ReLU before the block along.
    pub fn takes_gate(&self) -> bool {
        self.op.takes_gate()
    }

    /// Whether the backward pass only reads d loss / d output.
    pub fn reads_gradient(&self) -> bool {
        self.op.reads_gradient()
    }

    /// Where the parameters lie that the block learns.
    pub fn learned(&self) -> Option<Range<usize>> {
        self.op.learned()
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
        let y = &mut self.y[..pass.rows * self.outputs];
        let read = Reading {
            pass,
            sources: &self.sources,
            inputs: self.inputs,
        };
        self.op.train(read, network, how, frozen, y);
    }

    /// The forward pass in evaluation.
    pub fn evaluate(&mut self, pass: Pass<'_>, network: &Network) {
        let y = &mut self.y[..pass.rows * self.outputs];
        let read = Reading {
            pass,
            sources: &self.sources,
            inputs: self.inputs,
        };
        self.op.evaluate(read, network, y);
    }

    /// Of a block with several sources: the part of d loss / d output, in `grad`, that goes to the source at
    /// this place among them.
    pub fn part(&self, place: usize, grad: &[f32], part: &mut [f32]) {
        self.op.part(place, grad, part);
    }

    /// The backward pass of the last forward pass.
    pub fn backward(&mut self, pass: Pass<'_>, network: &Network, gradient: Gradient<'_>) {
        let gradient = Gradient {
            y: &self.y[..pass.rows * self.outputs],
            learns: self.learns(network),
            ..gradient
        };
        let read = Reading {
            pass,
            sources: &self.sources,
            inputs: self.inputs,
        };
        self.op.backward(read, network, gradient);
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
