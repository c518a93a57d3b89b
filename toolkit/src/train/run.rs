//! [`Run`]: a trained model with everything that led to it; and the calls that make one.

use std::fmt;
use std::path::Path;

use super::engine::{self, Outcome, Task};
use super::file::{self, Label};
use super::state::State;
use super::training::Training;
use super::{Ending, History, Recipe, Record};
use crate::data::{Dataset, Names, Split, Targets};
use crate::evaluate::{Evaluation, Examples, Meaning, Predictions, Predictor, Regression};
use crate::loss::{Loss, Objective, OneHot, WithTable};
use crate::net::builder::for_each_builder;
use crate::net::executor::Executor;
use crate::net::tape::{Logits, LossValue};
use crate::net::{NetSpec, Network, TensorInfo};
use crate::show::{Bundle, Show};
use crate::{Error, Result, replace};

/// A trained model with everything that led to it. `M` is [`Network`], or a typed dfdx model.
#[derive(Clone)]
pub struct Run<M = Network> {
    /// The trained model.
    pub model: M,
    /// What was trained; none for a typed dfdx model.
    pub spec: Option<NetSpec>,
    /// How it was trained, the seed included.
    pub recipe: Recipe,
    /// What happened while training.
    pub history: History,
    /// Why it stopped.
    pub ending: Ending,
    /// How good it is on the test part, when `fit` made it from data with labels.
    pub evaluation: Option<Evaluation>,
    /// How good it is on the test part, when `fit` made it from data with values.
    pub regression: Option<Regression>,
    /// Why there is no evaluation although one was asked for: the scores of a model that broke are no numbers.
    pub unevaluated: Option<Error>,
    /// Why the last checkpoint is not on disk, when it could not be written.
    pub unsaved: Option<Error>,
    /// Time the training took, in seconds; over all parts of a resumed one.
    pub seconds: f64,
    /// Updates made.
    pub steps: u64,
    /// Passes over the training part, with the fraction.
    pub epochs: f64,
    /// Digest of the dataset it was trained on.
    pub dataset: String,
    /// The version of Jook that trained it.
    pub version: String,
    /// Where it was trained: `cpu`.
    pub device: String,
    /// Numbers the model reads and writes an example.
    widths: (usize, usize),
    predict: fn(&M, &[f32]) -> Result<Vec<f32>>,
    label: Label,
    tensors: Vec<TensorInfo>,
    state: State,
}

/// What a training gives besides the model.
pub(super) struct Numbers {
    recipe: Recipe,
    label: Label,
    tensors: Vec<TensorInfo>,
    outcome: Outcome,
    epochs: f64,
}

/// What is trained: the model in words, and as data where it is a network.
pub(super) struct Subject<'a> {
    pub spec: Option<&'a NetSpec>,
    pub model: &'a str,
    /// What the user gave that no file can hold.
    pub besides: Vec<String>,
}

/// Trains what is in `executor`, with the checkpoints the recipe asks for.
pub(super) fn run_executor(
    executor: &mut dyn Executor,
    task: Task<'_>,
    subject: Subject<'_>,
) -> Result<Numbers> {
    let (data, recipe) = (task.data, task.recipe);
    let Subject { spec, model, besides } = subject;
    let label = Label::new(
        spec.cloned(),
        model.to_owned(),
        recipe,
        data.digest(),
        data.names(),
        task.objective.is_own(),
        besides,
    );
    let tensors = executor.tensors().to_vec();
    let state = match &recipe.resume {
        Some(path) => resumed(path, &label, executor)?,
        None => State::start(executor.parameters().to_vec(), executor.buffers().to_vec()),
    };
    let watched = recipe.is_watched();
    if let Some((path, _)) = &recipe.checkpoint {
        replace::try_out(path)?;
    }
    let write = |state: &State| match &recipe.checkpoint {
        Some((path, _)) => file::write(path, &label, &tensors, state, state.result(watched)),
        None => Ok(()),
    };
    let asked = recipe.checkpoint.is_some();
    let (outcome, per_epoch) = engine::train(executor, task, state, asked.then_some(&write))?;
    let epochs = outcome.state.counters.step as f64 / per_epoch as f64;
    Ok(Numbers {
        recipe: recipe.clone(),
        label,
        tensors,
        outcome,
        epochs,
    })
}

