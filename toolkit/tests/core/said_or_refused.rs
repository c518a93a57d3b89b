//! What would be a wrong number without a word is refused, or told.

use dfdx::prelude::{Cpu, DeviceBuildExt as _, Linear, cross_entropy_with_logits_loss};
use jook::loss::{Learned, Objective, Seen, objective};
use jook::net::NetworkModule;
use jook::prelude::*;
use jook::train::{Flow, Moment, TypedOptimizer, Watcher};

use super::clouds;

#[track_caller]
fn refused<T>(result: jook::Result<T>, words: &[&str]) {
    let text = match result {
        Ok(_) => panic!("not refused"),
        Err(error) => error.to_string(),
    };
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
}

fn by_columns(names: [&str; 2], rows: &[[f32; 2]], labels: &[u32], classes: [&str; 2]) -> Dataset {
    Dataset::new("columns", 2, rows.concat())
        .and_then(|data| data.with_feature_names(names.map(String::from).to_vec()))
        .and_then(|data| data.with_labels(labels.to_vec(), classes.map(String::from).to_vec()))
        .expect("a dataset")
}

#[test]
fn a_stream_beside_is_matched_by_the_names_of_its_columns_and_classes() {
    let rows: Vec<[f32; 2]> = (0..40)
        .map(|i| [i as f32 / 20.0 - 1.0, (i % 7) as f32 / 7.0])
        .collect();
    let labels: Vec<u32> = rows.iter().map(|row| u32::from(row[0] > 0.0)).collect();
    let first = by_columns(["x", "y"], &rows, &labels, ["no", "yes"]);
    let turned: Vec<[f32; 2]> = rows.iter().map(|&[x, y]| [y, x]).collect();
    let other: Vec<u32> = labels.iter().map(|label| 1 - label).collect();
    let same_said_otherwise = by_columns(["y", "x"], &turned, &other, ["yes", "no"]);
    let net = Mlp::new([2, 8, 2]).build(3).expect("a network");
    let train = |beside: &Dataset| {
        let both = Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits"))
            .plus(1.0, Loss::SoftmaxCrossEntropy.at("logits").stream(1));
        net.training()
            .objective(both)
            .beside(beside)
            .run(&first, Recipe::new().epochs(5).seed(4))
    };
    let (one, two) = (
        train(&first).expect("a run"),
        train(&same_said_otherwise).expect("a run"),
    );
    assert_eq!(one.network().parameters(), two.network().parameters());
    let foreign = by_columns(["u", "v"], &rows, &labels, ["no", "yes"]);
    refused(train(&foreign), &["features", "lacking: x, y"]);
    // The domain is no class of theirs, and stays what it is.
    let domain = by_columns(["x", "y"], &rows, &labels, ["source", "target"]);
    assert_eq!(
        train(&domain).expect("a run").network().parameters(),
        one.network().parameters()
    );
    let none = net
        .training()
        .beside_in(&first, 0, jook::train::Sampler::Shuffled);
    refused(
        none.run(&first, Recipe::new().epochs(1)),
        &["1 example or more", "found 0"],
    );
}

#[test]
fn of_several_heads_the_one_that_classifies_is_evaluated() {
    let mut spec = Mlp::new([2, 16, 2]).spec().expect("a spec");
    let mut side = Mlp::new([16, 3]).spec().expect("a spec").layers.remove(0);
    side.name = "side".into();
    side.from = vec!["activation1".into()];
    spec.layers.push(side);
    let net = jook::net::Network::new(&spec, 0).expect("a network");
    let (data, test) = (clouds(200, 0.0, 1), clouds(100, 0.0, 2));
    let run = net
        .training()
        .objective(Loss::SoftmaxCrossEntropy.at("logits"))
        .run(&data, Recipe::new().epochs(30).adam(0.01))
        .expect("a run");
    let accuracy = run.evaluate(&test).expect("an evaluation").accuracy;
    assert!(accuracy > 0.95, "{accuracy}");
    assert_eq!(run.predict(test.features()).expect("logits").len(), 100 * 2);
}

