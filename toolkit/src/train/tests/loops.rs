//! What the loop does: learn, stop, keep, restore, repeat.

use std::time::Duration;

use dfdx::prelude::cross_entropy_with_logits_loss;

use super::super::{Cause, Ending, Recipe};
use super::{bits, clouds};
use crate::data::{Dataset, Shape, Split};
use crate::interrupt;
use crate::net::{Activation, Mlp};
use crate::show::{Show, quiet};
use crate::study::Study;

/// Interrupts reach every training of the process: tests that send one and tests that must not get one take
/// turns.
static TURN: std::sync::RwLock<()> = std::sync::RwLock::new(());

pub(super) fn undisturbed() -> std::sync::RwLockReadGuard<'static, ()> {
    TURN.read().unwrap_or_else(|e| e.into_inner())
}

pub(super) fn alone() -> std::sync::RwLockWriteGuard<'static, ()> {
    TURN.write().unwrap_or_else(|e| e.into_inner())
}

#[test]
fn learns_clouds_and_evaluates_on_the_test_part() {
    let _turn = undisturbed();
    let split = Split {
        validation: None,
        train: clouds(300, 8, 4, 0.15, 1),
        test: clouds(300, 8, 4, 0.15, 1)
            .subset(&(100..300).collect::<Vec<_>>())
            .expect("a part"),
    };
    let untrained = Mlp::new([8, 32, 4]).build(0).expect("a network");
    let before = untrained
        .train(&split.train, Recipe::new().sgd(1e-9).steps(1))
        .expect("a run");
    let before = before.evaluate(&split.test).expect("an evaluation").accuracy;
    let run = Mlp::new([8, 32, 4]).fit(&split, Recipe::new().epochs(20).batch(32).sgd(0.05).momentum(0.9));
    let run = run.expect("a run");
    let evaluation = run.evaluation.as_ref().expect("an evaluation");
    assert!(
        before < 0.7 && evaluation.accuracy > 0.95,
        "{before} {}",
        evaluation.accuracy
    );
    assert_eq!(run.ending, Ending::Completed);
    // 300 examples in batches of 32: ten updates an epoch, the last of 12.
    assert_eq!((run.steps, run.epochs, run.history().len()), (200, 20.0, 20));
    assert_eq!(
        (run.version.as_str(), run.device.as_str()),
        (env!("CARGO_PKG_VERSION"), "cpu")
    );
    assert_eq!(run.dataset, split.train.digest());
    let frame = run.history().frame();
    assert_eq!(frame.shape(), (20, 7));
    assert_eq!(frame.column("held_out_loss").expect("a column").null_count(), 20);
    assert!(run.bundle().plain().contains("completed") && run.bundle().plain().contains("batch 32"));
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_thread() {
    let _turn = undisturbed();
    let data = clouds(200, 6, 3, 0.4, 2);
    let net = Mlp::new([6, 24, 24, 3]).dropout(0.3).batch_norm();
    let recipe = |seed| {
        Recipe::new()
            .epochs(4)
            .batch(16)
            .adam(0.01)
            .early_stopping(0.2)
            .seed(seed)
    };
    let train = |seed| bits(&net.train(&data, recipe(seed)).expect("a run"));
    let in_pool = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        pool.install(|| train(5))
    };
    assert_eq!(train(5), in_pool(1));
    assert_eq!(train(5), in_pool(2));
    assert_eq!(train(5), quiet(|| train(5)));
    assert_ne!(train(5), train(6));
}