fn resumed(path: &Path, label: &Label, executor: &mut dyn Executor) -> Result<State> {
    let file = file::read(path)?;
    file.label.check(label, path)?;
    let fits = file.parameters.len() == executor.parameters().len()
        && file.buffers.len() == executor.buffers().len();
    if fits {
        Ok(file.state)
    } else {
        Err(Error::data("the numbers in the file do not fit the network").at(path.display().to_string()))
    }
}

impl Network {
    /// Trains a copy of the network on `data` by `recipe`, from its numbers as they are: fine-tuning. Frozen
    /// layers keep theirs.
    ///
    /// # Errors
    /// When the recipe cannot be followed, the data have no labels or do not fit the network, or a
    /// checkpoint to resume from does not fit.
    pub fn train(&self, data: &Dataset, recipe: impl Into<Recipe>) -> Result<Run> {
        self.training().run(data, recipe)
    }

    /// As [`Mlp::fit`](crate::net::Mlp::fit), from the network's numbers as they are.
    ///
    /// # Errors
    /// As [`Network::train`], and when the test part does not fit the network.
    pub fn fit(&self, split: &Split, recipe: impl Into<Recipe>) -> Result<Run> {
        let recipe = recipe.into().matched_to(&split.train)?;
        // Before the work, so that a wrong test part costs none of it.
        let test = split.test.matched_to(&split.train.names())?;
        engine::check_shape(&test, self.spec())?;
        engine::check_width(&test, self.inputs())?;
        Objective::check(&mut recipe.loss.clone(), &[&test], &[self.outputs()])?;
        let mut run = self.train(&split.train, recipe)?;
        run.judge_on(&test);
        Ok(run)
    }

    /// As [`Network::train`] with a loss of one's own instead of the recipe's, written in dfdx: it is
    /// given the logits and the one-hot targets of a batch (both rows x classes) and gives their mean loss.
    ///
    /// # Errors
    /// As [`Network::train`].
    pub fn train_with(
        &self,
        data: &Dataset,
        recipe: impl Into<Recipe>,
        loss: impl FnMut(Logits, OneHot) -> LossValue,
    ) -> Result<Run> {
        self.training().objective(WithTable::new(loss)).run(data, recipe)
    }

    /// The network in a file written by [`Run::save`] or a checkpoint. It knows its classes by their numbers alone:
    /// [`load_classes`](Self::load_classes) has their names.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or foreign, or holds a typed dfdx model.
    #[doc(alias = "state_dict")]
    #[doc(alias = "load_state_dict")]
    #[doc(alias = "load_model")]
    pub fn load(path: impl AsRef<Path>) -> Result<Network> {
        let path = path.as_ref();
        let file = file::read(path)?;
        let place = || path.display().to_string();
        let spec = file.label.spec.ok_or_else(|| {
            Error::spec(format!(
                "expected a network, found the dfdx model {}",
                file.label.model
            ))
            .at(place())
            .fix("read it into a model of the same type: model.load(path)?, of the trait Load")
        })?;
        let mut network = Network::new(&spec, 0)?;
        let fits = network.parameters().len() == file.parameters.len()
            && network.buffers().len() == file.buffers.len();
        if !fits {
            return Err(Error::data("the numbers in the file do not fit its spec").at(place()));
        }
        network.parameters_mut().copy_from_slice(&file.parameters);
        network.buffers_mut().copy_from_slice(&file.buffers);
        Ok(network)
    }

    /// The names of the classes that the network in such a file was trained on: the first output is that of the
    /// first. Other data count theirs in that order by [`Dataset::with_classes_of`].
    ///
    /// ```no_run
    /// use jook::prelude::*;
    /// let net = Network::load("run.safetensors")?;
    /// let classes = Network::load_classes("run.safetensors")?;
    /// let test = Dataset::from_csv("test.csv", "kind")?.with_classes_of(&classes)?;
    /// let evaluation = Evaluation::of(&net.predict(test.features())?, test.require_labels()?, &classes)?;
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or foreign, or of a version that did not keep the names.
    pub fn load_classes(path: impl AsRef<Path>) -> Result<Vec<String>> {
        let path = path.as_ref();
        let classes = file::read(path)?.label.names.classes;
        if classes.is_empty() {
            return Err(Error::data(
                "expected the names of the classes, found a file of a version that kept none",
            )
            .at(path.display().to_string())
            .fix("take them from the training data"));
        }
        Ok(classes)
    }
}

