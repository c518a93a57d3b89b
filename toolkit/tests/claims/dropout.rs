//! Dropout of a half hurts a narrow network and helps a wide one where labels are noisy.

use jook::prelude::*;

use super::{accuracy, gain, noisy_digits};

fn with_dropout(width: usize, rate: f64, seed: u64) -> Result<f64> {
    let data = noisy_digits(40, 0.3, seed)?;
    let recipe = Recipe::new().epochs(60).batch(20).adam(0.003).seed(seed);
    let run = Mlp::new([64, width, 10])
        .dropout(rate)
        .train(&data.train, recipe)?;
    accuracy(&run, &data.test)
}

#[test]
fn half_dropped_hurts_a_narrow_net_and_helps_a_wide_one() {
    let (narrow, _) = gain(
        6,
        |seed| with_dropout(6, 0.5, seed),
        |seed| with_dropout(6, 0.0, seed),
    );
    let (wide, low) = gain(
        6,
        |seed| with_dropout(256, 0.5, seed),
        |seed| with_dropout(256, 0.0, seed),
    );
    assert!(narrow < -0.03, "{narrow}");
    assert!(low > 0.0 && wide > 0.02, "{wide}, from {low}");
}