#[test]
fn classes_beyond_the_outputs_are_no_predictions() {
    let labels: Vec<u32> = (0..60).map(|i| i % 7).collect();
    let names = (0..7).map(|i| format!("kind {i}")).collect();
    let data = clouds(60, 0.0, 3).with_labels(labels, names).expect("labels");
    let small = objective([] as [&str; 0], |seen: &Seen<'_>, slopes: &mut [&mut [f32]]| {
        slopes[0].copy_from_slice(seen.outputs[0]);
        Ok(0.5)
    });
    let net = Mlp::new([2, 3]).build(0).expect("a network");
    let run = net
        .training()
        .objective(small)
        .run(&data, Recipe::new().epochs(2))
        .expect("a run");
    refused(
        run.predict(&data),
        &["3 numbers", "7 classes", "run.predict(data.features())"],
    );
    refused(run.evaluate(&data), &["7 classes"]);
    assert_eq!(run.predict(data.features()).expect("an embedding").len(), 180);
}

#[test]
fn weights_that_a_loss_is_not_given_are_refused() {
    let data = clouds(40, 0.0, 5);
    let half = |class: u32| -> Vec<f32> {
        let labels = data.labels().expect("labels").iter();
        labels.map(|&label| f32::from(label == class)).collect()
    };
    let weighted = data.clone().with_weights(half(0)).expect("weights");
    let net = Mlp::new([2, 8, 2]);
    let train = |data: &Dataset, recipe: Recipe| {
        net.train_with(data, recipe, |logits, targets| {
            cross_entropy_with_logits_loss(logits, targets)
        })
    };
    let recipe = Recipe::new().epochs(2);
    refused(
        train(&weighted, recipe.clone()),
        &["found weights", "without_weights"],
    );
    let plain = train(&weighted.clone().without_weights(), recipe.clone()).expect("a run");
    assert_eq!(
        plain.network().parameters(),
        train(&data, recipe.clone())
            .expect("a run")
            .network()
            .parameters()
    );
    // Drawn by their weights, they count by being drawn.
    train(&weighted, recipe.clone().sampler(jook::train::Sampler::Weighted)).expect("a run");
    // A part of which nothing counts is nothing to learn from.
    let nothing: Vec<usize> = (0..data.len()).filter(|&row| half(0)[row] == 0.0).collect();
    let nothing = weighted.subset(&nothing).expect("a part");
    refused(
        net.train(&nothing, recipe.clone()),
        &["learn from", "weights of 0 alone"],
    );
    refused(
        net.train(&data, recipe.validation(&nothing)),
        &["watch", "weights of 0 alone"],
    );
}

#[test]
fn a_step_of_ones_own_checks_its_targets_and_rate() {
    let net = Mlp::new([2, 4, 3]).build(0).expect("a network");
    let before = net.parameters().to_vec();
    let mut stepper = Stepper::new(&net, Recipe::new().adam(0.1).decay(0.1)).expect("a stepper");
    let x = [0.5f32; 8];
    let mut loss = Loss::SoftmaxCrossEntropy;
    for (targets, words) in [
        (Targets::Classes(&[0, 1, 2, 7]), &["label 7", "3 outputs"][..]),
        (Targets::Classes(&[0, 1]), &["2 labels for 4 examples"]),
        (Targets::Values(&[0.0; 12]), &["needs classes"]),
        (Targets::None, &["found none"]),
    ] {
        refused(stepper.minimize(&x, targets, &mut loss), words);
    }
    for rate in [-1.0, f64::NAN, f64::INFINITY] {
        refused(stepper.set_rate(rate), &["a rate of 0 or more"]);
    }
    assert_eq!(stepper.network().parameters(), before);
    assert!(
        stepper
            .minimize(&x, Targets::Classes(&[0, 1, 2, 0]), &mut loss)
            .expect("a step")
            .is_finite()
    );
}

/// A number of its own, pulled to 1.
struct Pulled {
    number: Vec<f32>,
    slope: Vec<f32>,
    rate: Option<f64>,
}

impl Objective for Pulled {
    fn taps(&self) -> Vec<String> {
        vec!["logits".into()]
    }

