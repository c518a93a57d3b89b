//! Fifty steps of every update rule, and of what is put around the rules, against PyTorch (tests/reference/train.py).

use serde_json::Value;

use super::super::{Flow, Moment, Recipe, Rule, Stepper, Watcher};
use super::loops::undisturbed;
use crate::Result;
use crate::data::{Dataset, Shape, Targets};
use crate::net::{Mlp, Network};
use crate::optim::{TensorStep, UpdateRule};

const GOLDEN: &str = include_str!("../../../../tests/reference/train.json");

struct Golden {
    data: Dataset,
    network: Network,
    batches: Vec<Vec<u32>>,
    cases: Vec<Value>,
    tricks: Vec<Value>,
}

impl Golden {
    /// What the recipe makes of the network on the given batches, and the losses there; if `apart`, by a rule that leaves
    /// the penalties to the optimizer.
    fn step(&self, recipe: &Recipe, apart: bool) -> (Vec<f32>, Vec<f32>) {
        let (labels, width) = (self.data.labels().expect("labels"), self.data.width());
        let (mut loss, mut losses) = (recipe.loss.clone(), Vec::new());
        let whole = recipe.clone().steps(self.batches.len());
        let mut stepper = Stepper::new(&self.network, whole).expect("a stepper");
        if apart {
            stepper = stepper.rule(Apart(recipe.rule)).expect("a stepper");
        }
        for batch in &self.batches {
            let x: Vec<f32> = batch
                .iter()
                .flat_map(|&row| self.data.row(row as usize))
                .copied()
                .collect();
            let classes: Vec<u32> = batch.iter().map(|&row| labels[row as usize]).collect();
            assert_eq!(x.len(), batch.len() * width);
            let value = stepper
                .minimize(&x, Targets::Classes(&classes), &mut loss)
                .expect("a loss");
            losses.push(value as f32);
        }
        (stepper.network().parameters().to_vec(), losses)
    }

    /// What the recipe makes of the network in a training on all examples at once.
    fn train(&self, recipe: &Recipe) -> Vec<f32> {
        let recipe = recipe.clone().batch(40).steps(50);
        let run = self.network.train(&self.data, recipe).expect("a run");
        run.network().parameters().to_vec()
    }
}

/// A rule as one of a user's own, which leaves the penalties to the optimizer.
struct Apart(Rule);

impl UpdateRule for Apart {
    fn states(&self) -> usize {
        self.0.states()
    }

    fn update(&self, tensor: TensorStep<'_>) {
        assert_eq!((tensor.l1, tensor.l2, tensor.decay), (0.0, 0.0, 0.0));
        self.0.update(tensor);
    }
}

/// The average over all updates, each with the same weight.
#[derive(Default)]
struct Equal(Vec<f32>);

impl Watcher for Equal {
    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        let share = 1.0 / at.step() as f32;
        let parameters = at.parameters();
        self.0.resize(parameters.len(), 0.0);
        for (average, p) in self.0.iter_mut().zip(parameters) {
            *average += share * (p - *average);
        }
        Ok(Flow::On)
    }

    fn stand_in(&self) -> Option<&[f32]> {
        Some(&self.0)
    }
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
        tricks: list(&file["tricks"]),
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
    assert!(golden.cases.len() >= 27);
    for case in &golden.cases {
        let (parameters, losses) = golden.step(&recipe(case), false);
        let off = error(&parameters, &floats(&case["batches"]["parameters"]));
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
    let _turn = undisturbed();
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

/// A recipe in the file; there is nothing to add to it.
fn read(recipe: &Value) -> Recipe {
    serde_json::from_value(recipe.clone()).expect("a recipe")
}

#[test]
fn what_is_put_around_the_rules_is_that_of_pytorch() {
    let _turn = undisturbed();
    let golden = golden();
    assert!(golden.tricks.len() >= 16);
    for trick in golden
        .tricks
        .iter()
        .filter(|trick| trick["name"] != "equal average")
    {
        let name = &trick["name"];
        let recipe = read(&trick["recipe"]);
        let others: Vec<Recipe> = trick["others"]
            .as_array()
            .expect("a list")
            .iter()
            .map(read)
            .collect();
        assert!(!others.is_empty(), "{name}: nothing says that it does anything");
        let whole = floats(&trick["whole"]);
        let off = error(&golden.train(&recipe), &whole);
        println!("{name}: {off:.1e} in a training");
        assert!(off < 1e-4, "{name}: {off} in a training");
        for other in &others {
            let off = error(&golden.train(other), &whole);
            assert!(off > 1e-2, "{name} and {other} are one: {off} in a training");
        }
        if trick["batches"].is_null() {
            continue;
        }
        let batches = floats(&trick["batches"]);
        for apart in [false, true] {
            let off = error(&golden.step(&recipe, apart).0, &batches);
            println!("{name}: {off:.1e} on given batches");
            assert!(off < 1e-4, "{name}: {off} on given batches");
        }
        for other in &others {
            let off = error(&golden.step(other, false).0, &batches);
            assert!(off > 1e-2, "{name} and {other} are one: {off} on given batches");
        }
    }
}

#[test]
fn an_average_of_ones_own_is_that_of_pytorch() {
    let _turn = undisturbed();
    let golden = golden();
    let mut tricks = golden.tricks.iter();
    let trick = tricks.find(|trick| trick["name"] == "equal average").expect("it");
    let recipe = read(&trick["recipe"]).batch(40).steps(50);
    let training = golden.network.training().watch(Equal::default());
    let run = training.run(&golden.data, recipe.clone()).expect("a run");
    let whole = floats(&trick["whole"]);
    let off = error(run.network().parameters(), &whole);
    println!("equal average: {off:.1e}");
    assert!(off < 1e-4, "{off}");
    assert!(error(&golden.train(&recipe), &whole) > 1e-2);
}

#[test]
fn momentum_of_zero_is_plain_descent_and_rules_differ() {
    let _turn = undisturbed();
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
