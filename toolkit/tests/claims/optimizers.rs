//! Adagrad and RMSProp go down a badly scaled slope where plain gradient descent at 0.01 does not.

use jook::prelude::*;

use super::gain;

/// Two clouds that differ in a feature of a hundredth of the size of the other, which says nothing.
fn badly_scaled(seed: u64) -> Result<Dataset> {
    use jook::seed::{rand::Rng as _, stream};
    let mut draw = stream(seed, "scales");
    let (mut features, mut labels) = (Vec::new(), Vec::new());
    for row in 0..200u32 {
        let class = row % 2;
        let side = if class == 0 { -1.0 } else { 1.0 };
        features.push(0.01 * (side + draw.random_range(-0.5..0.5f32)));
        features.push(draw.random_range(-3.0..3.0f32));
        labels.push(class);
    }
    Dataset::new("badly scaled", 2, features)?.with_labels(labels, vec!["a".into(), "b".into()])
}

fn loss_of(recipe: Recipe, seed: u64) -> Result<f64> {
    let data = badly_scaled(seed)?;
    let run = Mlp::new([2, 2]).train(&data, recipe.epochs(60).batch(20).seed(seed))?;
    Ok(-run.evaluate(&data)?.log_loss)
}

#[test]
fn adaptive_rules_beat_plain_descent_on_a_badly_scaled_problem() {
    let plain = |seed| loss_of(Recipe::new().sgd(0.01), seed);
    for (name, recipe) in [
        ("Adagrad", Recipe::new().adagrad(0.5)),
        ("RMSProp", Recipe::new().rmsprop(0.05)),
    ] {
        let (mean, low) = gain(6, |seed| loss_of(recipe.clone(), seed), plain);
        assert!(low > 0.0 && mean > 0.1, "{name}: {mean}, from {low}");
    }
}