    fn value(&mut self, _: &Seen<'_>, _: &mut [&mut [f32]]) -> jook::Result<f64> {
        self.slope[0] = self.number[0] - 1.0;
        Ok(0.5 * f64::from(self.slope[0]).powi(2))
    }

    fn classifies(&self) -> Option<usize> {
        None
    }

    fn learned(&mut self) -> Vec<Learned<'_>> {
        vec![Learned {
            numbers: &mut self.number,
            slopes: &mut self.slope,
            rate: self.rate,
        }]
    }
}

#[test]
fn what_a_term_learns_itself_goes_down_the_slope_of_the_sum_unless_it_has_a_rate_of_its_own() {
    let data = clouds(32, 0.0, 1);
    let net = Mlp::new([2, 4, 2]).build(0).expect("a network");
    let learned = |weight: f64, rate: Option<f64>| {
        let mut pulled = Pulled {
            number: vec![0.0],
            slope: vec![0.0],
            rate,
        };
        let both = Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits")).plus(weight, &mut pulled);
        net.training()
            .objective(both)
            .run(&data, Recipe::new().steps(1).batch(32).sgd(0.5))
            .expect("a run");
        pulled.number[0]
    };
    assert_eq!((learned(0.0, None), learned(1.0, None)), (0.0, 0.5));
    assert!((learned(0.1, None) - 0.05).abs() < 1e-6);
    assert_eq!((learned(0.1, Some(0.25)), learned(1.0, Some(0.25))), (0.25, 0.25));
}

/// Freezes a layer after so many updates, and remembers nothing.
struct FreezeAt(u64);

impl Watcher for FreezeAt {
    fn name(&self) -> Option<String> {
        Some(format!("freezes at {}", self.0))
    }

    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> jook::Result<Flow> {
        if at.step() == self.0 {
            at.freeze("dense1")?;
        }
        Ok(Flow::On)
    }
}

/// Ends a training as a crash would: nothing is written after the last checkpoint.
struct BreakOff(u64);

impl Watcher for BreakOff {
    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> jook::Result<Flow> {
        match at.step() == self.0 {
            true => Err(jook::Error::spec("broken off")),
            false => Ok(Flow::On),
        }
    }
}

#[test]
fn a_resumed_training_knows_what_a_watcher_froze() {
    let data = clouds(64, 0.0, 1);
    let net = Mlp::new([2, 6, 2]).build(0).expect("a network");
    let recipe = Recipe::new().steps(30).batch(16).sgd(0.1);
    let whole = net
        .training()
        .watch(FreezeAt(5))
        .run(&data, recipe.clone())
        .expect("a run");
    let path = std::env::temp_dir().join(format!("jook-frozen-{}.safetensors", std::process::id()));
    let kept = recipe.checkpoint(&path, 10);
    let broken = net.training().watch(FreezeAt(5)).watch(BreakOff(22));
    refused(broken.run(&data, kept.clone()), &["broken off"]);
    let resumed = net
        .training()
        .watch(FreezeAt(5))
        .run(&data, kept.resume(&path))
        .expect("a run");
    assert_eq!(resumed.network().parameters(), whole.network().parameters());
    let loaded = jook::net::Network::load(&path).expect("a network");
    assert!(
        loaded
            .spec()
            .layers
            .iter()
            .any(|layer| layer.name == "dense1" && layer.frozen)
    );
    std::fs::remove_file(&path).ok();
}

/// Takes a share off the rate at each check, which it remembers; without a name.
struct Slower(f32);

impl Watcher for Slower {
    fn after_check(&mut self, _: &mut Moment<'_, '_>) -> jook::Result<Flow> {
        self.0 *= 0.9;
        Ok(Flow::Rate(f64::from(self.0)))
    }

    fn state(&self) -> Vec<f32> {
        vec![self.0]
    }

    fn restore(&mut self, state: &[f32]) {
        self.0 = state[0];
    }
}

