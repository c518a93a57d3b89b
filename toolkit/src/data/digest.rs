//! What names a dataset: a hash of all that training on it sees.

use sha2::{Digest, Sha256};

use super::{Dataset, Shape, Targets};
use crate::hex::hex;

/// SHA-256 (hexadecimal) of shape, features, targets, weights and groups. What a dataset does not have adds nothing, so
/// that new kinds of it rename no other.
pub(super) fn digest_of(data: &Dataset) -> String {
    let mut hash = Sha256::new();
    let shape = match data.shape() {
        Shape::Flat(width) => vec![0, width],
        Shape::Image {
            height,
            width,
            channels,
        } => vec![1, height, width, channels],
    };
    for number in shape.into_iter().chain([data.len()]) {
        hash.update((number as u64).to_le_bytes());
    }
    floats(&mut hash, data.features());
    match data.targets() {
        Targets::None => {}
        Targets::Classes(labels) => {
            hash.update(b"labels");
            hash.update((data.classes() as u64).to_le_bytes());
            labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
        }
        Targets::Shares { shares: table, .. } | Targets::Values(table) => {
            hash.update(data.targets().words());
            hash.update((data.target_width() as u64).to_le_bytes());
            floats(&mut hash, table);
        }
    }
    if let Some(weights) = data.weights() {
        hash.update(b"weights");
        floats(&mut hash, weights);
    }
    if let Some(groups) = data.groups() {
        hash.update(b"groups");
        groups.iter().for_each(|group| hash.update(group.to_le_bytes()));
    }
    data.content().hash(&mut hash);
    hex(&hash.finalize())
}

/// In pieces, so that hashing needs no second copy of the data.
fn floats(hash: &mut Sha256, numbers: &[f32]) {
    let mut bytes = Vec::with_capacity(4 * 4096);
    for piece in numbers.chunks(4096) {
        bytes.clear();
        bytes.extend(piece.iter().flat_map(|x| x.to_le_bytes()));
        hash.update(&bytes);
    }
}
