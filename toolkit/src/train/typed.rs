//! Typed dfdx models as [`Executor`]s: the same loop, the same update rules, dfdx's own forward and backward.
//!
//! The flat parameters here are the ones that train; after each update they are copied into the model.

use dfdx::prelude::{
    Backward, Const, Cpu, CpuError, Gradients, Module, ModuleMut, OwnedTape, Rank0, RecursiveWalker, Shape,
    SumTo, Tensor, TensorCollection, TensorFromVec, TensorOptions, TensorVisitor, Trace, ViewTensorMut,
    ViewTensorName, ViewTensorRef,
};
use rand::RngCore as _;

use super::engine::Task;
use super::run::{self, Subject};
use super::{Recipe, Run};
use crate::data::{Dataset, Targets};
use crate::loss::{self, Objective, Seen};
use crate::net::executor::{Executor, How, Norm};
use crate::net::tape::{LossValue, slope_of};
use crate::net::{Role, TensorInfo};
use crate::optim::{Optimizer, Update};
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
        let recipe = recipe.into();
        train_typed(self, data, recipe.clone(), &mut recipe.loss.clone())
    }

    fn train_with(
        &self,
        data: &Dataset,
        recipe: impl Into<Recipe>,
        loss: impl FnMut(TypedLogits<O>, TypedOneHot<O>) -> LossValue,
    ) -> Result<Run<Self>> {
        train_typed(self, data, recipe.into(), &mut TypedLoss::<_, O>(loss))
    }
}

fn train_typed<M, const I: usize, const O: usize>(
    model: &M,
    data: &Dataset,
    recipe: Recipe,
    objective: &mut dyn Objective,
) -> Result<Run<M>>
where
    M: TensorCollection<f32, Cpu>
        + Clone
        + ModuleMut<TypedLogits<I>, Output = TypedLogits<O>>
        + Module<TypedOneHot<I>, Output = TypedOneHot<O>>,
{
    let recipe = recipe.matched_to(data)?;
    recipe.validate()?;
    if let [tap, ..] = &objective.taps()[..] {
        return Err(Error::spec(format!("a dfdx model has no layer named {tap}"))
            .fix("use an objective of the model's outputs"));
    }
    let mut executor = TypedExecutor::new(model.clone())?;
    let task = Task {
        data,
        beside: &[],
        recipe: &recipe,
        objective,
        optimizer: recipe.optimizer(None),
        watchers: recipe.watchers(),
    };
    let subject = Subject {
        spec: None,
        model: std::any::type_name::<M>(),
        besides: Vec::new(),
    };
    let numbers = run::run_executor(&mut executor, task, subject)?;
    Ok(Run::new(executor.model, numbers, (I, O), predict::<M, I, O>))
}

/// A loss written in dfdx over a typed model's outputs.
struct TypedLoss<F, const O: usize>(F);

impl<F, const O: usize> Objective for TypedLoss<F, O>
where
    F: FnMut(TypedLogits<O>, TypedOneHot<O>) -> LossValue,
{
    fn check(&mut self, data: &[&Dataset], widths: &[usize]) -> Result<()> {
        match data[0].targets() {
            Targets::None => Err(loss::lacking(data[0])),
            Targets::Classes(labels) => loss::in_range(data[0], labels, widths[0]),
            Targets::Shares { .. } | Targets::Values(_) if data[0].target_width() == O => Ok(()),
            Targets::Shares { .. } | Targets::Values(_) => Err(Error::data(format!(
                "expected {O} targets an example, as the model has outputs, found {}",
                data[0].target_width()
            ))),
        }
    }

    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        let part = &seen.streams[0];
        let shape = (part.range.len(), Const::<O>);
        let table = match part.targets {
            Targets::Classes(labels) => loss::one_hot(labels, O),
            Targets::Shares { shares: table, .. } | Targets::Values(table) => table.to_vec(),
            Targets::None => return Err(Error::data("expected targets, found none")),
        };
        let device = Cpu::default();
        let targets: TypedOneHot<O> = device.tensor_from_vec(table, shape);
        let logits: TypedOneHot<O> = device.tensor_from_vec(seen.output(0, 0).to_vec(), shape);
        slope_of(&logits, slopes[0], |logits| (self.0)(logits, targets))
    }
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

/// A typed model with its numbers as flat vectors, and what the optimizer remembers.
struct TypedExecutor<M, const I: usize, const O: usize> {
    model: M,
    parameters: Vec<f32>,
    buffers: Vec<f32>,
    gradients: Vec<f32>,
    states: Vec<Vec<f32>>,
    tensors: Vec<TensorInfo>,
    input: Vec<f32>,
    /// The outputs of the last forward pass, with their tape if it was one of training.
    taped: Option<TypedLogits<O>>,
    logits: Vec<f32>,
    slope: Vec<f32>,
}