#[test]
fn watchers_get_back_their_own_memories() {
    let data = clouds(64, 0.0, 1);
    let net = Mlp::new([2, 6, 2]).build(0).expect("a network");
    let recipe = Recipe::new().steps(30).batch(16).sgd(0.1).average(0.9);
    let path = std::env::temp_dir().join(format!("jook-memories-{}.safetensors", std::process::id()));
    let kept = recipe.clone().checkpoint(&path, 10);
    let whole = net
        .training()
        .watch(Slower(1.0))
        .run(&data, recipe)
        .expect("a run");
    let broken = net.training().watch(Slower(1.0)).watch(BreakOff(22));
    refused(broken.run(&data, kept.clone()), &["broken off"]);
    let resume = || kept.clone().resume(&path);
    // The one that broke off had nothing to remember, but without names nobody can tell which it was.
    refused(
        net.training().watch(Slower(1.0)).run(&data, resume()),
        &["2 watchers without a name", "found 1"],
    );
    let resumed = net
        .training()
        .watch(Slower(1.0))
        .watch(BreakOff(99))
        .run(&data, resume())
        .expect("a run");
    assert_eq!(resumed.network().parameters(), whole.network().parameters());
    std::fs::remove_file(&path).ok();
    struct Absurd;
    impl Watcher for Absurd {
        fn after_step(&mut self, _: &mut Moment<'_, '_>) -> jook::Result<Flow> {
            Ok(Flow::Rate(-1.0))
        }
    }
    refused(
        net.training().watch(Absurd).run(&data, Recipe::new().epochs(1)),
        &["Flow::Rate", "found -1"],
    );
}

/// Stands in with too few parameters.
struct Short;

impl Watcher for Short {
    fn stand_in(&self) -> Option<&[f32]> {
        Some(&[0.0])
    }
}

#[test]
fn what_would_do_nothing_or_fit_nothing_is_refused() {
    let data = clouds(32, 0.0, 1);
    let net = Mlp::new([2, 4, 2]).build(0).expect("a network");
    let mirrored = Recipe::new().epochs(1).augment(jook::train::Augmentation::Mirror);
    refused(
        net.train(&data, mirrored),
        &["mirrored is for images", "2 numbers"],
    );
    let short = net.training().watch(Short).run(&data, Recipe::new().epochs(1));
    refused(short, &["stand in", "found 1"]);
    for recipe in [
        Recipe::new().rmsprop(0.01),
        Recipe::new().adam(0.01),
        Recipe::new().lion(0.001),
    ] {
        refused(net.train(&data, recipe.momentum(0.9)), &["choose SGD first"]);
    }
}

#[test]
fn rules_learn_and_say_what_they_are() {
    let (data, test) = (clouds(120, 0.0, 1), clouds(60, 0.0, 2));
    let net = Mlp::new([2, 8, 2]);
    for (recipe, words) in [
        (Recipe::new().adagrad(0.1), "Adagrad 0.1"),
        (Recipe::new().rmsprop(0.01), "RMSProp 0.01"),
        (Recipe::new().adadelta(), "Adadelta 1"),
        (Recipe::new().amsgrad(0.02), "AMSGrad 0.02"),
        (Recipe::new().radam(0.02), "RAdam 0.02"),
        (Recipe::new().lion(0.005), "Lion 0.005"),
    ] {
        assert_eq!(recipe.rule.to_string(), words);
        let run = net.train(&data, recipe.epochs(30).batch(16)).expect("a run");
        let accuracy = run.evaluate(&test).expect("an evaluation").accuracy;
        assert!(accuracy > 0.9, "{words}: {accuracy}");
    }
    let rule = Rule::RmsProp {
        rate: 0.01,
        alpha: 0.9,
        epsilon: 1e-8,
    };
    assert_eq!(rule.to_string(), "RMSProp 0.01 (alpha 0.9, epsilon 0.00000001)");
}

#[test]
fn max_norm_is_of_a_units_weights_in_dfdx_models_too() {
    let data = clouds(64, 0.0, 1);
    let model = Cpu::seed_from_u64(0).build_module::<Linear<2, 2>, f32>();
    let recipe = Recipe::new().steps(200).batch(16).sgd(0.5).max_norm(0.3);
    let run = jook::train::Train::train(&model, &data, recipe).expect("a run");
    let weight = dfdx::prelude::AsArray::array(&run.model.weight);
    for unit in weight {
        let norm = unit.iter().map(|w| w * w).sum::<f32>().sqrt();
        assert!(norm <= 0.3001, "{norm}");
    }
    assert!(
        weight
            .iter()
            .any(|unit| unit.iter().map(|w| w * w).sum::<f32>().sqrt() > 0.29)
    );
}

