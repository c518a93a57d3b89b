//! [`Run`]: a trained model with everything that led to it; and the calls that make one.

use std::fmt;
use std::path::{Path, PathBuf};

use super::engine::{self, Outcome, Saver};
use super::file::{self, Label};
use super::fused::{FusedLearner, OneHot, OwnLoss};
use super::learner::{Learner, Named};
use super::state::State;
use super::{Ending, History, Recipe, Record};
use crate::data::{Dataset, Split};
use crate::evaluate::Evaluation;
use crate::loss::Loss;
use crate::net::builder::for_each_builder;
use crate::net::cpu::Executor;
use crate::net::tape::{Logits, LossValue};
use crate::net::{NetSpec, Network};
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
    /// How good it is on the test part, when `fit` made it.
    pub evaluation: Option<Evaluation>,
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
    tensors: Vec<Named>,
    state: State,
}

/// What a training gives besides the model.
pub(super) struct Numbers {
    recipe: Recipe,
    label: Label,
    tensors: Vec<Named>,
    outcome: Outcome,
    epochs: f64,
}

/// Trains `learner`, with the checkpoints the recipe asks for.
pub(super) fn run_learner(
    learner: &mut dyn Learner,
    data: &Dataset,
    recipe: &Recipe,
    spec: Option<&NetSpec>,
    model: &str,
) -> Result<Numbers> {
    let label = Label::new(
        spec.cloned(),
        model.to_owned(),
        recipe,
        data.digest(),
        data.names(),
        learner.own_loss(),
    );
    let tensors = learner.tensors();
    let state = match &recipe.resume {
        Some(path) => resumed(path, &label, learner)?,
        None => State::start(learner.parameters(), learner.buffers(), recipe.rule.moments()),
    };
    let watched = recipe.early_stopping.is_some();
    if let Some((path, _)) = &recipe.checkpoint {
        replace::try_out(path)?;
    }
    let write =
        |path: &PathBuf, state: &State| file::write(path, &label, &tensors, state, state.result(watched));
    let saver = recipe.checkpoint.as_ref().map(|(path, every)| Saver {
        path: path.clone(),
        every: *every as u64,
        write: &write,
    });
    let (outcome, per_epoch) = engine::train(learner, data, recipe, state, saver)?;
    let epochs = outcome.state.counters.step as f64 / per_epoch as f64;
    Ok(Numbers {
        recipe: recipe.clone(),
        label,
        tensors,
        outcome,
        epochs,
    })
}

fn resumed(path: &Path, label: &Label, learner: &dyn Learner) -> Result<State> {
    let file = file::read(path)?;
    file.label.check(label, path)?;
    let fits =
        file.parameters.len() == learner.parameters().len() && file.buffers.len() == learner.buffers().len();
    if fits {
        Ok(file.state)
    } else {
        Err(Error::data("the numbers in the file do not fit the network").at(path.display().to_string()))
    }
}

fn train_network(network: Network, data: &Dataset, recipe: &Recipe, own: Option<OwnLoss<'_>>) -> Result<Run> {
    recipe.validate()?;
    let widths = (network.inputs(), network.outputs());
    engine::check_shape(data, network.spec())?;
    engine::labels_for(data, widths, recipe)?;
    let spec = network.spec().clone();
    let rows = engine::most_rows(recipe, data);
    let _memory = Executor::check_rows(&network, rows)?;
    let mut learner = FusedLearner::new(network, rows, recipe.loss, own);
    let numbers = run_learner(&mut learner, data, recipe, Some(&spec), &spec.to_string())?;
    Ok(Run::new(
        learner.into_network(),
        numbers,
        widths,
        Network::predict,
    ))
}

impl Network {
    /// Trains a copy of the network on `data` by `recipe`, from its numbers as they are: fine-tuning. Frozen
    /// layers keep theirs.
    ///
    /// # Errors
    /// When the recipe cannot be followed, the data have no labels or do not fit the network, or a
    /// checkpoint to resume from does not fit.
    pub fn train(&self, data: &Dataset, recipe: impl Into<Recipe>) -> Result<Run> {
        train_network(self.clone(), data, &recipe.into(), None)
    }

    /// As [`Mlp::fit`](crate::net::Mlp::fit), from the network's numbers as they are.
    ///
    /// # Errors
    /// As [`Network::train`], and when the test part does not fit the network.
    pub fn fit(&self, split: &Split, recipe: impl Into<Recipe>) -> Result<Run> {
        let recipe = recipe.into();
        // Before the work, so that a wrong test part costs none of it.
        let test = split.test.matched_to(&split.train.names())?;
        engine::check_shape(&test, self.spec())?;
        engine::labels_for(&test, (self.inputs(), self.outputs()), &recipe)?;
        let mut run = self.train(&split.train, recipe)?;
        match run.evaluate(&test) {
            Ok(evaluation) => run.evaluation = Some(evaluation),
            Err(error) => run.unevaluated = Some(error),
        }
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
        mut loss: impl FnMut(Logits, OneHot) -> LossValue,
    ) -> Result<Run> {
        train_network(self.clone(), data, &recipe.into(), Some(&mut loss))
    }

