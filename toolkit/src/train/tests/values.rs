//! Regression from end to end.

use serde_json::Value as Json;

use crate::data::{Dataset, Shape, Split};
use crate::loss::Loss;
use crate::net::Mlp;
use crate::seed::stream;
use crate::show::Show;
use crate::study::Study;
use crate::train::{Ending, Recipe};

const GOLDEN: &str = include_str!("../../../../tests/reference/regression.json");

fn floats(value: &Json) -> Vec<f32> {
    let numbers = value.as_array().expect("numbers").iter();
    numbers.map(|x| x.as_f64().expect("a number") as f32).collect()
}

/// y = sin(3 x0) + x1 and z = x0 x1, with a little noise.
fn waves(n: usize, seed: u64) -> Dataset {
    let mut rng = stream(seed, "waves");
    let mut draw = |low, high| rand::Rng::random_range(&mut rng, low..high);
    let (mut features, mut values) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let (a, b): (f32, f32) = (draw(-1.0, 1.0), draw(-1.0, 1.0));
        features.extend([a, b]);
        values.extend([(3.0 * a).sin() + b + draw(-0.05, 0.05), a * b + draw(-0.05, 0.05)]);
    }
    Dataset::new("waves", Shape::Flat(2), features)
        .and_then(|data| data.with_values(values, ["y", "z"]))
        .expect("a dataset")
}

/// The weights of examples as scikit-learn's LinearRegression takes them (tests/reference/regression.py).
#[test]
fn weighted_least_squares_are_those_of_scikit_learn() {
    let golden: Json = serde_json::from_str(GOLDEN).expect("the golden file");
    let golden = &golden["least_squares"];
    let plain = Dataset::new("line", Shape::Flat(3), floats(&golden["x"]))
        .and_then(|data| data.with_values(floats(&golden["y"]), ["y"]))
        .expect("a dataset");
    let weighted = plain
        .clone()
        .with_weights(floats(&golden["weights"]))
        .expect("weights");
    let (with, without) = (&golden["weighted"], &golden["unweighted"]);
    let coefficients = floats(&with["coefficients"])
        .into_iter()
        .zip(floats(&without["coefficients"]));
    let apart = coefficients.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart > 0.02, "weights that change next to nothing: {apart}");
    for (data, want) in [(weighted, with), (plain, without)] {
        let recipe = Recipe::new().epochs(600).batch(60).sgd(0.05).momentum(0.9);
        let run = Mlp::new([3, 1]).train(&data, recipe).expect("a training");
        let network = run.network();
        let (weights, bias) = (network.tensor("logits.weight"), network.tensor("logits.bias"));
        let found = [weights.expect("weights"), bias.expect("a bias")].concat();
        let want = [
            floats(&want["coefficients"]),
            vec![want["intercept"].as_f64().expect("a number") as f32],
        ]
        .concat();
        for (found, want) in found.iter().zip(&want) {
            assert!((found - want).abs() < 1e-3, "{found}, {want}");
        }
    }
}

#[test]
fn values_are_learned_by_squared_errors_unless_told_otherwise() {
    let data = waves(40, 0);
    let train = |recipe: Recipe| {
        Mlp::new([2, 8, 2])
            .train(&data, recipe.epochs(3))
            .expect("a training")
    };
    let run = train(Recipe::new());
    assert_eq!(run.recipe.loss, Loss::MeanSquaredError);
    assert_eq!(
        super::bits(&run),
        super::bits(&train(Recipe::new().loss(Loss::MeanSquaredError)))
    );
    assert!(run.to_string().contains("MeanSquaredError"), "{run}");
    // A row of the history has no accuracy, and the chart no axis for it.
    let watched = train(Recipe::new().early_stopping(0.25));
    let row = watched.row().expect("a row");
    assert!(row.held_out_loss.is_finite() && row.held_out_accuracy.is_nan());
    let figure = serde_json::to_value(watched.history.chart()).expect("a figure");
    // Both losses, and the best check.
    assert_eq!(figure["data"].as_array().expect("traces").len(), 3);
    assert!(figure["layout"]["yaxis2"].is_null());
    // Too few outputs.
    let error = Mlp::new([2, 8, 1])
        .train(&data, Recipe::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("80 target values") && error.contains("as many units"),
        "{error}"
    );
    // An objective that names the softmax.
    let net = Mlp::new([2, 8, 2]).build(0).expect("a network");
    let named = net.training().objective(Loss::SoftmaxCrossEntropy.at("logits"));
    let error = named.run(&data, Recipe::new()).expect_err("an error").to_string();
    assert!(error.contains("Loss::MeanSquaredError"), "{error}");
}

