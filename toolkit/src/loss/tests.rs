//! Losses against PyTorch, whose values tests/reference/net.py wrote, and against wrong targets.

mod standard;

use serde::Deserialize;

use super::Loss;
use crate::data::Targets;
use crate::net::tests::relative_error;

#[derive(Deserialize)]
struct Golden {
    losses: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    loss: Loss,
    outputs: usize,
    logits: Vec<f32>,
    classes: Option<Vec<u32>>,
    values: Option<Vec<f32>>,
    value: f64,
    gradient: Vec<f64>,
}

#[test]
fn values_and_gradients_are_pytorchs() {
    let golden: Golden = serde_json::from_str(include_str!("../../../tests/reference/net.json")).unwrap();
    assert_eq!(golden.losses.len(), 3);
    for case in golden.losses {
        let targets = match (&case.classes, &case.values) {
            (Some(classes), _) => Targets::Classes(classes),
            (None, values) => Targets::Values(values.as_deref().unwrap()),
        };
        case.loss
            .check(case.logits.len() / case.outputs, case.outputs, targets)
            .unwrap();
        let mut gradient = vec![f32::NAN; case.logits.len()];
        let value = case.loss.value_and_gradient(&case.logits, targets, &mut gradient);
        assert!(
            (f64::from(value) / case.value - 1.0).abs() < 1e-5,
            "{:?}: {value}",
            case.loss
        );
        assert!(
            relative_error(&gradient, &case.gradient) < 1e-5,
            "{:?}: {gradient:?}",
            case.loss
        );
        assert_eq!(case.loss.value(&case.logits, targets), value);
    }
}

/// The mean of -log softmax(row)[class] and its gradient, in f64 throughout.
fn in_doubles(logits: &[f32], classes: &[u32]) -> (f64, Vec<f64>) {
    let width = logits.len() / classes.len();
    let share = 1.0 / classes.len() as f64;
    let (mut value, mut gradient) = (0.0, Vec::new());
    for (row, &class) in logits.chunks(width).zip(classes) {
        let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|x| (x - most).exp()).sum();
        value += share * (sum.ln() + most - row[class as usize]);
        gradient.extend(row.iter().enumerate().map(|(j, x)| {
            let right = f64::from(u8::from(j == class as usize));
            share * ((x - most).exp() / sum - right)
        }));
    }
    (value, gradient)
}

#[test]
fn huge_logits_and_many_classes_are_as_precise_as_few() {
    let mut state = 1_u32;
    // From -1 to 1.
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    for (classes, size) in [
        (3, 1e4),
        (1000, 1e4),
        (1000, 30.0),
        (1000, 1.0),
        (1000, 0.0),
        (2, 1e4),
    ] {
        let rows = 16;
        let logits: Vec<f32> = (0..rows * classes).map(|_| size * random()).collect();
        let labels: Vec<u32> = (0..rows as u32).map(|row| row * 61 % classes as u32).collect();
        let mut gradient = vec![f32::NAN; logits.len()];
        let value =
            Loss::SoftmaxCrossEntropy.value_and_gradient(&logits, Targets::Classes(&labels), &mut gradient);
        let (expected, by_logits) = in_doubles(&logits, &labels);
        let off = (f64::from(value) / expected - 1.0).abs();
        assert!(
            off < 1e-6,
            "{classes} classes of size {size}: {value}, off by {off}"
        );
        let off = relative_error(&gradient, &by_logits);
        assert!(
            off < 2e-6,
            "{classes} classes of size {size}: gradient off by {off}"
        );
        // Each row of it adds up to nothing.
        for row in gradient.chunks(classes) {
            assert!(row.iter().map(|&g| f64::from(g)).sum::<f64>().abs() < 1e-6);
        }
    }
}

