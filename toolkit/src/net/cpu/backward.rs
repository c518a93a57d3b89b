//! The backward pass: from the gradients at the taps to those of the parameters and of the input.

use super::Passes;
use super::aligned::Aligned;
use super::block::{Gradient, Pass};
use super::rows::copy;
use crate::net::{Network, Role};

impl Passes {
    /// Backward pass for the last forward pass: from d loss / d outputs of the first tap, rows x its width, to
    /// [`Passes::gradients`].
    ///
    /// # Panics
    /// If `grad_outputs` is not as long as the last outputs.
    pub fn backward(&mut self, network: &Network, grad_outputs: &[f32]) {
        self.check_gradient(grad_outputs);
        self.back(network, Some(grad_outputs), false, false);
    }

    /// As [`Passes::backward`], and also computes [`Passes::input_gradient`].
    ///
    /// # Panics
    /// As [`Passes::backward`].
    pub fn backward_to_input(&mut self, network: &Network, grad_outputs: &[f32]) {
        self.check_gradient(grad_outputs);
        self.back(network, Some(grad_outputs), true, false);
    }

    /// Backward pass from what stands in [`Passes::slope`] of every tap, to [`Passes::gradients`]: in place of what
    /// is there, or added to it.
    pub fn backward_from_taps(&mut self, network: &Network, add: bool) {
        if add {
            self.held.clear();
            self.held.extend_from_slice(&self.gradients);
        }
        self.back(network, None, false, false);
        if add {
            let pairs = self.gradients.iter_mut().zip(&self.held);
            pairs.for_each(|(sum, before)| *sum += before);
        }
    }

    /// As [`Passes::backward_from_taps`], and leaves in [`Passes::slope`] of every tap the whole d loss / d output: what was
    /// put in there and what came from the layers behind.
    pub(in crate::net) fn backward_through_taps(&mut self, network: &Network) {
        self.back(network, None, true, true);
    }

    fn check_gradient(&self, grad_outputs: &[f32]) {
        let numbers = self.rows * self.taps[0].width;
        assert!(
            grad_outputs.len() == numbers,
            "a gradient of {} numbers for {numbers} outputs",
            grad_outputs.len()
        );
    }