#[test]
fn regression_goes_from_data_to_a_report() {
    let split = waves(400, 1).split(0.25, 0).expect("a split");
    let recipe = Recipe::new()
        .epochs(400)
        .adam(0.01)
        .early_stopping(0.2)
        .patience(20);
    let run = Mlp::new([2, 24, 2]).fit(&split, recipe).expect("a training");
    assert!(
        matches!(run.ending, Ending::EarlyStopped { .. } | Ending::Completed),
        "{}",
        run.ending
    );
    let report = run.regression.as_ref().expect("a regression");
    // The noise alone has a root mean square of 0.029.
    assert!(
        report.r2 > 0.95 && (0.02..0.12).contains(&report.rmse),
        "{report}"
    );
    assert!(run.evaluation.is_none() && run.unevaluated.is_none());
    assert!(run.to_string().contains("RMSE"), "{run}");
    assert!(report.bundle().plain().contains("95% interval"));
    // Columns in another order are matched by name.
    let values = split.test.values().expect("values");
    let turned: Vec<f32> = values.chunks(2).flat_map(|row| [row[1], row[0]]).collect();
    let turned = split
        .test
        .clone()
        .with_values(turned, ["z", "y"])
        .expect("values");
    assert_eq!(run.regression(&turned).expect("a regression").rmse, report.rmse);
    let predictions = run.predict(&turned).expect("predictions");
    assert_eq!(predictions.names(), ["y", "z"]);
    let outputs = run.predict(split.test.features()).expect("outputs");
    assert_eq!(predictions.outputs(), outputs);
    assert_eq!(predictions.values("z").expect("numbers")[3], outputs[7]);
    assert_eq!(predictions.mistakes(5).expect("mistakes").rows().len(), 5);
    // Without values there is still a prediction, but nothing to judge.
    let bare = Dataset::new("bare", Shape::Flat(2), split.test.features().to_vec()).expect("a dataset");
    assert_eq!(
        run.predict(&bare)
            .expect("predictions")
            .values("y")
            .expect("numbers")
            .len(),
        100
    );
    assert!(
        run.regression(&bare)
            .unwrap_err()
            .to_string()
            .contains("found none")
    );
    assert!(
        run.evaluate(&split.test)
            .unwrap_err()
            .to_string()
            .contains("Run::regression")
    );
    let other = split
        .test
        .clone()
        .with_values(vec![0.0; 200], ["y", "w"])
        .expect("values");
    let error = run.regression(&other).unwrap_err().to_string();
    assert!(
        error.contains("lacking: z") && error.contains("unknown: w"),
        "{error}"
    );
}

#[test]
fn early_stopping_on_values_gives_the_best_network() {
    // Ten examples and a wide network: it learns the noise, and the held-out loss turns.
    let noisy = |n, seed| {
        let mut rng = stream(seed, "noise");
        let mut draw = || rand::Rng::random_range(&mut rng, -1.0f32..1.0);
        let features: Vec<f32> = (0..n).map(|_| draw()).collect();
        let values = features.iter().map(|x| x + draw()).collect();
        Dataset::new("noisy", Shape::Flat(1), features)
            .and_then(|data| data.with_values(values, ["y"]))
            .expect("a dataset")
    };
    let watch = noisy(100, 2);
    let recipe = Recipe::new()
        .epochs(500)
        .batch(10)
        .adam(0.02)
        .patience(30)
        .validation(&watch);
    let run = Mlp::new([1, 64, 1])
        .train(&noisy(10, 1), recipe)
        .expect("a training");
    let Ending::EarlyStopped { best_step, .. } = run.ending else {
        panic!("not stopped: {}", run.ending);
    };
    let row = run.row().expect("a row");
    let least = run
        .history
        .records()
        .iter()
        .map(|row| row.held_out_loss)
        .fold(f64::INFINITY, f64::min);
    assert_eq!((row.step, row.held_out_loss), (best_step, least));
    // The network is the one of that row.
    let found = run.regression(&watch).expect("a regression");
    assert!(
        (found.rmse.powi(2) - least).abs() < 1e-6,
        "{}, {least}",
        found.rmse.powi(2)
    );
}

#[test]
fn a_study_of_values_is_judged_by_their_errors() {
    let Split { train, test, .. } = waves(120, 3).split(0.25, 0).expect("a split");
    let split = Split::new(train, test).expect("a split");
    let study = Study::new("waves")
        .base(Mlp::new([2, 8, 2]), Recipe::new().adam(0.02))
        .data(&split)
        .vary(
            "recipe.length",
            [crate::train::Budget::Epochs(1), crate::train::Budget::Epochs(60)],
        )
        .seeds(2)
        .in_memory()
        .quiet()
        .fit()
        .expect("a study");
    let shown = study
        .table()
        .column("metric")
        .expect("a column")
        .get(0)
        .expect("a row")
        .to_string();
    assert!(shown.contains("rmse"), "{shown}");
    let (best, _) = study.best("rmse").expect("a best setting");
    assert!(best.to_string().contains("60 epochs"), "{best}");
    let (best, _) = study.best("r2").expect("a best setting");
    assert!(best.to_string().contains("60 epochs"), "{best}");
}