#[test]
fn early_stopping_gives_back_the_best_network() {
    let _turn = undisturbed();
    // Few examples with random labels: it learns them by heart, and the held-out loss goes up.
    let noisy = clouds(60, 4, 2, 3.0, 3);
    let recipe = Recipe::new()
        .epochs(400)
        .batch(8)
        .adam(0.02)
        .early_stopping(0.3)
        .patience(5)
        .check_every(7);
    let run = Mlp::new([4, 64, 2]).train(&noisy, &recipe).expect("a run");
    let Ending::EarlyStopped { step, best_step } = run.ending else {
        panic!("{}", run.ending)
    };
    let losses: Vec<_> = run
        .history()
        .records()
        .iter()
        .map(|r| (r.held_out_loss, r.step))
        .collect();
    let best = losses
        .iter()
        .copied()
        .fold((f64::INFINITY, 0), |a, b| if b.0 < a.0 { b } else { a });
    assert_eq!((best.1, step), (best_step, best_step + 5 * 7));
    // What is said of the network is what was seen at that step, and not the last that was seen.
    let row = *run.row().expect("a row");
    assert_eq!((row.step, row.held_out_loss), (best_step, best.0));
    let said = format!("  at best  loss {:.4}, held out: loss {:.4}, ", row.loss, best.0);
    let text = run.to_string();
    assert!(
        text.contains(&said) && text.contains(&format!("(step {best_step})")),
        "{text}"
    );
    let study = Study::new("best").in_memory().quiet();
    let study = study.run(|_| Ok(run.clone())).expect("a study");
    assert_eq!(study.trials()[0].metric("held_out_loss"), Some(best.0));
    assert_eq!(study.trials()[0].metric("train_loss"), Some(row.loss));
    // The network given back is the one of that step: train only so far, and compare.
    let short = recipe.clone().steps(best_step as usize);
    let until = Mlp::new([4, 64, 2]).train(&noisy, short).expect("a run");
    assert_eq!(bits(&until), bits(&run));
    let to_the_end = recipe.clone().steps(step as usize).patience(1000);
    let all = Mlp::new([4, 64, 2]).train(&noisy, to_the_end).expect("a run");
    assert_eq!(all.ending, Ending::Completed);
    assert_eq!(bits(&all), bits(&run));
    let mut unwatched = recipe.steps(step as usize);
    (unwatched.early_stopping, unwatched.patience) = (None, None);
    assert_ne!(
        bits(&Mlp::new([4, 64, 2]).train(&noisy, unwatched).expect("a run")),
        bits(&run)
    );
}

#[test]
fn frozen_layers_do_not_move_batch_norm_included() {
    let _turn = undisturbed();
    let data = clouds(120, 5, 3, 0.3, 4);
    let recipe = Recipe::new().epochs(3).adam(0.01).l1(0.01).l2(0.1);
    let first = Mlp::new([5, 16, 3])
        .batch_norm()
        .train(&data, &recipe)
        .expect("a run");
    let mut network = first.network().clone();
    network.freeze("dense1").expect("a layer");
    network.freeze("batch_norm1").expect("a layer");
    let tuned = network.train(&data, &recipe).expect("a run");
    for name in [
        "dense1.weight",
        "dense1.bias",
        "batch_norm1.scale",
        "batch_norm1.running_mean",
        "batch_norm1.running_var",
    ] {
        assert_eq!(network.tensor(name), tuned.network().tensor(name), "{name}");
        assert!(network.tensor(name).is_some());
    }
    assert_ne!(
        network.tensor("logits.weight"),
        tuned.network().tensor("logits.weight")
    );
    // Without freezing they do move, and `train` leaves what it is called on as it is.
    let moved = first.network().train(&data, &recipe).expect("a run");
    assert_ne!(
        moved.network().tensor("batch_norm1.running_mean"),
        network.tensor("batch_norm1.running_mean")
    );
    assert_eq!(first.network().parameters(), network.parameters());
}

