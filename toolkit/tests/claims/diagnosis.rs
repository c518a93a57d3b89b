//! Planted illnesses are found, sound trainings are left in peace, and the line that a finding says mends what it found.

use jook::prelude::*;
use jook::seed::{rand::Rng as _, stream};

use super::noisy_digits;

const SEEDS: u64 = 3;

/// Some of the digits: what has to be found is found in fewer, too.
fn digits(seed: u64) -> Result<Split> {
    datasets::digits()?.few_shot(60, seed)?.test_of(300)
}

trait TestOf {
    fn test_of(&self, n: usize) -> Result<Split>;
}

impl TestOf for Split {
    /// The same with so many examples to test on.
    fn test_of(&self, n: usize) -> Result<Split> {
        let every = self.test.len() / n;
        let rows: Vec<usize> = (0..n).map(|i| i * every).collect();
        Split::new(self.train.clone(), self.test.subset(&rows)?)
    }
}

fn mlp() -> Mlp {
    Mlp::new([64, 48, 10])
}

fn recipe(seed: u64) -> Recipe {
    Recipe::new().epochs(15).batch(20).adam(0.003).seed(seed)
}

/// The same examples with other features.
fn with_features(data: &Dataset, features: Vec<f32>) -> Result<Dataset> {
    let names = data.class_names().to_vec();
    Dataset::new(data.name(), data.shape(), features)?.with_labels(data.require_labels()?.to_vec(), names)
}

/// Each number of each example through `change`, with its place and the label.
fn changed(data: &Dataset, mut change: impl FnMut(f32, usize, u32) -> f32) -> Result<Dataset> {
    let labels = data.require_labels()?.to_vec();
    let numbers = data.features().iter().enumerate();
    let numbers = numbers.map(|(i, &x)| change(x, i % data.width(), labels[i / data.width()]));
    with_features(data, numbers.collect())
}

/// The test part with its first rows replaced by examples of the training part, changed by up to `noise`.
fn copied(split: &Split, rows: usize, noise: f32, seed: u64) -> Result<Split> {
    let mut draw = stream(seed, "copies");
    let width = split.train.width();
    let mut features = split.test.features().to_vec();
    let mut labels = split.test.require_labels()?.to_vec();
    for (to, from) in (0..rows).map(|i| (i, 3 * i)) {
        for (x, own) in features[to * width..][..width]
            .iter_mut()
            .zip(split.train.row(from))
        {
            *x = own + noise * draw.random_range(-1.0f32..=1.0);
        }
        labels[to] = split.train.require_labels()?[from];
    }
    let names = split.test.class_names().to_vec();
    let test = Dataset::new("test", split.test.shape(), features)?.with_labels(labels, names)?;
    Split::new(split.train.clone(), test)
}

/// The training part with `keep` examples of class 3.
fn few_threes(split: &Split, keep: usize) -> Result<Split> {
    let gone: Vec<usize> = split.train.rows_of(3).into_iter().skip(keep).collect();
    Split::new(split.train.without_rows(&gone)?, split.test.clone())
}

/// The labels of the training part in another order.
fn shuffled(split: &Split, seed: u64) -> Result<Split> {
    let mut draw = stream(seed, "shuffled labels");
    let mut labels = split.train.require_labels()?.to_vec();
    for i in (1..labels.len()).rev() {
        labels.swap(i, draw.random_range(0..=i as u64) as usize);
    }
    let train = split
        .train
        .clone()
        .with_labels(labels, split.train.class_names().to_vec())?;
    Split::new(train, split.test.clone())
}

type Trained = Result<(Run, Split)>;

fn trained(net: Mlp, split: Split, recipe: Recipe) -> Trained {
    Ok((net.train(&split.train, recipe)?, split))
}

/// A corner pixel that is the label, in both parts.
fn leaky(seed: u64) -> Result<Split> {
    let split = digits(seed)?;
    let leak = |part: &Dataset| changed(part, |x, at, label| if at == 0 { label as f32 / 9.0 } else { x });
    Split::new(leak(&split.train)?, leak(&split.test)?)
}

