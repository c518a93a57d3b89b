//! [`Retrain`]: a new last layer for a trained network, learned on its bottlenecks.

use std::fmt;
use std::path::PathBuf;

use super::bottleneck::copy_tensors;
use super::{FeatureSet, Features, Images};
use crate::data::check_test_share;
use crate::net::{Init, LayerKind, Mlp, Network};
use crate::number::number;
use crate::show::{Bundle, Show};
use crate::train::{Recipe, Run};
use crate::{Error, Number, Result};

/// Replaces a network's last dense layer and trains it, and nothing else, on new images: softmax regression on the
/// bottlenecks, which are computed once and kept on disk ([`Features`]).
///
/// The defaults are those of TensorFlow's tutorial "How to Retrain an Image Classifier for New Categories": 4,000
/// steps of gradient descent at a rate of 0.01, batches of 100, 10% of the images for validation and 10% for testing;
/// weights start from a normal distribution of deviation 0.001. Unlike the tutorial's, the result is not the last state
/// but that of the lowest loss on the validation images.
#[derive(Clone, Debug)]
pub struct Retrain<'a> {
    network: &'a Network,
    layer: String,
    features: Option<Features<'a>>,
    recipe: Recipe,
    test_share: Result<f64>,
}

/// A network with a new last layer, and how it came about.
#[derive(Clone)]
pub struct Retrained {
    /// The whole network: all layers of the old one, frozen, and the new last layer. It reads images.
    pub network: Network,
    /// The training of the last layer, a network of its own that reads bottlenecks; with its evaluation on the test
    /// part.
    pub run: Run,
    /// The bottlenecks of all images.
    pub features: FeatureSet,
}

impl Network {
    /// Replaces the last dense layer, `layer`, and trains it on `images`, with the defaults of [`Retrain`].
    ///
    /// ```no_run
    /// use jook::prelude::*;
    ///
    /// let mut net = InceptionV3::new().transform_input(true).build(0)?;
    /// // The auxiliary head is for training only.
    /// let weights = Weights::read("inception_v3_google-0cc3c7bd.pth")?.filter(|name| !name.starts_with("AuxLogits."));
    /// net.load_weights(&weights)?;
    /// let flowers = ImageFolder::open("flower_photos")?.skip_damaged();
    /// let retrained = net.retrain("fc", (&flowers, &ImagePreparation::inception()))?;
    /// println!("{retrained}");
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Retrain::run`].
    pub fn retrain<'i>(&self, layer: &str, images: impl Into<Images<'i>>) -> Result<Retrained> {
        Retrain::of(self, layer).run(images)
    }
}

impl<'a> Retrain<'a> {
    /// The layer `layer` of `network` is to be replaced: its last, a dense one.
    pub fn of(network: &'a Network, layer: &str) -> Self {
        Self {
            network,
            layer: layer.to_owned(),
            features: None,
            recipe: Self::tutorial(),
            test_share: Ok(0.1),
        }
    }

    /// The tutorial's recipe. A ninth of what testing leaves is a tenth of all.
    pub fn tutorial() -> Recipe {
        const STEPS: usize = 4000;
        Recipe::new()
            .steps(STEPS)
            .batch(100)
            .sgd(0.01)
            .early_stopping(1.0 / 9.0)
            // More than there are checks: it watches to the end.
            .patience(STEPS)
            .check_every(10)
    }

    /// Another recipe, as a whole; `Retrain::tutorial()` is the one to begin with. Its `early_stopping` is the share
    /// for validation, of the images that are not for testing.
    pub fn recipe(mut self, recipe: impl Into<Recipe>) -> Self {
        self.recipe = recipe.into();
        self
    }

    /// The share of the images that is only tested on, between 0 and 1.
    pub fn test_share(mut self, share: impl Number) -> Self {
        self.test_share = number("retraining, test_share", share);
        self
    }

    /// Keeps bottlenecks in this folder, not in the default one.
    pub fn cache(self, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        self.features(|features| features.cache(folder))
    }

    /// Keeps no bottlenecks on disk, and reads none.
    pub fn without_cache(self) -> Self {
        self.features(Features::without_cache)
    }

    fn features(mut self, change: impl FnOnce(Features<'a>) -> Features<'a>) -> Self {
        let features = self.features.take();
        // Which layer is found out when it runs.
        let features = features.unwrap_or_else(|| Features::of(self.network, ""));
        self.features = Some(change(features));
        self
    }

    /// Computes or reads the bottlenecks of `images`, trains the new layer, tests it, and puts it into the network.
    ///
    /// # Errors
    /// When the layer is not the network's last and dense, the images do not fit the network or have no labels, there
    /// are too few for the parts, the recipe cannot be followed, or it was stopped before all bottlenecks were there
    /// (those that are stay in the cache). A stop while training gives what is there.
    pub fn run<'i>(&self, images: impl Into<Images<'i>>) -> Result<Retrained> {
        self.recipe.validate()?;
        let test_share = self.test_share.clone()?;
        check_test_share(test_share).map_err(|e| e.fix("for instance .test_share(0.1)"))?;
        let spec = self.network.spec();
        let bottleneck = spec.bottleneck_before(&self.layer)?;
        let features = self
            .features
            .clone()
            .unwrap_or_else(|| Features::of(self.network, ""))
            .layer(&spec.layers[bottleneck].name)
            .run(images)?;
        if features.stopped {
            return Err(Error::spec(format!(
                "stopped as asked, before all bottlenecks were there: {features}"
            ))
            .fix("run it again: what is in the cache is not computed again"));
        }
        features.require_labels()?;
        let split = features.split(test_share, self.recipe.seed)?;
        let head = Mlp::new([features.width(), features.classes()]).init(START);
        let run = head.fit(&split, self.recipe.clone())?;
        let network = with_new_layer(self.network, &self.layer, &run.model)?;
        Ok(Retrained {
            network,
            run,
            features,
        })
    }
}

const START: Init = Init::Normal(0.001);

/// `network` with all layers frozen but `layer`, which has the numbers of the one of `head`.
fn with_new_layer(network: &Network, layer: &str, head: &Network) -> Result<Network> {
    let mut spec = network.spec().clone();
    for own in &mut spec.layers {
        own.frozen = own.name != layer;
        if own.name == layer {
            own.kind = LayerKind::Dense {
                units: head.outputs(),
                bias: true,
                init: START,
                bias_init: Init::Zeros,
            };
        }
    }
    let mut made = Network::new(&spec, 0)?;
    let old = format!("{layer}.");
    copy_tensors(network, &mut made, |name| match name.starts_with(&old) {
        true => String::new(),
        false => name.to_owned(),
    });
    copy_tensors(head, &mut made, |name| name.replacen("logits.", &old, 1));
    Ok(made)
}

impl fmt::Display for Retrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.features, self.run)
    }
}

impl fmt::Debug for Retrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Show for Retrained {
    fn bundle(&self) -> Bundle {
        self.run.bundle()
    }

    /// The bottlenecks, with the files that were damaged, and the training.
    fn outputs(&self) -> Vec<Bundle> {
        let mut outputs = vec![self.features.bundle()];
        outputs.extend(self.run.outputs());
        outputs
    }
}
