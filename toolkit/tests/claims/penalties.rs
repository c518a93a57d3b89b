//! L1 by proximal steps leaves at most a fifth of the weights, at less than two points of accuracy.

use jook::prelude::*;

/// The share of weights that are exactly 0, and the accuracy.
fn sparse(l1: f64, seed: u64) -> Result<(f64, f64)> {
    let parts = datasets::digits()?.split(0.25, seed)?;
    let recipe = Recipe::new()
        .epochs(60)
        .batch(20)
        .sgd(0.05)
        .momentum(0.9)
        .seed(seed);
    let run = Mlp::new([64, 256, 10]).train(&parts.train, recipe.l1_proximal(l1))?;
    Ok((run.network().sparsity(), run.evaluate(&parts.test)?.accuracy))
}

#[test]
fn four_fifths_of_the_weights_are_zero_at_two_points() {
    let (mut least, mut lost) = (1.0f64, 0.0);
    for seed in 0..5 {
        let (zeros, right) = sparse(0.005, seed).expect("a run");
        let (none, plain) = sparse(0.0, seed).expect("a run");
        println!("{zeros} zeros, {right} of {plain}");
        assert_eq!(none, 0.0);
        (least, lost) = (least.min(zeros), lost + (plain - right) / 5.0);
    }
    assert!(least >= 0.8 && lost < 0.02, "{least}, {lost}");
}