/// Each illness by name, what has to be found, and how it is planted.
#[allow(clippy::type_complexity)]
fn planted() -> Vec<(&'static str, &'static [Illness], fn(u64) -> Trained)> {
    use Illness::*;
    vec![
        ("a low rate", &[RateTooLow, Underfit], |s| {
            trained(mlp(), digits(s)?, recipe(s).sgd(1e-4))
        }),
        ("a high rate", &[RateTooHigh], |s| {
            trained(mlp(), digits(s)?, recipe(s).adam(0.5))
        }),
        ("an absurd rate", &[Diverged], |s| {
            trained(mlp(), digits(s)?, recipe(s).sgd(1e20))
        }),
        ("too small a network", &[Underfit], |s| {
            let moons = datasets::two_moons(400, 0.1, s)?.split(0.3, s)?;
            trained(Mlp::new([2, 2]), moons, recipe(s).epochs(40).adam(0.03))
        }),
        ("few images by heart", &[Overfit], |s| {
            trained(mlp(), datasets::digits()?.few_shot(5, s)?, recipe(s).epochs(100))
        }),
        ("biases far below 0", &[DeadUnits], |s| {
            trained(mlp().bias_init(Constant(-4.0)), digits(s)?, recipe(s))
        }),
        ("large weights before tanh", &[SaturatedUnits], |s| {
            let net = Mlp::new([64, 48, 48, 10])
                .activation(Activation::Tanh)
                .init(Normal(2.0));
            trained(net, digits(s)?, recipe(s))
        }),
        ("eight layers of sigmoids", &[VanishingGradients, Underfit], |s| {
            let net = Mlp::new([64, 32, 32, 32, 32, 32, 32, 32, 32, 10]).activation(Activation::Sigmoid);
            trained(net, digits(s)?, recipe(s).sgd(0.05))
        }),
        ("every eighth label wrong", &[WrongLabels], |s| {
            trained(
                mlp(),
                noisy_digits(60, 0.125, s)?.test_of(300)?,
                recipe(s).epochs(60),
            )
        }),
        ("shuffled labels", &[NoSignal], |s| {
            trained(mlp(), shuffled(&digits(s)?, s)?, recipe(s))
        }),
        ("no three to learn from", &[MissingClass], |s| {
            trained(mlp(), few_threes(&digits(s)?, 0)?, recipe(s))
        }),
        ("three threes", &[ClassImbalance], |s| {
            trained(mlp(), few_threes(&digits(s)?, 3)?, recipe(s))
        }),
        ("a pixel that is the label", &[Leak], |s| {
            trained(mlp(), leaky(s)?, recipe(s))
        }),
        ("copies in the test part", &[Duplicates], |s| {
            trained(mlp(), copied(&digits(s)?, 30, 0.0, s)?, recipe(s))
        }),
        ("copies with a little noise", &[NearDuplicates], |s| {
            trained(mlp(), copied(&digits(s)?, 60, 0.01, s)?, recipe(s))
        }),
        ("a darker test part", &[PartsDiffer], |s| {
            let split = digits(s)?;
            let dark = changed(&split.test, |x, _, _| 0.75 * x)?;
            trained(mlp(), Split::new(split.train, dark)?, recipe(s))
        }),
        ("raw measurements", &[UnscaledFeatures], |s| {
            trained(Mlp::new([13, 16, 3]), datasets::wine()?.split(0.3, s)?, recipe(s))
        }),
        ("ten to test on", &[FewTestExamples], |s| {
            let split = digits(s)?.test_of(10)?;
            trained(mlp(), split, recipe(s))
        }),
        ("groups in both parts", &[SharedGroups], |s| {
            let split = digits(s)?;
            let grouped = |part: Dataset| {
                let groups = (0..part.len() as u32).map(|row| row % 50).collect();
                part.with_groups(groups)
            };
            trained(
                mlp(),
                Split::new(grouped(split.train)?, grouped(split.test)?)?,
                recipe(s),
            )
        }),
    ]
}

