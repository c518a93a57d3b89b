//! A typed dfdx model as an [`Executor`]: the flat parameters here are the ones that train; after each update they are
//! copied into the model.

use std::marker::PhantomData;

use dfdx::prelude::{
    Backward, Const, Cpu, Module, ModuleMut, Rank0, RecursiveWalker, SumTo, TensorCollection, TensorFromVec,
};
use rand::RngCore as _;

use super::example::Example;
use super::tensors::{ReadGradient, read, refused, unused, write};
use super::{TypedLogits, TypedOneHot};
use crate::net::executor::{Executor, How, Norm};
use crate::net::{Role, TensorInfo};
use crate::optim::{Optimizer, Update};
use crate::{Error, Result};

/// Outputs in evaluation mode, rows x `O`.
pub(super) fn predict<M, X: Example, const O: usize>(model: &M, examples: &[f32]) -> Result<Vec<f32>>
where
    M: Module<X::Batch, Output = TypedOneHot<O>>,
{
    if X::WIDTH == 0 || !examples.len().is_multiple_of(X::WIDTH) {
        return Err(Error::data(format!(
            "expected a multiple of {} numbers, found {}",
            X::WIDTH,
            examples.len()
        )));
    }
    let device = Cpu::default();
    let mut outputs = Vec::with_capacity(examples.len() / X::WIDTH * O);
    for chunk in examples.chunks(256 * X::WIDTH) {
        let x = X::batch(&device, chunk)?;
        outputs.extend(model.try_forward(x).map_err(refused)?.as_vec());
    }
    Ok(outputs)
}

/// A typed model with its numbers as flat vectors, and what the optimizer remembers.
pub(super) struct TypedExecutor<M, X, const O: usize> {
    pub model: M,
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
    /// Whether a way back was seen to lead into the model.
    reached: bool,
    example: PhantomData<X>,
}

impl<M, X: Example, const O: usize> TypedExecutor<M, X, O>
where
    M: TensorCollection<f32, Cpu>
        + ModuleMut<X::Taped, Output = TypedLogits<O>>
        + Module<X::Batch, Output = TypedOneHot<O>>,
{
    pub fn new(model: M) -> Result<Self> {
        let read = read(&model)?;
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
            reached: false,
            example: PhantomData,
        })
    }

    /// Copies the flat numbers into the model.
    fn write(&mut self) {
        write(&mut self.model, &self.parameters, &self.buffers);
    }

    fn keep_logits(&mut self, logits: &[f32]) {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        self.slope.resize(logits.len(), 0.0);
    }
}

impl<M, X: Example, const O: usize> Executor for TypedExecutor<M, X, O>
where
    M: TensorCollection<f32, Cpu>
        + ModuleMut<X::Taped, Output = TypedLogits<O>>
        + Module<X::Batch, Output = TypedOneHot<O>>,
{
    fn inputs(&self) -> usize {
        X::WIDTH
    }

    fn widths(&self) -> Vec<usize> {
        vec![O]
    }

    fn input(&mut self, rows: usize) -> &mut [f32] {
        self.input.resize(rows * X::WIDTH, 0.0);
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
                let x = X::taped(X::batch(&device, &self.input)?);
                let logits = self.model.try_forward_mut(x).map_err(refused)?;
                self.keep_logits(&logits.as_vec());
                self.taped = Some(logits);
            }
            how if how.is_still() => {
                let x = X::batch(&Cpu::default(), &self.input)?;
                let logits = self.model.try_forward(x).map_err(refused)?;
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
        if !self.reached {
            let now = read(&self.model)?;
            let learned = now.tensors.iter().filter(|tensor| tensor.role != Role::Running);
            if learned.count() == unused(&mut self.model, &gradients, &now)?.ids.len() {
                return Err(Error::spec(
                    "the model's outputs do not come from its tensors by their tape: nothing could be learnt",
                )
                .at("a dfdx model's forward_mut")
                .fix("compute the outputs from the tensors it is given and its own, without .array(), .as_vec() or a new \
                      trace between"));
            }
            self.reached = true;
        }
        let mut visitor = ReadGradient {
            gradients: &mut gradients,
            out: &mut self.gradients,
            at: 0,
            add,
        };
        M::iter_tensors(&mut RecursiveWalker {
            m: &self.model,
            f: &mut visitor,
        })
        .map_err(refused)?;
        if rows == 1 && !self.buffers.is_empty() {
            // A single row has no variance: dfdx would divide by n - 1 = 0 and leave NaN in the running
            // variance. They go back to what they were, as in the fused executor.
            self.write();
        } else if !self.buffers.is_empty() {
            // Batch norm has moved its running statistics.
            self.buffers = read(&self.model)?.buffers;
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

    fn given(&mut self, optimizer: &Optimizer) -> Option<Vec<f32>> {
        optimizer.given(&self.parameters, &self.states)
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
