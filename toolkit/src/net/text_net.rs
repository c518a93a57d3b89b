//! [`TextNet`]: the builder of networks for texts.

use super::builder::{Choices, Layers, batch_norm, common_setters, shared_setters};
use super::{Activation, Init, LayerKind, NetSpec, Network, Window};
use crate::data::Dataset;
use crate::{Error, Number, Result};

/// Builds a network for texts as [`Dataset::from_texts`](crate::data::Dataset::from_texts) makes them: a vector for each
/// word, a convolution over neighbouring words, the largest number of each of its channels over the whole text, and the
/// logits (Kim 2014). Without the convolution, `.kernel(0)`, it is the mean of the words' vectors and the logits, to which
/// the order of the words is all the same (Joulin et al. 2017).
///
/// Defaults: vectors of 16 numbers that start normal with a deviation of 0.1, so that a word which training does not show
/// says little; 32 channels over 3 words, ReLU, He uniform weights, zero biases, no dropout. The layers are named `embedding`, `conv1`, `activation1`, `pool`, `dropout1` and `logits`. Setters
/// take anything that converts to their value; the first that does not fit is reported by [`TextNet::spec`].
///
/// ```
/// use jook::prelude::*;
/// let reviews = datasets::reviews(200, 0)?.split(0.25, 0)?;
/// let run = TextNet::of(&reviews.train).fit(&reviews, Recipe::new().epochs(30).adam(0.01))?;
/// assert!(run.evaluation.is_some());
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "TextCNN")]
#[doc(alias = "fastText")]
#[doc(alias = "EmbeddingBag")]
#[derive(Clone, Debug)]
pub struct TextNet {
    length: usize,
    vocabulary: usize,
    classes: usize,
    width: usize,
    channels: usize,
    kernel: usize,
    choices: Choices,
}

impl TextNet {
    /// A network for texts of up to `length` words out of so many.
    pub fn new(length: usize, vocabulary: usize, classes: usize) -> Self {
        Self {
            length,
            vocabulary,
            classes,
            width: 16,
            channels: 32,
            kernel: 3,
            choices: Choices::default(),
        }
    }

    /// A network for the texts of a dataset and their classes.
    pub fn of(data: &Dataset) -> Self {
        let words = data.vocabulary().map_or(0, |vocabulary| vocabulary.len());
        let mut made = Self::new(data.width(), words, data.target_width());
        if words == 0 {
            let error = Error::spec(format!(
                "a TextNet takes texts, found examples of {}",
                data.shape()
            ))
            .at(format!("dataset {}", data.name()))
            .fix("make them with Dataset::from_texts");
            made.choices.error.get_or_insert(error);
        }
        made
    }

    /// Numbers for each word.
    pub fn width(mut self, numbers: impl Number) -> Self {
        if let Some(numbers) = self.choices.count("width", numbers) {
            self.width = numbers;
        }
        self
    }

    /// Channels of the convolution.
    pub fn channels(mut self, channels: impl Number) -> Self {
        if let Some(channels) = self.choices.count("channels", channels) {
            self.channels = channels;
        }
        self
    }

    /// Neighbouring words that the convolution looks at, an odd number; 0 for no convolution.
    pub fn kernel(mut self, words: impl Number) -> Self {
        if let Some(words) = self.choices.count("kernel", words) {
            self.kernel = words;
        }
        self
    }

    shared_setters!();

    /// The network as data, checked.
    ///
    /// # Errors
    /// When a setter was given what does not fit, the dataset was no texts, the kernel is even, a layer to freeze is not
    /// there, or the spec is not valid, as [`NetSpec::validate`] says.
    pub fn spec(&self) -> Result<NetSpec> {
        self.choices.check()?;
        let choices = &self.choices;
        let mut layers = Layers::default();
        layers.push(
            "embedding",
            LayerKind::Embedding {
                vocabulary: self.vocabulary,
                width: self.width,
                init: Init::Normal(0.1),
            },
        );
        match self.kernel {
            0 => layers.push("pool", LayerKind::GlobalAvgPool),
            even if even % 2 == 0 => {
                return Err(
                    Error::spec(format!("{even} words have no middle one: expected an odd kernel"))
                        .fix("for instance .kernel(3); 0 is for no convolution"),
                );
            }
            words => {
                let columns = self.channels.checked_mul(choices.activation.pieces());
                let columns =
                    columns.ok_or_else(|| Error::spec(format!("{} channels are too many", self.channels)))?;
                layers.push(
                    "conv1",
                    choices.conv(columns, Window::new([1, words]).same(), true),
                );
                layers.norm("", "1", choices);
                layers.activation("activation1", choices.activation);
                layers.push("pool", LayerKind::GlobalMaxPool);
            }
        }
        layers.dropout("dropout1", choices.dropout);
        layers.push("logits", choices.dense(self.classes));
        choices.finish(NetSpec::chain(self.length, layers.into_vec()))
    }
}
