//! [`Images`]: where images come from, and the keys by which what was computed of them is found again.

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::cache::Key;
use crate::data::{Dataset, ImageFolder, ImagePreparation};
use crate::net::NetSpec;
use crate::train::check_shape;
use crate::{Error, Result, interrupt};

/// Images to look at: `&dataset`, or `(&folder, &preparation)` for files of which never all are in memory.
#[derive(Clone, Copy, Debug)]
pub enum Images<'a> {
    /// Examples in memory; of plain numbers as well.
    Dataset(&'a Dataset),
    /// Files, and how they become numbers.
    Folder(&'a ImageFolder, &'a ImagePreparation),
}

impl<'a> From<&'a Dataset> for Images<'a> {
    fn from(data: &'a Dataset) -> Self {
        Images::Dataset(data)
    }
}

impl<'a> From<(&'a ImageFolder, &'a ImagePreparation)> for Images<'a> {
    fn from((folder, preparation): (&'a ImageFolder, &'a ImagePreparation)) -> Self {
        Images::Folder(folder, preparation)
    }
}

impl Images<'_> {
    /// Number of images; of files, damaged ones included.
    pub fn len(&self) -> usize {
        match self {
            Images::Dataset(data) => data.len(),
            Images::Folder(folder, _) => folder.len(),
        }
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of each, if they have any.
    pub fn labels(&self) -> Option<&[u32]> {
        match self {
            Images::Dataset(data) => data.labels(),
            Images::Folder(folder, _) => Some(folder.labels()),
        }
    }

    /// The names of the classes.
    pub fn class_names(&self) -> &[String] {
        match self {
            Images::Dataset(data) => data.class_names(),
            Images::Folder(folder, _) => folder.class_names(),
        }
    }

    /// Name, source and licence.
    pub(super) fn origin(&self) -> (&str, &str, &str) {
        match self {
            Images::Dataset(data) => (data.name(), data.source(), data.licence()),
            Images::Folder(folder, _) => (folder.name(), folder.origin(), ""),
        }
    }

    /// Whether a network of this spec can read them.
    pub(super) fn check(&self, spec: &NetSpec) -> Result<()> {
        let (found, place) = match self {
            Images::Dataset(data) => {
                check_shape(data, spec)?;
                (data.shape(), format!("dataset {}", data.name()))
            }
            Images::Folder(folder, preparation) => (preparation.shape(), folder.origin().to_owned()),
        };
        let fits = found.width() == spec.input && spec.image.is_none_or(|image| image == found);
        if fits {
            return Ok(());
        }
        Err(Error::data(format!(
            "expected {}, as the network takes, found {found}",
            spec.shape()
        ))
        .at(place)
        .fix("prepare the images in the size and with the channels that the network was trained on"))
    }

    /// A key for each image; none for files that cannot be read, and for all from where it is asked to stop.
    pub(super) fn keys(&self, scope: &interrupt::Scope) -> Vec<Option<Key>> {
        match self {
            Images::Dataset(data) => {
                let rows = data.features().par_chunks_exact(data.width());
                rows.map(|row| (!scope.requested()).then(|| key_of_numbers(row)))
                    .collect()
            }
            Images::Folder(folder, preparation) => {
                let key = |file| {
                    let bytes = (!scope.requested()).then(|| std::fs::read(file).ok())??;
                    Some(key_of_file(&Sha256::digest(bytes).into(), preparation))
                };
                folder.files().par_iter().map(key).collect()
            }
        }
    }
}

fn key_of_numbers(row: &[f32]) -> Key {
    let mut hash = Sha256::new();
    hash.update(b"numbers");
    let mut bytes = Vec::with_capacity(4 * 4096);
    for piece in row.chunks(4096) {
        bytes.clear();
        bytes.extend(piece.iter().flat_map(|x| x.to_le_bytes()));
        hash.update(&bytes);
    }
    hash.finalize().into()
}

/// Of the SHA-256 of a file and how it is prepared.
pub(super) fn key_of_file(sha256: &[u8; 32], preparation: &ImagePreparation) -> Key {
    let mut hash = Sha256::new();
    // Not by the name of the days in which images stayed as they lay.
    hash.update(b"upright file");
    hash.update(sha256);
    hash.update(preparation.digest());
    hash.finalize().into()
}
