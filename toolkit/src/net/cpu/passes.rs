//! [`Passes`]: a network forward and backward on buffers made once.

use std::ops::Range;

use super::aligned::Aligned;
use super::block::{self, Block, Pass};
use super::gemm::{PADDING, Workspace};
use super::rows::copy;
use crate::net::executor::How;
use crate::net::{Network, Role};
use crate::{Error, Result, memory};

/// Rows that go through a network together: enough to keep the matrix products busy, few enough for the caches; fewer
/// where an example takes very much room.
pub(in crate::net) const ROWS: usize = 256;
/// Numbers of such a batch, the outputs of all layers together.
pub(in crate::net) const NUMBERS: usize = 1 << 24;

/// Runs a network, or others of the same layers and wiring, on batches of up to `max_rows` examples. Which layers
/// are frozen may differ from pass to pass.
///
/// A step of training fills [`Passes::input`], calls [`Passes::run`], computes a loss and its gradient
/// by the outputs, and calls [`Passes::backward`]; then [`Passes::gradients`] are there. With several taps
/// the gradients by each go to [`Passes::slope`], and [`Passes::backward_from_taps`] takes them from there.
pub struct Passes {
    pub(super) inputs: usize,
    /// The wiring it was made for, to know another network by.
    wiring: u64,
    max_rows: usize,
    pub(super) rows: usize,
    pub(super) x: Aligned,
    pub(super) blocks: Vec<Block>,
    pub(super) taps: Vec<Tap>,
    pub(super) gradients: Vec<f32>,
    /// What no block writes gradients of: layers that no tap needs.
    pub(super) unread: Vec<Range<usize>>,
    /// The gradients before a backward pass that adds to them.
    pub(super) held: Vec<f32>,
    /// For each block, d loss / d output once a block behind has put it there; the last is the input's.
    pub(super) flowing: Vec<Option<Aligned>>,
    /// Buffers for the next ones.
    pub(super) spare: Vec<Aligned>,
    /// Numbers in such a buffer.
    pub(super) widest: usize,
    pub(super) input_gradient: usize,
    pub(super) work: Workspace,
}

/// A layer whose output is asked for, and where a gradient may be put in.
pub(super) struct Tap {
    /// The block that puts it out; none for the network's input.
    pub block: Option<usize>,
    pub width: usize,
    /// d loss / d output, max rows x width.
    pub slope: Vec<f32>,
}

impl Passes {
    /// Buffers for batches of up to `max_rows` examples, for the outputs of the last layer.
    pub fn new(network: &Network, max_rows: usize) -> Self {
        let last = network.spec().layers.len() - 1;
        Self::tapped(network, max_rows, &[last])
    }

    /// As [`Passes::new`], for the outputs of the layers at these places in the spec, in this order.
    pub(crate) fn tapped(network: &Network, max_rows: usize, taps: &[usize]) -> Self {
        let (mut blocks, places) = block::compile(network, max_rows, taps);
        let widths = network.spec().widths();
        let taps: Vec<Tap> = taps
            .iter()
            .map(|&layer| Tap {
                block: places[layer],
                width: widths[layer],
                slope: vec![0.0; max_rows * widths[layer]],
            })
            .collect();
        for tap in &taps {
            // What is put in at a tap is one more gradient to add up.
            if let Some(block) = tap.block {
                blocks[block].readers += 1;
            }
        }
        let read: Vec<Range<usize>> = blocks.iter().filter_map(Block::learned).collect();
        let unread = network
            .tensors()
            .iter()
            .filter(|tensor| tensor.role != Role::Running)
            .map(|tensor| tensor.range.clone())
            .filter(|own| {
                !read
                    .iter()
                    .any(|read| read.start <= own.start && own.end <= read.end)
            })
            .collect();
        Self {
            inputs: network.inputs(),
            wiring: network.wiring(),
            max_rows,
            rows: 0,
            x: Aligned::zeros(max_rows * network.inputs() + PADDING),
            flowing: (0..=blocks.len()).map(|_| None).collect(),
            blocks,
            taps,
            gradients: vec![0.0; network.parameters().len()],
            unread,
            held: Vec::new(),
            spare: Vec::new(),
            widest: max_rows * widest(network),
            input_gradient: 0,
            work: Workspace::new(),
        }
    }

