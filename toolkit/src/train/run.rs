//! [`Run`]: a trained model with everything that led to it.

mod words;

use std::path::Path;

use super::engine::{self, Outcome, Task};
use super::file::{self, Label};
use super::state::State;
use super::{Ending, History, Recipe, Record, holdout};
use crate::data::{Augmentation, Dataset, Names, Targets};
use crate::evaluate::{
    Evaluation, Examples, Meaning, Predictions, Predictor, Regression, predict_augmented, predict_mc_dropout,
};
use crate::net::executor::Executor;
use crate::net::{Dropping, NetSpec, Network, TensorInfo};
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
    /// The layer whose outputs name the classes, where that is not the last.
    head: Option<String>,
    predict: Predict<M>,
    label: Label,
    tensors: Vec<TensorInfo>,
    state: State,
}

/// What a model puts out for examples: at its end, or at the layer of this name.
type Predict<M> = fn(&M, Option<&str>, &[f32]) -> Result<Vec<f32>>;

/// What a training gives besides the model.
pub(super) struct Numbers {
    pub recipe: Recipe,
    pub label: Label,
    pub tensors: Vec<TensorInfo>,
    pub outcome: Outcome,
    pub epochs: f64,
}

impl Numbers {
    pub fn gives_log_probabilities(&self) -> bool {
        self.label.gives_log_probabilities()
    }
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
    let file = file::read_to_resume(path)?;
    file.label.check(label, path)?;
    let fits = file.parameters.len() == executor.parameters().len()
        && file.buffers.len() == executor.buffers().len();
    if fits {
        Ok(file.state)
    } else {
        Err(Error::data("the numbers in the file do not fit the network").at(path.display().to_string()))
    }
}

impl Run {
    /// The same, whose classes are named by the outputs of the layer `head`.
    pub(super) fn with_head(mut self, head: String) -> Result<Self> {
        let spec = self.model.spec();
        self.widths.1 = spec.widths()[spec.position(&head)?];
        self.head = Some(head);
        Ok(self)
    }

    /// The mean of so many predictions, each with other numbers dropped as in training: Monte-Carlo dropout (Gal and
    /// Ghahramani 2016). All of it stands under [`Network::predict_mc_dropout`].
    ///
    /// ```
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?.few_shot(10, 7)?;
    /// let run = Mlp::new([64, 64, 10]).dropout(0.2).train(&digits.train, Recipe::new().epochs(40))?;
    /// let mean = run.predict_mc_dropout(&digits.test, 20, 7)?;
    /// let unsure = mean.mutual_information()?;  // of each example: 0 where all passes say the same
    /// assert_eq!((mean.passes(), unsure.len()), (20, digits.test.len()));
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`predict`](Self::predict), without a pass, and when the network drops nothing.
    #[doc(alias = "MCDropout")]
    pub fn predict_mc_dropout(&self, data: &Dataset, passes: usize, seed: u64) -> Result<Predictions> {
        let like = Model(self).predictions(data)?;
        let mut dropping = Dropping::new(&self.model, self.head.as_deref(), like.len(), seed)?;
        predict_mc_dropout(like, passes, |examples| dropping.pass(examples))
    }
}

impl<M> Run<M> {
    pub(super) fn new(model: M, numbers: Numbers, widths: (usize, usize), predict: Predict<M>) -> Self {
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
            head: None,
            predict,
            label,
            tensors,
            state: outcome.state,
        }
    }

    #[cfg(test)]
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// What was trained, in words: the line of the network's spec, or the type of the dfdx model.
    pub(crate) fn model_in_words(&self) -> &str {
        &self.label.model
    }

    /// Whether the recipe says all of the training: no objective, rule, watcher or data beside it.
    pub(crate) fn is_plain(&self) -> bool {
        !self.label.own_loss && self.label.besides.is_empty()
    }

    /// The examples of `data` that it learned from: those not held out to watch.
    pub(crate) fn learned_from(&self, data: &Dataset) -> Result<Dataset> {
        match self.recipe.early_stopping {
            None => Ok(data.clone()),
            share => {
                let rows = holdout::parts(data, share, self.recipe.seed)?.training;
                data.subset(&rows.into_iter().map(|row| row as usize).collect::<Vec<_>>())
            }
        }
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

    /// Of a training that watched a held-out part, the check whose network this is: that of the lowest held-out loss.
    pub fn best(&self) -> Option<&Record> {
        let watched = self.recipe.is_watched();
        let best = self.state.best_is_kept(watched);
        best.then(|| self.row()).flatten()
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

    /// The mean of the predictions for the examples as they are and for `times` random changes of each, drawn by `seed`
    /// (augmentation at test time, Krizhevsky et al. 2012). Of a classifier the probabilities are averaged, and the outputs
    /// are their logarithms.
    ///
    /// # Errors
    /// As `predict`; when a change does not fit the data, or mixes examples.
    pub fn predict_augmented(
        &self,
        data: &Dataset,
        changes: &[Augmentation],
        times: usize,
        seed: u64,
    ) -> Result<Predictions> {
        predict_augmented(&Model(self), data, changes, times, seed)
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
            (true, false) if classes.len() > outputs => Err(Error::spec(format!(
                "the model puts out {outputs} numbers, which are no scores of the {} classes of its data",
                classes.len()
            ))
            .at(format!("dataset {}", data.name()))
            .fix("ask for the numbers themselves, an embedding say: run.predict(data.features())")),
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
    pub(crate) fn judge_on(&mut self, test: &Dataset) {
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
        self.label.gives_log_probabilities()
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
        (self.0.predict)(&self.0.model, self.0.head.as_deref(), examples)
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