macro_rules! trained {
    ($($builder:ty)*) => {$(
        impl $builder {
            /// Builds the network with the recipe's seed and trains it on `data`.
            ///
            /// # Errors
            /// When the network or the recipe cannot be built as described, the data have no labels or do not fit
            /// the network, or a checkpoint to resume from does not fit.
            pub fn train(&self, data: &Dataset, recipe: impl Into<Recipe>) -> Result<Run> {
                let recipe = recipe.into();
                recipe.validate()?;
                Training::new(self.build(recipe.seed)?).run(data, recipe)
            }

            /// As `train` with a loss of one's own instead of the recipe's, written in dfdx: it is given the logits
            /// and the one-hot targets of a batch (both rows x classes) and gives their mean loss. For instance
            /// `|logits, targets| cross_entropy_with_logits_loss(logits, targets)`.
            ///
            /// # Errors
            /// As `train`.
            pub fn train_with(
                &self,
                data: &Dataset,
                recipe: impl Into<Recipe>,
                loss: impl FnMut(Logits, OneHot) -> LossValue,
            ) -> Result<Run> {
                let recipe = recipe.into();
                recipe.validate()?;
                let network = self.build(recipe.seed)?;
                Training::new(network).objective(WithTable::new(loss)).run(data, recipe)
            }

            /// Trains on the training part of `split` and evaluates on its test part: [`Run::evaluation`]. A
            /// training that broke may leave nothing to evaluate: [`Run::unevaluated`] says so then.
            ///
            /// # Errors
            /// As `train`, and when the test part does not fit the network.
            pub fn fit(&self, split: &Split, recipe: impl Into<Recipe>) -> Result<Run> {
                let recipe = recipe.into();
                recipe.validate()?;
                self.build(recipe.seed)?.fit(split, recipe)
            }
        }
    )*};
}
for_each_builder!(trained);

impl Run {
    /// The trained network.
    pub fn network(&self) -> &Network {
        &self.model
    }

    /// Goes on with the training in the checkpoint at `path`, on the same data, with checkpoints as before.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or foreign; when it holds a typed dfdx model, which
    /// [`Train::resume`](crate::train::Train::resume) goes on with, or a loss, watchers or a rule of one's own, which only
    /// [`Recipe::resume`] can go on with; or when the data are others.
    pub fn resume(path: impl AsRef<Path>, data: &Dataset) -> Result<Run> {
        let path = path.as_ref();
        let Some(spec) = file::read(path)?.label.spec else {
            return Err(
                Error::spec("expected a network, found a dfdx model, whose type no file can hold")
                    .at(path.display().to_string())
                    .fix("on a model of the same type, call model.resume(path, &data), of the trait Train"),
            );
        };
        let recipe = file::recipe_to_resume(path)?;
        Training::new(Network::new(&spec, recipe.seed)?).run(data, recipe)
    }
}

impl<M> Run<M> {
    pub(super) fn new(
        model: M,
        numbers: Numbers,
        widths: (usize, usize),
        predict: fn(&M, &[f32]) -> Result<Vec<f32>>,
    ) -> Self {
        let Numbers {
            recipe,
            label,
            tensors,
            outcome,
            epochs,
        } = numbers;
        Self {
            model,
            spec: label.spec.clone(),
            recipe,
            history: outcome.history,
            ending: outcome.ending,
            evaluation: None,
            regression: None,
            unevaluated: None,
            unsaved: outcome.unsaved,
            seconds: outcome.state.counters.seconds(),
            steps: outcome.state.counters.step,
            epochs,
            dataset: label.dataset.clone(),
            version: label.version.clone(),
            device: label.device.clone(),
            widths,
            predict,
            label,
            tensors,
            state: outcome.state,
        }
    }

    /// What was trained, in words: the line of the network's spec, or the type of the dfdx model.
    pub(crate) fn model_in_words(&self) -> &str {
        &self.label.model
    }

    /// What happened while training.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What was seen of the model as it is: the row of the best check when a held-out part was watched (its numbers
    /// are those of that step), else the newest row. None when training ended before its first check.
    pub fn row(&self) -> Option<&Record> {
        let watched = self.recipe.is_watched();
        self.state.row(watched, &self.history)
    }

