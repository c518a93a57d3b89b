//! The Rust side of `benches/tricks`: does one timed piece of work for each JSON line it reads, and answers with the
//! seconds it took.

use std::io::{BufRead, Write};
use std::time::Instant;

use jook::prelude::*;
use jook::seed;
use rand::Rng;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const CLASSES: usize = 10;

/// Random numbers of this shape with the class written into them: something a network can learn.
fn data(shape: impl Into<jook::data::Shape>, examples: usize) -> Result<Dataset> {
    let (shape, mut rng) = (shape.into(), seed::stream(0, "benchmark"));
    let (mut features, mut labels) = (Vec::new(), Vec::with_capacity(examples));
    for _ in 0..examples {
        let label = rng.random_range(0..CLASSES);
        let width = shape.width();
        features.extend((0..width).map(|j| 0.5 * (rng.random::<f32>() + f32::from(u8::from(j == label)))));
        labels.push(label as u32);
    }
    let names = (0..CLASSES).map(|class| class.to_string()).collect();
    Dataset::new("random", shape, features)?.with_labels(labels, names)
}

fn read<T: DeserializeOwned>(work: &Value, name: &str) -> Result<T> {
    T::deserialize(&work[name]).map_err(|error| Error::spec(error.to_string()).at(name))
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<f64> {
    let start = Instant::now();
    quiet(work)?;
    Ok(start.elapsed().as_secs_f64())
}

/// Steps of a recipe on the MLP 64-128-128-10.
fn steps(work: &Value) -> Result<f64> {
    let (data, recipe) = (data(64, 1438)?, read::<Recipe>(work, "recipe")?);
    let net = Mlp::new([64, 128, 128, CLASSES]).build(0)?;
    timed(|| net.train(&data, recipe))
}

/// Steps of a metric loss on the embedding that the MLP 64-128-128-32 gives; of the center loss, on the last hidden layer
/// of the MLP 64-128-128-10.
fn metric(work: &Value) -> Result<f64> {
    let (data, recipe) = (data(64, 1438)?, read::<Recipe>(work, "recipe")?);
    let loss = work["loss"].as_str().unwrap_or_default();
    let width = if loss == "softmax and center" { CLASSES } else { 32 };
    let net = Mlp::new([64, 128, 128, width]).build(0)?;
    let triplets = |miner| TripletLoss::new().margin(0.2).miner(miner);
    let training = net.training();
    let training = match loss {
        "triplet, all" => training.objective(triplets(Miner::All)),
        "triplet, hard" => training.objective(triplets(Miner::Hard)),
        "triplet, semi-hard" => training.objective(triplets(Miner::SemiHard)),
        "triplet, batch-hard" => training.objective(triplets(Miner::BatchHard)),
        "triplet, distance-weighted" => training.objective(triplets(Miner::distance_weighted(0))),
        "contrastive" => training.objective(ContrastiveLoss::new().margin(1.0)),
        "supervised contrastive" => training.objective(SupervisedContrastive::new()),
        "multi-similarity" => training.objective(MultiSimilarity::new()),
        "proxy anchor" => training.objective(ProxyAnchor::new()),
        "ArcFace" => training.objective(ArcFace::new()),
        "CosFace" => training.objective(CosFace::new()),
        "softmax and center" => training.objective(
            Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits"))
                .plus(0.1, CenterLoss::new().at("activation2")),
        ),
        other => return Err(Error::spec(format!("unknown loss: {other:?}"))),
    };
    timed(|| training.run(&data, recipe))
}

/// Changes as a recipe holds them, or a name that stands for some.
fn changes(work: &Value) -> Result<Vec<Augmentation>> {
    match work["changes"].as_str() {
        Some("RandAugment") => Ok(vec![Augmentation::rand_augment(2, 0.3)]),
        _ => read(work, "changes"),
    }
}

/// Steps of a small CNN on images of 32 x 32 x 3 with these changes.
fn images(work: &Value) -> Result<f64> {
    let data = data((32, 32, 3), 512)?;
    let recipe = changes(work)?
        .into_iter()
        .fold(read::<Recipe>(work, "recipe")?, Recipe::augment);
    let net = Cnn::new((32, 32, 3), CLASSES)
        .channels([16, 32])
        .kernel(3)
        .hidden(64)
        .build(0)?;
    timed(|| net.train(&data, recipe))
}

/// The changes alone, over 512 images of 32 x 32 x 3.
fn augment(work: &Value) -> Result<f64> {
    let (data, changes) = (data((32, 32, 3), 512)?, changes(work)?);
    timed(|| data.augmented(&changes, 0, 0))
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        let work: Value = serde_json::from_str(&line?)?;
        let seconds = match work["kind"].as_str() {
            Some("steps") => steps(&work)?,
            Some("metric") => metric(&work)?,
            Some("images") => images(&work)?,
            Some("augment") => augment(&work)?,
            other => return Err(format!("unknown kind of work: {other:?}").into()),
        };
        println!("{}", json!({ "seconds": seconds }));
        std::io::stdout().flush()?;
    }
    Ok(())
}
