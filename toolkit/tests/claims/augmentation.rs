//! Shifts by a pixel raise the accuracy of a convolutional network on ten digits a class; on a small dense one that is
//! trained for short they cost some, and digits upside down cost both.

use jook::prelude::*;

use super::{accuracy, gain};

fn recipe(epochs: usize, change: Augmentation, seed: u64) -> Recipe {
    let plain = Recipe::new().epochs(epochs).batch(20).adam(0.003).seed(seed);
    plain.augment(change)
}

fn convolutional(change: Augmentation, seed: u64) -> Result<f64> {
    let few = datasets::digits()?.few_shot(10, seed)?;
    let net = Cnn::new((8, 8, 1), 10).channels([16, 32]).kernel(3).hidden(64);
    accuracy(&net.train(&few.train, recipe(150, change, seed))?, &few.test)
}

fn dense(change: Augmentation, seed: u64) -> Result<f64> {
    let few = datasets::digits()?.few_shot(10, seed)?;
    let net = Mlp::new([64, 64, 10]);
    accuracy(&net.train(&few.train, recipe(80, change, seed))?, &few.test)
}

const NONE: Augmentation = Augmentation::Crop(0);

fn shifts() -> Augmentation {
    Augmentation::Crop(1).sometimes(0.5)
}

#[test]
fn shifts_raise_ten_a_class_accuracy() {
    let (mean, low) = gain(
        8,
        |seed| convolutional(shifts(), seed),
        |seed| convolutional(NONE, seed),
    );
    assert!(low > 0.0 && mean > 0.01, "{mean}, from {low}");
    // Off, there is nothing to gain: a shift of nothing is no change at all.
    let plain = |seed| {
        let few = datasets::digits()?.few_shot(10, seed)?;
        let recipe = Recipe::new().epochs(80).batch(20).adam(0.003).seed(seed);
        accuracy(&Mlp::new([64, 64, 10]).train(&few.train, recipe)?, &few.test)
    };
    let (mean, _) = gain(3, |seed| dense(NONE, seed), plain);
    assert_eq!(mean, 0.0);
}

#[test]
fn a_small_dense_network_trained_for_short_loses_by_shifts() {
    let (mean, _) = gain(8, |s| dense(Augmentation::Crop(1), s), |s| dense(NONE, s));
    assert!(mean < -0.015, "{mean}");
}

#[test]
fn digits_upside_down_do_harm() {
    let (mean, _) = gain(6, |s| dense(Augmentation::Flip, s), |s| dense(NONE, s));
    assert!(mean < -0.02, "{mean}");
}