#[test]
fn divergence_names_its_step_and_cause_and_keeps_the_history() {
    let _turn = undisturbed();
    let data = clouds(100, 4, 2, 0.3, 5);
    // Leaky units: plain ones would all die in the first step, and stay finite.
    let net = Mlp::new([4, 16, 16, 2]).activation(Activation::LeakyRelu(0.1));
    let run = net
        .train(&data, Recipe::new().epochs(50).batch(10).sgd(1e12).momentum(0.9))
        .expect("a run");
    let Ending::Diverged { step, cause } = &run.ending else {
        panic!("{}", run.ending)
    };
    assert!((2..30).contains(step), "{step}");
    assert_eq!(*cause, Cause::RateTooHigh { rate: 1e12 });
    assert!(run.network().parameters().iter().all(|x| x.is_finite()));
    assert!(run.bundle().plain().contains("DIVERGED") && run.bundle().plain().contains("too high"));

    let large: Vec<f32> = data.features().iter().map(|x| x * 1e4).collect();
    let labels = data.labels().expect("labels").to_vec();
    let large = Dataset::new("large", Shape::Flat(4), large)
        .and_then(|d| d.with_labels(labels, data.class_names().to_vec()))
        .expect("a dataset");
    let run = net
        .train(&large, Recipe::new().epochs(50).sgd(1e6))
        .expect("a run");
    assert!(
        matches!(
            run.ending,
            Ending::Diverged {
                cause: Cause::UnscaledFeatures { .. },
                ..
            }
        ),
        "{}",
        run.ending
    );

    let mut calls = 0;
    let recipe = Recipe::new().sgd(0.1).batch(10).epochs(5);
    let run = net.train_with(&data, recipe, |logits, targets| {
        calls += 1;
        let loss = cross_entropy_with_logits_loss(logits, targets);
        if calls > 25 { (loss * 0.0).ln() } else { loss }
    });
    let run = run.expect("a run");
    assert_eq!(
        run.ending,
        Ending::Diverged {
            step: 26,
            cause: Cause::UndefinedLoss
        }
    );
    // Two epochs of ten steps had been checked; the last row holds the five sound steps after them.
    let steps: Vec<u64> = run.history().records().iter().map(|r| r.step).collect();
    assert_eq!(steps, [10, 20, 25]);
    assert!(run.history().last().is_some_and(|r| r.loss.is_finite()));
    let good = net
        .train(&data, Recipe::new().sgd(0.1).batch(10).epochs(2))
        .expect("a run");
    let far = bits(&good)
        .iter()
        .zip(bits(&run))
        .any(|(a, b)| (f32::from_bits(*a) - f32::from_bits(b)).abs() > 1e-4);
    assert!(!far, "the network of the last good check comes back");
}

#[test]
fn a_loss_written_in_dfdx_trains_like_the_fused_one() {
    let _turn = undisturbed();
    let data = clouds(150, 6, 3, 0.3, 6);
    let recipe = Recipe::new()
        .epochs(3)
        .batch(25)
        .sgd(0.05)
        .momentum(0.9)
        .early_stopping(0.2);
    let net = Mlp::new([6, 20, 3]);
    let fused = net.train(&data, &recipe).expect("a run");
    let own = net
        .train_with(&data, &recipe, cross_entropy_with_logits_loss)
        .expect("a run");
    for (a, b) in fused
        .network()
        .parameters()
        .iter()
        .zip(own.network().parameters())
    {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    let (a, b) = (fused.history().last(), own.history().last());
    let (a, b) = (a.expect("a row"), b.expect("a row"));
    assert!((a.held_out_loss - b.held_out_loss).abs() < 1e-4);
    let zero = net
        .train_with(&data, &recipe, |l, t| cross_entropy_with_logits_loss(l, t) * 0.0)
        .expect("a run");
    assert_ne!(bits(&zero), bits(&own));
}

#[test]
fn a_request_from_another_thread_stops_it_and_it_can_go_on() {
    let _turn = alone();
    let data = clouds(100, 4, 2, 0.5, 7);
    let net = Mlp::new([4, 8, 2]).dropout(0.2);
    let long = Recipe::new().steps(2_000_000_000).batch(10).check_every(100);
    let asker = std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(60));
        interrupt::request();
    });
    let run = net.train(&data, &long).expect("a run");
    asker.join().expect("the asking thread");
    let Ending::Interrupted { step } = run.ending else {
        panic!("{}", run.ending)
    };
    assert_eq!(run.steps, step);
    assert_eq!(run.history().last().expect("a row").step, step);
    interrupt::clear();
    // What it has is what a training of exactly that length has.
    let exact = Recipe::new().steps(step as usize).batch(10).check_every(100);
    assert_eq!(bits(&net.train(&data, exact).expect("a run")), bits(&run));
}

