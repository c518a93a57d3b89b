//! Calibration against scikit-learn and a brute force, what is refused, and how it shows itself.

use serde_json::Value;

use super::{floats, integers, names, near};
use crate::data::Dataset;
use crate::evaluate::{Calibration, Meaning, Predictions, reliability_diagram};
use crate::show::Show;
use crate::study::Outcome;

const GOLDEN: &str = include_str!("../../../../tests/reference/calibration.json");

#[test]
fn calibration_is_that_of_scikit_learn_and_a_brute_force() {
    let golden: Value = serde_json::from_str(GOLDEN).expect("the golden file");
    let cases = golden["cases"].as_array().expect("cases");
    assert!(cases.len() >= 6);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let count = |key: &str| case[key].as_u64().expect("a count") as usize;
        let labels: Vec<u32> = integers(&case["labels"]).iter().map(|&l| l as u32).collect();
        let logits = floats(&case["logits"]);
        let found = Calibration::of(&logits, &labels, &names(count("classes")), count("bins")).expect(name);
        near(name, found.log_loss, &case["log_loss"], 1e-6);
        near(name, found.brier, &case["brier"], 1e-6);
        near(name, found.ece, &case["ece"], 1e-6);
        near(name, found.accuracy, &case["accuracy"], 1e-12);
        near(name, found.confidence, &case["confidence"], 1e-6);
        let filled = case["filled"].as_array().expect("bins");
        assert_eq!(found.bins.len(), filled.len(), "{name}");
        for (bin, expected) in found.bins.iter().zip(filled) {
            near(name, bin.from, &expected[0], 1e-9);
            near(name, bin.to, &expected[1], 1e-9);
            assert_eq!(Some(bin.n as f64), expected[2].as_f64(), "{name}");
            near(name, bin.confidence, &expected[3], 1e-6);
            near(name, bin.accuracy, &expected[4], 1e-9);
            let (low, high) = bin.interval;
            assert!(low <= bin.accuracy + 1e-12 && bin.accuracy <= high + 1e-12);
        }
        assert_eq!(found.bins.iter().map(|bin| bin.n).sum::<usize>(), found.n);
    }
}

#[test]
fn what_has_no_calibration_is_an_error() {
    let two = names(2);
    assert!(Calibration::of(&[1.0, 0.0], &[0], &two, 0).is_err());
    assert!(Calibration::of(&[1.0, f32::NAN], &[0], &two, 15).is_err());
    assert!(Calibration::of(&[1.0], &[0], &two, 15).is_err());
    assert!(Calibration::of(&[], &[], &two, 15).is_err());
    // Any number of bins, and scores as large as they get.
    let far = Calibration::of(&[3e38, -3e38], &[1], &two, usize::MAX).expect("a calibration");
    assert!(far.log_loss.is_finite() && (far.brier, far.ece) == (2.0, 1.0));
    let data = Dataset::new("one", 1, vec![0.0]).expect("data");
    let said = |softmax: bool, data: &Dataset| {
        Predictions::new(data, vec![1.0, 0.0], Meaning::classes(&two, 2, softmax)).calibration()
    };
    let error = said(true, &data).expect_err("no labels").to_string();
    assert!(error.contains("labelled"), "{error}");
    let labelled = data.with_labels(vec![0], two.clone()).expect("labels");
    let error = said(false, &labelled).expect_err("no probabilities").to_string();
    assert!(error.contains("probabilities"), "{error}");
    assert_eq!(said(true, &labelled).expect("a calibration").accuracy, 1.0);
}

#[test]
fn it_shows_itself_and_is_an_outcome() {
    let logits = [2.0, 0.0, 0.0, 1.0, 1.0, 0.0];
    let found = Calibration::of(&logits, &[0, 1, 1], &names(2), 15).expect("a calibration");
    let bundle = found.bundle();
    assert!(bundle.plain().contains("ECE") && bundle.plotly.is_some());
    let chart = reliability_diagram(&[("<b>", &found), ("other", &found)]).to_json();
    assert!(!chart.contains("<b>") && chart.contains("&lt;b&gt;") && chart.contains("ECE"));
    let nothing = reliability_diagram::<&str>(&[]).to_json();
    assert!(nothing.contains("calibrated"));
    let metrics = found.measured().expect("metrics");
    assert!(format!("{metrics:?}").contains("brier"));
}
