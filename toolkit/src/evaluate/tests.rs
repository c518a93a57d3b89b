use serde_json::Value;

use super::*;
use crate::show::Show;

const GOLDEN: &str = include_str!("../../../tests/reference/evaluate.json");

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("c{i}")).collect()
}

fn floats(value: &Value) -> Vec<f32> {
    value
        .as_array()
        .expect("numbers")
        .iter()
        .map(|x| x.as_f64().expect("a number") as f32)
        .collect()
}

fn integers(value: &Value) -> Vec<u64> {
    value
        .as_array()
        .expect("numbers")
        .iter()
        .map(|x| x.as_u64().expect("a count"))
        .collect()
}

fn near(name: &str, found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().expect("a number");
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(0.01),
        "{name}: {found} for {expected}"
    );
}

#[test]
fn metrics_are_those_of_scikit_learn_and_statsmodels() {
    let golden: Value = serde_json::from_str(GOLDEN).expect("the golden file");
    let cases = golden["cases"].as_array().expect("cases");
    assert!(cases.len() >= 7);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let labels: Vec<u32> = integers(&case["labels"]).iter().map(|&l| l as u32).collect();
        let classes = names(case["classes"].as_u64().expect("a count") as usize);
        let found = Evaluation::of(&floats(&case["logits"]), &labels, &classes).expect(name);
        near(name, found.accuracy, &case["accuracy"], 1e-12);
        near(name, found.interval.0, &case["interval"][0], 1e-9);
        near(name, found.interval.1, &case["interval"][1], 1e-9);
        near(name, found.macro_f1, &case["macro_f1"], 1e-12);
        near(name, found.log_loss, &case["log_loss"], 1e-5);
        let k = classes.len();
        let counts: Vec<u64> = (0..k * k).map(|i| found.confusion.count(i / k, i % k)).collect();
        assert_eq!(counts, integers(&case["confusion"]), "{name}");
        let other =
            Evaluation::of_probabilities(&floats(&case["probabilities"]), &labels, &classes).expect(name);
        near(name, other.log_loss, &case["log_loss_f32"], 1e-4);
        assert_eq!(other.confusion, found.confusion, "{name}");
    }
}

#[test]
fn what_cannot_be_evaluated_is_an_error() {
    let two = names(2);
    assert!(Evaluation::of(&[], &[], &two).is_err());
    assert!(Evaluation::of(&[1.0], &[0], &[]).is_err());
    assert!(Evaluation::of(&[1.0, 2.0, 3.0], &[0], &two).is_err());
    assert!(Evaluation::of(&[1.0, 2.0], &[2], &two).is_err());
    assert!(Evaluation::of(&[1.0, f32::NAN], &[0], &two).is_err());
    assert!(Evaluation::of_probabilities(&[0.5, 0.6], &[0], &two).is_err());
    assert!(Evaluation::of_probabilities(&[-0.5, 1.5], &[0], &two).is_err());
    assert!(ConfusionMatrix::new(&[0, 1], &[0], &two).is_err());
    assert!(ConfusionMatrix::new(&[0, 1], &[0, 2], &two).is_err());
}

#[test]
fn a_sure_mistake_is_finite_and_one_class_works() {
    let found = Evaluation::of_probabilities(&[0.0, 1.0], &[0], &names(2)).expect("an evaluation");
    assert!(found.log_loss > 15.0 && found.log_loss < 16.0);
    let far = Evaluation::of(&[3e38, -3e38], &[1], &names(2)).expect("an evaluation");
    assert!(far.log_loss.is_finite() && far.accuracy == 0.0);
    let one = Evaluation::of(&[0.3, 0.1], &[0, 0], &names(1)).expect("an evaluation");
    assert_eq!((one.accuracy, one.macro_f1, one.log_loss), (1.0, 1.0, 0.0));
}

