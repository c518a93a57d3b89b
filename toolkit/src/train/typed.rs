//! Typed dfdx models as [`Learner`]s: the same loop, the same update rules, dfdx's own forward and backward.
//!
//! The flat parameters here are the ones that train; after each update they are copied into the model.

use std::ops::Range;

use dfdx::prelude::{
    AsArray, Backward, Const, Cpu, CpuError, Gradients, Module, ModuleMut, OwnedTape, Rank0, RecursiveWalker,
    Shape, SumTo, Tensor, TensorCollection, TensorFromVec, TensorOptions, TensorVisitor, Trace,
    ViewTensorMut, ViewTensorName, ViewTensorRef,
};
use rand::RngCore as _;

use super::fused::one_hot;
use super::learner::{Learner, Named, count_correct};
use super::run::{self, Numbers};
use super::{Recipe, Run};
use crate::data::Dataset;
use crate::loss::{Loss, Targets};
use crate::net::tape::LossValue;
use crate::seed::Rng;
use crate::{Error, Result};

/// A batch of a typed model, rows x `N`, on dfdx's tape.
pub type TypedLogits<const N: usize> = Tensor<(usize, Const<N>), f32, Cpu, OwnedTape<f32, Cpu>>;
/// The targets of a batch of a typed model, rows x `N`: 1 for the class of the row, else 0.
pub type TypedOneHot<const N: usize> = Tensor<(usize, Const<N>), f32, Cpu>;

/// Training for typed dfdx models of `I` inputs and `O` outputs, as `dev.build_module::<(Linear<64, 32>,
/// ReLU, Linear<32, 10>), f32>()` makes them. Call it as on a network: `model.train(&data, recipe)?`.
///
/// The model itself stays as it is; the trained one is in the [`Run`]. Its parts that dfdx does not update
/// (the running statistics of batch norm) are moved by dfdx as usual.
pub trait Train<const I: usize, const O: usize>: Sized {
    /// Trains a copy of the model on `data` by `recipe`, from the model's numbers as they are.
    ///
    /// # Errors
    /// When the recipe cannot be followed, the data have no labels or another width, or a checkpoint to
    /// resume from does not fit.
    fn train(&self, data: &Dataset, recipe: impl Into<Recipe>) -> Result<Run<Self>>;

    /// As [`Train::train`] with a loss of one's own instead of the recipe's, written in dfdx: it is given the
    /// logits and the one-hot targets of a batch and gives their mean loss.
    ///
    /// # Errors
    /// As [`Train::train`].
    fn train_with(
        &self,
        data: &Dataset,
        recipe: impl Into<Recipe>,
        loss: impl FnMut(TypedLogits<O>, TypedOneHot<O>) -> LossValue,
    ) -> Result<Run<Self>>;
}

impl<M, const I: usize, const O: usize> Train<I, O> for M
where
    M: TensorCollection<f32, Cpu>
        + Clone
        + ModuleMut<TypedLogits<I>, Output = TypedLogits<O>>
        + Module<TypedOneHot<I>, Output = TypedOneHot<O>>,
{
    fn train(&self, data: &Dataset, recipe: impl Into<Recipe>) -> Result<Run<Self>> {
        train_typed(self, data, recipe.into(), None)
    }

    fn train_with(
        &self,
        data: &Dataset,
        recipe: impl Into<Recipe>,
        mut loss: impl FnMut(TypedLogits<O>, TypedOneHot<O>) -> LossValue,
    ) -> Result<Run<Self>> {
        train_typed(self, data, recipe.into(), Some(&mut loss))
    }
}

type OwnTypedLoss<'a, const O: usize> = &'a mut dyn FnMut(TypedLogits<O>, TypedOneHot<O>) -> LossValue;

fn train_typed<M, const I: usize, const O: usize>(
    model: &M,
    data: &Dataset,
    recipe: Recipe,
    own: Option<OwnTypedLoss<'_, O>>,
) -> Result<Run<M>>
where
    M: TensorCollection<f32, Cpu>
        + Clone
        + ModuleMut<TypedLogits<I>, Output = TypedLogits<O>>
        + Module<TypedOneHot<I>, Output = TypedOneHot<O>>,
{
    recipe.validate()?;
    let mut learner = TypedLearner::new(model.clone(), recipe.loss, own)?;
    let numbers: Numbers = run::run_learner(&mut learner, data, &recipe, None, std::any::type_name::<M>())?;
    Ok(Run::new(learner.model, numbers, (I, O), predict::<M, I, O>))
}

