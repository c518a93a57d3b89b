//! The calls that begin a training of a network, and those that read one back.

use std::path::Path;

use super::engine;
use super::file;
use super::{Recipe, Run, Training};
use crate::data::{Dataset, Split};
use crate::loss::{Objective, OneHot, WithTable};
use crate::net::Network;
use crate::net::builder::for_each_builder;
use crate::net::tape::{Logits, LossValue};
use crate::{Error, Result};

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
        let test = self.test_part(split, &recipe)?;
        let mut run = self.train(&split.train, recipe)?;
        run.judge_on(&test);
        Ok(run)
    }

    /// The test part in the order of names that the network is trained on, if it fits network and recipe.
    pub(crate) fn test_part(&self, split: &Split, recipe: &Recipe) -> Result<Dataset> {
        let test = split.test.matched_to(&split.train.names())?;
        engine::check_shape(&test, self.spec())?;
        engine::check_width(&test, self.inputs())?;
        Objective::check(&mut recipe.loss.clone(), &[&test], &[self.outputs()])?;
        Ok(test)
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
        let gives_log_probabilities = file.label.gives_log_probabilities();
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
        network.gives_log_probabilities = gives_log_probabilities;
        for (layer, frozen) in &file.state.counters.frozen {
            match frozen {
                true => network.freeze(layer)?,
                false => network.unfreeze(layer)?,
            }
        }
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