#[test]
fn intervals_stay_inside_and_shrink_with_n() {
    let (low, high) = wilson_interval(0, 10, 1.96);
    assert!(low == 0.0 && high > 0.2 && high < 0.35);
    let (low, high) = wilson_interval(10, 10, 1.96);
    assert!(low > 0.65 && high == 1.0);
    let wide = wilson_interval(5, 10, 1.96);
    let narrow = wilson_interval(500, 1000, 1.96);
    assert!(narrow.1 - narrow.0 < (wide.1 - wide.0) / 5.0);
    assert_eq!(wilson_interval(0, 0, 1.96), (0.0, 1.0));
}

#[test]
fn mistakes_come_sorted_and_everything_shows() {
    let truth = [0, 0, 0, 1, 1, 2];
    let predicted = [1, 1, 0, 1, 2, 2];
    let matrix = ConfusionMatrix::new(&truth, &predicted, &names(3)).expect("a matrix");
    assert_eq!(matrix.mistakes(), [("c0", "c1", 2), ("c1", "c2", 1)]);
    assert_eq!((matrix.total(), matrix.correct(), matrix.count(9, 0)), (6, 3, 0));
    assert_eq!(matrix.frame().height(), 9);
    let logits = [1.0, 0.0, 0.0, 1.0];
    let risky = ["<script>".to_owned(), "b".to_owned()];
    let bundle = Evaluation::of(&logits, &[0, 1], &risky)
        .expect("an evaluation")
        .bundle();
    assert!(bundle.plain().contains("accuracy 100.0%"));
    assert!(bundle.to_html().contains("95% interval") && !bundle.to_html().contains("<script>"));
}

#[test]
fn a_million_classes_take_no_square_of_a_million() {
    let classes = names(1 << 20);
    let last = (1 << 20) - 1;
    let truth = [0, last, last, 5, 7];
    let predicted = [0, 3, 3, last, 7];
    let matrix = ConfusionMatrix::new(&truth, &predicted, &classes).expect("a matrix");
    let at = last as usize;
    assert_eq!(
        (matrix.count(at, 3), matrix.support(at), matrix.predicted(at)),
        (2, 2, 1)
    );
    assert_eq!((matrix.total(), matrix.correct()), (5, 2));
    assert_eq!(matrix.mistakes(), [("c1048575", "c3", 2), ("c5", "c1048575", 1)]);
    // Of the five classes that occur or were predicted, two are right and three have no hit.
    assert_eq!(
        (matrix.f1(0), matrix.f1(3), matrix.f1(1)),
        (Some(1.0), Some(0.0), None)
    );
    assert!((matrix.macro_f1() - 2.0 / 5.0).abs() < 1e-12);
    assert_eq!(matrix.frame().height(), 4);
    let bundle = matrix.bundle();
    let text = bundle.plain();
    assert!(
        text.contains("2 of 5 right (40.0%)") && text.contains("the 2 most frequent of 2"),
        "{text}"
    );
    assert!(text.len() < 1000 && bundle.plotly.expect("a chart").to_string().len() < 100_000);
    // The whole way, from outputs on.
    let mut logits = vec![0.0; 1 << 20];
    logits[at] = 1.0;
    let found = Evaluation::of(&logits, &[last], &classes).expect("an evaluation");
    assert_eq!((found.accuracy, found.macro_f1), (1.0, 1.0));
}

#[test]
fn many_classes_read_the_same_with_and_without_the_square() {
    // 201 classes, each taken for the next: past what is drawn whole.
    let truth: Vec<u32> = (0..201).collect();
    let predicted: Vec<u32> = (0..201).map(|c| (c + 1) % 201).collect();
    let matrix = ConfusionMatrix::new(&truth, &predicted, &names(201)).expect("a matrix");
    assert_eq!(
        (matrix.mistakes().len(), matrix.frame().height()),
        (201, 201 * 201)
    );
    let text = matrix.bundle().plain().to_owned();
    assert!(
        text.contains("0 of 201 right") && text.contains("the 40 most frequent of 201"),
        "{text}"
    );
}
