//! [`TypedOptimizer`]: the update rules of recipes, in loops over dfdx models.

use std::marker::PhantomData;
use std::sync::Arc;

use dfdx::optim::{Optimizer as DfdxOptimizer, OptimizerUpdateError, UnusedTensors};
use dfdx::prelude::{
    Cpu, CpuError, Gradients, HasShape as _, RecursiveWalker, Shape, Tensor, TensorCollection, TensorOptions,
    TensorVisitor, ViewTensorRef,
};

use super::super::Recipe;
use super::tensors::{check_penalties, read, refused, unused, write};
use crate::net::{Role, TensorInfo};
use crate::optim::{Optimizer, UpdateRule};
use crate::{Error, Result};

/// An optimizer of ours for a loop of one's own over a dfdx model, any `TensorCollection`. Of the recipe it takes what a
/// [`Stepper`](crate::train::Stepper) takes: the rule with its rate and schedule (an epoch is one update), the penalties,
/// groups by dfdx's tensor names, and clipping.
///
/// It is an `Optimizer` of dfdx too: its `update` fits wherever dfdx's loops want one.
///
/// ```
/// use dfdx::prelude::*;
/// use jook::train::{Recipe, TypedOptimizer};
///
/// let dev = Cpu::seed_from_u64(0);
/// let mut model = dev.build_module::<(Linear<5, 16>, ReLU, Linear<16, 2>), f32>();
/// let recipe = Recipe::new().sgd(0.1).momentum(0.9).frozen("0.weight").clip_norm(1.0);
/// let mut optimizer = TypedOptimizer::new(&model, recipe)?;
/// let mut grads = model.alloc_grads();
/// let (x, y): (Tensor<Rank2<3, 5>, f32, _>, Tensor<Rank2<3, 2>, f32, _>) = (dev.sample_normal(), dev.sample_normal());
/// for _ in 0..5 {
///     let loss = mse_loss(model.forward_mut(x.trace(grads)), y.clone());
///     grads = loss.backward();
///     optimizer.step(&mut model, &grads)?;
///     model.zero_grads(&mut grads);
/// }
/// # Ok::<(), jook::Error>(())
/// ```
pub struct TypedOptimizer<M> {
    recipe: Recipe,
    optimizer: Optimizer,
    tensors: Vec<TensorInfo>,
    states: Vec<Vec<f32>>,
    /// Which of the learned tensors the plan holds; none: not planned yet.
    planned: Vec<bool>,
    steps: u64,
    model: PhantomData<fn(&mut M)>,
}

impl<M: TensorCollection<f32, Cpu>> TypedOptimizer<M> {
    /// An optimizer for `model` by `recipe`.
    ///
    /// # Errors
    /// When the recipe cannot be followed, or a group of it fits no tensor of the model.
    pub fn new(model: &M, recipe: impl Into<Recipe>) -> Result<Self> {
        let recipe = recipe.into();
        recipe.validate()?;
        recipe.check_loop()?;
        let tensors = read(model)?.tensors;
        check_penalties(&recipe, &tensors)?;
        let mut optimizer = recipe.optimizer(None);
        optimizer.plan(&tensors)?;
        Ok(Self {
            recipe,
            optimizer,
            tensors,
            states: Vec::new(),
            planned: Vec::new(),
            steps: 0,
            model: PhantomData,
        })
    }

    /// Updates by this rule instead of the recipe's, at the recipe's rate.
    ///
    /// # Errors
    /// When a group of the recipe fits no tensor.
    pub fn rule(mut self, rule: impl UpdateRule + 'static) -> Result<Self> {
        self.optimizer = self.recipe.optimizer(Some(Arc::new(rule)));
        self.optimizer.plan(&self.tensors)?;
        self.planned.clear();
        self.states.clear();
        Ok(self)
    }

    /// One update of `model` from the gradients that `backward()` gave. Tensors that the loss did not use take none.
    ///
    /// # Errors
    /// When the loss used none of them, a gradient is not finite, or the model has other tensors than the one that the
    /// optimizer was made for; nothing is changed then.
    pub fn step(&mut self, model: &mut M, gradients: &Gradients<f32, Cpu>) -> Result<()> {
        let step = self.collect(model, gradients)?;
        if let Some(at) = step.gradients.iter().position(|g| !g.is_finite()) {
            let learned = self.tensors.iter().filter(|t| t.role != Role::Running);
            let mut tensors = learned.filter(|tensor| tensor.range.contains(&at));
            let name = tensors.next().map_or("", |tensor| tensor.name.as_str());
            return Err(Error::data("expected finite gradients, found others")
                .at(format!("update {}, tensor {name}", self.steps + 1))
                .fix("lower the rate, or look for a log of 0 or a division by 0 in the loss"));
        }
        if step.used.iter().all(|used| !used) {
            return Err(
                Error::spec("the loss does not come from this model by its tape: no tensor of it has a gradient")
                    .at(format!("update {}", self.steps + 1))
                    .fix(
                        "give the model's forward a tensor with a tape (x.trace(grads)), and compute the loss from its \
                         outputs without .array(), .as_vec() or a new trace between",
                    ),
            );
        }
        self.apply(model, step)
    }

