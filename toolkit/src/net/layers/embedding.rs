//! Embeddings: a vector for each index.

use std::fmt;

use super::{Behind, Order, Places, Read, Rules, Tensor};
use crate::data::Shape;
use crate::net::validate::width_in_range;
use crate::net::{Init, NetSpec, Role};
use crate::{Error, Result};

pub(super) struct Embedding {
    pub vocabulary: usize,
    pub width: usize,
    pub init: Init,
}

impl Rules for Embedding {
    fn validate(&self) -> Result<()> {
        width_in_range(self.vocabulary, "an embedding has", "entries")?;
        width_in_range(self.width, "an embedding has", "numbers for each index")?;
        self.init.validate()
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        match read.first {
            Shape::Flat(width) => Ok(Shape::Image {
                height: 1,
                width,
                channels: self.width,
            }),
            image @ Shape::Image { .. } => Err(Error::spec(format!(
                "an embedding takes indices as plain numbers, found {image}"
            ))
            .fix("leave the image's shape out of the spec")),
        }
    }

    fn tensors(&self, _read: Shape) -> Vec<Tensor> {
        vec![Tensor {
            name: "weight",
            shape: vec![self.vocabulary, self.width],
            role: Role::Weight,
            init: self.init,
            fans: [self.vocabulary, self.width],
            order: Order::Same,
        }]
    }

    fn indices(&self) -> Option<usize> {
        Some(self.vocabulary)
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "embedding of {} to {}", self.vocabulary, self.width)
    }

    /// PyTorch, too, has the numbers of an index side by side.
    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        let width = behind.read[0].width().saturating_mul(self.width);
        Ok(Some((0..width).collect()))
    }
}

impl NetSpec {
    /// Refuses examples, laid one after another, that hold what is no index of an embedding's. `whose` is said before the
    /// row, and may be empty.
    ///
    /// # Errors
    /// When a number is fractional, negative or past the embedding's last entry; the error names row and column.
    pub(crate) fn check_indices(&self, examples: &[f32], whose: &str) -> Result<()> {
        for layer in &self.layers {
            let Some(vocabulary) = layer.kind.rules().indices() else {
                continue;
            };
            let wrong = |&x: &f32| !is_index(x, vocabulary);
            let Some(at) = examples.iter().position(wrong) else {
                continue;
            };
            let (row, column) = (at / self.input, at % self.input);
            return Err(Error::data(format!(
                "expected an index, a whole number from 0 to {}, found {}",
                vocabulary - 1,
                examples[at]
            ))
            .at(format!(
                "{whose}row {row}, column {column}, for layer {}",
                layer.name
            ))
            .fix("number what is to be looked up from 0 on, or give the embedding more entries"));
        }
        Ok(())
    }
}

/// Whether a number is one of so many indices.
pub(crate) fn is_index(x: f32, vocabulary: usize) -> bool {
    x >= 0.0 && x.fract() == 0.0 && x < vocabulary as f32
}
