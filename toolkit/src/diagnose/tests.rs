//! What a diagnosis says where there is little or nothing to look at.

use super::*;
use crate::data::datasets;
use crate::net::Mlp;
use crate::show::{Show, quiet};
use crate::train::Recipe;

fn flat(n: usize) -> Dataset {
    let numbers = (0..2 * n).map(|i| (i as f32 * 0.37).sin()).collect();
    Dataset::new("flat", 2, numbers).unwrap()
}

fn labelled(n: usize, classes: u32) -> Dataset {
    let labels = (0..n as u32).map(|row| row % classes).collect();
    let names = (0..classes).map(|class| format!("c{class}")).collect();
    flat(n).with_labels(labels, names).unwrap()
}

fn split(train: Dataset, test: Dataset) -> Split {
    Split::new(train, test).unwrap()
}

#[test]
fn little_data_and_cut_trainings_are_looked_at_without_a_panic() {
    quiet(|| {
        for (n, classes) in [(1, 1), (1, 2), (2, 2), (7, 3), (30, 1), (30, 2), (30, 20)] {
            let train = labelled(n, classes);
            for test in [
                train.subset(&[]).unwrap(),
                train.subset(&[0]).unwrap(),
                train.clone(),
            ] {
                let parts = split(train.clone(), test);
                parts.diagnose().unwrap();
                let net = Mlp::new([2, 4, classes as usize]);
                let run = net.train(&parts.train, Recipe::new().steps(3)).unwrap();
                let diagnosis = run.diagnose(&parts).unwrap();
                assert!(diagnosis.to_string().len() > 5);
                run.diagnose(&parts.train).unwrap();
                let alone = run.diagnose(()).unwrap();
                assert!(
                    alone.unseen().iter().any(|unseen| unseen.what == "data"),
                    "{alone}"
                );
            }
        }
        let empty = flat(5).subset(&[]).unwrap();
        split(empty.clone(), empty).diagnose().unwrap();
        split(flat(30), flat(30)).diagnose().unwrap();
    });
}

#[test]
fn a_training_that_broke_is_said_to_have_broken() {
    let digits = datasets::digits().unwrap().split(0.25, 0).unwrap();
    let net = Mlp::new([64, 32, 10]);
    let run = quiet(|| net.train(&digits.train, Recipe::new().epochs(3).sgd(1e20))).unwrap();
    assert!(run.ending.is_diverged(), "{run}");
    let diagnosis = run.diagnose(&digits).unwrap();
    assert!(diagnosis.has(Illness::Diverged), "{diagnosis}");
}

#[test]
fn a_diagnosis_is_written_read_and_shown() {
    let wine = datasets::wine().unwrap().split(0.3, 0).unwrap();
    let diagnosis = wine.diagnose().unwrap();
    assert!(diagnosis.has(Illness::UnscaledFeatures), "{diagnosis}");
    let text = serde_json::to_string(&diagnosis).unwrap();
    assert_eq!(serde_json::from_str::<Diagnosis>(&text).unwrap(), diagnosis);
    assert_eq!(diagnosis.frame().height(), diagnosis.found.len());
    let bundle = diagnosis.bundle();
    for words in ["unscaled features", "split.standardized()?", "counted"] {
        assert!(
            bundle.plain().contains(words) && bundle.to_html().contains(words),
            "{words}"
        );
    }
}

#[test]
fn values_are_looked_at_too() {
    let xs: Vec<f32> = (0..200).map(|i| (i as f32 * 0.7).sin()).collect();
    let ys = xs.iter().map(|x| 300.0 + 100.0 * x).collect();
    let data = Dataset::new("line", 1, xs)
        .unwrap()
        .with_values(ys, ["y"])
        .unwrap();
    let parts = data.split(0.25, 0).unwrap();
    let run = quiet(|| Mlp::new([1, 8, 1]).train(&parts.train, Recipe::new().epochs(5))).unwrap();
    let diagnosis = run.diagnose(&parts).unwrap();
    for illness in [Illness::UnscaledValues, Illness::Underfit] {
        assert!(diagnosis.has(illness), "{diagnosis}");
    }
}

#[test]
fn a_model_of_dfdxs_is_diagnosed_but_for_its_units() {
    use crate::train::Train;
    use dfdx::prelude::{Cpu, DeviceBuildExt, Linear, ReLU};
    let moons = datasets::two_moons(200, 0.1, 0).unwrap().split(0.25, 0).unwrap();
    let model = Cpu::seed_from_u64(0).build_module::<(Linear<2, 16>, ReLU, Linear<16, 2>), f32>();
    let run = quiet(|| model.train(&moons.train, Recipe::new().epochs(2).sgd(1e-4))).unwrap();
    let diagnosis = run.diagnose(&moons).unwrap();
    assert!(diagnosis.has(Illness::Underfit), "{diagnosis}");
    for what in ["units", "other rates"] {
        assert!(
            diagnosis.unseen().iter().any(|unseen| unseen.what == what),
            "{diagnosis}"
        );
    }
}

#[test]
fn numbers_out_of_range_are_said_and_not_a_failure() {
    let mut numbers = vec![0.0f32; 80];
    numbers[1] = 1e-30;
    let labels = (0..40).map(|row| row % 2).collect();
    let train = Dataset::new("d", 2, numbers).unwrap();
    let train = train.with_labels(labels, vec!["a".into(), "b".into()]).unwrap();
    let test = Dataset::new("d", 2, vec![3e38; 80]).unwrap();
    let test = test
        .with_labels((0..40).map(|row| row % 2).collect(), vec!["a".into(), "b".into()])
        .unwrap();
    let diagnosis = split(train, test).diagnose().unwrap();
    assert!(!diagnosis.to_string().is_empty());
}
