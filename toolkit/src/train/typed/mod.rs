//! Typed dfdx models: the same loop, the same update rules and files as networks have, dfdx's own forward and backward.

mod example;
mod executor;
mod load;
mod optimizer;
mod tensors;

use std::path::Path;

use dfdx::prelude::{
    Const, Cpu, Module, ModuleMut, OwnedTape, Rank1, Rank3, Tensor, TensorCollection, TensorFromVec,
};

use super::engine::Task;
use super::file;
use super::run::{self, Subject};
use super::{Recipe, Run};
use crate::data::{Dataset, Split, Targets};
use crate::loss::{self, Objective, Seen};
use crate::net::executor::Executor;
use crate::net::tape::{LossValue, slope_of};
use crate::{Error, Result};
pub use example::Example;
use executor::{TypedExecutor, predict};
pub use load::Load;
pub use optimizer::TypedOptimizer;

/// A batch of a typed model, rows x `N`, on dfdx's tape.
pub type TypedLogits<const N: usize> = Tensor<(usize, Const<N>), f32, Cpu, OwnedTape<f32, Cpu>>;
/// The targets of a batch of a typed model, rows x `N`: 1 for the class of the row, else 0.
pub type TypedOneHot<const N: usize> = Tensor<(usize, Const<N>), f32, Cpu>;

/// Training for typed dfdx models of examples `X` and `O` outputs, as `dev.build_module::<(Linear<64, 32>, ReLU,
/// Linear<32, 10>), f32>()` makes them. Call it as on a network: `model.train(&data, recipe)?`.
///
/// What a model takes is told from its type, as dfdx writes the shape of one example ([`Example`]): `Rank1<I>` for numbers
/// (batches of rows x I); `Rank3<C, H, W>` for images (batches of rows x channels x height x width, into which a dataset's
/// height x width x channels are brought); `(Rank1<A>, Rank1<B>)` for two inputs (a tuple of two tensors: the first A
/// columns of the data, and the next B). A model of one's own that takes several of these has to be told which:
/// `Train::<Rank3<1, 28, 28>, 10>::train(&model, &data, recipe)`.
///
/// The model itself stays as it is; the trained one is in the [`Run`]. Its parts that dfdx does not update
/// (the running statistics of batch norm) are moved by dfdx as usual. [`Recipe::frozen`] and the other words about groups
/// know its tensors by dfdx's names: `0.weight`, `2.bias`, `*.bias`, or `0.*` for all of the first module. A frozen batch
/// norm keeps its scale and shift; its running statistics still move, as dfdx does not tell.
///
/// ```
/// use dfdx::prelude::*;
/// use jook::data::datasets;
/// use jook::train::{Load, Recipe, Train};
///
/// let moons = datasets::two_moons(200, 0.1, 0)?.split(0.25, 0)?;
/// let model = Cpu::seed_from_u64(0).build_module::<(Linear<2, 16>, ReLU, Linear<16, 2>), f32>();
/// let run = model.fit(&moons, Recipe::new().epochs(30).adam(0.01))?;
/// assert!(run.evaluation.is_some());
/// # let path = std::env::temp_dir().join(format!("jook-typed-{}.safetensors", std::process::id()));
/// run.save(&path)?;
/// // Later, and elsewhere: a model of the same type takes the numbers over.
/// let mut again = Cpu::default().build_module::<(Linear<2, 16>, ReLU, Linear<16, 2>), f32>();
/// again.load(&path)?;
/// assert_eq!(again.0.weight.as_vec(), run.model.0.weight.as_vec());
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), jook::Error>(())
/// ```
pub trait Train<X, const O: usize>: Sized {
    /// Trains a copy of the model on `data` by `recipe`, from the model's numbers as they are.
    ///
    /// # Errors
    /// When the recipe cannot be followed, the data have no labels or another width or shape, or a checkpoint to
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

    /// Trains on the training part of `split` and evaluates on its test part: [`Run::evaluation`].
    ///
    /// # Errors
    /// As [`Train::train`], and when the test part does not fit the model.
    fn fit(&self, split: &Split, recipe: impl Into<Recipe>) -> Result<Run<Self>>;

