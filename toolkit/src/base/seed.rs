//! One seed decides everything: each use draws from its own named stream of it.

use std::f64::consts::TAU;

use rand::{Rng as _, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// For draws of one's own in a cell, from [`stream`]:
///
/// ```
/// use jook::seed::{self, rand::Rng as _};
/// let mut exploration = seed::stream(7, "exploration");
/// let explore = exploration.random::<f64>() < 0.1;
/// let action: usize = exploration.random_range(0..4);
/// assert!(action < 4 && !explore);
/// ```
pub use rand;

/// The generator behind every random choice; the same on every machine and for any thread count.
pub type Rng = ChaCha8Rng;

/// The stream `name` of `seed`. Streams with different names are independent, so that, for instance,
/// another batch order does not change the initial weights.
pub fn stream(seed: u64, name: &str) -> Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    Rng::from_seed(hash.finalize().into())
}

/// Uniform in [0, 1), 53 bits.
pub(crate) fn uniform(rng: &mut Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Two independent standard normal numbers (Box and Muller 1958).
pub(crate) fn normal_pair(rng: &mut Rng) -> (f64, f64) {
    // 1 - u lies in (0, 1], so that the logarithm is finite.
    let radius = (-2.0 * (1.0 - uniform(rng)).ln()).sqrt();
    let (sin, cos) = (TAU * uniform(rng)).sin_cos();
    (radius * cos, radius * sin)
}

/// Fisher and Yates' shuffle, written out: which rows a batch has, and which are held out, is for good, while that of a
/// library may change with its version.
pub(crate) fn shuffle(rows: &mut [u32], rng: &mut Rng) {
    for i in (1..rows.len()).rev() {
        rows.swap(i, rng.random_range(0..=i as u32) as usize);
    }
}

/// A standard normal number; draws two uniform ones.
pub(crate) fn normal(rng: &mut Rng) -> f64 {
    normal_pair(rng).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, name| stream(seed, name).next_u64();
        assert_eq!(draw(1, "init"), draw(1, "init"));
        assert_ne!(draw(1, "init"), draw(1, "shuffle"));
        assert_ne!(draw(1, "init"), draw(2, "init"));
    }
}