#[test]
fn planted_illnesses_are_found() {
    let mut missed = Vec::new();
    for (name, illnesses, plant) in planted() {
        for seed in 0..SEEDS {
            let (run, split) = plant(seed).expect(name);
            let diagnosis = run.diagnose(&split).expect(name);
            let found: Vec<Illness> = diagnosis.findings().iter().map(|found| found.illness).collect();
            println!("{name}, seed {seed}: {found:?}");
            for illness in illnesses {
                if !diagnosis.has(*illness) {
                    missed.push(format!("{name}, seed {seed}: no {illness} in {diagnosis}"));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
}

/// Sound trainings: data, networks and recipes of every kind.
#[allow(clippy::type_complexity)]
fn sound() -> Vec<(&'static str, fn(u64) -> Trained)> {
    vec![
        ("digits", |s| trained(mlp(), digits(s)?, recipe(s))),
        ("digits, early stopping", |s| {
            let recipe = recipe(s).epochs(40).sgd(0.05).momentum(0.9).early_stopping(0.2);
            trained(mlp(), datasets::digits()?.split(0.25, s)?, recipe)
        }),
        ("digits, convolutional", |s| {
            let split = digits(s)?;
            let net = Cnn::new((8, 8, 1), 10).channels([8]).kernel(3).hidden(32);
            Ok((net.train(&split.train, recipe(s).epochs(10))?, split))
        }),
        ("digits, dropout and one cycle", |s| {
            let net = mlp().activation(LeakyRelu(0.1)).dropout(0.2);
            trained(net, digits(s)?, recipe(s).epochs(25).adam(0.01).one_cycle())
        }),
        ("digits, five layers of tanh", |s| {
            let net = Mlp::new([64, 48, 48, 48, 48, 10])
                .activation(Activation::Tanh)
                .init(XavierUniform);
            trained(net, digits(s)?, recipe(s).sgd(0.05))
        }),
        ("iris", |s| {
            let split = datasets::iris()?.split(0.3, s)?.standardized()?;
            trained(Mlp::new([4, 16, 3]), split, recipe(s).epochs(60))
        }),
        ("wine", |s| {
            let split = datasets::wine()?.split(0.3, s)?.standardized()?;
            trained(Mlp::new([13, 16, 3]), split, recipe(s).epochs(30).decay(0.01))
        }),
        ("breast cancer", |s| {
            let split = datasets::breast_cancer()?.split(0.3, s)?.standardized()?;
            trained(Mlp::new([30, 16, 2]), split, recipe(s))
        }),
        ("moons", |s| {
            let split = datasets::two_moons(400, 0.1, s)?.split(0.3, s)?;
            trained(Mlp::new([2, 32, 2]), split, recipe(s).epochs(60).adam(0.01))
        }),
        ("moons that overlap", |s| {
            let split = datasets::two_moons(600, 0.3, s)?.split(0.3, s)?;
            trained(Mlp::new([2, 16, 2]), split, recipe(s).epochs(30).adam(0.01))
        }),
        ("blobs", |s| {
            let split = datasets::blobs(400, 4, 1.0, s)?.split(0.3, s)?.standardized()?;
            trained(Mlp::new([2, 16, 4]), split, recipe(s).epochs(30))
        }),
        ("a curve", |s| {
            let mut draw = stream(s, "noise");
            let xs: Vec<f32> = (0..300).map(|_| draw.random_range(-1.0f32..1.0)).collect();
            let ys = xs
                .iter()
                .map(|x| (3.0 * x).sin() + 0.1 * draw.random_range(-1.0f32..1.0));
            let ys = ys.collect();
            let split = Dataset::new("curve", 1, xs)?
                .with_values(ys, ["y"])?
                .split(0.3, s)?;
            trained(Mlp::new([1, 32, 1]), split, recipe(s).epochs(60).adam(0.01))
        }),
    ]
}

#[test]
fn sound_trainings_are_left_in_peace() {
    let mut disturbed = Vec::new();
    for (name, train) in sound() {
        for seed in 0..SEEDS {
            let (run, split) = train(seed).expect(name);
            let diagnosis = run.diagnose(&split).expect(name);
            let remarks: Vec<Illness> = diagnosis.remarks().iter().map(|found| found.illness).collect();
            println!("{name}, seed {seed}: remarks {remarks:?}");
            if !diagnosis.findings().is_empty() {
                disturbed.push(format!("{name}, seed {seed}: {run}\n{diagnosis}"));
            }
        }
    }
    assert!(disturbed.is_empty(), "{}", disturbed.join("\n\n"));
}

/// The accuracy on the test part of a diagnosed training, and of one that follows the line.
fn mended(
    illness: Illness,
    line: &str,
    plant: fn(u64) -> Trained,
    follow: impl Fn(&Run, &Split, &Diagnosis) -> Result<Run>,
) -> f64 {
    let gains = (0..SEEDS).map(|seed| {
        let (run, split) = plant(seed)?;
        let diagnosis = run.diagnose(&split)?;
        let found = diagnosis
            .findings()
            .into_iter()
            .find(|found| found.illness == illness);
        let said = &found.expect("the illness").line;
        assert!(said.contains(line), "{illness}: {said}");
        let after = follow(&run, &split, &diagnosis)?;
        Ok(after.evaluate(&split.test)?.accuracy - run.evaluate(&split.test)?.accuracy)
    });
    let gains: Vec<f64> = gains.collect::<Result<_>>().expect("runs");
    println!("{illness}, {line}: {gains:?}");
    gains.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The number in the parentheses of a line.
fn number_in(line: &str, call: &str) -> f64 {
    let rest = line.split_once(call).expect("the call").1;
    rest.split_once(')')
        .expect("a number")
        .0
        .parse()
        .expect("a number")
}

#[test]
fn the_lines_mend_what_they_are_for() {
    let line_of = |diagnosis: &Diagnosis, illness| {
        let found = diagnosis
            .findings()
            .into_iter()
            .find(|found| found.illness == illness);
        found.expect("the illness").line.clone()
    };
    let plant_of = |name: &str| planted().into_iter().find(|p| p.0 == name).expect("an illness").2;
    let rate = |illness: Illness| {
        move |run: &Run, split: &Split, diagnosis: &Diagnosis| {
            let rate = number_in(&line_of(diagnosis, illness), "recipe.rate(");
            mlp().train(&split.train, run.recipe.clone().rate(rate))
        }
    };
    let low = plant_of("a low rate");
    assert!(
        mended(
            Illness::RateTooLow,
            "recipe.rate(",
            low,
            rate(Illness::RateTooLow)
        ) > 0.3
    );
    let high = plant_of("a high rate");
    assert!(
        mended(
            Illness::RateTooHigh,
            "recipe.rate(",
            high,
            rate(Illness::RateTooHigh)
        ) > 0.1
    );
    let heart = plant_of("few images by heart");
    let line = "recipe.augment(Augmentation::Crop(1).sometimes(0.5)).average(0.99)";
    let gain = mended(Illness::Overfit, line, heart, |run, split, _| {
        let recipe = run.recipe.clone();
        let recipe = recipe.augment(Augmentation::Crop(1).sometimes(0.5)).average(0.99);
        mlp().train(&split.train, recipe)
    });
    assert!(gain > 0.005, "{gain}");
    let noise = plant_of("every eighth label wrong");
    let line = "split.train.without_rows(&diagnosis.rows(Illness::WrongLabels))";
    let gain = mended(Illness::WrongLabels, line, noise, |run, split, diagnosis| {
        let train = split.train.without_rows(&diagnosis.rows(Illness::WrongLabels))?;
        mlp().train(&train, run.recipe.clone())
    });
    assert!(gain > 0.01, "{gain}");
    let dead = plant_of("biases far below 0");
    let line = "let net = net.activation(LeakyRelu(0.1));";
    let gain = mended(Illness::DeadUnits, line, dead, |run, split, _| {
        let net = mlp().bias_init(Constant(-4.0)).activation(LeakyRelu(0.1));
        net.train(&split.train, run.recipe.clone())
    });
    assert!(gain > 0.5, "{gain}");
    let deep = plant_of("eight layers of sigmoids");
    let line = "net.activation(Relu).init(HeNormal)";
    let gain = mended(Illness::VanishingGradients, line, deep, |run, split, _| {
        let net = Mlp::new([64, 32, 32, 32, 32, 32, 32, 32, 32, 10]);
        let net = net.activation(Relu).init(HeNormal);
        net.train(&split.train, run.recipe.clone())
    });
    assert!(gain > 0.5, "{gain}");
}

/// What is found of wrong labels is what was planted: most of it, and little else.
#[test]
fn the_rows_of_wrong_labels_are_those_that_were_changed() {
    for seed in 0..SEEDS {
        let clean = datasets::digits()
            .and_then(|d| d.few_shot(60, seed))
            .expect("data");
        let noisy = noisy_digits(60, 0.125, seed).expect("data");
        let diagnosis = noisy.diagnose().expect("a diagnosis");
        let (truth, given) = (
            clean.train.labels().expect("labels"),
            noisy.train.labels().expect("labels"),
        );
        let wrong: Vec<usize> = (0..truth.len()).filter(|&row| truth[row] != given[row]).collect();
        let rows = diagnosis.rows(Illness::WrongLabels);
        let hits = rows.iter().filter(|row| wrong.contains(row)).count() as f64;
        let (recall, precision) = (hits / wrong.len() as f64, hits / rows.len() as f64);
        println!("wrong labels: recall {recall:.2}, precision {precision:.2}");
        assert!(recall > 0.6 && precision > 0.6, "{recall}, {precision}");
    }
}
