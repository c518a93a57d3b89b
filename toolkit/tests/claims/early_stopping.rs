//! The network of the best step is no worse than the last one where labels are noisy.

use jook::prelude::*;

use super::{accuracy, gain, noisy_digits};

fn stopped(early: bool, seed: u64) -> Result<f64> {
    let data = noisy_digits(30, 0.3, seed)?;
    let parts = data.train.split(0.2, seed)?;
    // Both learn from the same examples; one of them looks at the rest as well.
    let recipe = Recipe::new().epochs(60).batch(20).adam(0.003).seed(seed);
    let recipe = match early {
        true => recipe.validation(&parts.test).patience(10),
        false => recipe,
    };
    let run = Mlp::new([64, 128, 10]).train(&parts.train, recipe)?;
    accuracy(&run, &data.test)
}

#[test]
fn the_best_step_is_no_worse_than_the_last_on_noisy_labels() {
    let (mean, low) = gain(8, |seed| stopped(true, seed), |seed| stopped(false, seed));
    assert!(low > 0.0 && mean > 0.02, "{mean}, from {low}");
}
