//! Tests of networks as a whole. Relative error here is max |got - expected| / max |expected|, over a
//! tensor.

mod activations;
mod cnn;
mod differences;
mod golden;
mod images;
mod inception;
mod initializations;
mod layers;
mod mc_dropout;
mod module;
mod ops;
mod probe;
mod running;
mod specs;
mod tape;
mod weights;

/// The relative error of a tensor; infinite where a number is missing or not one.
pub(crate) fn relative_error(got: &[f32], expected: &[f64]) -> f64 {
    if got.len() != expected.len() || got.iter().any(|x| x.is_nan()) {
        return f64::INFINITY;
    }
    let worst = got
        .iter()
        .zip(expected)
        .map(|(&g, &e)| (f64::from(g) - e).abs())
        .fold(0.0, f64::max);
    let scale = expected.iter().map(|e| e.abs()).fold(0.0, f64::max);
    if worst == 0.0 { 0.0 } else { worst / scale }
}

/// Numbers that look random, from -1 to 1, the same at each call.
pub(crate) fn scattered(count: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    super::Init::Uniform(1.0).fill(&mut values, 1, 1, &mut crate::seed::stream(seed, "test"));
    values
}

/// Number by number what tests/reference/scatter.py gives for the stream `name`.
pub(crate) fn scatter(name: &str, count: usize) -> Vec<f32> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |seed, byte| {
        (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    (1..=count as u64)
        .map(|i| {
            let mut z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            (z >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}