    /// Numbers that passes of `network` hold for each example, for the outputs of the layers `taps`.
    pub(crate) fn floats_per_row(network: &Network, taps: &[usize]) -> usize {
        // The input, the blocks as they are made for one row, the gradients at the taps, and that between two blocks
        // with the place of the next; where branches meet, those of several blocks wait.
        let spec = network.spec();
        let branches = spec.layers.iter().map(|layer| layer.from.len()).max();
        let (blocks, _) = block::compile(network, 1, taps);
        let held: usize = blocks.iter().map(Block::floats).sum();
        let widths = spec.widths();
        let slopes: usize = taps.iter().map(|&tap| widths[tap]).sum();
        network.inputs() + held + slopes + (2 + branches.unwrap_or(0)) * widest(network)
    }

    /// Refuses batches of `rows` examples whose numbers do not fit the memory that is free now. Ask before
    /// [`Passes::new`], which takes what it needs, and keep what is given as long as the passes: until then
    /// the memory is promised to them.
    ///
    /// # Errors
    /// When there is too little memory.
    pub(crate) fn check_rows(network: &Network, rows: usize) -> Result<memory::Reserved> {
        let last = network.spec().layers.len() - 1;
        Self::check_memory(network, rows, Self::floats_per_row(network, &[last]))
    }

    /// How many of so many examples go through `network` together where nothing else says it, for the outputs of the layers
    /// `taps`; the memory is promised to them as by [`Passes::check_rows`].
    ///
    /// # Errors
    /// When there is too little memory.
    pub(crate) fn rows_together(
        network: &Network,
        taps: &[usize],
        examples: usize,
    ) -> Result<(usize, memory::Reserved)> {
        let each = Self::floats_per_row(network, taps);
        let rows = (NUMBERS / each.max(1)).clamp(1, ROWS).min(examples.max(1));
        Ok((rows, Self::check_memory(network, rows, each)?))
    }

    /// As [`Passes::check_rows`], at so many numbers for each example.
    pub(crate) fn check_memory(network: &Network, rows: usize, per_row: usize) -> Result<memory::Reserved> {
        let floats = (per_row as u64)
            .saturating_mul(rows as u64)
            .saturating_add(network.parameters().len() as u64);
        memory::reserve(floats.saturating_mul(4)).map_err(|lack| {
            Error::spec(format!(
                "a batch of {rows} examples does not fit the memory, at {per_row} numbers each on the way \
                 through the network: {lack}"
            ))
            .fix("use smaller batches, fewer units or fewer layers")
        })
    }

    /// The most examples a batch may have.
    pub fn max_rows(&self) -> usize {
        self.max_rows
    }

    /// The place of the next batch, `rows` x inputs: fill it and call [`Passes::run`]. This saves the
    /// copy that [`Passes::forward`] makes.
    ///
    /// # Panics
    /// If `rows` is more than the passes was made for.
    pub fn input(&mut self, rows: usize) -> &mut [f32] {
        assert!(
            rows <= self.max_rows,
            "{rows} rows in passes made for {}",
            self.max_rows
        );
        self.rows = rows;
        &mut self.x[..rows * self.inputs]
    }

    /// Forward pass over what was put in [`Passes::input`]; gives the outputs of the first tap, rows x its width.
    /// Moves the network's running statistics where `how` says so, except those of frozen layers.
    ///
    /// # Panics
    /// If `network` has other layers or another wiring than the one the passes were made for.
    pub fn run(&mut self, network: &mut Network, mut how: How<'_>) -> &[f32] {
        self.fits(network);
        if how.is_still() {
            self.still(network);
        } else {
            for i in 0..self.blocks.len() {
                let (block, pass) = self.at(i);
                block.train(pass, network, &mut how);
            }
        }
        self.outputs()
    }

    /// Forward pass over a batch `x`, rows x inputs; else as [`Passes::run`].
    ///
    /// # Panics
    /// As [`Passes::input`] and [`Passes::run`], and if `x` is no whole number of rows.
    pub fn forward(&mut self, network: &mut Network, x: &[f32], how: How<'_>) -> &[f32] {
        self.fill(x);
        self.run(network, how)
    }

