//! Fifty steps of every update rule against PyTorch (tests/reference/train.py).

use serde_json::Value;

use super::super::{RateSchedule, Recipe, Rule, Stepper};
use crate::data::{Dataset, Shape, Targets};
use crate::net::{Mlp, Network};

const GOLDEN: &str = include_str!("../../../../tests/reference/train.json");

struct Golden {
    data: Dataset,
    network: Network,
    batches: Vec<Vec<u32>>,
    cases: Vec<Value>,
}

fn floats(value: &Value) -> Vec<f32> {
    value
        .as_array()
        .expect("numbers")
        .iter()
        .map(|x| x.as_f64().expect("a number") as f32)
        .collect()
}

fn indexes(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .expect("indexes")
        .iter()
        .map(|x| x.as_u64().expect("an index") as u32)
        .collect()
}

fn golden() -> Golden {
    let file: Value = serde_json::from_str(GOLDEN).expect("the golden file");
    let widths: Vec<usize> = indexes(&file["widths"]).iter().map(|&w| w as usize).collect();
    let names = (0..widths[2]).map(|c| c.to_string()).collect();
    let data = Dataset::new("golden", Shape::Flat(widths[0]), floats(&file["features"]))
        .and_then(|data| data.with_labels(indexes(&file["labels"]), names))
        .expect("a dataset");
    let mut network = Mlp::new(widths).build(0).expect("a network");
    network.parameters_mut().copy_from_slice(&floats(&file["start"]));
    let list = |value: &Value| value.as_array().expect("a list").clone();
    Golden {
        data,
        network,
        batches: list(&file["batches"]).iter().map(indexes).collect(),
        cases: list(&file["cases"]),
    }
}

/// The largest error relative to PyTorch's value; values under a hundredth of the largest count as that.
fn error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let floor = 0.01 * expected.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
    let pairs = found.iter().zip(expected);
    pairs
        .map(|(f, e)| f64::from((f - e).abs() / e.abs().max(floor)))
        .fold(0.0, f64::max)
}

/// The recipe of a case; PyTorch's penalties act on all parameters.
fn recipe(case: &Value) -> Recipe {
    let recipe: Recipe = serde_json::from_value(case["recipe"].clone()).expect("a recipe");
    let (l1, l2) = (recipe.l1, recipe.l2);
    match (l1, l2) {
        (0.0, 0.0) => recipe,
        _ => recipe.l1_of("*", l1).l2_of("*", l2),
    }
}

#[test]
fn fifty_steps_on_given_batches_are_those_of_pytorch() {
    let golden = golden();
    let (labels, width) = (golden.data.labels().expect("labels"), golden.data.width());
    assert!(golden.cases.len() >= 11);
    for case in &golden.cases {
        let recipe = recipe(case);
        // The schedules of the cases count epochs of five batches.
        let optimizer = |step| recipe.rate_at(step, 5);
        let (mut loss, mut losses) = (recipe.loss.clone(), Vec::new());
        let flat = Recipe {
            schedule: RateSchedule::Constant,
            ..recipe.clone()
        };
        let mut stepper = Stepper::new(&golden.network, flat).expect("a stepper");
        for (step, batch) in golden.batches.iter().enumerate() {
            let x: Vec<f32> = batch
                .iter()
                .flat_map(|&row| golden.data.row(row as usize))
                .copied()
                .collect();
            let classes: Vec<u32> = batch.iter().map(|&row| labels[row as usize]).collect();
            assert_eq!(x.len(), batch.len() * width);
            stepper.set_rate(optimizer(step));
            let value = stepper
                .minimize(&x, Targets::Classes(&classes), &mut loss)
                .expect("a loss");
            losses.push(value as f32);
        }
        let off = error(
            stepper.network().parameters(),
            &floats(&case["batches"]["parameters"]),
        );
        let loss_off = error(&losses, &floats(&case["batches"]["losses"]));
        println!("{}: parameters {off:.1e}, losses {loss_off:.1e}", case["name"]);
        assert!(
            off < 1e-4 && loss_off < 1e-4,
            "{}: {off} {loss_off}",
            case["name"]
        );
    }
}

#[test]
fn fifty_steps_of_train_are_those_of_pytorch() {
    let golden = golden();
    for case in &golden.cases {
        let recipe = recipe(case).batch(40).steps(50).check_every(1);
        let run = golden.network.train(&golden.data, recipe).expect("a run");
        let losses: Vec<f32> = run.history().records().iter().map(|r| r.loss as f32).collect();
        let off = error(run.network().parameters(), &floats(&case["whole"]["parameters"]));
        let loss_off = error(&losses, &floats(&case["whole"]["losses"]));
        assert!(
            off < 1e-4 && loss_off < 1e-4,
            "{}: {off} {loss_off}",
            case["name"]
        );
    }
}

#[test]
fn momentum_of_zero_is_plain_descent_and_rules_differ() {
    let golden = golden();
    let train = |recipe: Recipe| {
        let run = golden
            .network
            .train(&golden.data, recipe.steps(20))
            .expect("a run");
        run.network().parameters().to_vec()
    };
    let plain = train(Recipe::new().sgd(0.1));
    assert!(error(&train(Recipe::new().sgd(0.1).momentum(0)), &plain) < 1e-6);
    assert!(error(&train(Recipe::new().sgd(0.1).momentum(0.9)), &plain) > 1e-2);
    let rule = Rule::Nesterov {
        rate: 0.1,
        momentum: 0.9,
    };
    assert!(
        error(
            &train(Recipe::new().rule(rule)),
            &train(Recipe::new().sgd(0.1).momentum(0.9))
        ) > 1e-3
    );
}
