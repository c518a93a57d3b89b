//! Light and colour of images whose pixels are in 0..1, as torchvision has them.

use super::Image;
use crate::base::math;

/// What red, green and blue add to the grey of a pixel (ITU-R 601-2).
const GREY: [f32; 3] = [0.2989, 0.587, 0.114];

pub(super) fn brighten(image: &mut Image<'_>, factor: f32) {
    image
        .pixels
        .iter_mut()
        .for_each(|x| *x = (*x * factor).clamp(0.0, 1.0));
}

pub(super) fn contrast(image: &mut Image<'_>, factor: f32) {
    let total: f64 = match image.channels {
        3 => image
            .pixels
            .chunks_exact(3)
            .map(|pixel| f64::from(grey(pixel)))
            .sum(),
        _ => image.pixels.iter().map(|&x| f64::from(x)).sum(),
    };
    let count = match image.channels {
        3 => image.height * image.width,
        _ => image.pixels.len(),
    };
    let mean = (total / count as f64) as f32;
    for x in image.pixels.iter_mut() {
        *x = (mean + factor * (*x - mean)).clamp(0.0, 1.0);
    }
}

/// What is 0 stays 0, also where a standardization left it just below.
pub(super) fn gamma(image: &mut Image<'_>, power: f32) {
    image.pixels.iter_mut().for_each(|x| {
        let raised = math::exp(power * math::ln(*x));
        *x = if *x < f32::MIN_POSITIVE { 0.0 } else { raised };
    });
}

pub(super) fn saturate(image: &mut Image<'_>, factor: f32) {
    for pixel in image.pixels.chunks_exact_mut(3) {
        let grey = grey(pixel);
        pixel
            .iter_mut()
            .for_each(|x| *x = (grey + factor * (*x - grey)).clamp(0.0, 1.0));
    }
}

/// Turns the colour circle by `by` of it: hue, saturation and value of each pixel, and back.
pub(super) fn turn_hue(image: &mut Image<'_>, by: f32) {
    for pixel in image.pixels.chunks_exact_mut(3) {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]];
        let (most, least) = (r.max(g).max(b), r.min(g).min(b));
        let span = most - least;
        if span == 0.0 {
            continue;
        }
        let sixth = if most == r {
            (g - b) / span
        } else if most == g {
            2.0 + (b - r) / span
        } else {
            4.0 + (r - g) / span
        };
        // In sixths of the circle, 0 to 6.
        let hue = (sixth + 6.0 * by).rem_euclid(6.0);
        for (value, shift) in pixel.iter_mut().zip([5.0f32, 3.0, 1.0]) {
            let k = (shift + hue).rem_euclid(6.0);
            *value = (most - span * k.min(4.0 - k).clamp(0.0, 1.0)).clamp(0.0, 1.0);
        }
    }
}

fn grey(pixel: &[f32]) -> f32 {
    pixel.iter().zip(GREY).map(|(x, share)| x * share).sum()
}
