//! [`Features`]: what a layer of a network puts out for images, computed once and kept on disk.

mod cache;
mod images;
mod pass;
mod set;

use std::path::PathBuf;

use cache::{Cache, key_of_layer};
use pass::Pass;

use crate::data::Dataset;
use crate::net::Network;
use crate::{Error, Result, cells, code, interrupt, memory};
pub use images::Images;
pub use set::FeatureSet;

/// Computes what a layer of a network puts out for images: the bottlenecks of transfer learning, for instance.
///
/// Features are kept on disk, in `jook/features` of the user's cache folder (`$XDG_CACHE_HOME`, or `~/.cache`) where
/// no other is given. They are found again by three things: the layers up to this one with their numbers (a new last
/// layer changes nothing), the code of Jook that computed them (another build computes anew), and the bytes of the image; of an image file, the bytes of the file
/// with how it is prepared, so that known files are not even decoded. Runs may share a folder at the same time.
/// Features are written every few seconds: an interrupted run loses little, and a stopped one nothing.
///
/// ```
/// use jook::prelude::*;
///
/// let digits = datasets::digits()?;
/// let net = Cnn::new(digits.shape(), 10).build(0)?;
/// let folder = std::env::temp_dir().join("jook-example-features");
/// let features = Features::of(&net, "dense1").cache(&folder).run(&digits)?;
/// assert_eq!((features.len(), features.width()), (1797, 128)); // a dataset, with the labels of the images
/// let again = Features::of(&net, "dense1").cache(&folder).run(&digits)?;
/// assert_eq!((again.cached, again.computed), (1797, 0));
/// # std::fs::remove_dir_all(&folder).ok();
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Features<'a> {
    network: &'a Network,
    layer: String,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Default,
    Folder(PathBuf),
    Nowhere,
}

impl Network {
    /// What the layer of this name puts out for `images`, a dataset or a folder with its preparation; kept in the
    /// default folder for the next time. See [`Features`].
    ///
    /// ```no_run
    /// use jook::prelude::*;
    ///
    /// let mut net = InceptionV3::new().transform_input(true).build(0)?;
    /// // The auxiliary head is for training only.
    /// let weights = Weights::read("inception_v3_google-0cc3c7bd.pth")?.filter(|name| !name.starts_with("AuxLogits."));
    /// net.load_weights(&weights)?;
    /// let flowers = ImageFolder::open("flower_photos")?;
    /// let features = net.features("avgpool", (&flowers, &ImagePreparation::inception()))?; // 2,048 numbers an image
    /// let run = Mlp::new([2048, 5]).fit(&features.split(0.1, 0)?, Retrain::tutorial())?;
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Features::run`].
    pub fn features<'i>(&self, layer: &str, images: impl Into<Images<'i>>) -> Result<FeatureSet> {
        Features::of(self, layer).run(images)
    }
}

impl<'a> Features<'a> {
    /// The outputs of the layer `layer` of `network`, in evaluation mode.
    pub fn of(network: &'a Network, layer: &str) -> Self {
        Self {
            network,
            layer: layer.to_owned(),
            place: Place::Default,
        }
    }

    pub(super) fn layer(mut self, layer: &str) -> Self {
        self.layer = layer.to_owned();
        self
    }

    /// Keeps features in this folder, which is made when it is not there.
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.place = Place::Folder(folder.into());
        self
    }

    /// Keeps no features on disk, and reads none.
    pub fn without_cache(mut self) -> Self {
        self.place = Place::Nowhere;
        self
    }

    /// Reads the features of `images` that are known and computes the others, with a progress bar. The Stop button
    /// ends it after at most a few images, with the features that are there ([`FeatureSet::stopped`]).
    ///
    /// # Errors
    /// When there is no such layer, the images do not fit the network, an image is damaged (unless the folder skips
    /// damaged ones), the network puts out what is no number, or the features do not fit the memory. A cache that
    /// cannot be read or written is no error: [`FeatureSet::problems`] says so.
    pub fn run<'i>(&self, images: impl Into<Images<'i>>) -> Result<FeatureSet> {
        let images = images.into();
        let spec = self.network.spec();
        let at = spec.position(&self.layer)?;
        images.check(spec)?;
        let shape = spec.shapes()[at];
        let bytes = (images.len() as u64).saturating_mul(4 * shape.width() as u64);
        if let Some(lack) = memory::lacking(bytes) {
            return Err(Error::data(format!(
                "the {} features of each of {} images do not fit the memory: {lack}",
                shape.width(),
                images.len()
            ))
            .at(format!("layer {}", self.layer))
            .fix("take a later layer, which puts out less, or a part of the images"));
        }
        let mut problems = Vec::new();
        let cache = self.cache_of(at, shape.width()).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let scope = interrupt::scope();
        let mut pass = Pass::new(
            self.network,
            &self.layer,
            shape.width(),
            &images,
            cache,
            &scope,
            problems,
        )?;
        let outcome = pass.all(&images);
        // What was computed is kept, also where an image ended the run.
        let made = pass.finish();
        let damaged = outcome?;
        if made.rows.is_empty() && !made.stopped && !images.is_empty() {
            let first = damaged.first().map(ToString::to_string).unwrap_or_default();
            return Err(Error::data(format!(
                "expected images, found every one damaged; the first: {first}"
            )));
        }
        let (name, source, licence) = images.origin();
        let mut data = Dataset::new(format!("{} of {name}", self.layer), shape, made.values)?
            .with_origin(source, licence);
        data = match images {
            Images::Dataset(all) if made.rows.len() == all.len() => data.standing_for(all)?,
            Images::Dataset(all) => data.standing_for(&all.subset(&made.rows)?)?,
            Images::Folder(folder, _) => {
                let labels = made.rows.iter().map(|&row| folder.labels()[row]).collect();
                data.with_labels(labels, folder.class_names().to_vec())?
            }
        };
        cells::reads(|| data.digest());
        Ok(FeatureSet {
            data,
            images: images.len(),
            cached: made.cached,
            computed: made.computed,
            turned: made.turned,
            stopped: made.stopped,
            damaged,
            problems: made.problems,
            seconds: made.seconds,
        })
    }

    /// What is kept of the layer at `at`, if anything is.
    fn cache_of(&self, at: usize, width: usize) -> Result<Option<Cache>> {
        let Some(folder) = self.folder()? else {
            return Ok(None);
        };
        let key = key_of_layer(self.network, at, &code::digest()?);
        Ok(Some(Cache::new(&folder, key, width)))
    }

    /// Where features are kept, if they are.
    fn folder(&self) -> Result<Option<PathBuf>> {
        match &self.place {
            Place::Nowhere => Ok(None),
            Place::Folder(folder) => Ok(Some(folder.clone())),
            Place::Default => {
                // A path that is not absolute counts as not set, by the standard of the variable.
                let absolute = |name: &str| {
                    let path = std::env::var_os(name).map(PathBuf::from);
                    path.filter(|path| path.is_absolute())
                };
                absolute("XDG_CACHE_HOME")
                    .or_else(|| Some(absolute("HOME")?.join(".cache")))
                    .map(|cache| Some(cache.join("jook/features")))
                    .ok_or_else(|| {
                        Error::spec("features are not kept: there is no folder for caches")
                            .fix("set HOME or XDG_CACHE_HOME, or name a folder with Features::cache")
                    })
            }
        }
    }
}
