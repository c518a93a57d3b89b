//! Trainings from end to end.

mod averages;
mod broken;
mod cells;
mod digits;
mod files;
mod golden;
mod loops;
mod penalties;
mod recipes;
mod schedules;
mod sweep;
mod typed;
mod values;

use std::path::PathBuf;

use rand::Rng as _;

use super::{Record, Run};
use crate::data::{Dataset, Shape};
use crate::seed::stream;

/// Gaussian-like clouds in `width` dimensions, `spread` wide, centers one unit long.
pub(super) fn clouds(n: usize, width: usize, classes: usize, spread: f32, seed: u64) -> Dataset {
    let mut rng = stream(seed, "test clouds");
    let centers: Vec<f32> = (0..classes * width)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    let labels: Vec<u32> = (0..n).map(|i| (i % classes) as u32).collect();
    let features = labels
        .iter()
        .flat_map(|&label| {
            let center = &centers[label as usize * width..][..width];
            let noise: Vec<f32> = center
                .iter()
                .map(|c| c + spread * (0..4).map(|_| rng.random_range(-1.0..1.0_f32)).sum::<f32>())
                .collect();
            noise
        })
        .collect();
    let names = (0..classes).map(|c| format!("cloud {c}")).collect();
    Dataset::new("clouds", Shape::Flat(width), features)
        .and_then(|data| data.with_labels(labels, names))
        .expect("a dataset")
}

/// A path of its own in the temporary folder.
pub(super) fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("jook-train-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(name)
}

/// The bits of the parameters and buffers.
pub(super) fn bits(run: &Run) -> Vec<u32> {
    let network = run.network();
    network
        .parameters()
        .iter()
        .chain(network.buffers())
        .map(|x| x.to_bits())
        .collect()
}

/// The rows of the history as bits, without the clock.
pub(super) fn rows<M>(run: &Run<M>) -> Vec<[u64; Record::COLUMNS - 1]> {
    run.history()
        .records()
        .iter()
        .map(|record| {
            let numbers = record.numbers();
            std::array::from_fn(|i| numbers[i].to_bits())
        })
        .collect()
}
