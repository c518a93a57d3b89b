//! [`Roc`]: deciding by a distance whether two examples are of one class.

use crate::loss::metric::geometry::squares_between;
use crate::{Error, Result};

/// Examples whose pairs are all looked at; of more an even part of so many is.
const MOST: usize = 3000;

/// The receiver operating characteristic of verification: two examples are accepted as of one class where their distance is
/// up to a threshold, for every threshold. Pairs at one distance are accepted together. Of more than 3,000 examples the
/// pairs of an even part of them are looked at.
#[doc(alias = "roc_curve")]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roc {
    /// Of pairs of two classes the share that is accepted, from 0 to 1, a number a threshold.
    pub far: Vec<f64>,
    /// Of pairs of one class the share that is accepted, from 0 to 1.
    pub tar: Vec<f64>,
    /// The thresholds: distances, of which the first accepts nothing.
    pub thresholds: Vec<f64>,
    /// The area under the curve, by trapezoids: the share of pairs of pairs that are in the right order, equal ones half.
    pub auc: f64,
}

impl Roc {
    /// Of embeddings, rows x `width`, with the class of each row.
    pub(super) fn of(rows: &[f32], width: usize, labels: &[u32]) -> Result<Self> {
        let every = labels.len().div_ceil(MOST).max(1);
        let (rows, labels): (Vec<&[f32]>, Vec<u32>) = rows
            .chunks_exact(width)
            .zip(labels.iter().copied())
            .step_by(every)
            .unzip();
        let rows = rows.concat();
        let mut pairs: Vec<(f32, bool)> =
            Vec::with_capacity(labels.len() * labels.len().saturating_sub(1) / 2);
        const BLOCK: usize = 128;
        for first in (0..labels.len()).step_by(BLOCK) {
            let block = &rows[first * width..((first + BLOCK) * width).min(rows.len())];
            let before = &rows[..first * width + block.len()];
            let squares = squares_between(block, before, width);
            for (i, squares) in squares.chunks_exact(before.len() / width).enumerate() {
                let i = first + i;
                pairs.extend((0..i).map(|j| (squares[j], labels[i] == labels[j])));
            }
        }
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let same = pairs.iter().filter(|pair| pair.1).count() as f64;
        let other = pairs.len() as f64 - same;
        if same == 0.0 || other == 0.0 {
            return Err(
                Error::data("expected pairs of one class and pairs of two, found one kind alone")
                    .at("evaluation of an embedding, verification")
                    .fix("shuffle the examples, or evaluate on fewer"),
            );
        }
        let mut roc = Self {
            far: vec![0.0],
            tar: vec![0.0],
            thresholds: vec![f64::NEG_INFINITY],
            auc: 0.0,
        };
        let (mut accepted, mut falsely) = (0u64, 0u64);
        for together in pairs.chunk_by(|a, b| a.0 == b.0) {
            let right = together.iter().filter(|pair| pair.1).count() as u64;
            accepted += right;
            falsely += together.len() as u64 - right;
            let (far, tar) = (falsely as f64 / other, accepted as f64 / same);
            let (before, below) = (roc.far[roc.far.len() - 1], roc.tar[roc.tar.len() - 1]);
            roc.auc += 0.5 * (far - before) * (tar + below);
            roc.far.push(far);
            roc.tar.push(tar);
            roc.thresholds.push(f64::from(together[0].0).sqrt());
        }
        Ok(roc)
    }

    /// The largest true accept rate at a threshold whose false accept rate is no larger than `far`.
    pub fn tar_at(&self, far: f64) -> f64 {
        // Both rise.
        let within = self.far.partition_point(|&own| own <= far);
        within.checked_sub(1).map_or(0.0, |last| self.tar[last])
    }
}
