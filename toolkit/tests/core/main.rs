//! What the training core carries: each file is one feature on top of it, by public names only.

mod adaptation;
mod auxiliary_head;
mod center_loss;
mod deep_q;
mod embedding_loss;
mod layer_rates;
mod metric_losses;
mod moment_matching;
mod own_rule;
mod own_watcher;
mod projection;
mod said_or_refused;
mod standard_losses;
mod two_heads;

use jook::prelude::*;

/// Two clouds, a class each, around (-1, 0) and (1, 0), moved by `shift`.
fn clouds(n: usize, shift: f32, seed: u64) -> Dataset {
    let moons = datasets::two_moons(n, 0.1, seed).expect("points");
    let labels: Vec<u32> = moons.labels().expect("labels").to_vec();
    let mut features = Vec::with_capacity(2 * n);
    for (row, &label) in moons.rows().zip(&labels) {
        let side = if label == 0 { -1.0 } else { 1.0 };
        features.extend([side + 0.3 * row[0] + shift, 0.5 * row[1]]);
    }
    Dataset::new("clouds", 2, features)
        .and_then(|data| data.with_labels(labels, vec!["left".into(), "right".into()]))
        .expect("a dataset")
}

/// Whether two vectors are the same up to `tolerance` of the larger one's largest number.
#[track_caller]
fn near(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(1e-12f64, |most, x| most.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (f64::from(*found) - expected).abs() / size;
        assert!(
            off < tolerance,
            "number {i}: {found} for {expected}, off by {off:.1e}"
        );
    }
}
