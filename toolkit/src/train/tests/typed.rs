//! Typed dfdx models through the same call.

use dfdx::prelude::*;

use super::super::{Ending, Recipe, Run, Train as _};
use super::loops::undisturbed;
use super::{clouds, rows, scratch};
use crate::net::{Mlp, Network};

type Builder = (Linear<6, 20>, ReLU, Linear<20, 3>);
type Model = <Builder as BuildOnDevice<Cpu, f32>>::Built;

fn model() -> Model {
    Cpu::seed_from_u64(3).build_module::<Builder, f32>()
}

fn numbers(model: &Model) -> Vec<f32> {
    [
        model.0.weight.as_vec(),
        model.0.bias.as_vec(),
        model.2.weight.as_vec(),
        model.2.bias.as_vec(),
    ]
    .concat()
}

/// The same network as a fused one; dfdx keeps weights as units x inputs.
fn fused(model: &Model) -> Network {
    let transposed = |w: Vec<f32>, inputs: usize, units: usize| -> Vec<f32> {
        (0..inputs * units)
            .map(|i| w[(i % units) * inputs + i / units])
            .collect()
    };
    let mut network = Mlp::new([6, 20, 3]).build(0).expect("a network");
    let flat = [
        transposed(model.0.weight.as_vec(), 6, 20),
        model.0.bias.as_vec(),
        transposed(model.2.weight.as_vec(), 20, 3),
        model.2.bias.as_vec(),
    ];
    network.parameters_mut().copy_from_slice(&flat.concat());
    network
}

#[test]
fn a_typed_model_trains_as_the_fused_network_does() {
    let _turn = undisturbed();
    let data = clouds(150, 6, 3, 0.3, 31);
    let start = model();
    for recipe in [
        Recipe::new()
            .epochs(4)
            .batch(16)
            .sgd(0.05)
            .momentum(0.9)
            .early_stopping(0.2),
        Recipe::new().epochs(4).batch(16).adam(0.01).l2(0.01),
    ] {
        let typed = start.train(&data, &recipe).expect("a run");
        let network = fused(&start).train(&data, &recipe).expect("a run");
        let found = fused(&typed.model);
        for (a, b) in found.parameters().iter().zip(network.network().parameters()) {
            assert!((a - b).abs() < 5e-6, "{a} {b}");
        }
        assert_eq!(typed.history().len(), network.history().len());
        let accuracy = typed.evaluate(&data).expect("an evaluation").accuracy;
        assert!(accuracy > 0.95, "{accuracy}");
        assert_eq!(typed.ending, Ending::Completed);
    }
    // The model it was called on stays as it was.
    assert_eq!(numbers(&start), numbers(&model()));
}

#[test]
fn a_typed_model_takes_a_loss_of_ones_own() {
    let _turn = undisturbed();
    let data = clouds(150, 6, 3, 0.3, 32);
    let recipe = Recipe::new().epochs(3).batch(16).sgd(0.05).momentum(0.9);
    let own = model()
        .train_with(&data, &recipe, cross_entropy_with_logits_loss)
        .expect("a run");
    let fused = model().train(&data, &recipe).expect("a run");
    for (a, b) in numbers(&own.model).iter().zip(numbers(&fused.model)) {
        assert!((a - b).abs() < 5e-6, "{a} {b}");
    }
    let squares = model()
        .train_with(&data, recipe.clone().epochs(40), |l, t| {
            (l.softmax::<Axis<1>>() - t).square().mean()
        })
        .expect("a run");
    let accuracy = squares.evaluate(&data).expect("an evaluation").accuracy;
    assert!(accuracy > 0.85, "{accuracy}");
    assert_ne!(numbers(&squares.model), numbers(&own.model));
}

#[test]
fn typed_models_resume_dropout_and_batch_norm_included() {
    let _turn = undisturbed();
    type Full = (Linear<6, 16>, BatchNorm1D<16>, ReLU, Dropout, Linear<16, 3>);
    let data = clouds(100, 6, 3, 0.5, 33);
    let device = Cpu::seed_from_u64(9);
    let start = device.build_module::<Full, f32>();
    let recipe = Recipe::new()
        .epochs(4)
        .batch(20)
        .adam(0.01)
        .early_stopping(0.2)
        .check_every(3);
    let whole = start.train(&data, &recipe).expect("a run");
    let path = scratch("typed.safetensors");
    super::super::engine::CRASH_AFTER.set(Some(6));
    let crash = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        start.train(&data, recipe.clone().checkpoint(&path, 6))
    }));
    super::super::engine::CRASH_AFTER.set(None);
    assert!(crash.is_err());
    // Another start: everything must come from the file.
    let other = Cpu::seed_from_u64(10).build_module::<Full, f32>();
    let resumed = other
        .train(&data, recipe.clone().resume(&path))
        .expect("a resumed run");
    let logits = |run: &Run<_>| run.predict(data.features()).expect("logits");
    assert_eq!(logits(&resumed), logits(&whole));
    assert_eq!(rows(&resumed), rows(&whole));
    assert!(Network::load(&path).is_err() && Run::<Network>::resume(&path, &data).is_err());
    assert_ne!(whole.model.1.running_mean.as_vec(), start.1.running_mean.as_vec());
}

#[test]
fn a_last_batch_of_one_row_leaves_batch_norm_finite() {
    let _turn = undisturbed();
    type Normed = (Linear<6, 16>, BatchNorm1D<16>, ReLU, Linear<16, 3>);
    let data = clouds(101, 6, 3, 0.5, 34);
    let start = Cpu::seed_from_u64(9).build_module::<Normed, f32>();
    // Five batches of 20 and one of a row; and rows alone, which never move the running statistics.
    for (batch, moves) in [(20, true), (1, false)] {
        let recipe = Recipe::new().epochs(2).batch(batch).adam(0.001);
        let run = start.train(&data, recipe).expect("a run");
        assert_eq!(run.ending, Ending::Completed, "batch {batch}");
        let (mean, var) = (&run.model.1.running_mean, &run.model.1.running_var);
        let buffers = [mean.as_vec(), var.as_vec()].concat();
        assert!(
            buffers.iter().all(|x| x.is_finite()),
            "batch {batch}: {buffers:?}"
        );
        let before = [start.1.running_mean.as_vec(), start.1.running_var.as_vec()].concat();
        assert_eq!(buffers != before, moves, "batch {batch}");
        let logits = run.predict(data.features()).expect("logits");
        assert!(logits.iter().all(|x| x.is_finite()), "batch {batch}");
    }
}