    /// What the model says in evaluation mode. For examples laid one after another, n x inputs numbers, its outputs
    /// (logits), n x outputs, both row-major. For a [`Dataset`] its [`Predictions`]: classes by name, probabilities, the
    /// mistakes. Classes, values and features that have names are matched by name to those it was trained on.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let moons = datasets::two_moons(200, 0.1, 0)?.split(0.2, 0)?;
    /// let run = Mlp::new([2, 16, 2]).train(&moons.train, Recipe::new().epochs(50))?;
    /// let classes = run.predict(&moons.test)?.classes()?.len();
    /// let logits = run.predict(moons.test.row(0))?.len();
    /// assert_eq!((classes, logits), (40, 2));
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `examples` is not a whole number of examples, or a dataset does not fit the model or has a class that it was
    /// not trained on.
    #[doc(alias = "predict_proba")]
    #[doc(alias = "argmax")]
    #[doc(alias = "get_preds")]
    pub fn predict<E: Examples>(&self, examples: E) -> Result<E::Predicted> {
        examples.predicted_by(&Model(self))
    }

    /// The names of the classes it was trained on: the first output is that of the first.
    pub fn class_names(&self) -> &[String] {
        &self.label.names.classes
    }

    /// How good the model is on labelled `data`. Classes, and features that have names, are matched by name to those
    /// it was trained on.
    ///
    /// # Errors
    /// Without labels or examples, when the data do not fit the model, or when they have a class it was not trained
    /// on.
    pub fn evaluate(&self, data: &Dataset) -> Result<Evaluation> {
        if data.is_empty() || data.labels().is_none() {
            let error = Error::data("expected labelled examples to evaluate on, found none")
                .at(format!("dataset {}", data.name()));
            return Err(match data.values() {
                Some(_) => error.fix("ask for Run::regression of data with values"),
                None => error.fix("evaluate on data with labels; predict needs none"),
            });
        }
        self.predict(data)?.evaluation()
    }

    /// How good the model's numbers are on `data` with values. Values, and features that have names, are matched by name
    /// to those it was trained on.
    ///
    /// # Errors
    /// Without values or examples, or when the data do not fit the model.
    #[doc(alias = "r2_score")]
    pub fn regression(&self, data: &Dataset) -> Result<Regression> {
        if data.is_empty() || data.values().is_none() {
            return Err(Error::data("expected examples with values, found none")
                .at(format!("dataset {}", data.name()))
                .fix("give the values with Dataset::with_values; for labels there is Run::evaluate"));
        }
        self.predict(data)?.regression()
    }

    /// What the outputs for `data` stand for.
    fn meaning(&self, data: &Dataset) -> Result<Meaning> {
        let Names { classes, values, .. } = &self.label.names;
        let (outputs, softmax) = (self.widths.1, self.gives_log_probabilities());
        match (values.is_empty(), classes.is_empty()) {
            (false, _) if values.len() == outputs => Ok(Meaning::Values(values.clone())),
            (true, false) => Ok(Meaning::classes(classes, outputs, softmax)),
            // Trained without targets, by an objective that needs none.
            _ => Meaning::of(data, outputs, softmax),
        }
    }

    /// The data in the order of names that the model was trained on, if they fit it.
    fn matched(&self, data: &Dataset) -> Result<Dataset> {
        if let Some(spec) = &self.spec {
            engine::check_shape(data, spec)?;
        }
        let inputs = self.widths.0;
        if data.width() != inputs {
            return Err(Error::data(format!(
                "expected {inputs} numbers an example, as the model was trained on, found {}",
                data.width()
            ))
            .at(format!("dataset {}", data.name()))
            .fix("evaluate on data prepared as the training data were"));
        }
        data.matched_to(&self.label.names)
    }

    /// Evaluates on a test part; what cannot be evaluated is said in the run.
    pub(super) fn judge_on(&mut self, test: &Dataset) {
        let judged = match test.targets() {
            Targets::Values(_) => self.regression(test).map(|found| self.regression = Some(found)),
            _ => self.evaluate(test).map(|found| self.evaluation = Some(found)),
        };
        if let Err(error) = judged {
            self.unevaluated = Some(error);
        }
    }

    /// Whether the softmax of its outputs was trained to be probabilities.
    fn gives_log_probabilities(&self) -> bool {
        self.recipe.loss == Loss::SoftmaxCrossEntropy && !self.label.own_loss
    }

