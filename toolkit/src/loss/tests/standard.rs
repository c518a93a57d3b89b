//! The standard losses beyond cross entropy and squares, against PyTorch, whose values tests/reference/losses.py wrote.

use serde::Deserialize;

use super::super::Loss;
use crate::data::Targets;
use crate::net::tests::relative_error;

#[derive(Deserialize)]
struct Golden {
    standard: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    loss: Loss,
    outputs: usize,
    logits: Vec<f32>,
    classes: Option<Vec<u32>>,
    values: Option<Vec<f32>>,
    shares: Option<Vec<f32>>,
    value: f64,
    gradient: Vec<f64>,
}

impl Case {
    fn targets(&self) -> Targets<'_> {
        match (&self.classes, &self.values, &self.shares) {
            (Some(classes), ..) => Targets::Classes(classes),
            (_, Some(values), _) => Targets::Values(values),
            (.., shares) => Targets::Shares {
                classes: self.outputs,
                shares: shares.as_deref().unwrap(),
            },
        }
    }
}

fn cases() -> Vec<Case> {
    let golden: Golden =
        serde_json::from_str(include_str!("../../../../tests/reference/losses.json")).unwrap();
    assert_eq!(golden.standard.len(), 21);
    golden.standard
}

#[test]
fn values_and_gradients_are_pytorchs() {
    for case in cases() {
        let (targets, loss) = (case.targets(), &case.loss);
        loss.check(case.logits.len() / case.outputs, case.outputs, targets)
            .unwrap();
        let mut gradient = vec![f32::NAN; case.logits.len()];
        let value = loss.of_rows(&case.logits, case.outputs, targets, None, &mut gradient);
        let off = (f64::from(value) / case.value - 1.0).abs();
        assert!(off < 1e-5, "{loss:?}, {}: {value}, off by {off}", targets.words());
        let off = relative_error(&gradient, &case.gradient);
        assert!(off < 1e-5, "{loss:?}, {}: {off}, {gradient:?}", targets.words());
        let alike = vec![1.0; case.logits.len() / case.outputs];
        let mut again = vec![f32::NAN; case.logits.len()];
        let weighted = loss.of_rows(&case.logits, case.outputs, targets, Some(&alike), &mut again);
        assert_eq!((weighted, again), (value, gradient), "{loss:?}");
    }
}

#[test]
fn gradients_are_finite_differences() {
    for case in cases() {
        let (targets, loss, width) = (case.targets(), &case.loss, case.outputs);
        let rows = case.logits.len() / width;
        let weights: Vec<f32> = (0..rows).map(|row| 0.5 + row as f32 / 4.0).collect();
        let mut scratch = vec![0.0; case.logits.len()];
        // Off the corners, where one side is not the other.
        let logits: Vec<f32> = case.logits.iter().map(|x| x * 0.25 + 0.013).collect();
        let value = |logits: &[f32], grad: &mut [f32]| {
            f64::from(loss.of_rows(logits, width, targets, Some(&weights), grad))
        };
        let mut gradient = vec![f32::NAN; logits.len()];
        value(&logits, &mut gradient);
        let step = 1.0 / 256.0;
        let mut moved = logits.clone();
        let differences: Vec<f64> = (0..logits.len())
            .map(|i| {
                moved[i] = logits[i] + step;
                let above = value(&moved, &mut scratch);
                moved[i] = logits[i] - step;
                let below = value(&moved, &mut scratch);
                moved[i] = logits[i];
                (above - below) / f64::from(2.0 * step)
            })
            .collect();
        let off = relative_error(&gradient, &differences);
        assert!(off < 1e-3, "{loss:?}, {}: off by {off}", targets.words());
    }
}

#[test]
fn the_weight_of_an_example_multiplies_its_part_alone() {
    for case in cases() {
        let (targets, loss, width) = (case.targets(), &case.loss, case.outputs);
        let rows = case.logits.len() / width;
        let mut gradient = vec![0.0; case.logits.len()];
        let mut value = |weights: &[f32]| {
            f64::from(loss.of_rows(&case.logits, width, targets, Some(weights), &mut gradient))
        };
        let sum: f64 = (0..rows)
            .map(|row| {
                let mut alone = vec![0.0; rows];
                alone[row] = row as f32;
                value(&alone)
            })
            .sum();
        let all: Vec<f32> = (0..rows).map(|row| row as f32).collect();
        assert!((value(&all) / sum - 1.0).abs() < 1e-5, "{loss:?}");
    }
}

