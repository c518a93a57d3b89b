//! Dropout (Srivastava et al. 2014), spatial dropout (Tompson et al. 2015) and drop path (Huang et al. 2016), inverted:
//! what stays is divided by 1 - p in training, so that evaluation changes nothing.

use rand::RngCore;

use super::{Op, Site};
use crate::net::Network;
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::executor::How;
use crate::seed::Rng;

pub struct Dropout {
    p: f32,
    /// Numbers an example has.
    width: usize,
    /// Draws for an example: number j falls by draw j mod `draws`. As many as numbers, one a channel, or one for all.
    draws: usize,
    mask: Vec<f32>,
    /// Whether the last forward pass dropped.
    dropped: bool,
}

impl Dropout {
    pub fn new(site: &Site<'_>, p: f32, draws: usize, rows: usize) -> Self {
        Self {
            p,
            width: site.shape.width(),
            draws,
            mask: vec![0.0; rows * draws],
            dropped: false,
        }
    }
}

impl Op for Dropout {
    fn evaluate(&mut self, read: Reading<'_>, _network: &Network, y: &mut [f32]) {
        y.copy_from_slice(read.x());
        self.dropped = false;
    }

    fn train(
        &mut self,
        read: Reading<'_>,
        network: &mut Network,
        how: &mut How<'_>,
        _frozen: bool,
        y: &mut [f32],
    ) {
        let Some(rng) = &mut how.dropout else {
            return self.evaluate(read, network, y);
        };
        let mask = &mut self.mask[..y.len() / self.width * self.draws];
        draw(mask, self.p, rng);
        y.copy_from_slice(read.x());
        scale(y, mask, self.width, self.draws);
        self.dropped = true;
    }

    fn backward(&mut self, _read: Reading<'_>, _network: &Network, mut gradient: Gradient<'_>) {
        if self.dropped {
            scale(gradient.grad(), &self.mask, self.width, self.draws);
        }
    }

    fn floats(&self) -> usize {
        self.mask.len()
    }
}

/// Draws a mask of 0 and 1 / (1 - p). The generator gives one key; a mixing function of the key and the
/// place gives each number's fate, which loops do many at a time.
fn draw(mask: &mut [f32], p: f32, rng: &mut Rng) {
    let keep = 1.0 / (1.0 - p);
    // The share p of all u32, as an integer: exact to 2^-32.
    let threshold = (f64::from(p) * 4_294_967_296.0) as u32;
    let key = rng.next_u64();
    let (first, second) = (key as u32, (key >> 32) as u32);
    for (place, value) in mask.iter_mut().enumerate() {
        let bits = mix(mix(place as u32 ^ first).wrapping_add(second));
        *value = if bits < threshold { 0.0 } else { keep };
    }
}

/// Each bit of the result depends on every bit of `x`: multiply and xor-shift rounds, a bijection.
#[inline(always)]
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x9E37_79B1);
    x ^= x >> 15;
    x = x.wrapping_mul(0x85EB_CA77);
    x ^ (x >> 16)
}

/// Multiplies examples of `width` numbers by their part of the mask, `draws` an example, over and over.
fn scale(values: &mut [f32], mask: &[f32], width: usize, draws: usize) {
    for (example, mask) in values.chunks_exact_mut(width).zip(mask.chunks_exact(draws)) {
        if let [one] = mask {
            example.iter_mut().for_each(|value| *value *= one);
            continue;
        }
        for place in example.chunks_exact_mut(draws) {
            for (value, &mask) in place.iter_mut().zip(mask) {
                *value *= mask;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::stream;

    #[test]
    fn drops_its_share_everywhere_and_keeps_the_mean() {
        const WIDTH: usize = 100;
        const ROWS: usize = 4000;
        for p in [0.01_f32, 0.1, 0.3, 0.5, 0.8, 0.95] {
            // A share of n numbers, drawn with this probability, lies within six standard errors of it.
            let near = |share: f64, chance: f64, n: usize| {
                (share - chance).abs() < 6.0 * (chance * (1.0 - chance) / n as f64).sqrt()
            };
            let chance = f64::from(p);
            let mut rng = stream(5, "dropout");
            let mut mask = vec![0.0; WIDTH * ROWS];
            draw(&mut mask, p, &mut rng);
            let kept = 1.0 / (1.0 - p);
            assert!(mask.iter().all(|&x| x == 0.0 || x == kept), "p {p}");
            let mean = mask.iter().map(|&x| f64::from(x)).sum::<f64>() / mask.len() as f64;
            assert!(
                near(1.0 - mean * (1.0 - chance), chance, mask.len()),
                "p {p}: mean {mean}"
            );
            for column in 0..WIDTH {
                let dropped = (0..ROWS).filter(|row| mask[row * WIDTH + column] == 0.0).count();
                assert!(
                    near(dropped as f64 / ROWS as f64, chance, ROWS),
                    "p {p}, column {column}: {dropped}"
                );
            }
            // Neighbours, along and across, fall independently.
            for distance in [1, 2, 16, WIDTH, 4 * WIDTH] {
                let pairs = mask.len() - distance;
                let both = (0..pairs)
                    .filter(|&i| mask[i] == 0.0 && mask[i + distance] == 0.0)
                    .count();
                assert!(
                    near(both as f64 / pairs as f64, chance * chance, pairs),
                    "p {p}, distance {distance}: {both}"
                );
            }
            let before = mask.clone();
            draw(&mut mask, p, &mut rng);
            let same = mask.iter().zip(&before).filter(|(a, b)| a == b).count();
            let expected = chance * chance + (1.0 - chance) * (1.0 - chance);
            assert!(
                near(same as f64 / mask.len() as f64, expected, mask.len()),
                "p {p}: the next mask is a new one: {same}"
            );
        }
    }

    #[test]
    fn channels_and_examples_fall_as_a_whole() {
        // Two examples of three pixels and two channels.
        let x: Vec<f32> = (1..=12u8).map(f32::from).collect();
        let scaled = |mask: &[f32], draws: usize| {
            let mut y = x.clone();
            scale(&mut y, mask, 6, draws);
            y
        };
        assert_eq!(
            scaled(&[0.0, 2.0, 2.0, 0.0], 2),
            [0.0, 4.0, 0.0, 8.0, 0.0, 12.0, 14.0, 0.0, 18.0, 0.0, 22.0, 0.0]
        );
        assert_eq!(
            scaled(&[2.0, 0.0], 1),
            [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        );
        let mut each = vec![0.0; 12];
        each[7] = 1.5;
        assert_eq!(scaled(&each, 6).iter().sum::<f32>(), 12.0);
    }

    #[test]
    fn a_share_of_nothing_drops_nothing() {
        let mut mask = vec![f32::NAN; 1000];
        draw(&mut mask, 0.0, &mut stream(1, "dropout"));
        assert!(mask.iter().all(|&x| x == 1.0));
    }
}
