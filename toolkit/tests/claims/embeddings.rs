//! Centers draw the examples of a class together without loss of accuracy, up to a weight; semi-hard triplets teach more than
//! random ones, and the hardest of a fast training nothing; few classes teach no distances for others.

use jook::prelude::*;

use super::{accuracy, gain};

/// The ratio of distances within classes to those between them, and the accuracy, with centers of this weight.
fn centered(weight: f64, seed: u64) -> Result<(f64, f64)> {
    let data = datasets::digits()?.few_shot(50, seed)?;
    let net = Mlp::new([64, 64, 16, 10]).build(seed)?;
    let centers = CenterLoss::new().at("activation2");
    let both = Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits")).plus(weight, centers);
    let recipe = Recipe::new().epochs(40).batch(50).adam(0.003).seed(seed);
    let run = net.training().objective(both).run(&data.train, recipe)?;
    let options = EmbeddingOptions::default();
    let found = EmbeddingEvaluation::at_layer(run.network(), "activation2", &data.test, &options)?;
    Ok((found.ratio(), accuracy(&run, &data.test)?))
}

#[test]
fn centers_gather_classes_and_keep_the_accuracy() {
    let (mut with, mut without, mut lost) = (0.0, 0.0, 0.0);
    for seed in 0..5 {
        let (near, right) = centered(1.0, seed).expect("a run");
        let (far, plain) = centered(0.0, seed).expect("a run");
        (with, without, lost) = (with + near, without + far, lost + plain - right);
    }
    println!("ratio {with} of {without}, accuracy lost {}", lost / 5.0);
    assert!(with < 0.7 * without, "{with} of {without}");
    assert!(lost / 5.0 < 0.01, "{lost}");
}

#[test]
fn centers_that_count_for_too_much_cost_accuracy() {
    for seed in 0..2 {
        let (_, right) = centered(1.0, seed).expect("a run");
        let (_, under) = centered(100.0, seed).expect("a run");
        println!("{right} and {under}");
        assert!(under < right - 0.1, "{under} of {right}");
    }
}

/// Recall at 1 on examples that were not learned from, of an embedding in four dimensions.
fn recall(miner: Miner, seed: u64) -> Result<f64> {
    let data = datasets::digits()?.few_shot(40, seed)?;
    let triplets = TripletLoss::new()
        .margin(0.2)
        .miner(miner)
        .mean_over_all(miner == Miner::All);
    let sampler = Sampler::PerClass { classes: 10, each: 5 };
    let recipe = Recipe::new().steps(1000).adam(0.003).sampler(sampler).seed(seed);
    let net = Mlp::new([64, 64, 4]).build(seed)?;
    let run = net.training().objective(triplets).run(&data.train, recipe)?;
    let options = EmbeddingOptions {
        normalized: true,
        ..Default::default()
    };
    let found = EmbeddingEvaluation::at_layer(run.network(), "logits", &data.test, &options)?;
    Ok(found.recall[0].1)
}

#[test]
fn semi_hard_triplets_beat_random_ones() {
    // All triplets, each as often as another, are what random ones are on average.
    let (mean, low) = gain(
        8,
        |seed| recall(Miner::SemiHard, seed),
        |seed| recall(Miner::All, seed),
    );
    assert!(low > 0.0 && mean > 0.01, "{mean}, from {low}");
}

/// The last loss and the mean distance between classes, where triplets of a fast training are chosen so.
fn fast(miner: Miner, seed: u64) -> Result<(f64, f64)> {
    let data = datasets::digits()?.few_shot(40, seed)?;
    let triplets = TripletLoss::new()
        .margin(0.2)
        .miner(miner)
        .normalized(false)
        .squared(true);
    let sampler = Sampler::PerClass { classes: 10, each: 5 };
    let recipe = Recipe::new().steps(400).adam(0.03).sampler(sampler).seed(seed);
    let net = Mlp::new([64, 64, 4]).build(seed)?;
    let run = net.training().objective(triplets).run(&data.train, recipe)?;
    let options = EmbeddingOptions::default();
    let found = EmbeddingEvaluation::at_layer(run.network(), "logits", &data.test, &options)?;
    Ok((run.row().map_or(f64::NAN, |row| row.loss), found.between))
}

#[test]
fn the_hardest_triplets_of_a_fast_training_put_all_in_one_place() {
    for seed in 0..2 {
        let (loss, between) = fast(Miner::BatchHard, seed).expect("a run");
        println!("loss {loss}, distance {between}");
        // Each triplet costs the margin.
        assert!((loss - 0.2).abs() < 0.01 && between < 0.01, "{loss}, {between}");
        let (_, between) = fast(Miner::SemiHard, seed).expect("a run");
        assert!(between > 1.0, "{between}");
    }
}

/// Recall at 1 of digits of classes that were never seen: in an embedding of sixteen numbers, or by their pixels.
fn unseen(learned: bool, seed: u64) -> Result<f64> {
    let digits = datasets::digits()?;
    let new = digits.of_classes(&["7", "8", "9"])?;
    if !learned {
        let found = EmbeddingEvaluation::of(new.features(), new.width(), new.require_labels()?)?;
        return Ok(found.recall[0].1);
    }
    let old = digits.of_classes(&["0", "1", "2", "3", "4", "5", "6"])?;
    let sampler = Sampler::PerClass { classes: 7, each: 5 };
    let recipe = Recipe::new().steps(600).adam(0.003).sampler(sampler).seed(seed);
    let triplets = TripletLoss::new().margin(0.2).miner(Miner::SemiHard);
    let net = Mlp::new([64, 64, 16]).build(seed)?;
    let run = net.training().objective(triplets).run(&old, recipe)?;
    let options = EmbeddingOptions {
        normalized: true,
        ..Default::default()
    };
    let found = EmbeddingEvaluation::at_layer(run.network(), "logits", &new, &options)?;
    Ok(found.recall[0].1)
}

#[test]
fn of_few_classes_triplets_teach_less_for_others_than_pixels_say() {
    let (mean, low) = gain(5, |seed| unseen(false, seed), |seed| unseen(true, seed));
    assert!(low > 0.0 && mean > 0.03, "{mean}, from {low}");
}
