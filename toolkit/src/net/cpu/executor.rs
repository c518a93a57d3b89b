//! [`CpuExecutor`]: a network with what training moves, on the CPU.

use super::Passes;
use crate::net::executor::{Executor, How};
use crate::net::{Network, TensorInfo};
use crate::optim::{Optimizer, Update};
use crate::{Result, memory};

/// A network being trained on the CPU: its numbers, its passes, and what the optimizer remembers.
pub struct CpuExecutor {
    network: Network,
    passes: Passes,
    states: Vec<Vec<f32>>,
    /// The memory that the passes may take.
    _promised: memory::Reserved,
}

impl CpuExecutor {
    /// For batches of up to `rows` examples. The taps are layers by name; none means the outputs that the network
    /// has.
    ///
    /// # Errors
    /// When there is no layer of such a name, or too little memory.
    pub fn new(network: Network, rows: usize, taps: &[String]) -> Result<Self> {
        let spec = network.spec();
        let places = match taps {
            [] => vec![spec.layers.len() - 1],
            names => names
                .iter()
                .map(|name| spec.position(name))
                .collect::<Result<_>>()?,
        };
        let promised = Passes::check_memory(&network, rows, Passes::floats_per_row(&network, &places))?;
        Ok(Self {
            _promised: promised,
            passes: Passes::tapped(&network, rows, &places),
            network,
            states: Vec::new(),
        })
    }

    /// Room for batches of up to `rows` examples; what the optimizer remembers stays.
    pub(crate) fn make_room(&mut self, rows: usize, taps: &[String]) -> Result<()> {
        let states = std::mem::take(&mut self.states);
        *self = Self::new(self.network.clone(), rows, taps)?;
        self.states = states;
        Ok(())
    }

    /// The network as it is now.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The network as it is now, for good.
    pub fn into_network(self) -> Network {
        self.network
    }
}

impl Executor for CpuExecutor {
    fn inputs(&self) -> usize {
        self.network.inputs()
    }

    fn widths(&self) -> Vec<usize> {
        self.passes.widths()
    }

    fn input(&mut self, rows: usize) -> &mut [f32] {
        self.passes.input(rows)
    }

    fn forward(&mut self, how: How<'_>) -> Result<()> {
        self.passes.run(&mut self.network, how);
        Ok(())
    }

    fn taps(&mut self) -> (Vec<&[f32]>, Vec<&mut [f32]>) {
        self.passes.taps()
    }

    fn backward(&mut self, add: bool) -> Result<()> {
        self.passes.backward_from_taps(&self.network, add);
        Ok(())
    }

    fn gradients(&mut self) -> &[f32] {
        self.passes.gradients()
    }

    fn update(&mut self, optimizer: &Optimizer, update: Update) -> Result<()> {
        let gradients = self.passes.gradients_mut();
        optimizer.step(self.network.parameters_mut(), gradients, &mut self.states, update);
        Ok(())
    }

    fn parameters(&mut self) -> &[f32] {
        self.network.parameters()
    }

    fn buffers(&mut self) -> &[f32] {
        self.network.buffers()
    }

    fn states(&mut self) -> Vec<Vec<f32>> {
        self.states.clone()
    }

    fn given(&mut self, optimizer: &Optimizer) -> Option<Vec<f32>> {
        optimizer.given(self.network.parameters(), &self.states)
    }

    fn restore(&mut self, parameters: &[f32], buffers: &[f32]) {
        self.network.parameters_mut().copy_from_slice(parameters);
        self.network.buffers_mut().copy_from_slice(buffers);
    }

    fn restore_states(&mut self, states: Vec<Vec<f32>>) {
        self.states = states;
    }

    fn tensors(&self) -> &[TensorInfo] {
        self.network.tensors()
    }

    fn set_frozen(&mut self, layer: &str, frozen: bool) -> Result<()> {
        match frozen {
            true => self.network.freeze(layer),
            false => self.network.unfreeze(layer),
        }
    }
}
