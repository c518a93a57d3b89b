//! Features, new last layers and joined networks, through the calls that a cell makes.

mod cache;
mod concat;
mod retrain;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::data::{Dataset, datasets};
use crate::net::{Cnn, Network};

/// A folder of its own for a test, removed with all that is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("jook-transfer-{}-{n}", std::process::id())))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// The files of features in it.
    fn files(&self) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        let inside = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten());
        inside.flatten().map(|file| file.path()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
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