    /// Forward pass in evaluation mode over a batch `x`, rows x inputs.
    ///
    /// # Panics
    /// As [`Passes::forward`].
    pub fn evaluate(&mut self, network: &Network, x: &[f32]) -> &[f32] {
        self.fill(x);
        self.run_still(network)
    }

    /// The outputs of the last forward pass at the first tap, rows x its width: those of the network, unless other
    /// taps were asked for.
    pub fn outputs(&self) -> &[f32] {
        self.output(0)
    }

    /// The outputs of the last forward pass at a tap, rows x its width.
    ///
    /// # Panics
    /// If there is no such tap.
    pub fn output(&self, tap: usize) -> &[f32] {
        match self.taps[tap].block {
            Some(block) => self.blocks[block].output(self.rows),
            None => &self.x[..self.rows * self.inputs],
        }
    }

    /// The outputs at all taps, and the places of d loss / d output of each.
    pub(crate) fn taps(&mut self) -> (Vec<&[f32]>, Vec<&mut [f32]>) {
        let (rows, blocks) = (self.rows, &self.blocks);
        let input = &self.x[..rows * self.inputs];
        let output = |tap: &Tap| tap.block.map_or(input, |block| blocks[block].output(rows));
        let outputs = self.taps.iter().map(output).collect();
        let slopes = self
            .taps
            .iter_mut()
            .map(|tap| &mut tap.slope[..rows * tap.width])
            .collect();
        (outputs, slopes)
    }

    /// The place of d loss / d output of a tap, rows x its width, for [`Passes::backward_from_taps`].
    ///
    /// # Panics
    /// If there is no such tap.
    pub fn slope(&mut self, tap: usize) -> &mut [f32] {
        let tap = &mut self.taps[tap];
        &mut tap.slope[..self.rows * tap.width]
    }

    /// Numbers that come out at each tap for one example.
    pub fn widths(&self) -> Vec<usize> {
        self.taps.iter().map(|tap| tap.width).collect()
    }

    /// d loss / d parameters of the last backward pass, laid out as [`Network::parameters`]; zero for
    /// frozen layers.
    pub fn gradients(&self) -> &[f32] {
        &self.gradients
    }

    /// As [`Passes::gradients`], to clip in place.
    pub(in crate::net) fn gradients_mut(&mut self) -> &mut [f32] {
        &mut self.gradients
    }

    /// d loss / d input, rows x inputs, if the last backward pass was [`Passes::backward_to_input`];
    /// else empty.
    pub fn input_gradient(&self) -> &[f32] {
        match self.flowing.last() {
            Some(Some(gradient)) => &gradient[..self.input_gradient],
            _ => &[],
        }
    }

    fn fill(&mut self, x: &[f32]) {
        assert!(
            x.len().is_multiple_of(self.inputs),
            "{} numbers in rows of {}",
            x.len(),
            self.inputs
        );
        copy(self.input(x.len() / self.inputs), x);
    }

    pub(super) fn fits(&self, network: &Network) {
        assert!(network.wiring() == self.wiring, "passes made for another network");
    }

    /// Forward pass in evaluation mode over what was put in [`Passes::input`].
    ///
    /// # Panics
    /// As [`Passes::run`].
    pub fn run_still(&mut self, network: &Network) -> &[f32] {
        self.fits(network);
        self.still(network);
        self.outputs()
    }

    /// A forward pass that moves nothing.
    fn still(&mut self, network: &Network) {
        for i in 0..self.blocks.len() {
            let (block, pass) = self.at(i);
            block.evaluate(pass, network);
        }
    }

    /// Block `i` and what goes into it.
    fn at(&mut self, i: usize) -> (&mut Block, Pass<'_>) {
        let (before, rest) = self.blocks.split_at_mut(i);
        let pass = Pass {
            rows: self.rows,
            input: &self.x,
            before,
            work: &mut self.work,
        };
        (&mut rest[0], pass)
    }
}

/// The most numbers for one example between two layers.
fn widest(network: &Network) -> usize {
    let widths = network.spec().widths();
    widths.into_iter().fold(network.inputs(), usize::max)
}