    /// The rate from now on, before the schedule.
    ///
    /// # Errors
    /// When it is not finite, or below 0.
    pub fn set_rate(&mut self, rate: f64) -> Result<()> {
        self.recipe.set_rate(rate)
    }

    /// Updates made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The numbers of the model and their gradients.
    fn collect(&self, model: &mut M, gradients: &Gradients<f32, Cpu>) -> Result<Step> {
        let before = read(model)?;
        if before.tensors != self.tensors {
            return Err(Error::spec(
                "the model has other tensors than the one that the optimizer was made for",
            )
            .at("TypedOptimizer")
            .fix("make an optimizer for each model"));
        }
        let unused = unused(model, gradients, &before)?;
        let mut found = ReadUsed {
            gradients,
            unused: &unused,
            out: Vec::with_capacity(before.parameters.len()),
            used: Vec::new(),
        };
        M::iter_tensors(&mut RecursiveWalker {
            m: &*model,
            f: &mut found,
        })
        .map_err(refused)?;
        Ok(Step {
            gradients: found.out,
            used: found.used,
            parameters: before.parameters,
            buffers: before.buffers,
            unused,
        })
    }

    fn apply(&mut self, model: &mut M, mut step: Step) -> Result<()> {
        if self.planned != step.used {
            let mut used = step.used.iter();
            let mut tensors = self.tensors.clone();
            for tensor in tensors.iter_mut().filter(|tensor| tensor.role != Role::Running) {
                tensor.frozen |= !used.next().copied().unwrap_or(false);
            }
            self.optimizer.plan(&tensors)?;
            self.planned = std::mem::take(&mut step.used);
        }
        let update = self.recipe.update_at(self.steps as usize, 1, 1.0);
        self.steps += 1;
        self.optimizer.step(
            &mut step.parameters,
            &mut step.gradients,
            &mut self.states,
            update,
        );
        write(model, &step.parameters, &step.buffers);
        Ok(())
    }
}

/// As dfdx's optimizers do it: gradients are taken as they are, and tensors without one are told after the update of the
/// others.
impl<M: TensorCollection<f32, Cpu>> DfdxOptimizer<M, Cpu, f32> for TypedOptimizer<M> {
    fn update(
        &mut self,
        model: &mut M,
        gradients: &Gradients<f32, Cpu>,
    ) -> Result<(), OptimizerUpdateError<CpuError>> {
        let wrong = |_: Error| OptimizerUpdateError::DeviceError(CpuError::WrongNumElements);
        let mut step = self.collect(model, gradients).map_err(wrong)?;
        let unused = std::mem::take(&mut step.unused);
        self.apply(model, step).map_err(wrong)?;
        unused.into()
    }
}

/// What an update starts from.
struct Step {
    parameters: Vec<f32>,
    buffers: Vec<f32>,
    gradients: Vec<f32>,
    /// Which of the learned tensors the loss used.
    used: Vec<bool>,
    unused: UnusedTensors,
}

/// Reads the gradients of a model's parameters into a flat vector.
struct ReadUsed<'a> {
    gradients: &'a Gradients<f32, Cpu>,
    unused: &'a UnusedTensors,
    out: Vec<f32>,
    used: Vec<bool>,
}

impl TensorVisitor<f32, Cpu> for ReadUsed<'_> {
    type Viewer = ViewTensorRef;
    type Err = CpuError;
    type E2 = f32;
    type D2 = Cpu;

    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, f32, Cpu>,
        tensor: &Tensor<S, f32, Cpu>,
    ) -> Result<Option<Tensor<S, f32, Cpu>>, CpuError> {
        if !options.do_gradient_update {
            return Ok(None);
        }
        let mut own = UnusedTensors::default();
        own.add(tensor);
        let used = !own.ids.iter().any(|id| self.unused.ids.contains(id));
        let count = tensor.shape().num_elements();
        match used && count > 0 {
            true => self.out.extend(self.gradients.get(tensor).as_vec()),
            false => self.out.resize(self.out.len() + count, 0.0),
        }
        self.used.push(used);
        Ok(None)
    }
}
