//! The tensors of a typed model as flat vectors: what dfdx updates, and what it does not.

use dfdx::optim::{Optimizer as _, OptimizerUpdateError, Sgd, SgdConfig, UnusedTensors};
use dfdx::prelude::{
    Cpu, CpuError, Gradients, HasShape as _, RecursiveWalker, Shape, Tensor, TensorCollection, TensorOptions,
    TensorVisitor, ViewTensorMut, ViewTensorName, ViewTensorRef,
};

use crate::net::{Role, TensorInfo};
use crate::train::Recipe;
use crate::{Error, Result};

/// Reads a model.
pub(super) fn read<M: TensorCollection<f32, Cpu>>(model: &M) -> Result<Read> {
    let mut read = Read::default();
    M::iter_tensors(&mut RecursiveWalker {
        m: (model, String::new()),
        f: &mut read,
    })
    .map_err(refused)?;
    Ok(read)
}

/// Copies flat numbers, as many as were read, into a model.
pub(super) fn write<M: TensorCollection<f32, Cpu>>(model: &mut M, parameters: &[f32], buffers: &[f32]) {
    let mut write = Write { parameters, buffers };
    // The visitor never fails: it copies slices of the lengths it read.
    let _ = M::iter_tensors(&mut RecursiveWalker {
        m: model,
        f: &mut write,
    });
}

/// The learned tensors that a way back has not led to; `as_read` is what was read of the model. dfdx hands out zeros, or
/// panics, for gradients that are not there. Its own optimizers alone are told: one of rate 0 is asked, and what it does
/// to numbers whose gradients are not finite is undone.
pub(super) fn unused<M: TensorCollection<f32, Cpu>>(
    model: &mut M,
    gradients: &Gradients<f32, Cpu>,
    as_read: &Read,
) -> Result<UnusedTensors> {
    let still = SgdConfig {
        lr: 0.0,
        momentum: None,
        weight_decay: None,
    };
    let found = match Sgd::new(&*model, still).update(model, gradients) {
        Ok(()) => Ok(UnusedTensors::default()),
        Err(OptimizerUpdateError::UnusedParams(unused)) => Ok(unused),
        Err(OptimizerUpdateError::DeviceError(error)) => Err(refused(error)),
    };
    write(model, &as_read.parameters, &as_read.buffers);
    found
}

/// Refuses penalties that would pass the numbers of a [`NetworkModule`](crate::net::NetworkModule) by: to dfdx they are
/// one flat tensor, in which weights and biases are not told apart.
pub(super) fn check_penalties(recipe: &Recipe, tensors: &[TensorInfo]) -> Result<()> {
    let asked = [recipe.decay, recipe.l1, recipe.l2].iter().any(|&x| x > 0.0) || recipe.max_norm.is_some();
    let flat = |tensor: &&TensorInfo| {
        let name = tensor.name.as_str();
        (name == "learned" || name.ends_with(".learned")) && tensor.shape.len() == 1
    };
    let named = |tensor: &TensorInfo| recipe.groups.iter().any(|group| group.fits(&tensor.name));
    match tensors.iter().find(flat) {
        Some(tensor) if asked && !named(tensor) => Err(Error::spec(
            "decay, L1, L2 and max norm are for weights, and a NetworkModule's weights and biases are one tensor to dfdx",
        )
        .at(format!("tensor {}", tensor.name))
        .fix(format!(
            "train the network by a Stepper or Network::train, which tell them apart; or penalize biases too, as in \
             decay_of(\"{}\", ..)",
            tensor.name
        ))),
        _ => Ok(()),
    }
}

pub(super) fn refused(error: impl std::fmt::Debug) -> Error {
    Error::spec(format!("dfdx could not run the model or the loss: {error:?}"))
}

/// Reads a model into flat vectors: what dfdx updates, and what it does not.
#[derive(Default)]
pub(super) struct Read {
    pub parameters: Vec<f32>,
    pub buffers: Vec<f32>,
    pub tensors: Vec<TensorInfo>,
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
        // as_vec panics where there are no numbers.
        if tensor.shape().num_elements() > 0 {
            store.extend(tensor.as_vec());
        }
        let shape: Vec<usize> = tensor.shape().concrete().into_iter().collect();
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
            units_first: true,
            table: false,
            range: start..store.len(),
        });
        Ok(None)
    }
}

/// Writes flat vectors into a model.
pub(super) struct Write<'a> {
    pub parameters: &'a [f32],
    pub buffers: &'a [f32],
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
        let (own, rest) = store.split_at(tensor.shape().num_elements());
        tensor.copy_from(own);
        *store = rest;
        Ok(None)
    }
}

/// Reads the gradients of a model's parameters into a flat vector; zero where the loss does not depend on
/// one.
pub(super) struct ReadGradient<'a> {
    pub gradients: &'a mut Gradients<f32, Cpu>,
    pub out: &'a mut [f32],
    pub at: usize,
    /// Whether to add to what is there.
    pub add: bool,
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
