//! [`Learner`]: what the training loop needs to know of a model. The loop is the same for a [`Network`]
//! and for a typed dfdx model.
//!
//! [`Network`]: crate::net::Network

use std::ops::Range;

use crate::Result;
use crate::data::Dataset;
use crate::seed::Rng;

/// A model being trained: flat parameters, their gradient, and buffers that training moves without one.
pub(super) trait Learner {
    /// The parameters, one flat vector.
    fn parameters(&self) -> &[f32];

    /// Running statistics and the like, one flat vector.
    fn buffers(&self) -> &[f32];

    /// Puts parameters and buffers back; their lengths are those of this model.
    fn restore(&mut self, parameters: &[f32], buffers: &[f32]);

    /// The parameters an update may change, in order.
    fn trainable(&self) -> Vec<Range<usize>>;

    /// The tensors, for files.
    fn tensors(&self) -> Vec<Named>;

    /// Numbers the model reads and writes an example.
    fn widths(&self) -> (usize, usize);

    /// The place of the next batch, `rows` examples.
    fn input(&mut self, rows: usize) -> &mut [f32];

    /// Forward and backward on the batch in `input`; gives the mean loss and leaves the gradient for
    /// `update`.
    fn gradient(&mut self, labels: &[u32], rng: &mut Rng) -> Result<f32>;

    /// The gradient, flat as the parameters.
    fn gradients(&self) -> &[f32];

    /// Lets `change` update the parameters from the gradient.
    fn update(&mut self, change: &mut dyn FnMut(&mut [f32], &[f32]));

    /// On the batch in `input`: mean loss in evaluation mode, and how many examples are classified rightly.
    fn evaluate(&mut self, labels: &[u32]) -> Result<(f32, usize)>;

    /// Whether the logits of the last pass were finite.
    fn logits_finite(&self) -> bool;

    /// Whether the loss is one written by the user.
    fn own_loss(&self) -> bool;
}

/// One tensor of a model, for files.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub name: String,
    pub shape: Vec<usize>,
    /// Whether it lies in the buffers, not in the parameters.
    pub buffer: bool,
    pub range: Range<usize>,
}

/// Copies examples to where the model reads them; its buffer is made once.
pub(super) struct Gather<'a> {
    features: &'a [f32],
    labels: &'a [u32],
    width: usize,
    picked: Vec<u32>,
}

impl<'a> Gather<'a> {
    pub fn new(data: &'a Dataset, labels: &'a [u32], most: usize) -> Self {
        Self {
            features: data.features(),
            labels,
            width: data.width(),
            picked: Vec::with_capacity(most),
        }
    }

    /// The examples at `rows`, in that order, into `learner`; gives their labels.
    pub fn rows(&mut self, rows: &[u32], learner: &mut dyn Learner) -> &[u32] {
        let width = self.width;
        let input = learner.input(rows.len());
        for (x, &row) in input.chunks_exact_mut(width).zip(rows) {
            x.copy_from_slice(&self.features[row as usize * width..][..width]);
        }
        self.picked.clear();
        self.picked
            .extend(rows.iter().map(|&row| self.labels[row as usize]));
        &self.picked
    }
}

/// How many rows of `logits` are largest at their label; the first of equal logits counts.
pub(super) fn count_correct(logits: &[f32], labels: &[u32]) -> usize {
    let classes = logits.len() / labels.len().max(1);
    logits
        .chunks_exact(classes.max(1))
        .zip(labels)
        .filter(|(row, label)| {
            let best = (1..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best });
            best == **label as usize
        })
        .count()
}