/// Outputs in evaluation mode, rows x `O`.
fn predict<M, const I: usize, const O: usize>(model: &M, examples: &[f32]) -> Result<Vec<f32>>
where
    M: Module<TypedOneHot<I>, Output = TypedOneHot<O>>,
{
    if !examples.len().is_multiple_of(I) {
        let found = examples.len();
        return Err(Error::data(format!(
            "expected a multiple of {I} numbers, found {found}"
        )));
    }
    let device = Cpu::default();
    let mut outputs = Vec::with_capacity(examples.len() / I * O);
    for chunk in examples.chunks(256 * I) {
        let x = device.tensor_from_vec(chunk.to_vec(), (chunk.len() / I, Const::<I>));
        outputs.extend(model.try_forward(x).map_err(refused)?.as_vec());
    }
    Ok(outputs)
}

struct TypedLearner<'a, M, const I: usize, const O: usize> {
    model: M,
    loss: Loss,
    own: Option<OwnTypedLoss<'a, O>>,
    parameters: Vec<f32>,
    buffers: Vec<f32>,
    gradients: Vec<f32>,
    tensors: Vec<Named>,
    input: Vec<f32>,
    logits: Vec<f32>,
    slope: Vec<f32>,
}

impl<'a, M, const I: usize, const O: usize> TypedLearner<'a, M, I, O>
where
    M: TensorCollection<f32, Cpu>
        + ModuleMut<TypedLogits<I>, Output = TypedLogits<O>>
        + Module<TypedOneHot<I>, Output = TypedOneHot<O>>,
{
    fn new(model: M, loss: Loss, own: Option<OwnTypedLoss<'a, O>>) -> Result<Self> {
        let mut read = Read::default();
        M::iter_tensors(&mut RecursiveWalker {
            m: (&model, String::new()),
            f: &mut read,
        })
        .map_err(refused)?;
        Ok(Self {
            model,
            loss,
            own,
            gradients: vec![0.0; read.parameters.len()],
            parameters: read.parameters,
            buffers: read.buffers,
            tensors: read.tensors,
            input: Vec::new(),
            logits: Vec::new(),
            slope: Vec::new(),
        })
    }

    /// Copies the flat numbers into the model.
    fn write(&mut self) {
        let mut write = Write {
            parameters: &self.parameters,
            buffers: &self.buffers,
        };
        // The visitor never fails: it copies slices of the lengths it read.
        let _ = M::iter_tensors(&mut RecursiveWalker {
            m: &mut self.model,
            f: &mut write,
        });
    }

    fn batch(&self, device: &Cpu) -> TypedOneHot<I> {
        device.tensor_from_vec(self.input.clone(), (self.input.len() / I, Const::<I>))
    }

    fn keep_logits(&mut self, logits: &[f32]) {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        self.slope.resize(logits.len(), 0.0);
    }
}

impl<M, const I: usize, const O: usize> Learner for TypedLearner<'_, M, I, O>
where
    M: TensorCollection<f32, Cpu>
        + ModuleMut<TypedLogits<I>, Output = TypedLogits<O>>
        + Module<TypedOneHot<I>, Output = TypedOneHot<O>>,
{
    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn buffers(&self) -> &[f32] {
        &self.buffers
    }

    fn restore(&mut self, parameters: &[f32], buffers: &[f32]) {
        self.parameters.copy_from_slice(parameters);
        self.buffers.copy_from_slice(buffers);
        self.write();
    }

    fn trainable(&self) -> Vec<Range<usize>> {
        vec![Range {
            start: 0,
            end: self.parameters.len(),
        }]
    }

    fn tensors(&self) -> Vec<Named> {
        self.tensors.clone()
    }

    fn widths(&self) -> (usize, usize) {
        (I, O)
    }

    fn input(&mut self, rows: usize) -> &mut [f32] {
        self.input.resize(rows * I, 0.0);
        &mut self.input
    }

    fn gradient(&mut self, labels: &[u32], rng: &mut Rng) -> Result<f32> {
        // dfdx draws dropout from the device of the batch: a device a step makes it a matter of our stream.
        let device = Cpu::seed_from_u64(rng.next_u64());
        let x = self.batch(&device).leaky_traced();
        let logits = self.model.try_forward_mut(x).map_err(refused)?;
        self.keep_logits(&logits.as_vec());
        let shape = (labels.len(), Const::<O>);
        let (value, mut gradients) = match &mut self.own {
            Some(own) => {
                let targets = device.tensor_from_vec(one_hot(labels, O), shape);
                let loss: Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>> = own(logits, targets);
                (loss.array(), loss.try_backward().map_err(refused)?)
            }
            None => {
                let targets = Targets::Classes(labels);
                let value = self
                    .loss
                    .value_and_gradient(&self.logits, targets, &mut self.slope);
                // The gradient of sum(logits * slope) by the logits is the slope: the fused loss joins the
                // tape.
                let slope: TypedOneHot<O> = device.tensor_from_vec(self.slope.clone(), shape);
                let weighted = (logits * slope).sum::<Rank0, _>();
                (value, weighted.try_backward().map_err(refused)?)
            }
        };
        let mut read = ReadGradient {
            gradients: &mut gradients,
            out: &mut self.gradients,
            at: 0,
        };
        M::iter_tensors(&mut RecursiveWalker {
            m: &self.model,
            f: &mut read,
        })
        .map_err(refused)?;
        if labels.len() == 1 && !self.buffers.is_empty() {
            // A single row has no variance: dfdx would divide by n - 1 = 0 and leave NaN in the running
            // variance. They go back to what they were, as in the fused executor.
            self.write();
        } else if !self.buffers.is_empty() {
            // Batch norm has moved its running statistics.
            let mut read = Read::default();
            M::iter_tensors(&mut RecursiveWalker {
                m: (&self.model, String::new()),
                f: &mut read,
            })
            .map_err(refused)?;
            self.buffers = read.buffers;
        }
        Ok(value)
    }

    fn gradients(&self) -> &[f32] {
        &self.gradients
    }

    fn update(&mut self, change: &mut dyn FnMut(&mut [f32], &[f32])) {
        change(&mut self.parameters, &self.gradients);
        self.write();
    }

    fn evaluate(&mut self, labels: &[u32]) -> Result<(f32, usize)> {
        let device = Cpu::default();
        let logits = self.model.try_forward(self.batch(&device)).map_err(refused)?;
        self.keep_logits(&logits.as_vec());
        let loss = match &mut self.own {
            None => self.loss.value(&self.logits, Targets::Classes(labels)),
            Some(own) => {
                let targets = device.tensor_from_vec(one_hot(labels, O), (labels.len(), Const::<O>));
                own(logits.leaky_traced(), targets).array()
            }
        };
        Ok((loss, count_correct(&self.logits, labels)))
    }

    fn logits_finite(&self) -> bool {
        self.logits.iter().all(|x| x.is_finite())
    }

    fn own_loss(&self) -> bool {
        self.own.is_some()
    }
}

