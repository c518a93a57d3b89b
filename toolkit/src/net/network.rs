//! [`Network`]: a spec with its numbers.

use std::ops::Range;
use std::sync::Arc;

use super::layers::Tensor;
use super::predict::Planned;
use super::tape::OnTapes;
use super::{LayerKind, NetSpec, Role, TensorInfo};
use crate::seed::stream;
use crate::{Error, Result};

/// A network: what it is ([`NetSpec`]) and its numbers, one flat vector of parameters and one of buffers
/// (the running statistics of batch norm), laid out as [`Network::tensors`] says. A clone shares them until one of the
/// two changes.
#[doc(alias = "Module")]
#[doc(alias = "Sequential")]
#[derive(Clone)]
pub struct Network {
    spec: Arc<NetSpec>,
    tensors: Arc<[TensorInfo]>,
    parameters: Arc<Vec<f32>>,
    buffers: Arc<Vec<f32>>,
    wiring: u64,
    /// Whether the softmax of its outputs may be taken for probabilities: not after a training that made them others.
    pub(crate) gives_log_probabilities: bool,
    pub(super) on_tapes: OnTapes,
    pub(super) planned: Planned,
}

impl Network {
    /// The network of this spec, its initial numbers drawn from `seed`: each tensor from its own stream,
    /// so that a change to one layer leaves the start of the others.
    ///
    /// # Errors
    /// When the spec is not valid, as [`NetSpec::validate`] says, or there is no memory for its numbers.
    pub fn new(spec: &NetSpec, seed: u64) -> Result<Self> {
        spec.validate()?;
        let tensors = layout(spec);
        let count = |running: bool| -> usize {
            tensors
                .iter()
                .filter(|t| (t.role == Role::Running) == running)
                .map(|t| t.range.len())
                .sum()
        };
        let mut network = Self {
            parameters: Arc::new(zeros(count(false))?),
            buffers: Arc::new(zeros(count(true))?),
            spec: Arc::new(spec.clone()),
            wiring: wiring(spec),
            gives_log_probabilities: true,
            tensors: tensors.into(),
            on_tapes: OnTapes::default(),
            planned: Planned::default(),
        };
        network.initialize(seed);
        Ok(network)
    }

    fn initialize(&mut self, seed: u64) {
        for (info, tensor) in planned(&self.spec) {
            let store = Arc::make_mut(match info.role {
                Role::Running => &mut self.buffers,
                _ => &mut self.parameters,
            });
            let mut rng = stream(seed, &format!("init/{}", info.name));
            let [fan_in, fan_out] = tensor.fans;
            tensor
                .init
                .fill(&mut store[info.range.clone()], fan_in, fan_out, &mut rng);
        }
    }

    /// What the network is.
    pub fn spec(&self) -> &NetSpec {
        &self.spec
    }

    /// Tells networks of other layers or another wiring apart; names and what is frozen do not count.
    pub(crate) fn wiring(&self) -> u64 {
        self.wiring
    }

    /// Numbers in one example.
    pub fn inputs(&self) -> usize {
        self.spec.input
    }

    /// Numbers that come out for one example.
    pub fn outputs(&self) -> usize {
        self.spec.outputs()
    }

    /// What is learned, flat.
    #[doc(alias = "state_dict")]
    #[doc(alias = "weights")]
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The share of the weights that are exactly 0, of 0 to 1; biases and norms do not count.
    ///
    /// ```
    /// use jook::prelude::*;
    /// assert_eq!(Mlp::new([2, 8, 2]).init(Zeros).build(0)?.sparsity(), 1.0);
    /// # Ok::<(), jook::Error>(())
    /// ```
    pub fn sparsity(&self) -> f64 {
        let weights = self.tensors().iter().filter(|tensor| tensor.role == Role::Weight);
        let (zeros, all) = weights.fold((0, 0), |(zeros, all), tensor| {
            let own = &self.parameters[tensor.range.clone()];
            (zeros + own.iter().filter(|&&w| w == 0.0).count(), all + own.len())
        });
        zeros as f64 / all.max(1) as f64
    }

