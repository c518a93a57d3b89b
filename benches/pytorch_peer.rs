//! The Rust side of `benches/run`: does one timed piece of work for each JSON line it reads, and answers
//! with the seconds it took.

use std::io::{BufRead, Write};
use std::time::Instant;

use jook::prelude::*;
use jook::seed;
use rand::Rng;
use serde_json::{Value, json};

const EXAMPLES: usize = 1438;
const FEATURES: usize = 64;
const CLASSES: usize = 10;

/// Random features with the class written into them: something a network can learn.
fn data(examples: usize, seed: u64) -> Result<Dataset> {
    let mut rng = seed::stream(seed, "benchmark");
    let mut features = Vec::with_capacity(examples * FEATURES);
    let mut labels = Vec::with_capacity(examples);
    for _ in 0..examples {
        let label = rng.random_range(0..CLASSES);
        features.extend((0..FEATURES).map(|j| rng.random::<f32>() + f32::from(u8::from(j == label))));
        labels.push(label as u32);
    }
    let names = (0..CLASSES).map(|class| class.to_string()).collect();
    Dataset::new("random", FEATURES, features)?.with_labels(labels, names)
}

/// `steps` optimizer steps of the MLP 64-128-128-10, as a cell would ask for them.
fn steps(work: &Value) -> Result<f64> {
    let data = data(EXAMPLES, 0)?;
    let net = Mlp::new([FEATURES, 128, 128, CLASSES]);
    let recipe = Recipe::new()
        .steps(work["steps"].as_u64().unwrap_or(100))
        .batch(work["batch"].as_u64().unwrap_or(32))
        .sgd(work["rate"].as_f64().unwrap_or(0.05))
        .momentum(work["momentum"].as_f64().unwrap_or(0.9));
    let start = Instant::now();
    quiet(|| net.train(&data, recipe))?;
    Ok(start.elapsed().as_secs_f64())
}

/// A study of many small trainings, with everything a study does: the store on disk, the table.
fn study(work: &Value) -> Result<f64> {
    let number = |name: &str| work[name].as_u64().unwrap_or(1);
    let recipe = Recipe::new()
        .epochs(number("epochs"))
        .batch(number("batch"))
        .sgd(work["rate"].as_f64().unwrap_or(0.05))
        .momentum(work["momentum"].as_f64().unwrap_or(0.9));
    let net = Mlp::new([FEATURES, number("hidden") as usize, CLASSES]);
    let store = std::env::temp_dir().join(format!("jook-bench-{}", std::process::id()));
    let start = Instant::now();
    quiet(|| -> Result<()> {
        let study = Study::new("benchmark")
            .seeds(number("trainings") as usize)
            .store(&store)
            .run(|trial| {
                let train = data(number("examples") as usize, trial.seed())?;
                net.train(&train, recipe.clone().seed(trial.seed()))?
                    .evaluate(&train)
            })?;
        study.table();
        Ok(())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&store).map_err(|error| Error::io(&store, &error))?;
    Ok(seconds)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        let work: Value = serde_json::from_str(&line?)?;
        let seconds = match work["kind"].as_str() {
            Some("steps") => steps(&work)?,
            Some("study") => study(&work)?,
            other => return Err(format!("unknown kind of work: {other:?}").into()),
        };
        println!("{}", json!({ "seconds": seconds }));
        std::io::stdout().flush()?;
    }
    Ok(())
}
