//! Images here; texts and sounds in files of their own.

mod sounds;
mod texts;

use rand::Rng as _;
use serde_json::Value;

use super::geometry::{Affine, Part};
use super::*;
use crate::data::{Dataset, Targets, datasets};
use crate::net::Mlp;
use crate::seed::stream;
use crate::train::Recipe;

const GOLDEN: &str = include_str!("../../../../tests/reference/augmentation.json");

fn floats(value: &Value) -> Vec<f32> {
    let all = value.as_array().expect("numbers").iter();
    all.map(|x| x.as_f64().expect("a number") as f32).collect()
}

/// What an operation of torchvision's is here.
fn change(name: &str, given: &[f64], image: &mut Image<'_>) {
    let factor = given.first().map_or(0.0, |&x| x as f32);
    match (name, given) {
        ("mirror", _) => geometry::mirror(image),
        ("flip", _) => geometry::flip(image),
        ("shift", &[right, down]) => geometry::shift(image, right as i64, down as i64),
        ("enlarge", &[top, left, height, width]) => geometry::enlarge(
            image,
            Part {
                top: top as usize,
                left: left as usize,
                height: height as usize,
                width: width as usize,
            },
        ),
        ("rotate", &[degrees]) => geometry::warp(image, &Affine::rotation(degrees)),
        ("affine", &[degrees, right, down, scale, shear]) => geometry::warp(
            image,
            &Affine {
                degrees,
                right,
                down,
                scale,
                shear,
            },
        ),
        ("brightness", _) => colour::brighten(image, factor),
        ("contrast", _) => colour::contrast(image, factor),
        ("saturation", _) => colour::saturate(image, factor),
        ("gamma", _) => colour::gamma(image, factor),
        ("hue", _) => colour::turn_hue(image, factor),
        ("blur", &[deviation]) => blur::blur(image, deviation),
        _ => panic!("no operation {name}"),
    }
}

#[test]
fn images_are_changed_as_torchvision_changes_them() {
    let golden: Value = serde_json::from_str(GOLDEN).expect("golden values");
    let mut names = std::collections::BTreeSet::new();
    for case in golden["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("a name");
        names.insert(name);
        let given: Vec<f64> = floats(&case["given"]).into_iter().map(f64::from).collect();
        for (kind, expected) in case["images"].as_object().expect("images") {
            let image = &golden["images"][kind];
            let size = |name: &str| image[name].as_u64().expect("a size") as usize;
            let mut pixels = floats(&image["pixels"]);
            let mut scratch = Vec::new();
            let mut changed = Image {
                pixels: &mut pixels,
                height: size("height"),
                width: size("width"),
                channels: size("channels"),
                scratch: &mut scratch,
            };
            change(name, &given, &mut changed);
            let worst = pixels
                .iter()
                .zip(floats(expected))
                .map(|(x, y)| (x - y).abs())
                .fold(0.0, f32::max);
            assert!(worst < 1e-5, "{name} {given:?} of {kind}: off by {worst}");
        }
    }
    assert_eq!(names.len(), 12, "{names:?}");
}

fn every() -> Vec<Augmentation> {
    let affine = Augmentation::Affine {
        degrees: 20.0,
        shift: 0.1,
        scale: 0.2,
        shear: 10.0,
    };
    vec![
        Augmentation::Noise(0.1),
        Augmentation::Mirror,
        Augmentation::Flip,
        Augmentation::Crop(2),
        Augmentation::ResizedCrop(0.3),
        Augmentation::Rotate(30.0),
        affine,
        Augmentation::Brightness(0.5),
        Augmentation::Contrast(0.5),
        Augmentation::Gamma(0.5),
        Augmentation::Saturation(0.5),
        Augmentation::Hue(0.3),
        Augmentation::Blur(1.0),
        Augmentation::Erase(0.4),
        Augmentation::Mixup(0.4),
        Augmentation::CutMix(1.0),
        Augmentation::Rotate(30.0).sometimes(0.5),
        Augmentation::rand_augment(2, 0.5),
    ]
}

/// Pictures of three colours with three classes.
fn pictures() -> Dataset {
    let mut rng = stream(5, "pictures");
    let shape = Shape::Image {
        height: 9,
        width: 7,
        channels: 3,
    };
    let pixels = (0..12 * shape.width()).map(|_| rng.random::<f32>()).collect();
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    Dataset::new("pictures", shape, pixels)
        .and_then(|data| data.with_labels((0..12).map(|i| i % 3).collect(), names))
        .expect("pictures")
}