    /// Takes d loss / d outputs from the slopes of all taps, or where it is given, from the first tap alone; leaves the
    /// whole there, if it is to `keep` it. No ReLU of a tap is in a product then: the tap is one more that reads it.
    fn back(&mut self, network: &Network, given: Option<&[f32]>, to_input: bool, keep: bool) {
        self.fits(network);
        for tensor in network
            .tensors()
            .iter()
            .filter(|t| t.frozen && t.role != Role::Running)
        {
            self.gradients[tensor.range.clone()].fill(0.0);
        }
        for range in &self.unread {
            self.gradients[range.clone()].fill(0.0);
        }
        for place in &mut self.flowing {
            self.spare.extend(place.take());
        }
        self.input_gradient = if to_input { self.rows * self.inputs } else { 0 };
        // For each block the tap whose gradient it reads where that stands.
        let mut read_at: Vec<Option<usize>> = vec![None; self.blocks.len()];
        for at in 0..self.taps.len() {
            let (block, numbers) = (self.taps[at].block, self.rows * self.taps[at].width);
            if let Some(block) = block
                && (given.is_none() || at == 0)
                && self.blocks[block].readers == 1
                && self.blocks[block].reads_gradient()
            {
                read_at[block] = Some(at);
                continue;
            }
            let mut gradient = self.buffer();
            let tap = &self.taps[at];
            let to = &mut gradient[..numbers];
            match (given, at) {
                (None, _) => copy(to, &tap.slope[..numbers]),
                (Some(given), 0) => copy(to, given),
                (Some(_), _) => to.fill(0.0),
            }
            self.pass_on(block, gradient, numbers);
        }
        // The gradient need not flow into blocks before which nothing learns.
        let mut wanted: Vec<bool> = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let before = block
                .sources
                .iter()
                .any(|source| source.map_or(to_input, |at| wanted[at]));
            wanted.push(before || block.learns(network));
        }
        let mut gated = vec![false; self.blocks.len()];
        for i in (0..self.blocks.len()).rev() {
            let put_in = read_at[i].map(|_| self.buffer());
            let Some(mut flowing) = self.flowing[i].take().or(put_in) else {
                // Nothing that was put in depends on it.
                if let Some(range) = self.blocks[i].learned() {
                    self.gradients[range].fill(0.0);
                }
                continue;
            };
            // One that is read where it was put in is whole.
            if keep && read_at[i].is_none() {
                self.keep(Some(i), &flowing);
            }
            if !wanted[i] {
                self.spare.push(flowing);
                continue;
            }
            if let [_, _, ..] = self.blocks[i].sources[..] {
                self.pass_on_in_parts(i, &flowing, &wanted, to_input);
                self.spare.push(flowing);
                continue;
            }
            let source = self.blocks[i].sources[0];
            let onward = source.map_or(to_input, |at| wanted[at]);
            let mut spare = self.buffer();
            let (before, rest) = self.blocks.split_at_mut(i);
            let block = &mut rest[0];
            // A product going back can take the derivative of the ReLU before it along.
            let gate = source
                .is_some_and(|at| block.takes_gate() && before[at].ends_in_relu() && before[at].readers == 1);
            let gradient = Gradient {
                flowing: &mut flowing,
                given: read_at[i].map(|at| given.unwrap_or(&self.taps[at].slope)),
                spare: &mut spare,
                y: &[],
                learned: &mut self.gradients,
                learns: false,
                onward,
                gate,
                gated: gated[i],
            };
            let pass = Pass {
                rows: self.rows,
                input: &self.x,
                before,
                work: &mut self.work,
            };
            block.backward(pass, network, gradient);
            self.spare.push(spare);
            if onward {
                let numbers = self.rows * self.blocks[i].inputs;
                self.pass_on(source, flowing, numbers);
                if let Some(at) = source {
                    gated[at] = gate;
                }
            } else {
                self.spare.push(flowing);
            }
        }
        if keep && let Some(gradient) = self.flowing[self.blocks.len()].take() {
            self.keep(None, &gradient);
            self.flowing[self.blocks.len()] = Some(gradient);
        }
    }

    /// Leaves the gradient at the taps of this block, or of the input.
    fn keep(&mut self, block: Option<usize>, gradient: &[f32]) {
        for tap in self.taps.iter_mut().filter(|tap| tap.block == block) {
            let numbers = self.rows * tap.width;
            copy(&mut tap.slope[..numbers], &gradient[..numbers]);
        }
    }

    /// Hands each source of block `i` its part of the gradient.
    fn pass_on_in_parts(&mut self, i: usize, grad: &[f32], wanted: &[bool], to_input: bool) {
        for place in 0..self.blocks[i].sources.len() {
            let source = self.blocks[i].sources[place];
            if source.map_or(to_input, |at| wanted[at]) {
                let mut part = self.buffer();
                let numbers = self.rows * source.map_or(self.inputs, |at| self.blocks[at].outputs());
                let outputs = self.rows * self.blocks[i].outputs();
                self.blocks[i].part(place, &grad[..outputs], &mut part[..numbers]);
                self.pass_on(source, part, numbers);
            }
        }
    }

    /// Puts a gradient of so many numbers where its block finds it, or adds it to what others put there.
    fn pass_on(&mut self, source: Option<usize>, gradient: Aligned, numbers: usize) {
        let place = source.unwrap_or(self.blocks.len());
        match &mut self.flowing[place] {
            None => self.flowing[place] = Some(gradient),
            Some(sum) => {
                let pairs = sum[..numbers].iter_mut().zip(gradient.iter());
                pairs.for_each(|(sum, more)| *sum += more);
                self.spare.push(gradient);
            }
        }
    }

    /// A buffer for a gradient, with rubbish in it.
    fn buffer(&mut self) -> Aligned {
        self.spare.pop().unwrap_or_else(|| Aligned::zeros(self.widest))
    }
}