#[test]
fn a_sure_mistake_at_the_far_end_is_finite() {
    let mut gradient = [f32::NAN; 6];
    let logits = [1e4, -1e4, 0.0, -1e4, -1e4, 1e4];
    let targets = Targets::Classes(&[1, 2]);
    let value = Loss::SoftmaxCrossEntropy.value_and_gradient(&logits, targets, &mut gradient);
    assert_eq!(value, 1e4, "the mean of 20,000 and 0");
    // A chance too small for f32 stays at the smallest normal number.
    let near = |(found, expected): (&f32, f32)| (found - expected).abs() < 1e-37;
    let expected = [0.5, -0.5, 0.0, 0.0, 0.0, 0.0];
    assert!(gradient.iter().zip(expected).all(near), "{gradient:?}");
}

#[test]
fn a_sure_network_has_a_tiny_loss() {
    // ln(1 + e^-12), to what f32 leaves of it in 1 + e^-12.
    let value = Loss::SoftmaxCrossEntropy.value(&[0.0, 12.0, 12.0, 0.0], Targets::Classes(&[1, 0]));
    assert!((value - 6.144e-6).abs() < 2e-7, "{value}");
}

#[test]
fn nan_shows_in_the_loss() {
    for loss in [Loss::SoftmaxCrossEntropy, Loss::MeanSquaredError] {
        let targets = Targets::Classes(&[1, 0]);
        assert!(
            loss.value(&[0.0, f32::NAN, 1.0, 2.0], targets).is_nan(),
            "{loss:?}"
        );
        assert!(
            loss.value(&[f32::NAN, 0.0, 1.0, 2.0], targets).is_nan(),
            "{loss:?}"
        );
        assert!(
            !loss.value(&[0.0, f32::INFINITY, 1.0, 2.0], targets).is_finite(),
            "{loss:?}"
        );
    }
}

#[test]
fn targets_that_do_not_fit_are_refused() {
    let refused = |loss: Loss, rows, targets: Targets<'_>, words: &[&str]| {
        let error = loss.check(rows, 3, targets).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{word:?} is not in: {error}");
        }
        let mut gradient = vec![1.0; rows * 3];
        assert!(
            loss.value_and_gradient(&vec![0.5; rows * 3], targets, &mut gradient)
                .is_nan()
        );
        assert!(gradient.iter().all(|&g| g == 0.0));
    };
    let cross_entropy = Loss::SoftmaxCrossEntropy;
    refused(
        cross_entropy.clone(),
        2,
        Targets::Classes(&[0, 3]),
        &["label 3", "0 to 2", "example 2"],
    );
    refused(
        cross_entropy.clone(),
        2,
        Targets::Classes(&[0, u32::MAX]),
        &["label 4294967295"],
    );
    refused(
        cross_entropy.clone(),
        2,
        Targets::Classes(&[0, 1, 2, 0]),
        &["4 labels for 2"],
    );
    refused(cross_entropy.clone(), 2, Targets::Values(&[0.0; 6]), &["classes"]);
    refused(
        Loss::MeanSquaredError,
        2,
        Targets::Values(&[0.0; 5]),
        &["5 target values for 2 examples of 3"],
    );
    refused(Loss::MeanSquaredError, 2, Targets::Classes(&[0, 9]), &["label 9"]);
    assert!(cross_entropy.value(&[], Targets::Classes(&[])).is_nan());
}

#[test]
fn values_that_are_not_finite_are_refused_and_show() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let values = [0.0, 0.0, 0.0, 0.0, bad, 0.0];
        let error = Loss::MeanSquaredError
            .check(2, 3, Targets::Values(&values))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("finite") && error.contains("example 2, output 2"),
            "{error}"
        );
        let value = Loss::MeanSquaredError.value(&[0.5; 6], Targets::Values(&values));
        assert!(!value.is_finite(), "{value}");
    }
}

#[test]
#[should_panic(expected = "a gradient of 5 numbers for 6 logits")]
fn a_gradient_of_another_length_is_a_mistake() {
    Loss::SoftmaxCrossEntropy.value_and_gradient(&[0.5; 6], Targets::Classes(&[0, 1]), &mut [0.0; 5]);
}