    /// The network in a file written by [`Run::save`] or a checkpoint. It knows its classes by their numbers alone:
    /// [`load_classes`](Self::load_classes) has their names.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or foreign, or holds a typed dfdx model.
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
            .fix("resume its training with Recipe::resume on a model of the same type")
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
                train_network(self.build(recipe.seed)?, data, &recipe, None)
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
                mut loss: impl FnMut(Logits, OneHot) -> LossValue,
            ) -> Result<Run> {
                let recipe = recipe.into();
                recipe.validate()?;
                train_network(self.build(recipe.seed)?, data, &recipe, Some(&mut loss))
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
    /// When the file cannot be read, is damaged or foreign; when it holds a typed dfdx model or a loss of
    /// one's own, which only [`Recipe::resume`] can go on with; or when the data are others.
    pub fn resume(path: impl AsRef<Path>, data: &Dataset) -> Result<Run> {
        let path = path.as_ref();
        let label = file::read(path)?.label;
        let Some(spec) = label.spec.as_ref().filter(|_| !label.own_loss) else {
            return Err(
                Error::spec("the file cannot hold a dfdx model's type or a loss written in dfdx")
                    .at(path.display().to_string())
                    .fix("call train or train_with again, with the same recipe and .resume(path)"),
            );
        };
        let mut recipe = label.recipe.clone().resume(path);
        recipe.checkpoint = label.every.map(|every| (path.to_owned(), every));
        train_network(Network::new(spec, recipe.seed)?, data, &recipe, None)
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

    /// What happened while training.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What was seen of the model as it is: the row of the best check when a held-out part was watched (its numbers
    /// are those of that step), else the newest row. None when training ended before its first check.
    pub fn row(&self) -> Option<&Record> {
        let watched = self.recipe.early_stopping.is_some();
        self.state.row(watched, &self.history)
    }

    /// The model's outputs (logits) in evaluation mode, n x outputs, row-major.
    ///
    /// # Errors
    /// When `examples` is not a whole number of examples.
    pub fn predict(&self, examples: &[f32]) -> Result<Vec<f32>> {
        (self.predict)(&self.model, examples)
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
        let place = || format!("dataset {}", data.name());
        let lacking = || {
            Error::data("expected labelled examples to evaluate on, found none")
                .at(place())
                .fix("evaluate on data with labels; predict needs none")
        };
        if data.is_empty() || data.labels().is_none() {
            return Err(lacking());
        }
        if let Some(spec) = &self.spec {
            engine::check_shape(data, spec)?;
        }
        let (inputs, outputs) = self.widths;
        if data.width() != inputs {
            return Err(Error::data(format!(
                "expected {inputs} numbers an example, as the model was trained on, found {}",
                data.width()
            ))
            .at(place())
            .fix("evaluate on data prepared as the training data were"));
        }
        let data = &data.matched_to(&self.label.names)?;
        let labels = data.labels().ok_or_else(lacking)?;
        let logits = self.predict(data.features()).map_err(|e| e.at(place()))?;
        // A model may know more classes than these data name.
        let mut names = data.class_names().to_vec();
        names.extend((names.len()..outputs).map(|class| format!("class {class}")));
        Evaluation::of(&logits, labels, &names).map_err(|e| e.at(place()))
    }

    /// How many times the loss of even guessing (ln of the number of classes) the training ended at, when that is
    /// far off: the gradient of a softmax is bounded, so that an absurd rate need not end in NaN.
    fn worse_than_guessing(&self) -> Option<f64> {
        const FAR: f64 = 10.0;
        let guessing = (self.widths.1.max(2) as f64).ln();
        let ratio = self.row()?.loss / guessing;
        let meant = self.recipe.loss == Loss::SoftmaxCrossEntropy && !self.label.own_loss;
        (meant && ratio > FAR && !self.ending.is_diverged()).then_some(ratio)
    }

    /// Writes the trained model with spec, recipe and state to `path`, as a checkpoint: [`Network::load`]
    /// reads the model, and an interrupted training can be resumed from it. The file is replaced in one move.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let watched = self.recipe.early_stopping.is_some();
        let numbers = self.state.result(watched);
        file::write(path.as_ref(), &self.label, &self.tensors, &self.state, numbers)
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
                let accuracy = 100.0 * row.held_out_accuracy;
                write!(
                    f,
                    ", held out: loss {:.4}, accuracy {accuracy:.1}%",
                    row.held_out_loss
                )?;
            }
            if !is_last {
                write!(f, " (step {})", row.step)?;
            }
            writeln!(f)?;
        }
        if let Some(evaluation) = &self.evaluation {
            writeln!(f, "  test     {evaluation}")?;
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
