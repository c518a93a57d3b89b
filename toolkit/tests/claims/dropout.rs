//! Dropout hurts narrow networks, most at a high rate; on clean digits it does little for a wide one, few or many, and helps
//! it much where labels are noisy; it takes more steps. Dropped channels help a wide
//! convolutional net where labels are noisy, and hurt a narrow one; with dropped paths a net takes longer. The mean over Monte-Carlo dropout is better calibrated than a single
//! pass that is too sure of itself, and worse where the pass is not.

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

/// The evaluation after so many steps on so many clean digits of each class.
fn clean(each: usize, width: usize, rate: f64, steps: usize, seed: u64) -> Result<Evaluation> {
    let data = datasets::digits()?.few_shot(each, seed)?;
    let recipe = Recipe::new().steps(steps).batch(20).adam(0.003).seed(seed);
    let run = Mlp::new([64, width, 10])
        .dropout(rate)
        .train(&data.train, recipe)?;
    run.evaluate(&data.test)
}

#[test]
fn a_simple_net_bears_a_fifth_better_than_a_half() {
    let at = |rate| move |seed| Ok(clean(30, 8, rate, 1500, seed)?.accuracy);
    let (mean, low) = gain(6, at(0.2), at(0.5));
    assert!(low > 0.0 && mean > 0.015, "{mean}, from {low}");
    // And best it bears none.
    let (mean, low) = gain(6, at(0.0), at(0.2));
    assert!(low > 0.0 && mean > 0.005, "{mean}, from {low}");
}

#[test]
fn on_clean_digits_it_does_little_few_or_many() {
    for each in [3, 80] {
        let at = |rate| move |seed| Ok(clean(each, 256, rate, 1000, seed)?.accuracy);
        let (mean, _) = gain(5, at(0.5), at(0.0));
        assert!(mean.abs() < 0.02, "{each} of each: {mean}");
    }
}

#[test]
fn it_takes_more_steps() {
    let loss = |rate, steps| move |seed| Ok(-clean(30, 256, rate, steps, seed)?.log_loss);
    let (behind, low) = gain(6, loss(0.0, 100), loss(0.5, 100));
    assert!(low > 0.0 && behind > 0.03, "{behind}, from {low}");
    let (behind, _) = gain(6, loss(0.0, 1000), loss(0.5, 1000));
    assert!(behind < 0.015, "{behind}");
}

/// By how much the log loss and the calibration error of the mean of 30 passes with dropout lie below those of the single
/// pass, over seeds: means, and lower ends of their 95% intervals.
fn calibrated(width: usize, rate: f64, each: usize) -> [(f64, f64); 2] {
    let both = |seed: u64| -> Result<[Calibration; 2]> {
        let data = datasets::digits()?.few_shot(each, seed)?;
        let recipe = Recipe::new().steps(1500).batch(20).adam(0.003).seed(seed);
        let run = Mlp::new([64, width, width, 10])
            .dropout(rate)
            .train(&data.train, recipe)?;
        let mean = run.predict_mc_dropout(&data.test, 30, seed)?;
        Ok([run.predict(&data.test)?.calibration()?, mean.calibration()?])
    };
    let all: Vec<[Calibration; 2]> = (0..5).map(|seed| both(seed).expect("a run")).collect();
    [|one: &Calibration| one.log_loss, |one: &Calibration| one.ece].map(|of| {
        let pairs: Vec<(f64, f64)> = all.iter().map(|[once, mean]| (of(once), of(mean))).collect();
        let paired = Paired::of(&pairs).expect("pairs");
        println!("{paired:?}");
        let low = paired.interval.map_or(paired.difference, |(low, _)| low);
        (paired.difference, low)
    })
}

#[test]
fn the_ensemble_is_better_calibrated_than_a_pass_that_is_too_sure() {
    let [loss, error] = calibrated(128, 0.3, 10);
    assert!(loss.1 > 0.0 && loss.0 > 0.05, "{loss:?}");
    assert!(error.1 > 0.0 && error.0 > 0.01, "{error:?}");
    // It makes every answer less sure, also where it was sure enough.
    let [_, error] = calibrated(64, 0.5, 20);
    assert!(error.0 < -0.02, "{error:?}");
    // Off, there is no ensemble.
    let none = Mlp::new([64, 16, 10]).build(0).expect("a network");
    let digits = datasets::digits().expect("digits");
    assert!(none.predict_mc_dropout(&digits, 30, 0).is_err());
}

/// The accuracy of a convolutional net that learned from twenty digits of each class, a share of them with wrong labels.
fn convolved(net: Cnn, wrong: f64, steps: usize, seed: u64) -> Result<f64> {
    let data = noisy_digits(20, wrong, seed)?;
    let recipe = Recipe::new().steps(steps).batch(20).adam(0.003).seed(seed);
    accuracy(&net.train(&data.train, recipe)?, &data.test)
}

#[test]
fn dropped_channels_help_a_wide_net_and_hurt_a_narrow_one() {
    let at = |channels: usize, p: f64, wrong: f64| {
        move |seed| {
            let net = Cnn::lenet((8, 8, 1), 10).channels([channels; 2]).kernel(3);
            convolved(net.spatial_dropout(p), wrong, 600, seed)
        }
    };
    let (mean, low) = gain(5, at(24, 0.5, 0.4), at(24, 0.0, 0.4));
    assert!(low > 0.0 && mean > 0.05, "{mean}, from {low}");
    let (mean, _) = gain(5, at(3, 0.5, 0.0), at(3, 0.0, 0.0));
    assert!(mean < -0.05, "{mean}");
}

#[test]
fn a_net_with_dropped_paths_takes_longer() {
    let at = |p: f64, steps: usize| {
        move |seed| {
            let net = Cnn::resnet((8, 8, 1), 10).channels([8, 16]).blocks(2);
            convolved(net.drop_path(p), 0.0, steps, seed)
        }
    };
    let (mean, low) = gain(5, at(0.0, 100), at(0.8, 100));
    assert!(low > 0.0 && mean > 0.05, "{mean}, from {low}");
}