    /// What is learned, flat, to change.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        self.planned.forget_weights();
        Arc::make_mut(&mut self.parameters).as_mut_slice()
    }

    /// The running statistics, flat.
    pub fn buffers(&self) -> &[f32] {
        &self.buffers
    }

    /// The running statistics, flat, to change.
    pub fn buffers_mut(&mut self) -> &mut [f32] {
        self.planned.forget_weights();
        Arc::make_mut(&mut self.buffers).as_mut_slice()
    }

    /// Where each tensor lies: layer by layer, in the order of the parameters.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensors of the layer of this name.
    pub(crate) fn tensors_of<'a>(&'a self, layer: &'a str) -> impl Iterator<Item = &'a TensorInfo> {
        let of_layer = move |tensor: &&TensorInfo| {
            tensor
                .name
                .strip_prefix(layer)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        self.tensors.iter().filter(of_layer)
    }

    /// The numbers of the tensor of this name, from the parameters or the buffers.
    pub fn tensor(&self, name: &str) -> Option<&[f32]> {
        let info = self.tensors.iter().find(|t| t.name == name)?;
        let store = if info.role == Role::Running {
            &self.buffers
        } else {
            &self.parameters
        };
        store.get(info.range.clone())
    }

    /// The ranges of the parameters that take updates, in order, neighbours joined.
    pub fn trainable(&self) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for tensor in self
            .tensors
            .iter()
            .filter(|t| !t.frozen && t.role != Role::Running)
        {
            match ranges.last_mut() {
                Some(last) if last.end == tensor.range.start => last.end = tensor.range.end,
                _ => ranges.push(tensor.range.clone()),
            }
        }
        ranges
    }

    /// The ranges of the parameters that take none, in order.
    pub(super) fn untrainable(&self) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        let mut end = 0;
        for range in self.trainable() {
            ranges.push(end..range.start);
            end = range.end;
        }
        ranges.push(end..self.parameters.len());
        ranges.retain(|range| !range.is_empty());
        ranges
    }

    /// Freezes the layer of this name from now on: it takes no update.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn freeze(&mut self, name: &str) -> Result<()> {
        self.planned.forget_weights();
        Arc::make_mut(&mut self.spec).freeze(name)?;
        self.tensors = layout(&self.spec).into();
        Ok(())
    }

    /// The layer of this name takes updates from now on.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn unfreeze(&mut self, name: &str) -> Result<()> {
        self.planned.forget_weights();
        Arc::make_mut(&mut self.spec).unfreeze(name)?;
        self.tensors = layout(&self.spec).into();
        Ok(())
    }

    /// As [`NetSpec::freeze_to`].
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn freeze_to(&mut self, name: &str) -> Result<()> {
        self.planned.forget_weights();
        Arc::make_mut(&mut self.spec).freeze_to(name)?;
        self.tensors = layout(&self.spec).into();
        Ok(())
    }
}

/// A hash of what decides how a network is run.
fn wiring(spec: &NetSpec) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    let kinds: Vec<&LayerKind> = spec.layers.iter().map(|layer| &layer.kind).collect();
    // A valid spec has its sources.
    let sources = spec.sources().unwrap_or_default();
    format!("{:?}", (spec.input, spec.image, kinds, sources)).hash(&mut hasher);
    hasher.finish()
}

/// Zeros, or an error where the memory is not there.
fn zeros(count: usize) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| {
        Error::spec(format!("there is no memory for {count} parameters")).fix("use fewer units")
    })?;
    values.resize(count, 0.0);
    Ok(values)
}

/// The tensors of a valid spec, in order.
fn layout(spec: &NetSpec) -> Vec<TensorInfo> {
    planned(spec).into_iter().map(|(info, _)| info).collect()
}

/// The tensors of a valid spec, in order, and what their layers say of them.
pub(super) fn planned(spec: &NetSpec) -> Vec<(TensorInfo, Tensor)> {
    let mut tensors = Vec::new();
    let (mut parameters, mut buffers) = (0, 0);
    // A valid spec has its sources.
    let sources = spec.sources().unwrap_or_default();
    let shapes = spec.shapes();
    for (layer, sources) in spec.layers.iter().zip(&sources) {
        let read = spec.shapes_of(sources, &shapes)[0];
        for tensor in layer.kind.rules().tensors(read) {
            let end = match tensor.role {
                Role::Running => &mut buffers,
                _ => &mut parameters,
            };
            let start = *end;
            *end += tensor.shape.iter().product::<usize>();
            let info = TensorInfo {
                name: format!("{}.{}", layer.name, tensor.name),
                shape: tensor.shape.clone(),
                range: start..*end,
                frozen: layer.frozen,
                role: tensor.role,
                // Of a table of vectors each is a unit.
                units_first: layer.kind.rules().indices().is_some(),
                table: layer.kind.rules().indices().is_some(),
            };
            tensors.push((info, tensor));
        }
    }
    tensors
}