#[test]
fn each_change_is_as_random_as_its_row_and_epoch_and_stays_finite() {
    let data = pictures();
    for one in every() {
        let all = [one.clone()];
        let made = |epoch, seed| data.augmented(&all, epoch, seed).expect("changed");
        let first = made(0, 1);
        assert_eq!(first.features(), made(0, 1).features(), "{one}");
        // Half of the mirrored rows stay, and all twelve hardly ever.
        let differ = (1..6).any(|epoch| made(epoch, 1).features() != first.features());
        assert!(
            differ && (2..7).any(|seed| made(0, seed).features() != first.features()),
            "{one}"
        );
        assert!(
            first.features() != data.features() || made(1, 1).features() != data.features(),
            "{one}"
        );
        assert!(first.features().iter().all(|x| x.is_finite()), "{one}");
        if !matches!(one, Augmentation::Noise(_)) {
            let within = |x: &f32| (-1e-6..=1.000_001).contains(x);
            assert!(first.features().iter().all(within), "{one}");
        }
        // A row alone is changed as among the others, but by those that mix.
        if !one.mixes() {
            assert_eq!(first.labels(), data.labels());
            let alone = data
                .subset(&[0])
                .expect("a row")
                .augmented(&all, 0, 1)
                .expect("changed");
            assert_eq!(alone.row(0), first.row(0), "{one}");
        }
        let text = serde_json::to_string(&one).expect("text");
        assert_eq!(
            serde_json::from_str::<Augmentation>(&text).expect("an augmentation"),
            one
        );
    }
    assert_eq!(
        serde_json::to_string(&Augmentation::Noise(0.1)).unwrap(),
        r#"{"Noise":0.1}"#
    );
    assert_eq!(
        serde_json::to_string(&Augmentation::Mirror).unwrap(),
        r#""Mirror""#
    );
}