    /// How many times the loss of even guessing (ln of the number of classes) the training ended at, when that is
    /// far off: the gradient of a softmax is bounded, so that an absurd rate need not end in NaN.
    fn worse_than_guessing(&self) -> Option<f64> {
        const FAR: f64 = 10.0;
        let guessing = (self.widths.1.max(2) as f64).ln();
        let ratio = self.row()?.loss / guessing;
        let meant = self.gives_log_probabilities();
        (meant && ratio > FAR && !self.ending.is_diverged()).then_some(ratio)
    }

    /// Writes the trained model with spec, recipe and state to `path`, as a checkpoint: [`Network::load`] reads a network,
    /// [`Load::load`](crate::train::Load::load) a typed dfdx model, and an interrupted training can be resumed from it.
    /// The file is replaced in one move.
    ///
    /// # Errors
    /// When the file cannot be written.
    #[doc(alias = "state_dict")]
    #[doc(alias = "ModelCheckpoint")]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let watched = self.recipe.is_watched();
        let numbers = self.state.result(watched);
        file::write(path.as_ref(), &self.label, &self.tensors, &self.state, numbers)
    }
}

/// A run as what predicts.
struct Model<'a, M>(&'a Run<M>);

impl<M> Predictor for Model<'_, M> {
    fn outputs(&self, examples: &[f32]) -> Result<Vec<f32>> {
        (self.0.predict)(&self.0.model, examples)
    }

    fn predictions(&self, data: &Dataset) -> Result<Predictions> {
        let run = self.0;
        let data = run.matched(data)?;
        let outputs = self
            .outputs(data.features())
            .map_err(|e| e.at(format!("dataset {}", data.name())))?;
        Ok(Predictions::new(&data, outputs, run.meaning(&data)?))
    }
}

fn first_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

impl<M> fmt::Display for Run<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.ending.is_diverged() {
            "\u{26a0} "
        } else {
            ""
        };
        writeln!(
            f,
            "{mark}{} ({} steps, {:.1} epochs, {:.2} s)",
            self.ending, self.steps, self.epochs, self.seconds
        )?;
        writeln!(f, "  network  {}", self.label.model)?;
        writeln!(f, "  recipe   {}", self.recipe)?;
        if let Some(row) = self.row() {
            let is_last = self.history.last().is_some_and(|last| last.step == row.step);
            let place = if is_last { "at last" } else { "at best" };
            write!(f, "  {place}  loss {:.4}", row.loss)?;
            if !row.held_out_loss.is_nan() {
                write!(f, ", held out: loss {:.4}", row.held_out_loss)?;
            }
            if !row.held_out_accuracy.is_nan() {
                write!(f, ", accuracy {:.1}%", 100.0 * row.held_out_accuracy)?;
            }
            if !is_last {
                write!(f, " (step {})", row.step)?;
            }
            writeln!(f)?;
        }
        if let Some(evaluation) = &self.evaluation {
            writeln!(f, "  test     {evaluation}")?;
        }
        if let Some(regression) = &self.regression {
            writeln!(f, "  test     {regression}")?;
        }
        if let Some(why) = &self.unevaluated {
            writeln!(f, "  test     \u{26a0} not evaluated: {}", first_line(why))?;
        }
        if let Some(why) = &self.unsaved {
            writeln!(
                f,
                "  saving   \u{26a0} the last checkpoint is not on disk: {}",
                first_line(why)
            )?;
        }
        if let Some(worse) = self.worse_than_guessing() {
            writeln!(
                f,
                "  \u{26a0} the loss is {worse:.0} times that of guessing: most likely the rate is too high"
            )?;
        }
        write!(f, "  made by  jook {}, {}", self.version, self.device)
    }
}

impl<M> fmt::Debug for Run<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<M> Show for Run<M> {
    fn bundle(&self) -> Bundle {
        let bundle = Bundle::text(self.to_string());
        if self.history.is_empty() {
            return bundle;
        }
        // A front end that draws the chart shows nothing else: the ending has to be in its title.
        let mark = if self.ending.is_diverged() {
            "\u{26a0} "
        } else {
            ""
        };
        bundle.plot(&self.history.titled_chart(&format!("{mark}{}", self.ending)))
    }
}
