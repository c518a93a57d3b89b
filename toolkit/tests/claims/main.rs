//! What is said of the tricks, put to the test: each over seeds, beside a control, with a margin that chance does not
//! cross, and false where the trick is switched off.

mod augmentation;
mod dead_units;
mod diagnosis;
mod dropout;
mod early_stopping;
mod embeddings;
mod initial_weights;
mod optimizers;
mod overfitting;
mod penalties;
mod rates;
mod text_and_sound;

use jook::prelude::*;

/// By how much `with` is above `without`, over the seeds `0..n`: the mean, and the lower end of its 95% interval.
fn gain(n: u64, with: impl Fn(u64) -> Result<f64>, without: impl Fn(u64) -> Result<f64>) -> (f64, f64) {
    let pairs: Vec<(f64, f64)> = (0..n)
        .map(|seed| {
            let pair = with(seed).and_then(|a| Ok((a, without(seed)?)));
            pair.expect("a pair of runs")
        })
        .collect();
    let paired = Paired::of(&pairs).expect("pairs");
    let low = paired.interval.map_or(paired.difference, |(low, _)| low);
    println!("{paired:?}");
    (paired.difference, low)
}

/// Digits, `each` of a class to learn from, of which a share has another label, drawn by `seed`.
fn noisy_digits(each: usize, share: f64, seed: u64) -> Result<Split> {
    use jook::seed::{rand::Rng as _, stream};
    let split = datasets::digits()?.few_shot(each, seed)?;
    let mut draw = stream(seed, "label noise");
    let mut labels = split.train.require_labels()?.to_vec();
    for label in &mut labels {
        if draw.random::<f64>() < share {
            *label = (*label + draw.random_range(1..10u32)) % 10;
        }
    }
    let names = split.train.class_names().to_vec();
    let train = split.train.with_labels(labels, names)?;
    Split::new(train, split.test)
}

fn accuracy<M>(run: &Run<M>, test: &Dataset) -> Result<f64> {
    Ok(run.evaluate(test)?.accuracy)
}
