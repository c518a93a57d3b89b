//! What breaks, and what is kept of it.

use dfdx::prelude::*;

use super::super::{Budget, Cause, Ending, Recipe, Rule};
use super::loops::undisturbed;
use super::{clouds, scratch};
use crate::data::{Shape, Split};
use crate::net::tape::{Logits, LossValue};
use crate::net::{Activation, Init, Mlp};
use crate::train::OneHot;

fn split(seed: u64) -> Split {
    clouds(120, 6, 3, 0.3, seed).split(0.25, 0).expect("a split")
}

#[test]
fn a_training_that_broke_keeps_its_ending_and_history_through_fit() {
    let _turn = undisturbed();
    let net = Mlp::new([6, 8, 3]);
    let run = net
        .clone()
        .init(Init::Normal(1e30))
        .fit(&split(1), Recipe::new().epochs(3))
        .expect("a run");
    let broke = Ending::Diverged {
        step: 1,
        cause: Cause::InitialWeights,
    };
    assert_eq!(run.ending, broke);
    assert!(run.evaluation.is_none() && run.unevaluated.is_some());
    assert!(run.to_string().contains("not evaluated"), "{run}");

    // Finite parameters, too large to compute with.
    let run = net
        .activation(Activation::LeakyRelu(0.1))
        .fit(&split(1), Recipe::new().steps(1).rule(Rule::Sgd { rate: 1e25 }))
        .expect("a run");
    assert!(run.model.parameters().iter().all(|p| p.is_finite()));
    assert!(
        matches!(
            &run.ending,
            Ending::Diverged {
                step: 1,
                cause: Cause::RateTooHigh { .. }
            }
        ),
        "{run}"
    );
    assert_eq!(run.history.len(), 1);
    // What is given back is what was there before, and that can be evaluated.
    assert!(run.evaluation.is_some());
}

#[test]
fn an_absurd_rate_that_ends_finite_is_marked() {
    let _turn = undisturbed();
    let flat = Mlp::new([6, 3]);
    let recipe = Recipe::new().epochs(5);
    let run = flat
        .train(&split(2).train, recipe.clone().sgd(1e6))
        .expect("a run");
    assert!(run.to_string().contains("times that of guessing"), "{run}");
    let run = flat.train(&split(2).train, recipe.sgd(0.1)).expect("a run");
    assert!(!run.to_string().contains("guessing"), "{run}");
}

#[test]
fn data_of_another_width_are_not_evaluated() {
    let _turn = undisturbed();
    let run = Mlp::new([6, 3])
        .train(&split(3).train, Recipe::new().epochs(1))
        .expect("a run");
    let wide = crate::data::Dataset::new("wide", Shape::Flat(12), vec![0.5; 120])
        .and_then(|data| data.with_labels(vec![0; 10], vec!["a".into(), "b".into(), "c".into()]))
        .expect("a dataset");
    let error = run.evaluate(&wide).expect_err("12 is not 6").to_string();
    assert!(
        error.contains("expected 6") && error.contains("found 12"),
        "{error}"
    );
    let lopsided = Split {
        validation: None,
        train: split(3).train,
        test: wide,
    };
    assert!(Mlp::new([6, 3]).fit(&lopsided, Recipe::new().epochs(1)).is_err());
}

#[test]
fn a_loss_of_ones_own_is_blamed_for_its_gradient_and_its_held_out_value() {
    let _turn = undisturbed();
    let data = split(4).train;
    // The root of 0 has no slope.
    let rooted = |logits: Logits, _: OneHot| -> LossValue { ((logits * 0.0).sum::<Rank0, _>()).sqrt() };
    let run = Mlp::new([6, 3])
        .train_with(&data, Recipe::new().epochs(2), rooted)
        .expect("a run");
    let broke = Ending::Diverged {
        step: 1,
        cause: Cause::UndefinedLoss,
    };
    assert_eq!(run.ending, broke);
    assert!(run.model.parameters().iter().all(|p| p.is_finite()));

    // Fine in training (90 examples: batches of 32), not a number on the held-out rows.
    let mut calls = 0;
    let recipe = Recipe::new()
        .steps(8)
        .batch(24)
        .early_stopping(0.2)
        .check_every(2);
    let later = |logits: Logits, targets: OneHot| -> LossValue {
        calls += 1;
        let factor = if calls == 3 { f32::NAN } else { 1.0 };
        cross_entropy_with_logits_loss(logits, targets) * factor
    };
    let run = Mlp::new([6, 3]).train_with(&data, recipe, later).expect("a run");
    let broke = Ending::Diverged {
        step: 2,
        cause: Cause::UndefinedLoss,
    };
    assert_eq!(run.ending, broke, "the check after two updates broke");
}

#[test]
fn a_checkpoint_that_cannot_be_written_costs_no_training() {
    let _turn = undisturbed();
    let data = split(5).train;
    let recipe = Recipe::new().epochs(4).batch(16);
    // Known before the first step.
    let error = Mlp::new([6, 3])
        .train(&data, recipe.clone().checkpoint("/proc/no/such/place", 2))
        .expect_err("no such place");
    assert!(error.to_string().contains("/proc/no/such/place"), "{error}");
    // The folder goes away on the way, and something else takes its name.
    let folder = scratch("leaves");
    let path = folder.join("run.safetensors");
    let mut steps = 0;
    let gone = |logits: Logits, targets: OneHot| -> LossValue {
        steps += 1;
        if steps == 7 {
            std::fs::remove_dir_all(&folder).expect("the folder");
            std::fs::write(&folder, "in the way").expect("a file");
        }
        cross_entropy_with_logits_loss(logits, targets)
    };
    let run = Mlp::new([6, 3])
        .train_with(&data, recipe.checkpoint(&path, 2), gone)
        .expect("a run");
    assert_eq!(run.ending, Ending::Completed);
    assert!(
        run.unsaved.is_some() && run.to_string().contains("not on disk"),
        "{run}"
    );
}

#[test]
fn rates_of_many_digits_resume() {
    let _turn = undisturbed();
    let data = split(6).train;
    let recipe = Recipe::new().epochs(3).batch(16).sgd(1.0 / 11.0);
    let json = serde_json::to_string(&recipe).expect("json");
    let back: Recipe = serde_json::from_str(&json).expect("a recipe");
    assert_eq!(back.rule.rate().to_bits(), recipe.rule.rate().to_bits());
    let path = scratch("digits-of-a-rate.safetensors");
    Mlp::new([6, 3])
        .train(&data, recipe.clone().checkpoint(&path, 4))
        .expect("a run");
    Mlp::new([6, 3])
        .train(&data, recipe.resume(&path))
        .expect("the same recipe");
    assert_eq!(Budget::Epochs(3), back.length);
}
