//! Tests of networks as a whole. Relative error here is max |got - expected| / max |expected|, over a
//! tensor.

mod differences;
mod golden;
mod running;
mod specs;

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