#[test]
fn what_does_not_fit_is_refused_with_a_word() {
    let flat = datasets::two_moons(20, 0.1, 0).expect("moons");
    let grey = datasets::digits().expect("digits");
    let standardized = grey
        .split(0.2, 0)
        .and_then(|s| s.standardized())
        .expect("digits")
        .train;
    let refused = |data: &Dataset, one: Augmentation, words: &str| {
        let error = data.augmented(&[one], 0, 0).expect_err("an error").to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(
        &flat,
        Augmentation::Mirror,
        "mirrored is for images, found examples of 2 numbers",
    );
    refused(&flat, Augmentation::Crop(1), "Dataset::with_shape");
    refused(&flat, Augmentation::CutMix(1.0), "for images");
    refused(
        &grey,
        Augmentation::Hue(0.1),
        "red, green and blue, found 1 channels",
    );
    refused(&standardized, Augmentation::Gamma(0.1), "pixels of 0 to 1");
    refused(&grey, Augmentation::rand_augment(2, 1.5), "expected a brightness");
    refused(&grey, Augmentation::choice(1, []), "found none");
    refused(
        &grey,
        Augmentation::Mixup(1.0).sometimes(0.5),
        "all examples of a batch",
    );
    refused(&grey, Augmentation::Rotate(f64::NAN), "found NaN");
    let mut deep = Augmentation::Mirror;
    for _ in 0..30 {
        deep = deep.sometimes(0.5);
    }
    refused(&grey, deep, "nested");
    let recipe = Recipe::new().epochs(1).augment(Augmentation::Erase(2.0));
    assert!(recipe.validate().is_err());
    assert!(flat.preview(&[Augmentation::Noise(0.1)], 3, 0).is_err());
}

#[test]
fn mixed_examples_have_mixed_targets() {
    let data = pictures();
    for one in [Augmentation::Mixup(1.0), Augmentation::CutMix(1.0)] {
        let mixed = data.augmented(std::slice::from_ref(&one), 0, 3).expect("mixed");
        let Targets::Shares { classes: 3, shares } = mixed.targets() else {
            panic!("no shares");
        };
        let labels = data.labels().expect("labels");
        let mut between = 0;
        for (i, (row, shares)) in mixed.rows().zip(shares.chunks_exact(3)).enumerate() {
            // Brute force: the partner and the share that explain the row explain its target too.
            let own = data.row(i);
            let explained = (0..data.len()).any(|j| {
                let other = data.row(j);
                let kept = f64::from(shares[labels[i] as usize]);
                let pixels = own.iter().zip(other).zip(row);
                let fits = match one {
                    Augmentation::Mixup(_) if labels[i] != labels[j] => pixels
                        .clone()
                        .all(|((a, b), x)| (kept as f32 * a + (1.0 - kept) as f32 * b - x).abs() < 1e-5),
                    Augmentation::Mixup(_) => {
                        // Of one class: any share explains the target; the pixels have to lie between.
                        kept == 1.0
                            && pixels
                                .clone()
                                .all(|((a, b), x)| *x >= a.min(*b) - 1e-6 && *x <= a.max(*b) + 1e-6)
                    }
                    _ => {
                        let taken = pixels.clone().filter(|((a, _), x)| *a != *x).count();
                        let area = 1.0 - taken as f64 / own.len() as f64;
                        let one_of_both = pixels.clone().all(|((a, b), x)| x == a || x == b);
                        one_of_both && (labels[i] == labels[j] || (area - kept).abs() < 1e-5)
                    }
                };
                fits && (shares[labels[j] as usize] > 0.0 || kept == 1.0)
            });
            assert!(explained, "{one}: row {i}");
            assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            between += usize::from(shares.iter().all(|&x| x < 0.999));
        }
        assert!(between > 2, "{one} mixed {between}");
    }
    let line = datasets::two_moons(40, 0.1, 0).expect("moons");
    let values: Vec<f32> = line.rows().map(|row| 2.0 * row[0] - row[1]).collect();
    let line = line.with_values(values, ["y"]).expect("values");
    let mixed = line.augmented(&[Augmentation::Mixup(0.5)], 0, 0).expect("mixed");
    for (row, y) in mixed.rows().zip(mixed.values().expect("values")) {
        // A line of the features stays one.
        assert!((2.0 * row[0] - row[1] - y).abs() < 1e-5);
    }
}

#[test]
fn a_training_sees_what_the_preview_shows_and_learns_from_mixed_classes() {
    let digits = datasets::digits()
        .and_then(|d| d.few_shot(10, 0))
        .expect("digits");
    // One step over all examples, by hand and by the recipe.
    let net = Mlp::new([64, 16, 10]).build(0).expect("a network");
    for changes in [
        vec![Augmentation::Crop(1), Augmentation::Noise(0.05)],
        vec![Augmentation::Rotate(10.0), Augmentation::Mixup(0.4)],
    ] {
        let base = Recipe::new().sgd(0.1).batch(100).steps(1).seed(4);
        let recipe = changes.iter().cloned().fold(base.clone(), Recipe::augment);
        let trained = net.train(&digits.train, recipe).expect("a run");
        let by_hand = digits.train.augmented(&changes, 0, 4).expect("changed");
        let expected = net.train(&by_hand, base).expect("a run");
        let worst = trained
            .network()
            .parameters()
            .iter()
            .zip(expected.network().parameters())
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        if changes.iter().any(Augmentation::mixes) {
            // Partners are drawn from the batch, whose order is another.
            assert!(worst > 0.0);
        } else {
            assert!(worst < 1e-6, "{worst}");
        }
        assert_ne!(trained.network().parameters(), net.parameters());
    }
    let mixing = Recipe::new()
        .epochs(60)
        .batch(20)
        .adam(0.005)
        .augment(Augmentation::Mixup(0.2));
    let run = net.train(&digits.train, &mixing).expect("a run");
    let accuracy = run.evaluate(&digits.test).expect("an evaluation").accuracy;
    assert!(accuracy > 0.8, "{accuracy}");
    assert_eq!(
        run.network().parameters(),
        net.train(&digits.train, &mixing)
            .expect("a run")
            .network()
            .parameters()
    );
}

#[test]
fn labels_that_a_change_may_change_are_told_for_digits_alone() {
    let digits = datasets::digits().expect("digits");
    let few = digits.few_shot(5, 0).expect("few").train;
    for (one, told) in [
        (Augmentation::Flip, true),
        (Augmentation::Mirror.sometimes(0.1), true),
        (Augmentation::Rotate(90.0), true),
        (
            Augmentation::choice(1, [Augmentation::Crop(1), Augmentation::Flip]),
            true,
        ),
        (Augmentation::Rotate(15.0), false),
        (Augmentation::Crop(1), false),
    ] {
        assert_eq!(one.may_change_labels(&few).is_some(), told, "{one}");
        assert_eq!(one.may_change_labels(&pictures()), None);
    }
}

#[test]
fn predictions_are_averaged_over_changes() {
    let digits = datasets::digits()
        .and_then(|d| d.few_shot(10, 0))
        .expect("digits");
    let run = Mlp::new([64, 32, 10])
        .train(&digits.train, Recipe::new().epochs(20))
        .expect("a run");
    let changes = [Augmentation::Crop(1)];
    let averaged = run
        .predict_augmented(&digits.test, &changes, 3, 5)
        .expect("predictions");
    let mut sums = run.predict(&digits.test).unwrap().probabilities().unwrap();
    for epoch in 0..3 {
        let changed = digits.test.augmented(&changes, epoch, 5).expect("changed");
        let more = run.predict(&changed).unwrap().probabilities().unwrap();
        sums.iter_mut().zip(more).for_each(|(sum, x)| *sum += x);
    }
    for (x, sum) in averaged.probabilities().expect("probabilities").iter().zip(sums) {
        assert!((x - sum / 4.0).abs() < 1e-6);
    }
    let none = run
        .predict_augmented(&digits.test, &changes, 0, 5)
        .expect("predictions");
    assert_eq!(
        none.labels().unwrap(),
        run.predict(&digits.test).unwrap().labels().unwrap()
    );
    let net = run
        .network()
        .predict_augmented(&digits.test, &changes, 3, 5)
        .expect("predictions");
    assert_eq!(net.outputs(), averaged.outputs());
    assert!(
        run.predict_augmented(&digits.test, &[Augmentation::Mixup(1.0)], 1, 0)
            .is_err()
    );
    let Preview::Images(grid) = digits.train.preview(&changes, 7, 0).expect("a grid") else {
        panic!("no images");
    };
    assert_eq!(grid.len(), 6 * 8);
}