fn refused(error: impl std::fmt::Debug) -> Error {
    Error::spec(format!("dfdx could not run the model or the loss: {error:?}"))
}

/// Reads a model into flat vectors: what dfdx updates, and what it does not.
#[derive(Default)]
struct Read {
    parameters: Vec<f32>,
    buffers: Vec<f32>,
    tensors: Vec<Named>,
}

impl TensorVisitor<f32, Cpu> for Read {
    type Viewer = (ViewTensorRef, ViewTensorName);
    type Err = CpuError;
    type E2 = f32;
    type D2 = Cpu;

    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, f32, Cpu>,
        (tensor, name): (&Tensor<S, f32, Cpu>, String),
    ) -> Result<Option<Tensor<S, f32, Cpu>>, CpuError> {
        let buffer = !options.do_gradient_update;
        let store = if buffer {
            &mut self.buffers
        } else {
            &mut self.parameters
        };
        let start = store.len();
        store.extend(tensor.as_vec());
        self.tensors.push(Named {
            name,
            shape: dfdx::prelude::HasShape::shape(tensor)
                .concrete()
                .into_iter()
                .collect(),
            buffer,
            range: start..store.len(),
        });
        Ok(None)
    }
}

/// Writes flat vectors into a model.
struct Write<'a> {
    parameters: &'a [f32],
    buffers: &'a [f32],
}

impl TensorVisitor<f32, Cpu> for Write<'_> {
    type Viewer = ViewTensorMut;
    type Err = CpuError;
    type E2 = f32;
    type D2 = Cpu;

    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, f32, Cpu>,
        tensor: &mut Tensor<S, f32, Cpu>,
    ) -> Result<Option<Tensor<S, f32, Cpu>>, CpuError> {
        let store = if options.do_gradient_update {
            &mut self.parameters
        } else {
            &mut self.buffers
        };
        let (own, rest) = store.split_at(dfdx::prelude::HasShape::shape(tensor).num_elements());
        tensor.copy_from(own);
        *store = rest;
        Ok(None)
    }
}

/// Reads the gradients of a model's parameters into a flat vector; zero where the loss does not depend on
/// one.
struct ReadGradient<'a> {
    gradients: &'a mut Gradients<f32, Cpu>,
    out: &'a mut [f32],
    at: usize,
}

impl TensorVisitor<f32, Cpu> for ReadGradient<'_> {
    type Viewer = ViewTensorRef;
    type Err = CpuError;
    type E2 = f32;
    type D2 = Cpu;

    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, f32, Cpu>,
        tensor: &Tensor<S, f32, Cpu>,
    ) -> Result<Option<Tensor<S, f32, Cpu>>, CpuError> {
        if options.do_gradient_update {
            let found = self.gradients.get_or_alloc_mut(tensor)?;
            self.out[self.at..][..found.len()].copy_from_slice(found);
            self.at += found.len();
        }
        Ok(None)
    }
}