#[test]
fn data_that_do_not_fit_are_errors() {
    let _turn = undisturbed();
    let data = clouds(40, 4, 3, 0.3, 8);
    let unlabelled = Dataset::new("u", Shape::Flat(4), vec![0.0; 16]).expect("a dataset");
    assert!(Mlp::new([4, 3]).train(&unlabelled, Recipe::new()).is_err());
    assert!(Mlp::new([5, 3]).train(&data, Recipe::new()).is_err());
    assert!(Mlp::new([4, 2]).train(&data, Recipe::new()).is_err());
    let none = data.subset(&[]).expect("nothing");
    assert!(Mlp::new([4, 3]).train(&none, Recipe::new()).is_err());
    let run = Mlp::new([4, 3])
        .train(&data, Recipe::new().epochs(1).batch(1_000_000))
        .expect("a run");
    assert_eq!(run.steps, 1);
    assert!(run.evaluate(&unlabelled).is_err() && run.evaluate(&none).is_err());
    let one = data.subset(&[0]).expect("one");
    assert!(Mlp::new([4, 3]).train(&one, Recipe::new().epochs(2)).is_ok());
    assert!(
        Mlp::new([4, 3])
            .train(&one, Recipe::new().early_stopping(0.2))
            .is_err()
    );
    // A network may know more classes than the data have.
    let wide = Mlp::new([4, 7])
        .train(&data, Recipe::new().epochs(1))
        .expect("a run");
    assert_eq!(
        wide.evaluate(&data)
            .expect("an evaluation")
            .confusion
            .classes()
            .len(),
        7
    );
}

#[test]
fn one_penalty_shrinks_and_the_other_clears() {
    let _turn = undisturbed();
    let data = clouds(100, 6, 2, 0.3, 9);
    let size = |recipe: Recipe| -> f32 {
        let run = Mlp::new([6, 16, 2])
            .train(&data, recipe.epochs(60).sgd(0.1))
            .expect("a run");
        run.network().parameters().iter().map(|x| x.abs()).sum()
    };
    let sizes = [
        size(Recipe::new()),
        size(Recipe::new().l2(0.1)),
        size(Recipe::new().l1(0.01)),
    ];
    assert!(
        sizes[1] < 0.6 * sizes[0] && sizes[2] < 0.75 * sizes[0],
        "{sizes:?}"
    );
}

#[test]
fn a_last_batch_of_one_leaves_batch_norm_finite() {
    let _turn = undisturbed();
    let data = clouds(33, 4, 3, 0.3, 12);
    let run = Mlp::new([4, 8, 3])
        .batch_norm()
        .train(&data, Recipe::new().epochs(3))
        .expect("a run");
    assert_eq!(run.ending, Ending::Completed);
    assert!(run.network().buffers().iter().all(|x| x.is_finite()));
}

/// Not a test: run it alone and optimized to see microseconds a step.
#[test]
#[ignore = "a measurement"]
fn microseconds_a_step() {
    let _turn = undisturbed();
    let data = clouds(1437, 64, 10, 0.3, 10);
    let net = Mlp::new([64, 128, 128, 10]);
    for batch in [32_usize, 64, 128, 512] {
        let recipe = Recipe::new()
            .steps(160_000 / batch)
            .batch(batch)
            .sgd(0.01)
            .momentum(0.9);
        let best = (0..7)
            .map(|_| {
                let run = net.train(&data, &recipe).expect("a run");
                run.seconds / run.steps as f64 * 1e6
            })
            .fold(f64::INFINITY, f64::min);
        println!("batch {batch}: {best:.1} us a step");
    }
}
