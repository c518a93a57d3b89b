use serde_json::Value;

use super::*;
use crate::data::{Dataset, Shape};
use crate::show::Show;

mod calibration;

const GOLDEN: &str = include_str!("../../../tests/reference/evaluate.json");
const REGRESSION: &str = include_str!("../../../tests/reference/regression.json");

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

/// Two grey images of class a, two of class b, and the logits of a model that takes the second for b and the last for a.
fn four_images() -> (Dataset, Vec<f32>) {
    let shape = Shape::Image {
        height: 2,
        width: 2,
        channels: 1,
    };
    let data = Dataset::new("four", shape, (0..16).map(|i| i as f32 / 15.0).collect())
        .and_then(|data| data.with_labels(vec![0, 0, 1, 1], vec!["a".into(), "<b>".into()]))
        .expect("a dataset");
    (data, vec![2.0, 0.0, 0.0, 1.0, -1.0, 3.0, 0.5, 0.0])
}

fn of_classes(data: &Dataset, logits: Vec<f32>, softmax: bool) -> Predictions {
    let meaning = Meaning::of(data, 2, softmax).expect("a meaning");
    Predictions::new(data, logits, meaning)
}

#[test]
fn predictions_speak_of_classes() {
    let (data, logits) = four_images();
    let found = of_classes(&data, logits.clone(), true);
    assert_eq!(found.labels().expect("labels"), [0, 1, 1, 0]);
    assert_eq!(found.classes().expect("classes"), ["a", "<b>", "<b>", "a"]);
    // The softmax of two logits is the logistic function of their difference.
    for (row, difference) in [2.0f64, -1.0, -4.0, 0.5].into_iter().enumerate() {
        let p = f64::from(found.probabilities().expect("probabilities")[row * 2]);
        assert!(
            (p - 1.0 / (1.0 + (-difference).exp())).abs() < 1e-7,
            "row {row}: {p}"
        );
    }
    assert_eq!(
        found.evaluation().expect("an evaluation"),
        Evaluation::of(&logits, &[0, 0, 1, 1], data.class_names()).expect("an evaluation")
    );
    assert_eq!(found.to_string(), "4 predictions of 2 classes, 2 right");
    let frame = found.frame();
    let names: Vec<&str> = frame
        .get_column_names()
        .iter()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(names, ["row", "predicted", "probability", "true"]);
    assert_eq!(frame.height(), 4);
    let html = found.bundle().to_html();
    assert!(html.contains("&lt;b&gt;") && !html.contains("<b>"), "{html}");
    // Outputs that are no logits have no probabilities, and no log loss.
    let other = of_classes(&data, logits, false);
    let error = other.probabilities().unwrap_err().to_string();
    assert!(error.contains("not trained to give probabilities"), "{error}");
    assert!(other.evaluation().expect("an evaluation").log_loss.is_nan());
    assert_eq!(other.frame().width(), 3);
}

#[test]
fn mistakes_are_pictures_or_a_table() {
    let (data, logits) = four_images();
    let mistakes = of_classes(&data, logits.clone(), true)
        .mistakes(30)
        .expect("mistakes");
    assert_eq!((mistakes.count(), mistakes.rows()), (2, &[1, 3][..]));
    let html = mistakes.bundle().to_html();
    assert_eq!(html.matches("<img").count(), 2);
    for part in ["2 of 4 wrong", "a as &lt;b&gt;", "&lt;b&gt; as a"] {
        assert!(html.contains(part), "no {part} in: {html}");
    }
    let first = of_classes(&data, logits.clone(), true)
        .mistakes(1)
        .expect("mistakes");
    assert_eq!((first.count(), first.rows()), (2, &[1][..]));
    let flat = data.with_shape(Shape::Flat(4)).expect("a dataset");
    let text = of_classes(&flat, logits.clone(), true)
        .mistakes(1)
        .expect("mistakes");
    let text = text.bundle().plain().to_owned();
    for part in ["2 of 4 wrong", "probability", "0.731", "feature 3", "the first 1"] {
        assert!(text.contains(part), "no {part} in: {text}");
    }
    let right = of_classes(&flat, vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0], true);
    assert_eq!(right.mistakes(5).expect("none").count(), 0);
    let blank = flat.with_features(vec![0.0; 16]).expect("a dataset");
    let error = |predictions: Predictions| predictions.mistakes(5).unwrap_err().to_string();
    assert!(error(of_classes(&blank, vec![f32::NAN; 8], true)).contains("diverged"));
    let bare = Dataset::new("bare", Shape::Flat(4), vec![0.0; 16]).expect("a dataset");
    assert!(error(of_classes(&bare, logits, true)).contains("labels"));
}

