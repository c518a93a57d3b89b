//! Every example as a query among the others: recall@k, MAP@R, R-precision, and the vote of the nearest. Queries go by in
//! blocks, so that no table of all pairs is kept.

use std::collections::HashMap;

use super::{EmbeddingEvaluation, EmbeddingOptions, Roc};
use crate::loss::metric::geometry::squares_between;

/// Queries at once.
const BLOCK: usize = 128;

/// All but the verification, which is left empty.
pub(super) fn retrieve(
    rows: &[f32],
    width: usize,
    labels: &[u32],
    options: &EmbeddingOptions,
) -> EmbeddingEvaluation {
    let n = labels.len();
    let mut counts = HashMap::<u32, usize>::new();
    labels
        .iter()
        .for_each(|&label| *counts.entry(label).or_default() += 1);
    let widest = options.recall_at.iter().copied().max().unwrap_or(1);
    let mut recalled = vec![0usize; options.recall_at.len()];
    let (mut queries, mut right) = (0usize, 0usize);
    let (mut average_precision, mut r_precision) = (0.0f64, 0.0f64);
    let (mut within, mut between) = ((0.0f64, 0u64), (0.0f64, 0u64));
    let mut order: Vec<(f32, u32)> = Vec::with_capacity(n);
    for (block, part) in rows.chunks(BLOCK * width).enumerate() {
        let squares = squares_between(part, rows, width);
        for (i, squares) in squares.chunks_exact(n).enumerate() {
            let query = block * BLOCK + i;
            let own = labels[query];
            order.clear();
            for (j, &square) in squares.iter().enumerate().filter(|&(j, _)| j != query) {
                let sum = if labels[j] == own {
                    &mut within
                } else {
                    &mut between
                };
                sum.0 += f64::from(square).sqrt();
                sum.1 += 1;
                order.push((square, j as u32));
            }
            let relevant = counts[&own] - 1;
            let needed = widest.max(options.neighbors).max(relevant).min(order.len());
            nearest_first(&mut order, needed);
            let near = &order[..needed];
            let is_own = |&(_, j): &(f32, u32)| labels[j as usize] == own;
            right += usize::from(vote(&near[..options.neighbors.min(needed)], labels) == Some(own));
            if relevant == 0 {
                continue;
            }
            queries += 1;
            let first = near.iter().position(is_own).unwrap_or(usize::MAX);
            for (recalled, &k) in recalled.iter_mut().zip(&options.recall_at) {
                *recalled += usize::from(first < k);
            }
            let (mut found, mut sum) = (0u32, 0.0f64);
            for (place, one) in near[..relevant].iter().enumerate() {
                if is_own(one) {
                    found += 1;
                    sum += f64::from(found) / (place + 1) as f64;
                }
            }
            average_precision += sum / relevant as f64;
            r_precision += f64::from(found) / relevant as f64;
        }
    }
    let share = |count: usize| count as f64 / queries as f64;
    EmbeddingEvaluation {
        recall: options
            .recall_at
            .iter()
            .copied()
            .zip(recalled.into_iter().map(share))
            .collect(),
        map_at_r: average_precision / queries as f64,
        r_precision: r_precision / queries as f64,
        knn_accuracy: right as f64 / n as f64,
        neighbors: options.neighbors,
        within: within.0 / within.1 as f64,
        between: between.0 / between.1 as f64,
        roc: Roc::default(),
        tar_at_far: Vec::new(),
        n,
        queries,
    }
}

/// Puts the `needed` nearest first, in their order; of equal distances the first example.
fn nearest_first(order: &mut [(f32, u32)], needed: usize) {
    let by = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if needed > 0 && needed < order.len() {
        order.select_nth_unstable_by(needed - 1, by);
    }
    order[..needed].sort_unstable_by(by);
}

/// The most frequent class of neighbours, nearest first; of several the one that comes first.
fn vote(near: &[(f32, u32)], labels: &[u32]) -> Option<u32> {
    let mut counts: Vec<(u32, usize)> = Vec::new();
    for &(_, j) in near {
        let label = labels[j as usize];
        match counts.iter_mut().find(|(own, _)| *own == label) {
            Some((_, count)) => *count += 1,
            None => counts.push((label, 1)),
        }
    }
    let most = counts.iter().map(|&(_, count)| count).max()?;
    counts
        .iter()
        .find(|&&(_, count)| count == most)
        .map(|&(label, _)| label)
}