impl<M, const I: usize, const O: usize> TypedExecutor<M, I, O>
where
    M: TensorCollection<f32, Cpu>
        + ModuleMut<TypedLogits<I>, Output = TypedLogits<O>>
        + Module<TypedOneHot<I>, Output = TypedOneHot<O>>,
{
    fn new(model: M) -> Result<Self> {
        let read = Self::read(&model)?;
        Ok(Self {
            model,
            gradients: vec![0.0; read.parameters.len()],
            parameters: read.parameters,
            buffers: read.buffers,
            tensors: read.tensors,
            states: Vec::new(),
            input: Vec::new(),
            taped: None,
            logits: Vec::new(),
            slope: Vec::new(),
        })
    }

    fn read(model: &M) -> Result<Read> {
        let mut read = Read::default();
        M::iter_tensors(&mut RecursiveWalker {
            m: (model, String::new()),
            f: &mut read,
        })
        .map_err(refused)?;
        Ok(read)
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

impl<M, const I: usize, const O: usize> Executor for TypedExecutor<M, I, O>
where
    M: TensorCollection<f32, Cpu>
        + ModuleMut<TypedLogits<I>, Output = TypedLogits<O>>
        + Module<TypedOneHot<I>, Output = TypedOneHot<O>>,
{
    fn inputs(&self) -> usize {
        I
    }

    fn widths(&self) -> Vec<usize> {
        vec![O]
    }

    fn input(&mut self, rows: usize) -> &mut [f32] {
        self.input.resize(rows * I, 0.0);
        &mut self.input
    }

    fn forward(&mut self, how: How<'_>) -> Result<()> {
        self.taped = None;
        match how {
            How {
                dropout: Some(rng),
                norm: Norm::Batch { moves: true },
            } => {
                // dfdx draws dropout from the device of the batch: a device a step makes it a matter of our stream.
                let device = Cpu::seed_from_u64(rng.next_u64());
                let x = self.batch(&device).leaky_traced();
                let logits = self.model.try_forward_mut(x).map_err(refused)?;
                self.keep_logits(&logits.as_vec());
                self.taped = Some(logits);
            }
            how if how.is_still() => {
                let device = Cpu::default();
                let logits = self.model.try_forward(self.batch(&device)).map_err(refused)?;
                self.keep_logits(&logits.as_vec());
            }
            _ => {
                return Err(Error::spec(
                    "a dfdx model takes dropout and batch norm together: both as in training, or both as in evaluation",
                ));
            }
        }
        Ok(())
    }

    fn taps(&mut self) -> (Vec<&[f32]>, Vec<&mut [f32]>) {
        (vec![&self.logits], vec![&mut self.slope])
    }

    fn backward(&mut self, add: bool) -> Result<()> {
        let Some(logits) = self.taped.take() else {
            return Err(Error::spec(
                "there is no forward pass in training to go back through",
            ));
        };
        let rows = self.logits.len() / O.max(1);
        // The gradient of sum(logits * slope) by the logits is the slope: any objective joins the tape.
        let slope: TypedOneHot<O> = Cpu::default().tensor_from_vec(self.slope.clone(), (rows, Const::<O>));
        let weighted = (logits * slope).sum::<Rank0, _>();
        let mut gradients = weighted.try_backward().map_err(refused)?;
        let mut read = ReadGradient {
            gradients: &mut gradients,
            out: &mut self.gradients,
            at: 0,
            add,
        };
        M::iter_tensors(&mut RecursiveWalker {
            m: &self.model,
            f: &mut read,
        })
        .map_err(refused)?;
        if rows == 1 && !self.buffers.is_empty() {
            // A single row has no variance: dfdx would divide by n - 1 = 0 and leave NaN in the running
            // variance. They go back to what they were, as in the fused executor.
            self.write();
        } else if !self.buffers.is_empty() {
            // Batch norm has moved its running statistics.
            self.buffers = Self::read(&self.model)?.buffers;
        }
        Ok(())
    }

    fn gradients(&mut self) -> &[f32] {
        &self.gradients
    }

    fn update(&mut self, optimizer: &Optimizer, update: Update) -> Result<()> {
        optimizer.step(
            &mut self.parameters,
            &mut self.gradients,
            &mut self.states,
            update,
        );
        self.write();
        Ok(())
    }

    fn parameters(&mut self) -> &[f32] {
        &self.parameters
    }

    fn buffers(&mut self) -> &[f32] {
        &self.buffers
    }

    fn states(&mut self) -> Vec<Vec<f32>> {
        self.states.clone()
    }

    fn restore(&mut self, parameters: &[f32], buffers: &[f32]) {
        self.parameters.copy_from_slice(parameters);
        self.buffers.copy_from_slice(buffers);
        self.write();
    }

    fn restore_states(&mut self, states: Vec<Vec<f32>>) {
        self.states = states;
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn set_frozen(&mut self, layer: &str, frozen: bool) -> Result<()> {
        let mut found = false;
        for tensor in &mut self.tensors {
            if tensor
                .name
                .strip_prefix(layer)
                .is_some_and(|rest| rest.starts_with('.'))
            {
                (tensor.frozen, found) = (frozen, true);
            }
        }
        match found {
            true => Ok(()),
            false => Err(Error::spec(format!(
                "there is no layer {layer:?} in the dfdx model"
            ))),
        }
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
    tensors: Vec<TensorInfo>,
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
        let shape: Vec<usize> = dfdx::prelude::HasShape::shape(tensor)
            .concrete()
            .into_iter()
            .collect();
        self.tensors.push(TensorInfo {
            role: match (buffer, name.rsplit('.').next(), shape.len()) {
                (true, ..) => Role::Running,
                (_, Some("scale" | "gamma"), _) => Role::Scale,
                (_, _, 0 | 1) => Role::Bias,
                _ => Role::Weight,
            },
            name,
            shape,
            frozen: false,
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
    /// Whether to add to what is there.
    add: bool,
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
            let out = &mut self.out[self.at..][..found.len()];
            match self.add {
                true => out
                    .iter_mut()
                    .zip(found.iter())
                    .for_each(|(sum, more)| *sum += more),
                false => out.copy_from_slice(found),
            }
            self.at += found.len();
        }
        Ok(None)
    }
}