#[test]
fn predictions_of_values_have_numbers_by_name() {
    let data = Dataset::new("homes", Shape::Flat(1), vec![1.0, 2.0, 3.0])
        .and_then(|data| data.with_values(vec![1.0, 100.0, 2.0, 200.0, 3.0, 300.0], ["rooms", "price"]))
        .expect("a dataset");
    let outputs = vec![1.0, 110.0, 2.5, 200.0, 3.0, 300.0];
    let found = Predictions::new(&data, outputs, Meaning::of(&data, 2, true).expect("a meaning"));
    assert_eq!(found.values("price").expect("numbers"), [110.0, 200.0, 300.0]);
    // Half a room of three is further off than ten of three hundred.
    let mistakes = found.mistakes(1).expect("mistakes");
    assert_eq!((mistakes.count(), mistakes.rows()), (2, &[1][..]));
    assert!(mistakes.bundle().plain().contains("predicted rooms"));
    assert!((found.regression().expect("numbers").mae - 10.5 / 6.0).abs() < 1e-6);
    assert_eq!(found.frame().width(), 5);
    for (error, word) in [
        (found.classes().unwrap_err(), "Predictions::values"),
        (found.probabilities().unwrap_err(), "predicts values"),
        (found.evaluation().unwrap_err(), "predicts values"),
        (found.values("prize").unwrap_err(), "use one of: rooms, price"),
        (Meaning::of(&data, 3, true).unwrap_err(), "found 2"),
    ] {
        assert!(error.to_string().contains(word), "no {word:?} in: {error}");
    }
}

fn value_names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("v{i}")).collect()
}

#[test]
fn errors_of_values_are_those_of_scikit_learn() {
    let golden: Value = serde_json::from_str(REGRESSION).expect("the golden file");
    let cases = golden["cases"].as_array().expect("cases");
    assert!(cases.len() >= 6);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let values = value_names(case["values"].as_u64().expect("a count") as usize);
        let (predicted, actual) = (floats(&case["predicted"]), floats(&case["actual"]));
        let found = Regression::of(&predicted, &actual, &values).expect(name);
        near(name, found.rmse, &case["rmse"], 1e-9);
        near(name, found.mae, &case["mae"], 1e-9);
        near(name, found.r2, &case["r2"], 1e-7);
        assert_eq!(found.n * values.len(), actual.len(), "{name}");
        for (x, (low, high)) in [
            (found.rmse, found.rmse_interval),
            (found.mae, found.mae_interval),
            (found.r2, found.r2_interval),
        ] {
            assert!(low <= x && x <= high, "{name}: {x} is not within {low} to {high}");
        }
        // The same examples give the same interval.
        let again = Regression::of(&predicted, &actual, &values).expect(name);
        assert_eq!(again.rmse_interval, found.rmse_interval, "{name}");
    }
}

/// The bootstrap's interval of a mean comes near that of the central limit theorem.
#[test]
fn intervals_of_errors_are_as_wide_as_theory_says() {
    let of = |n: usize| {
        let mut rng = crate::seed::stream(5, "errors");
        let actual: Vec<f32> = (0..n).map(|i| i as f32 / n as f32).collect();
        let errors: Vec<f32> = (0..n)
            .map(|_| rand::Rng::random_range(&mut rng, -1.0..1.0))
            .collect();
        let predicted: Vec<f32> = actual.iter().zip(&errors).map(|(y, e)| y + e).collect();
        let found = Regression::of(&predicted, &actual, &value_names(1)).expect("numbers");
        let deviation = (errors
            .iter()
            .map(|e| (f64::from(e.abs()) - found.mae).powi(2))
            .sum::<f64>()
            / n as f64)
            .sqrt();
        let theory = 2.0 * 1.96 * deviation / (n as f64).sqrt();
        (found.mae_interval.1 - found.mae_interval.0, theory)
    };
    for n in [100, 1600] {
        let (width, theory) = of(n);
        // A thousand resamples know the two ends to some percent.
        assert!((width / theory - 1.0).abs() < 0.15, "{n}: {width}, {theory}");
    }
    assert!((of(100).0 / of(1600).0 - 4.0).abs() < 0.8);
}

#[test]
fn a_regression_shows_itself_and_says_what_it_cannot_do() {
    let (predicted, actual) = ([1.0, 2.5, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0]);
    let found = Regression::of(&predicted, &actual, &["<price>".to_owned()]).expect("numbers");
    let bundle = found.bundle();
    for word in ["RMSE", "MAE", "R\u{b2}", "95% interval", "n 4"] {
        assert!(bundle.plain().contains(word), "no {word} in: {}", bundle.plain());
    }
    let figure = serde_json::to_value(found.chart()).expect("a figure");
    let traces = figure["data"].as_array().expect("traces");
    assert_eq!(traces.len(), 2);
    assert_eq!(
        (&traces[0]["x"][3], &traces[0]["y"][3]),
        (&5.0.into(), &4.0.into())
    );
    assert_eq!(
        (&traces[1]["x"][0], &traces[1]["x"][1]),
        (&1.0.into(), &5.0.into())
    );
    // All true values alike: no R\u{b2}, and no panic.
    let same = Regression::of(&[1.0, 2.0], &[3.0, 3.0], &value_names(1)).expect("numbers");
    assert!(same.r2.is_nan() && same.r2_interval.0.is_nan() && same.mae == 1.5);
    assert!(
        Regression::of(&[1.0], &[2.0], &value_names(1))
            .expect("numbers")
            .r2
            .is_nan()
    );
    let error = |predicted: &[f32], actual: &[f32], n| {
        Regression::of(predicted, actual, &value_names(n))
            .unwrap_err()
            .to_string()
    };
    assert!(error(&[], &[], 1).contains("found none"));
    assert!(error(&[1.0], &[1.0], 0).contains("found none"));
    assert!(error(&[1.0], &[1.0, 2.0], 2).contains("expected 2 predicted numbers, 2 an example, found 1"));
    assert!(error(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 2).contains("at least one example"));
    assert!(error(&[1.0, f32::NAN], &[1.0, 2.0], 1).contains("row 1"));
}
