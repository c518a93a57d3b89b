//! One seed decides everything: each use draws from its own named stream of it.

use std::f64::consts::TAU;

use rand::{Rng as _, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::math;

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

/// Adds to each number a normal one of this standard deviation: Box and Muller's way in f32, eight pairs at once. None lies
/// beyond 5.77 deviations, where 1 in 10^8 of the law is.
pub(crate) fn add_normal(numbers: &mut [f32], deviation: f32, rng: &mut Rng) {
    const PAIRS: usize = 8;
    const STEP: f32 = 1.0 / (1 << 24) as f32;
    for numbers in numbers.chunks_mut(2 * PAIRS) {
        let (mut near, mut turn) = ([0.0; PAIRS], [0.0; PAIRS]);
        for (near, turn) in near.iter_mut().zip(&mut turn) {
            let draw = rng.next_u64();
            // From (0, 1], so that the logarithm is finite, and from [0, 1).
            (*near, *turn) = (((draw >> 40) + 1) as f32 * STEP, (draw as u32 >> 8) as f32 * STEP);
        }
        let mut drawn = [0.0; 2 * PAIRS];
        let (first, second) = drawn.split_at_mut(PAIRS);
        for i in 0..PAIRS {
            let radius = deviation * (-2.0 * math::ln(near[i])).sqrt();
            let (sine, cosine) = math::sin_cos_of_turn(turn[i]);
            (first[i], second[i]) = (radius * cosine, radius * sine);
        }
        numbers.iter_mut().zip(&drawn).for_each(|(x, noise)| *x += noise);
    }
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
    use statrs::distribution::{ContinuousCDF as _, Normal};

    use super::*;

    #[test]
    fn numbers_added_follow_the_normal_law() {
        let n = 200_003;
        let mut numbers = vec![1.0f32; n];
        add_normal(&mut numbers, 2.0, &mut stream(3, "noise"));
        let mut drawn: Vec<f64> = numbers.iter().map(|&x| (f64::from(x) - 1.0) / 2.0).collect();
        let moment = |power: i32| drawn.iter().map(|x| x.powi(power)).sum::<f64>() / n as f64;
        // Five standard errors: of the mean of x^k, sqrt((E x^2k - (E x^k)^2) / n).
        for (power, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let off = (moment(power) - expected).abs();
            assert!(
                off < 5.0 * (variance / n as f64).sqrt(),
                "moment {power} is {}",
                moment(power)
            );
        }
        // Neighbours, and the two of a pair, say nothing of each other.
        for apart in [1, 8, 16] {
            let product = drawn.iter().zip(&drawn[apart..]).map(|(a, b)| a * b).sum::<f64>() / n as f64;
            assert!(
                product.abs() < 5.0 / (n as f64).sqrt(),
                "{apart} apart: {product}"
            );
        }
        // Kolmogorov and Smirnov's distance, beyond which one sample in 10,000 lies.
        drawn.sort_by(f64::total_cmp);
        let law = Normal::standard();
        let gap = |(i, &x): (usize, &f64)| (law.cdf(x) - (i as f64 + 0.5) / n as f64).abs();
        let distance = drawn.iter().enumerate().map(gap).fold(0.0, f64::max);
        assert!(distance < 2.23 / (n as f64).sqrt(), "a distance of {distance}");
    }

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, name| stream(seed, name).next_u64();
        assert_eq!(draw(1, "init"), draw(1, "init"));
        assert_ne!(draw(1, "init"), draw(1, "shuffle"));
        assert_ne!(draw(1, "init"), draw(2, "init"));
    }
}
