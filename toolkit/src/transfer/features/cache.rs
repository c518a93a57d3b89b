//! Features on disk: files of features with their images' keys, each written once and checked by its SHA-256.
//!
//! A layer has a folder of its own, named by the key of the layer, with any number of files in it. A file holds the
//! mark, the layer's key, the width and the number of its records, the records (an image's key and its features, all
//! numbers little-endian), and the SHA-256 of all that. Its name is of its content, and it is put in place in one
//! move: runs at the same time cannot damage each other's work.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::net::Network;
use crate::{Error, Result, replace};

/// What features are found by: of an image, or of a layer.
pub(super) type Key = [u8; 32];

const MARK: &[u8; 16] = b"jook features 1\n";
const KEY: usize = 32;
const HEAD: usize = MARK.len() + KEY + 8 + 8;
/// Bytes of records after which a file is written.
const FULL: usize = 1 << 24;
/// The largest file that is read: a full one, and one more record of the widest layer.
const LARGEST: u64 = 1 << 27;
/// Time after which a file is written, so that no more is lost with the process.
const EACH: Duration = Duration::from_secs(5);
const EXTENSION: &str = "features";

/// The key of the layer at `at`: of the layers that it needs, with their numbers, and of `code`, the digest of the code
/// that computes ([`crate::code::digest`]), which another build may do otherwise. What comes behind the layer does not
/// count, nor what is frozen.
pub(super) fn key_of_layer(network: &Network, at: usize, code: &[u8; 32]) -> Key {
    let spec = network.spec();
    let needed = match spec.sources() {
        Ok(sources) => spec.needed(&sources, &[at]),
        // A built network has them.
        Err(_) => vec![true; spec.layers.len()],
    };
    let mut part = spec.clone();
    let mut marks = needed.iter();
    part.layers.retain(|_| *marks.next().unwrap_or(&true));
    part.layers.iter_mut().for_each(|layer| layer.frozen = false);
    let mut hash = Sha256::new();
    hash.update(code);
    hash.update(part.digest());
    hash.update(&spec.layers[at].name);
    let mut bytes = Vec::new();
    for layer in &part.layers {
        for tensor in network.tensors_of(&layer.name) {
            for piece in network.tensor(&tensor.name).unwrap_or_default().chunks(4096) {
                bytes.clear();
                bytes.extend(piece.iter().flat_map(|x| x.to_le_bytes()));
                hash.update(&bytes);
            }
        }
    }
    hash.finalize().into()
}

/// The features of one layer on disk, and those that wait to be written.
pub(super) struct Cache {
    folder: PathBuf,
    layer: Key,
    width: usize,
    records: Vec<u8>,
    since: Instant,
}

impl Cache {
    /// Of the layer with this key and width, somewhere in `folder`. Nothing is read or made yet.
    pub fn new(folder: &Path, layer: Key, width: usize) -> Self {
        Self {
            folder: folder.join(hex(&layer[..16])),
            layer,
            width,
            records: Vec::new(),
            since: Instant::now(),
        }
    }

    /// Gives `found` the features of the wanted images that are on disk, once each. Damaged files are removed and
    /// named, so that what they held is computed again.
    pub fn read(
        &self,
        wanted: &HashMap<Key, Vec<usize>>,
        mut found: impl FnMut(&[usize], &[u8]),
    ) -> Vec<Error> {
        let mut problems = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return problems,
            Err(e) => return vec![Error::io(&self.folder, &e)],
        };
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => files.push(entry.path()),
                Err(e) => problems.push(Error::io(&self.folder, &e)),
            }
        }
        files.retain(|file| file.extension().is_some_and(|extension| extension == EXTENSION));
        files.sort();
        for file in files {
            match self.records(&file) {
                Ok(records) => {
                    for record in records.chunks_exact(KEY + 4 * self.width) {
                        let (key, features) = record.split_at(KEY);
                        if let Some(rows) = wanted.get(key) {
                            found(rows, features);
                        }
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        problems
    }

    /// The records of a file, once it is known to be whole.
    fn records(&self, file: &Path) -> Result<Vec<u8>> {
        let io = |e: std::io::Error| Error::io(file, &e);
        let length = fs::metadata(file).map_err(io)?.len();
        if length <= LARGEST {
            let mut bytes = fs::read(file).map_err(io)?;
            if self.is_whole(&bytes) {
                bytes.truncate(bytes.len() - KEY);
                bytes.drain(..HEAD);
                return Ok(bytes);
            }
        }
        let damaged = Error::data(format!(
            "a file of features is damaged ({length} bytes): it is computed anew"
        ));
        Err(match fs::remove_file(file) {
            Ok(()) => damaged.at(file.display().to_string()),
            Err(e) => damaged
                .at(file.display().to_string())
                .fix(format!("remove it; that was not possible here: {e}")),
        })
    }

    fn is_whole(&self, bytes: &[u8]) -> bool {
        let Some((content, sum)) = bytes.split_last_chunk::<KEY>().filter(|(c, _)| c.len() >= HEAD) else {
            return false;
        };
        let records = content.len() - HEAD;
        let each = KEY + 4 * self.width;
        records.is_multiple_of(each)
            && content[..HEAD] == self.head(records / each)
            && Sha256::digest(content)[..] == sum[..]
    }

    fn head(&self, records: usize) -> Vec<u8> {
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(MARK);
        head.extend_from_slice(&self.layer);
        head.extend_from_slice(&(self.width as u64).to_le_bytes());
        head.extend_from_slice(&(records as u64).to_le_bytes());
        head
    }

    /// Keeps an image's features; now and then this writes a file.
    ///
    /// # Errors
    /// When the file cannot be written; what waited is then given up.
    pub fn keep(&mut self, key: &Key, features: &[f32]) -> Result<()> {
        if self.records.is_empty() {
            self.since = Instant::now();
        }
        self.records.extend_from_slice(key);
        self.records.extend(features.iter().flat_map(|x| x.to_le_bytes()));
        if self.records.len() >= FULL || self.since.elapsed() >= EACH {
            self.write()?;
        }
        Ok(())
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// As [`Cache::keep`].
    pub fn write(&mut self) -> Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        let records = std::mem::take(&mut self.records);
        let mut content = self.head(records.len() / (KEY + 4 * self.width));
        content.extend_from_slice(&records);
        let sum = Sha256::digest(&content);
        content.extend_from_slice(&sum);
        let name = format!("{}.{EXTENSION}", hex(&sum[..16]));
        replace::file(&self.folder.join(name), &content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Mlp;

    #[test]
    fn another_code_has_other_features() {
        let net = Mlp::new([2, 3, 4]).build(0).unwrap();
        let mut code = [0; 32];
        let before = key_of_layer(&net, 0, &code);
        assert_eq!(key_of_layer(&net, 0, &code), before);
        code[31] = 1;
        assert_ne!(key_of_layer(&net, 0, &code), before);
    }
}
