//! The rate that is best goes up with the batch; a rate that falls is worth much where it is high, and costs where it is low.

use jook::prelude::*;

use super::{accuracy, gain};

fn digits(seed: u64) -> Result<Split> {
    datasets::digits()?.split(0.25, seed)?.standardized()
}

/// The rate with the best mean over three seeds.
fn best(batch: usize) -> f64 {
    let rates = [0.01, 0.03, 0.1, 0.3, 1.0];
    let mean = |rate: f64| {
        let runs = (0..3).map(|seed| {
            let split = digits(seed)?;
            let recipe = Recipe::new().epochs(4).batch(batch).sgd(rate).seed(seed);
            accuracy(
                &Mlp::new([64, 32, 32, 10]).train(&split.train, recipe)?,
                &split.test,
            )
        });
        runs.map(|right: Result<f64>| right.expect("a run")).sum::<f64>() / 3.0
    };
    let means = rates.map(mean);
    println!("batch {batch}: {means:?}");
    let top = (0..rates.len()).max_by(|&a, &b| means[a].total_cmp(&means[b]));
    rates[top.expect("rates")]
}

#[test]
fn the_best_rate_goes_up_with_the_batch() {
    let (small, large) = (best(4), best(64));
    assert!(large > 2.9 * small, "{small}, {large}");
}

#[test]
fn a_falling_rate_helps_where_it_is_high_and_costs_where_it_is_low() {
    let run = |rate: f64, falls: bool, seed: u64| -> Result<f64> {
        let split = digits(seed)?;
        let train = split.train.with_random_labels(0.2, seed)?;
        let recipe = Recipe::new()
            .epochs(8)
            .batch(16)
            .sgd(rate)
            .momentum(0.9)
            .seed(seed);
        let recipe = if falls { recipe.cosine(0) } else { recipe };
        accuracy(&Mlp::new([64, 32, 32, 10]).train(&train, recipe)?, &split.test)
    };
    let (high, low) = gain(8, |seed| run(0.03, true, seed), |seed| run(0.03, false, seed));
    assert!(high > 0.02 && low > 0.0, "{high}, {low}");
    // Half of the way is not gone.
    let (lost, low) = gain(8, |seed| run(0.003, false, seed), |seed| run(0.003, true, seed));
    assert!(lost > 0.005 && low > 0.0, "{lost}, {low}");
}
