//! The Rust side of `benches/mnist`: a small convolutional network against a multilayer perceptron, both trained on
//! 1,000 images of MNIST and tested on 9,000, over several seeds.
//!
//! Recipes were chosen on seeds from 100 on (`--seed 100`); what is reported is of the seeds from 0 on.

use std::path::PathBuf;
use std::time::Instant;

use jook::prelude::*;

const TRAINING_A_CLASS: usize = 100;

/// The folder, the number of seeds and the first of them.
fn arguments() -> Result<(PathBuf, u64, u64)> {
    let (mut folder, mut seeds, mut first) = (None, 5, 0);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().unwrap_or_default();
            value.parse().map_err(|_| {
                Error::spec(format!(
                    "expected a whole number after {argument}, found {value:?}"
                ))
                .fix("benches/mnist FOLDER [--seeds N] [--seed FIRST]")
            })
        };
        match argument.as_str() {
            "--seeds" => seeds = number()?,
            "--seed" => first = number()?,
            _ => folder = Some(PathBuf::from(argument)),
        }
    }
    let folder = folder.or_else(|| std::env::var_os("JOOK_MNIST").map(PathBuf::from));
    let folder = folder.ok_or_else(missing)?;
    Ok((folder, seeds, first))
}

fn missing() -> Error {
    Error::data("MNIST does not ship with Jook, and no folder with it was named").fix(
        "name a folder that holds t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz, \
         the test set of http://yann.lecun.com/exdb/mnist: benches/mnist FOLDER, or JOOK_MNIST=FOLDER",
    )
}

fn images(folder: &std::path::Path) -> Result<Dataset> {
    let file = |name: &str| {
        let packed = folder.join(format!("{name}.gz"));
        if packed.exists() {
            packed
        } else {
            folder.join(name)
        }
    };
    let (images, labels) = (file("t10k-images-idx3-ubyte"), file("t10k-labels-idx1-ubyte"));
    if !images.exists() || !labels.exists() {
        return Err(missing().at(folder.display().to_string()));
    }
    Dataset::from_idx(images, labels)
}

fn main() -> Result<()> {
    let (folder, seeds, first) = arguments()?;
    let data = images(&folder)?;
    let cnn = Cnn::new(data.shape(), data.classes())
        .channels([32, 64])
        .dropout(0.5);
    let mlp = Mlp::new([data.width(), 256, 128, data.classes()]).dropout(0.3);
    let recipe = |seed| {
        Recipe::new()
            .epochs(60)
            .batch(32)
            .adam(0.001)
            .stepped(0.3, 40)
            .seed(seed)
    };
    println!(
        "{data}\n  Cnn  {}\n  Mlp  {}\n  both {}",
        cnn.spec()?,
        mlp.spec()?,
        recipe(first)
    );
    let mut pairs = Vec::new();
    for seed in first..first + seeds {
        let parts = data.few_shot(TRAINING_A_CLASS, seed)?;
        let measured = |train: &dyn Fn() -> Result<Run>| -> Result<(f64, f64)> {
            let start = Instant::now();
            let run = quiet(train)?;
            let seconds = start.elapsed().as_secs_f64();
            Ok((100.0 * run.evaluate(&parts.test)?.accuracy, seconds))
        };
        let (with_convolutions, a) = measured(&|| cnn.train(&parts.train, recipe(seed)))?;
        let (without, b) = measured(&|| mlp.train(&parts.train, recipe(seed)))?;
        println!(
            "seed {seed}: {} for training, {} for test; Cnn {with_convolutions:.2}% in {a:.1} s, \
             Mlp {without:.2}% in {b:.1} s",
            parts.train.len(),
            parts.test.len()
        );
        pairs.push((with_convolutions, without));
    }
    let mean = |of: fn(&(f64, f64)) -> f64| Mean::of(&pairs.iter().map(of).collect::<Vec<_>>());
    if let (Some(cnn), Some(mlp)) = (mean(|pair| pair.0), mean(|pair| pair.1)) {
        println!("accuracy in %: Cnn {cnn}; Mlp {mlp}");
    }
    if let Some(Paired {
        difference,
        interval: Some((low, high)),
        ..
    }) = Paired::of(&pairs)
    {
        println!("Cnn - Mlp: {difference:.2} points, 95% interval {low:.2} to {high:.2}");
    }
    Ok(())
}
