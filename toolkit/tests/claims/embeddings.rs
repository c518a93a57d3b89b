//! Centers draw the examples of a class together without loss of accuracy; semi-hard triplets teach more than random ones.

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
