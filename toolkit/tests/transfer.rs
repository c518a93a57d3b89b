//! What transfer is good for, measured over several seeds against controls. Settings were chosen on other seeds.
//!
//! `cargo test --release --workspace --test transfer -- --nocapture` prints the numbers.

use std::time::Instant;

use jook::prelude::*;
use rayon::prelude::*;

fn accuracy(run: &Run, test: &Dataset) -> Result<f64> {
    Ok(100.0 * run.evaluate(test)?.accuracy)
}

fn mean(values: impl Iterator<Item = f64>) -> Mean {
    Mean::of(&values.collect::<Vec<_>>()).expect("there are seeds")
}

fn paired(pairs: impl Iterator<Item = (f64, f64)>) -> Paired {
    Paired::of(&pairs.collect::<Vec<_>>()).expect("there are seeds")
}

fn interval(paired: &Paired) -> (f64, f64) {
    paired.interval.expect("the seeds differ")
}

fn features(network: &Network, layer: &str, data: &Dataset) -> Result<FeatureSet> {
    Features::of(network, layer).without_cache().run(data)
}

/// One way to learn the digits 5 to 9: the test accuracy in %, and the time in seconds.
struct Way {
    accuracy: f64,
    seconds: f64,
}

/// Convolutions that have seen the digits 0 to 4 serve 5 to 9: only the dense layers are trained anew, on features. The
/// controls are training everything on 5 to 9, and convolutions that have seen nothing.
#[test]
fn convolutions_of_some_digits_serve_the_others() -> Result<()> {
    const HIDDEN: usize = 64;
    let digits = datasets::digits()?;
    let first = digits.of_classes(&["0", "1", "2", "3", "4"])?;
    let others = digits.of_classes(&["5", "6", "7", "8", "9"])?;
    let net = Cnn::new(digits.shape(), 5)
        .channels([16, 32])
        .kernel(3)
        .batch_norm()
        .hidden(HIDDEN);
    let mut found: Vec<[Way; 3]> = Vec::new();
    for seed in 100..120 {
        let recipe = Recipe::new().batch(16).adam(0.002).seed(seed);
        let parts = others.few_shot(80, seed)?;
        let everything = || -> Result<Way> {
            let start = Instant::now();
            let run = quiet(|| net.train(&parts.train, recipe.clone().epochs(30)))?;
            let seconds = start.elapsed().as_secs_f64();
            Ok(Way {
                accuracy: accuracy(&run, &parts.test)?,
                seconds,
            })
        };
        let dense_alone = |network: &Network| -> Result<Way> {
            let start = Instant::now();
            let train = quiet(|| features(network, "flatten", &parts.train))?;
            let dense = Mlp::new([train.width(), HIDDEN, 5]);
            let run = quiet(|| dense.train(&train, recipe.clone().epochs(100)))?;
            let seconds = start.elapsed().as_secs_f64();
            let test = quiet(|| features(network, "flatten", &parts.test))?;
            Ok(Way {
                accuracy: accuracy(&run, &test)?,
                seconds,
            })
        };
        let trained = quiet(|| net.train(&first, recipe.clone().epochs(10)))?.model;
        let untrained = net.build(seed + 100)?;
        found.push([everything()?, dense_alone(&trained)?, dense_alone(&untrained)?]);
    }
    for (at, name) in [
        "everything trained",
        "dense layers on trained",
        "dense layers on random",
    ]
    .into_iter()
    .enumerate()
    {
        let accuracy = mean(found.iter().map(|ways| ways[at].accuracy));
        let seconds = mean(found.iter().map(|ways| ways[at].seconds)).mean;
        println!("{name:>24}: accuracy in % {accuracy}, {seconds:.3} s");
    }
    let lost = paired(found.iter().map(|ways| (ways[0].accuracy, ways[1].accuracy)));
    let gained = paired(found.iter().map(|ways| (ways[1].accuracy, ways[2].accuracy)));
    println!("lost against everything: {lost:?}\ngained against random convolutions: {gained:?}");
    assert!(interval(&lost).1 < 1.5, "{lost:?}");
    assert!(interval(&gained).0 > 0.0, "{gained:?}");
    // The seconds are printed and not compared: on a busy machine either may be slower.
    Ok(())
}

/// A network of 24 x 24 images and one of their 8 x 8 view, joined, beat each alone on few objects. So do, and more
/// clearly, two networks of the 24 x 24 images: the gain is that of a second network, not of a second resolution.
#[test]
fn two_networks_under_one_layer_beat_each_alone() -> Result<()> {
    let of_seed = |seed: u64| -> Result<[f64; 4]> {
        let data = datasets::objects(1000, 24, ImageDomain::Flat, seed)?.few_shot(40, seed)?;
        let views = Split {
            validation: None,
            train: data.train.at_resolution(8, 8)?,
            test: data.test.at_resolution(8, 8)?,
        };
        let train = |data: &Dataset, seed| {
            let net = Cnn::new(data.shape(), 10)
                .channels([16, 32])
                .hidden(64)
                .dropout(0.3);
            net.train(data, Recipe::new().epochs(30).batch(16).adam(0.001).seed(seed))
        };
        let fine = train(&data.train, seed)?;
        let coarse = train(&views.train, seed)?;
        let second = train(&data.train, seed + 100)?;
        let with = |other: &Network| -> Result<f64> {
            let joined = Concat::new(&fine.model, other).build(seed)?;
            let [train, test] = [&data.train, &data.test].map(|part| features(&joined, "bottlenecks", part));
            let (train, test) = (train?, test?);
            let last = Mlp::new([train.width(), 10]);
            let run = last.train(&train, Recipe::new().epochs(30).batch(16).adam(0.001).seed(seed))?;
            accuracy(&run, &test)
        };
        Ok([
            accuracy(&fine, &data.test)?,
            accuracy(&coarse, &views.test)?,
            with(&coarse.model)?,
            with(&second.model)?,
        ])
    };
    let found: Vec<[f64; 4]> = (10..30u64)
        .into_par_iter()
        .map(|seed| quiet(|| of_seed(seed)))
        .collect::<Result<_>>()?;
    for (at, name) in ["24 x 24", "8 x 8", "both joined", "two of 24 x 24"]
        .into_iter()
        .enumerate()
    {
        println!(
            "{name:>14}: accuracy in % {}",
            mean(found.iter().map(|one| one[at]))
        );
    }
    for alone in [0, 1] {
        let gained = paired(found.iter().map(|one| (one[2], one[alone])));
        println!("joined against one alone: {gained:?}");
        assert!(interval(&gained).0 > 0.0, "{gained:?}");
    }
    println!(
        "joined against two of 24 x 24: {:?}",
        paired(found.iter().map(|one| (one[2], one[3])))
    );
    Ok(())
}
