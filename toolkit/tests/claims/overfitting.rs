//! What is learned by heart: labels that say nothing too, by a network that is wide enough; and a training that has long
//! been right of all its examples may still get better.

use jook::prelude::*;

use super::{accuracy, gain};

/// What is right of the training part and of the test part.
fn both(run: &Run, split: &Split) -> Result<[f64; 2]> {
    Ok([accuracy(run, &split.train)?, accuracy(run, &split.test)?])
}

/// Means over five seeds, ten digits a class to learn from, this share of them with labels at random.
fn learned(width: usize, random: f64) -> [f64; 2] {
    let runs = (0..5).map(|seed| {
        let few = datasets::digits()?.few_shot(10, seed)?;
        let split = Split::new(few.train.with_random_labels(random, seed)?, few.test)?;
        let net = Mlp::new([64, width, width, 10]);
        let recipe = Recipe::new().steps(600).batch(20).adam(0.003).seed(seed);
        both(&net.train(&split.train, recipe)?, &split)
    });
    let all: Vec<[f64; 2]> = runs.map(|run: Result<_>| run.expect("a run")).collect();
    [0, 1].map(|part| all.iter().map(|one| one[part]).sum::<f64>() / 5.0)
}

#[test]
fn a_wide_network_learns_random_labels_by_heart_and_a_narrow_one_cannot() {
    let [true_labels, random, narrow] =
        [(128, 0.0), (128, 1.0), (4, 1.0)].map(|(w, share)| learned(w, share));
    println!("true {true_labels:?}, random {random:?}, narrow {narrow:?}");
    assert!(true_labels[0] > 0.99 && true_labels[1] > 0.8, "{true_labels:?}");
    // By heart, and nothing of digits is known: one in ten is right by chance.
    assert!(random[0] > 0.95 && random[1] < 0.2, "{random:?}");
    assert!(narrow[0] < 0.7, "{narrow:?}");
}

#[test]
fn the_gap_falls_with_more_examples() {
    let gap = |each: usize, seed: u64| -> Result<f64> {
        let split = datasets::digits()?.few_shot(each, seed)?;
        let recipe = Recipe::new().steps(600).batch(20).adam(0.003).seed(seed);
        let [train, test] = both(&Mlp::new([64, 64, 64, 10]).train(&split.train, recipe)?, &split)?;
        Ok(train - test)
    };
    let (difference, low) = gain(5, |seed| gap(5, seed), |seed| gap(50, seed));
    assert!(difference > 0.08 && low > 0.04, "{difference}, {low}");
}

#[test]
fn what_is_learned_without_a_mistake_may_still_get_better() {
    let at = |steps: usize, seed: u64| -> Result<[f64; 2]> {
        let split = datasets::digits()?.few_shot(10, seed)?;
        let net = Cnn::new((8, 8, 1), 10).channels([16, 32]).kernel(3).hidden(64);
        let recipe = Recipe::new().steps(steps).batch(20).adam(0.001).seed(seed);
        both(&net.train(&split.train, recipe)?, &split)
    };
    let right = (0..5).map(|seed| at(150, seed).expect("a run")[0]).sum::<f64>() / 5.0;
    let (difference, low) = gain(5, |seed| Ok(at(800, seed)?[1]), |seed| Ok(at(150, seed)?[1]));
    assert!(right > 0.99, "{right}");
    assert!(difference > 0.01 && low > 0.0, "{difference}, {low}");
}
