//! Features, new last layers and joined networks, through the calls that a cell makes.

mod cache;
mod concat;
mod retrain;

use std::path::PathBuf;

use crate::data::{Dataset, datasets};
use crate::net::{Cnn, Network};
use crate::testing::Scratch;

/// The files of features in a folder.
fn files(scratch: &Scratch) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(scratch.path()).into_iter().flatten().flatten();
    let inside = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten());
    inside.flatten().map(|file| file.path()).collect()
}

fn digits(n: usize) -> Dataset {
    let rows: Vec<usize> = (0..n).collect();
    datasets::digits().unwrap().subset(&rows).unwrap()
}

fn small_net() -> Network {
    Cnn::new((8, 8, 1), 10)
        .channels([4, 8])
        .hidden(16)
        .dropout(0.5)
        .batch_norm()
        .build(3)
        .unwrap()
}