#[test]
fn penalties_that_would_pass_a_network_module_by_are_refused() {
    let net = Mlp::new([2, 4, 2]).build(0).expect("a network");
    let module = NetworkModule::<2, 2>::new(&net, 0).expect("a module");
    for recipe in [
        Recipe::new().decay(0.1),
        Recipe::new().l2(0.1),
        Recipe::new().max_norm(1.0),
    ] {
        refused(
            TypedOptimizer::new(&module, recipe),
            &["NetworkModule", "Stepper", "decay_of(\"learned\""],
        );
    }
    TypedOptimizer::new(&module, Recipe::new().l2_of("learned", 0.1)).expect("a penalty by name");
}

#[test]
fn values_are_learned_by_dfdx_models_as_by_networks() {
    let data = clouds(80, 0.0, 1);
    let values: Vec<f32> = data.rows().map(|row| 2.0 * row[0] - row[1]).collect();
    let data = data
        .with_values(values, ["y"])
        .expect("values")
        .split(0.25, 0)
        .expect("parts");
    let model = Cpu::seed_from_u64(0).build_module::<Linear<2, 1>, f32>();
    let run = jook::train::Train::fit(&model, &data, Recipe::new().epochs(100).adam(0.05)).expect("a run");
    assert!(run.regression.expect("a regression").r2 > 0.95);
}

#[test]
fn a_log_loss_is_of_probabilities_alone() {
    let data = clouds(80, 0.0, 1).split(0.25, 0).expect("parts");
    let log_loss = |loss: Loss| {
        let run = Mlp::new([2, 8, 2])
            .fit(&data, Recipe::new().epochs(5).loss(loss))
            .expect("a run");
        let path = std::env::temp_dir().join(format!("jook-loss-{}.safetensors", std::process::id()));
        run.save(&path).expect("a file");
        let loaded = jook::net::Network::load(&path).expect("a network");
        std::fs::remove_file(&path).ok();
        [run.network().clone(), loaded].map(|net| {
            let said = net.predict(&data.test).expect("predictions");
            let evaluation = said.evaluation().expect("an evaluation").to_string();
            (said.probabilities().is_ok(), evaluation.contains("log loss"))
        })
    };
    assert_eq!(log_loss(Loss::SoftmaxCrossEntropy), [(true, true); 2]);
    assert_eq!(log_loss(Loss::MeanSquaredError), [(false, false); 2]);
}

#[test]
fn what_stands_for_examples_keeps_their_weights_groups_and_values() {
    let digits = datasets::digits()
        .expect("digits")
        .subset(&(0..40).collect::<Vec<_>>())
        .expect("a part");
    let groups: Vec<u32> = (0..40).map(|i| i % 5).collect();
    let weights: Vec<f32> = (0..40).map(|i| 1.0 + i as f32).collect();
    let data = digits
        .with_groups(groups.clone())
        .and_then(|data| data.with_weights(weights.clone()))
        .expect("a dataset");
    let net = Cnn::new(data.shape(), 10).build(0).expect("a network");
    let features = Features::of(&net, "flatten")
        .without_cache()
        .run(&data)
        .expect("features");
    let small = data.at_resolution(4, 4).expect("small images");
    for made in [&*features, &small] {
        assert_eq!(
            (made.groups(), made.weights()),
            (Some(&groups[..]), Some(&weights[..]))
        );
        assert_eq!(made.labels(), data.labels());
    }
    let values: Vec<f32> = (0..80).map(|i| i as f32).collect();
    let valued = data.with_values(values.clone(), ["a", "b"]).expect("values");
    let small = valued.at_resolution(2, 2).expect("small images");
    assert_eq!(
        (small.values(), small.value_names()),
        (Some(&values[..]), valued.value_names())
    );
}
