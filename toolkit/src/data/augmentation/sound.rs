//! Sounds shifted, in noise, louder and softer, faster and slower; and masks over their spectrograms.

use rand::Rng as _;

use super::{Augmentation, Image, either};
use crate::seed::{Rng, add_normal, uniform};

impl Augmentation {
    /// Changes the samples of one sound.
    pub(super) fn change_sound(&self, wave: &mut [f32], rng: &mut Rng, scratch: &mut Vec<f32>) {
        match *self {
            Augmentation::TimeShift(share) => {
                let most = (share * wave.len() as f64) as i64;
                shift(wave, rng.random_range(-most..=most));
            }
            Augmentation::WhiteNoise { least, most } => {
                let ratio = least + (most - least) * uniform(rng);
                noise(wave, ratio, rng);
            }
            Augmentation::Gain(decibels) => gain(wave, either(decibels, rng)),
            Augmentation::Speed(share) => {
                scratch.clear();
                scratch.extend_from_slice(wave);
                speed(scratch, wave, 1.0 + either(share, rng));
            }
            _ => {}
        }
    }
}

/// Later by so many samples, or earlier; silence comes in.
pub(super) fn shift(wave: &mut [f32], by: i64) {
    let n = wave.len();
    let distance = (by.unsigned_abs() as usize).min(n);
    if by > 0 {
        wave.copy_within(..n - distance, distance);
        wave[..distance].fill(0.0);
    } else {
        wave.copy_within(distance.., 0);
        wave[n - distance..].fill(0.0);
    }
}

/// Adds noise so many decibels below the power of the whole; none to silence.
fn noise(wave: &mut [f32], ratio: f64, rng: &mut Rng) {
    let power = wave.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / wave.len() as f64;
    let deviation = (power / 10f64.powf(ratio / 10.0)).sqrt();
    if deviation > 0.0 {
        add_normal(wave, deviation as f32, rng);
    }
}

pub(super) fn gain(wave: &mut [f32], decibels: f64) {
    let factor = 10f64.powf(decibels / 20.0) as f32;
    wave.iter_mut().for_each(|x| *x *= factor);
}

/// So many times as fast about the middle, by linear interpolation; what a slower one has beyond the ends is lost.
pub(super) fn speed(from: &[f32], to: &mut [f32], factor: f64) {
    let last = from.len() as f64 - 1.0;
    let middle = last / 2.0;
    for (i, x) in to.iter_mut().enumerate() {
        let at = middle + (i as f64 - middle) * factor;
        *x = match (0.0..=last).contains(&at) {
            true => {
                let (before, share) = (at as usize, at.fract() as f32);
                let after = from[(before + 1).min(from.len() - 1)];
                from[before] + share * (after - from[before])
            }
            false => 0.0,
        };
    }
}

/// A stretch of up to `most` of `count`, both drawn evenly as by Park et al. 2019: where it begins and ends.
fn stretch(most: f64, count: usize, rng: &mut Rng) -> (usize, usize) {
    let length = rng.random_range(0..=(most * count as f64) as u32) as usize;
    let first = rng.random_range(0..=(count - length) as u32) as usize;
    (first, first + length)
}

/// Columns from one to before the other become the picture's mean.
pub(super) fn mask_time(image: &mut Image<'_>, most: f64, rng: &mut Rng) {
    let mean = mean(image.pixels);
    let (from, to) = stretch(most, image.width, rng);
    for line in image.pixels.chunks_exact_mut(image.width * image.channels) {
        line[from * image.channels..to * image.channels].fill(mean);
    }
}

/// The same of lines.
pub(super) fn mask_frequency(image: &mut Image<'_>, most: f64, rng: &mut Rng) {
    let mean = mean(image.pixels);
    let (from, to) = stretch(most, image.height, rng);
    let line = image.width * image.channels;
    image.pixels[from * line..to * line].fill(mean);
}

fn mean(pixels: &[f32]) -> f32 {
    (pixels.iter().map(|&x| f64::from(x)).sum::<f64>() / pixels.len() as f64) as f32
}