#[test]
fn numbers_that_are_none_show() {
    for case in cases() {
        for at in 0..case.outputs {
            let mut logits = case.logits.clone();
            // Of the row whose class has weight 0, and of another.
            for row in [0, 3] {
                logits[row * case.outputs + at] = f32::NAN;
            }
            let mut gradient = vec![0.0; logits.len()];
            let value = case
                .loss
                .of_rows(&logits, case.outputs, case.targets(), None, &mut gradient);
            assert!(value.is_nan(), "{:?}: {value}", case.loss);
        }
    }
}

#[test]
fn a_batch_that_does_not_count_and_a_sure_one_are_nothing() {
    let mut gradient = [1.0; 4];
    let targets = Targets::Classes(&[1, 1]);
    let loss = Loss::class_weights([1.0, 0.0]);
    assert_eq!(
        loss.value_and_gradient(&[1.0, 2.0, 3.0, -4.0], targets, &mut gradient),
        0.0
    );
    assert_eq!(gradient, [0.0; 4]);
    let focal = Loss::Focal {
        gamma: 0.5,
        alpha: vec![],
    };
    let value = focal.value_and_gradient(&[-200.0, 200.0, -200.0, 200.0], targets, &mut gradient);
    assert_eq!((value, gradient), (0.0, [0.0; 4]));
}

#[test]
fn what_is_out_of_range_is_refused_with_a_way_out() {
    let refused = |loss: Loss, targets: Targets<'_>, words: &[&str]| {
        let error = loss.check(2, 3, targets).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{word:?} is not in: {error}");
        }
    };
    let (classes, values) = (Targets::Classes(&[0, 2]), Targets::Values(&[0.0; 6]));
    let shares = Targets::Shares {
        classes: 3,
        shares: &[0.5, 0.5, 0.0, 0.0, 0.0, 1.0],
    };
    refused(Loss::label_smoothing(1.0), classes, &["smoothing", "found 1"]);
    refused(Loss::label_smoothing(f64::NAN), classes, &["found NaN"]);
    refused(
        Loss::label_smoothing(0.1),
        values,
        &["needs classes", "MeanSquaredError"],
    );
    refused(
        Loss::class_weights([1.0, 2.0]),
        classes,
        &["2 weights of classes for 3 outputs"],
    );
    refused(Loss::class_weights([0.0; 3]), classes, &["one above it"]);
    refused(Loss::class_weights([1.0, -1.0, 1.0]), classes, &["0 or more"]);
    let focal = |gamma| Loss::Focal { gamma, alpha: vec![] };
    refused(focal(-0.5), classes, &["gamma", "-0.5"]);
    refused(focal(2.0), shares, &["focal", "SoftmaxCrossEntropy"]);
    refused(focal(2.0), values, &["needs classes"]);
    refused(Loss::MultiClassHinge { margin: 0.0 }, classes, &["above 0"]);
    refused(Loss::Huber { delta: -1.0 }, values, &["above 0"]);
    refused(Loss::Quantile { tau: 1.0 }, values, &["below 1"]);
    assert!(Loss::Huber { delta: 0.5 }.check(2, 3, shares).is_ok());
}

#[test]
fn forms_in_files_are_short_and_read_back() {
    let form = |loss: &Loss| serde_json::to_string(loss).unwrap();
    assert_eq!(form(&Loss::SoftmaxCrossEntropy), "\"SoftmaxCrossEntropy\"");
    assert_eq!(form(&Loss::AbsoluteError), "\"AbsoluteError\"");
    for loss in [Loss::label_smoothing(0.1), Loss::Quantile { tau: 0.9 }] {
        assert_eq!(serde_json::from_str::<Loss>(&form(&loss)).unwrap(), loss);
    }
    let short: Loss = serde_json::from_str("{\"CrossEntropy\":{}}").unwrap();
    assert_eq!(short, Loss::label_smoothing(0.0));
}