    /// Goes on with the training in the checkpoint at `path`, on the same data, with checkpoints as before. The numbers
    /// come from the file, and of the model what no file has: its type, and settings such as the share of dropout.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or foreign; when it holds another model, or a loss of one's own, which
    /// only [`Recipe::resume`] can go on with; or when the data are others.
    fn resume(&self, path: impl AsRef<Path>, data: &Dataset) -> Result<Run<Self>>;
}

macro_rules! trained {
    ($([$($size:ident)*] $example:ty;)*) => {$(
        impl<M, $(const $size: usize,)* const O: usize> Train<$example, O> for M
        where
            M: TensorCollection<f32, Cpu>
                + Clone
                + ModuleMut<<$example as Example>::Taped, Output = TypedLogits<O>>
                + Module<<$example as Example>::Batch, Output = TypedOneHot<O>>,
        {
            fn train(&self, data: &Dataset, recipe: impl Into<Recipe>) -> Result<Run<Self>> {
                train_typed::<_, $example, O>(self, data, recipe.into(), None)
            }

            fn train_with(
                &self,
                data: &Dataset,
                recipe: impl Into<Recipe>,
                loss: impl FnMut(TypedLogits<O>, TypedOneHot<O>) -> LossValue,
            ) -> Result<Run<Self>> {
                train_typed::<_, $example, O>(self, data, recipe.into(), Some(&mut TypedLoss::<_, O>(loss)))
            }

            fn fit(&self, split: &Split, recipe: impl Into<Recipe>) -> Result<Run<Self>> {
                let recipe = recipe.into().matched_to(&split.train)?;
                // Before the work, so that a wrong test part costs none of it.
                let test = split.test.matched_to(&split.train.names())?;
                <$example>::check(&test)?;
                Objective::check(&mut recipe.loss.clone(), &[&test], &[O])?;
                let mut run = Train::<$example, O>::train(self, &split.train, recipe)?;
                run.judge_on(&test);
                Ok(run)
            }

            fn resume(&self, path: impl AsRef<Path>, data: &Dataset) -> Result<Run<Self>> {
                Train::<$example, O>::train(self, data, file::recipe_to_resume(path.as_ref())?)
            }
        }
    )*};
}
// The tensors are written out: by them the compiler tells what a model takes.
trained! {
    [I] Rank1<I>;
    [C H W] Rank3<C, H, W>;
    [A B] (Rank1<A>, Rank1<B>);
}

fn train_typed<M, X: Example, const O: usize>(
    model: &M,
    data: &Dataset,
    recipe: Recipe,
    objective: Option<&mut dyn Objective>,
) -> Result<Run<M>>
where
    M: TensorCollection<f32, Cpu>
        + Clone
        + ModuleMut<X::Taped, Output = TypedLogits<O>>
        + Module<X::Batch, Output = TypedOneHot<O>>,
{
    let recipe = recipe.matched_to(data)?;
    recipe.validate()?;
    X::check(data)?;
    let mut loss = recipe.loss.clone();
    let objective = objective.unwrap_or(&mut loss);
    if let [tap, ..] = &objective.taps()[..] {
        return Err(Error::spec(format!("a dfdx model has no layer named {tap}"))
            .fix("use an objective of the model's outputs"));
    }
    let mut executor = TypedExecutor::<M, X, O>::new(model.clone())?;
    tensors::check_penalties(&recipe, Executor::tensors(&executor))?;
    if recipe.recounts() && !executor.buffers().is_empty() {
        return Err(Error::spec(
            "an average of the parameters needs statistics of its own in batch norm, and those of a dfdx model cannot be counted anew",
        )
        .at(if recipe.swa.is_some() { "recipe, swa" } else { "recipe, update rule" })
        .fix("take .average(decay) with another rule, or a network of Jook's"));
    }
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
    Ok(Run::new(
        executor.model,
        numbers,
        (X::WIDTH, O),
        |model, _, examples| predict::<M, X, O>(model, examples),
    ))
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
        loss::unweighted(part)?;
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
