//! Typed dfdx models through the same call.

use dfdx::prelude::*;

use super::super::{Ending, Load as _, Recipe, Run, Train as _, TypedOptimizer};
use super::loops::undisturbed;
use super::{clouds, rows, scratch};
use crate::data::Dataset;
use crate::net::{Layer, LayerKind, Mlp, NetSpec, Network, Window, ops};
use crate::optim::{TensorStep, UpdateRule};
use crate::study::Study;

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

type Full = (Linear<6, 16>, BatchNorm1D<16>, ReLU, Dropout, Linear<16, 3>);
type BuiltFull = <Full as BuildOnDevice<Cpu, f32>>::Built;

fn full(seed: u64) -> BuiltFull {
    Cpu::seed_from_u64(seed).build_module::<Full, f32>()
}

#[test]
fn a_saved_model_loads_for_inference() {
    let _turn = undisturbed();
    let data = clouds(100, 6, 3, 0.5, 35);
    let recipe = Recipe::new().epochs(4).batch(20).adam(0.01).early_stopping(0.2);
    let run = full(9).train(&data, recipe).expect("a run");
    let path = scratch("typed-load.safetensors");
    run.save(&path).expect("a file");
    let mut other = full(10);
    other.load(&path).expect("a model");
    let x = Cpu::default().tensor_from_vec(data.features().to_vec(), (100usize, Const::<6>));
    let logits = |model: &BuiltFull| model.forward(x.clone()).as_vec();
    assert_eq!(logits(&other), run.predict(data.features()).expect("logits"));
    assert_eq!(other.1.running_var.as_vec(), run.model.1.running_var.as_vec());

    // Another model keeps its numbers, and the error says where they part.
    let mut smaller = Cpu::seed_from_u64(1).build_module::<(Linear<6, 16>, ReLU, Linear<16, 3>), f32>();
    let before = smaller.0.weight.as_vec();
    let error = smaller.load(&path).unwrap_err().to_string();
    assert!(
        error.contains("tensor 2.weight of [3, 16] here")
            && error.contains("tensor 1.scale of [16] in the file"),
        "{error}"
    );
    assert_eq!(smaller.0.weight.as_vec(), before);
    let mut wider = Cpu::seed_from_u64(1).build_module::<(Linear<6, 17>, ReLU, Linear<17, 3>), f32>();
    let error = wider.load(&path).unwrap_err().to_string();
    assert!(
        error.contains("0.weight of [17, 6] here, tensor 0.weight of [16, 6] in"),
        "{error}"
    );

    // Each of the two kinds says how to read the other.
    let error = Network::load(&path).expect_err("an error").to_string();
    assert!(error.contains("model.load(path)"), "{error}");
    let network = Mlp::new([6, 3])
        .train(&data, Recipe::new().epochs(1))
        .expect("a run");
    network.save(&path).expect("a file");
    let error = other.load(&path).unwrap_err().to_string();
    assert!(error.contains("Network::load"), "{error}");
    assert!(other.load(scratch("not there")).is_err());
}

#[test]
fn a_checkpoint_goes_on_by_itself() {
    let _turn = undisturbed();
    let data = clouds(100, 6, 3, 0.5, 36);
    let recipe = Recipe::new().epochs(4).batch(20).adam(0.01);
    let whole = full(9).train(&data, &recipe).expect("a run");
    let path = scratch("typed-resume.safetensors");
    super::super::engine::CRASH_AFTER.set(Some(6));
    let crash = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        full(9).train(&data, recipe.clone().checkpoint(&path, 3))
    }));
    super::super::engine::CRASH_AFTER.set(None);
    assert!(crash.is_err());
    let resumed = full(10).resume(&path, &data).expect("a run");
    assert_eq!(rows(&resumed), rows(&whole));
    assert_eq!(resumed.model.4.weight.as_vec(), whole.model.4.weight.as_vec());

    let error = Run::<Network>::resume(&path, &data)
        .expect_err("an error")
        .to_string();
    assert!(error.contains("model.resume(path, &data)"), "{error}");
    let tanh =
        Cpu::default().build_module::<(Linear<6, 16>, BatchNorm1D<16>, Tanh, Dropout, Linear<16, 3>), f32>();
    let error = tanh.resume(&path, &data).expect_err("an error").to_string();
    assert!(
        error.contains("the network differs") && error.contains("Tanh"),
        "{error}"
    );
    let error = full(9)
        .resume(&path, &clouds(100, 6, 3, 0.5, 1))
        .expect_err("an error")
        .to_string();
    assert!(error.contains("the data differs"), "{error}");
    full(9)
        .train_with(
            &data,
            recipe.clone().checkpoint(&path, 3),
            cross_entropy_with_logits_loss,
        )
        .expect("a run");
    let error = full(9).resume(&path, &data).expect_err("an error").to_string();
    assert!(
        error.contains("a loss written in dfdx") && error.contains(".resume(path)"),
        "{error}"
    );
}

#[test]
fn a_typed_model_fits_a_split() {
    let _turn = undisturbed();
    let split = clouds(150, 6, 3, 0.2, 37).split(0.3, 0).expect("a split");
    let recipe = Recipe::new().epochs(30).batch(16).adam(0.01);
    let run = model().fit(&split, &recipe).expect("a run");
    let alone = model().train(&split.train, &recipe).expect("a run");
    assert_eq!(numbers(&run.model), numbers(&alone.model));
    let evaluation = run.evaluation.expect("an evaluation");
    assert_eq!(
        evaluation.accuracy,
        alone.evaluate(&split.test).expect("an evaluation").accuracy
    );
    assert!(evaluation.accuracy > 0.9, "{evaluation:?}");
    // A wrong test part costs no training.
    let mut wrong = split.clone();
    wrong.test = clouds(30, 5, 3, 0.3, 1);
    let error = model().fit(&wrong, &recipe).expect_err("an error").to_string();
    assert!(error.contains("6"), "{error}");
}

#[test]
fn tensors_freeze_by_dfdxs_names() {
    let _turn = undisturbed();
    let data = clouds(100, 6, 3, 0.5, 38);
    let start = model();
    let recipe = Recipe::new().epochs(2).batch(16).adam(0.01);
    let run = start
        .train(&data, recipe.clone().frozen("0.weight"))
        .expect("a run");
    assert_eq!(run.model.0.weight.as_vec(), start.0.weight.as_vec());
    assert_ne!(run.model.0.bias.as_vec(), start.0.bias.as_vec());
    let run = start.train(&data, recipe.clone().frozen("0.*")).expect("a run");
    assert_eq!(numbers(&run.model)[..140], numbers(&start)[..140]);
    assert_ne!(run.model.2.weight.as_vec(), start.2.weight.as_vec());
    let error = start
        .train(&data, recipe.frozen("3.weight"))
        .expect_err("an error")
        .to_string();
    assert!(
        error.contains("no tensor is named 3.weight") && error.contains("0.weight, 0.bias"),
        "{error}"
    );
}

#[test]
fn typed_models_take_part_in_studies() {
    let _turn = undisturbed();
    let split = clouds(90, 6, 3, 0.5, 39).split(0.3, 0).expect("a split");
    let fit = |rate: f64, seed: u64| {
        let model = Cpu::seed_from_u64(seed).build_module::<Builder, f32>();
        model.fit(&split, Recipe::new().epochs(3).batch(16).adam(rate).seed(seed))
    };
    let study = Study::new("typed")
        .vary("rate", [0.0001, 0.01])
        .seeds(2)
        .threads(2)
        .in_memory()
        .quiet()
        .run(|t| fit(f64::try_from(t["rate"])?, t.seed()))
        .expect("a study");
    assert_eq!(study.trials().len(), 4);
    assert!(
        study
            .trials()
            .into_iter()
            .all(|trial| trial.metric("accuracy").is_some())
    );
    for trial in study.trials() {
        let rate: f64 = if trial.settings().to_string().contains("0.01") {
            0.01
        } else {
            0.0001
        };
        let alone = fit(rate, trial.seed())
            .expect("a run")
            .evaluation
            .expect("an evaluation");
        assert_eq!(
            trial.metric("log_loss").map(f64::to_bits),
            Some(alone.log_loss.to_bits()),
            "{rate}, seed {}",
            trial.seed()
        );
    }
}

/// A convolution on stable Rust, of `O` filters of 3 x 2 on two channels.
#[derive(Clone)]
struct Conv<const O: usize> {
    weight: Tensor<Rank4<O, 2, 3, 2>, f32, Cpu>,
}

impl<const O: usize> TensorCollection<f32, Cpu> for Conv<O> {
    type To<E: Dtype, D: Device<E>> = Tensor<Rank4<O, 2, 3, 2>, E, D>;

    fn iter_tensors<V: ModuleVisitor<Self, f32, Cpu>>(
        visitor: &mut V,
    ) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let options = TensorOptions::reset_with(|_| Ok(()));
        let weight = Self::tensor("weight", |s| &s.weight, |s| &mut s.weight, options);
        visitor.visit_fields(weight, |weight| weight)
    }
}

impl<const O: usize, T: Tape<f32, Cpu>> Module<Tensor<(usize, Const<2>, Const<4>, Const<5>), f32, Cpu, T>>
    for Conv<O>
{
    type Output = Tensor<(usize, Const<O>, Const<2>, Const<4>), f32, Cpu, T>;
    type Error = CpuError;

    fn try_forward(
        &self,
        x: Tensor<(usize, Const<2>, Const<4>, Const<5>), f32, Cpu, T>,
    ) -> Result<Self::Output, CpuError> {
        let window = Window::new([3, 2]);
        let maps = ops::conv2d(x, self.weight.clone(), window, 1).map_err(|_| CpuError::OutOfMemory)?;
        maps.try_realize().map_err(|_| CpuError::WrongNumElements)
    }
}

impl<const O: usize> NonMutableModule for Conv<O> {}

fn images(seed: u64) -> Dataset {
    clouds(60, 40, 3, 0.5, seed)
        .with_shape((4, 5, 2))
        .expect("images")
}

#[test]
fn a_typed_model_takes_images() {
    let _turn = undisturbed();
    let data = images(42);
    let dev = Cpu::seed_from_u64(5);
    let weight = dev.sample_normal();
    let head = dev.build_module::<Linear<8, 3>, f32>();
    let start = (Conv::<8> { weight }, ReLU, AvgPoolGlobal, head);
    let recipe = Recipe::new().epochs(3).batch(16).adam(0.01);
    let typed = start.train(&data, &recipe).expect("a run");

    // The same in a network of ours, which has images and weights in another order.
    let named = |name: &str, kind| Layer {
        name: name.into(),
        kind,
        from: Vec::new(),
        frozen: false,
    };
    let spec = NetSpec {
        input: 40,
        image: Some((4, 5, 2).into()),
        layers: vec![
            named(
                "conv",
                LayerKind::Conv2d {
                    channels: 8,
                    window: Window::new([3, 2]),
                    groups: 1,
                    bias: false,
                    init: crate::net::Zeros,
                    bias_init: crate::net::Zeros,
                },
            ),
            named("relu", LayerKind::Activation(crate::net::Relu)),
            named("pool", LayerKind::GlobalAvgPool),
            named(
                "logits",
                LayerKind::Dense {
                    units: 3,
                    bias: true,
                    init: crate::net::Zeros,
                    bias_init: crate::net::Zeros,
                },
            ),
        ],
    };
    let twin = |(conv, _, _, head): &(Conv<8>, ReLU, AvgPoolGlobal, modules::Linear<8, 3, f32, Cpu>)| {
        let mut network = Network::new(&spec, 0).expect("a network");
        let conv = crate::net::permute::permuted(&conv.weight.as_vec(), &[8, 2, 3, 2], &[2, 3, 1, 0]);
        let dense = crate::net::permute::permuted(&head.weight.as_vec(), &[3, 8], &[1, 0]);
        let flat = [conv, dense, head.bias.as_vec()].concat();
        network.parameters_mut().copy_from_slice(&flat);
        network
    };
    let network = twin(&start).train(&data, &recipe).expect("a run");
    for (a, b) in twin(&typed.model)
        .parameters()
        .iter()
        .zip(network.network().parameters())
    {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    let (a, b) = (
        typed.predict(data.features()).expect("logits"),
        network.predict(data.features()).expect("logits"),
    );
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-3));
    assert!(typed.evaluate(&data).is_ok());

    // Images of another shape, and plain numbers, are refused, as many as they are.
    for wrong in [
        data.clone().with_shape((5, 4, 2)).expect("images"),
        clouds(60, 40, 3, 0.5, 42),
    ] {
        let error = start.train(&wrong, &recipe).expect_err("an error").to_string();
        assert!(
            error.contains("4 x 5 x 2 images") && error.contains("with_shape"),
            "{error}"
        );
    }
    assert!(start.train(&clouds(60, 6, 3, 0.5, 1), &recipe).is_err());
}

#[test]
fn a_typed_model_takes_two_inputs() {
    let _turn = undisturbed();
    let data = clouds(150, 6, 3, 0.3, 43);
    let dev = Cpu::seed_from_u64(6);
    // The sum of two linear layers, of columns 1 and 2 and of the other four, is one of all six.
    let two = dev.build_module::<(AddInto<(Linear<2, 8>, Linear<4, 8>)>, ReLU, Linear<8, 3>), f32>();
    let (first, second) = (&two.0.0.0, &two.0.0.1);
    let mut one = dev.build_module::<(Linear<6, 8>, ReLU, Linear<8, 3>), f32>();
    let (w1, w2) = (first.weight.as_vec(), second.weight.as_vec());
    let rows: Vec<f32> = w1
        .chunks(2)
        .zip(w2.chunks(4))
        .flat_map(|(a, b)| [a, b].concat())
        .collect();
    one.0.weight.copy_from(&rows);
    one.0.bias = first.bias.clone() + second.bias.clone();
    one.2 = two.2.clone();
    // The biases of two layers would move twice as far as those of one.
    let recipe = Recipe::new().epochs(2).batch(16).sgd(0.05).frozen("*.bias");
    let both = two.train(&data, &recipe).expect("a run");
    let whole = one.train(&data, &recipe).expect("a run");
    let (a, b) = (
        both.predict(data.features()).expect("logits"),
        whole.predict(data.features()).expect("logits"),
    );
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4));
    assert!(both.evaluate(&data).expect("an evaluation").accuracy > 0.5);
    let error = two
        .train(&clouds(30, 7, 3, 0.3, 1), Recipe::new())
        .expect_err("an error")
        .to_string();
    assert!(
        error.contains("as 2 and 4") && error.contains("found 7"),
        "{error}"
    );
}

#[test]
fn a_typed_loss_that_leaves_the_tape_is_refused() {
    let _turn = undisturbed();
    let data = clouds(60, 6, 3, 0.3, 44);
    let dev = Cpu::default();
    let half_way = |shares: Vec<f32>| {
        let rows = shares.len() / 3;
        dev.tensor_from_vec(shares, (rows, Const::<3>))
            .leaky_trace()
            .square()
            .mean()
    };
    let typed = model().train_with(&data, Recipe::new(), |logits, _| {
        half_way(logits.softmax::<Axis<1>>().as_vec())
    });
    let network = Mlp::new([6, 3]).train_with(&data, Recipe::new(), |logits, _| {
        half_way(logits.softmax::<Axis<1>>().as_vec())
    });
    for error in [typed.err(), network.err()] {
        let error = error.expect("an error").to_string();
        assert!(
            error.contains("does not come from the outputs by their tape"),
            "{error}"
        );
    }
}

/// Weights that the outputs do not come from by the tape.
#[derive(Clone)]
struct Detached(Linear63);

type Linear63 = <Linear<6, 3> as BuildOnDevice<Cpu, f32>>::Built;

impl TensorCollection<f32, Cpu> for Detached {
    type To<E: Dtype, D: Device<E>> = modules::Linear<6, 3, E, D>;

    fn iter_tensors<V: ModuleVisitor<Self, f32, Cpu>>(
        visitor: &mut V,
    ) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        visitor.visit_fields(Self::module("0", |s| &s.0, |s| &mut s.0), |linear| linear)
    }
}

impl<T: Tape<f32, Cpu>> Module<Tensor<(usize, Const<6>), f32, Cpu, T>> for Detached {
    type Output = Tensor<(usize, Const<3>), f32, Cpu, T>;
    type Error = CpuError;

    fn try_forward(&self, x: Tensor<(usize, Const<6>), f32, Cpu, T>) -> Result<Self::Output, CpuError> {
        let (x, tape) = x.split_tape();
        Ok(self.0.try_forward(x)?.put_tape(tape))
    }
}

impl NonMutableModule for Detached {}

#[test]
fn a_model_that_leaves_the_tape_is_refused() {
    let _turn = undisturbed();
    let model = Detached(Cpu::seed_from_u64(2).build_module::<Linear<6, 3>, f32>());
    let data = clouds(60, 6, 3, 0.3, 45);
    let error = model
        .train(&data, Recipe::new())
        .expect_err("an error")
        .to_string();
    assert!(
        error.contains("do not come from its tensors by their tape"),
        "{error}"
    );
}

type Sums = Tensor<(usize, Const<3>), f32, Cpu>;

/// dfdx's generic loop of its example `generic-train-loop`, on one batch.
fn generic<Model, Opt>(
    model: &mut Model,
    optimizer: &mut Opt,
    x: &Tensor<(usize, Const<6>), f32, Cpu>,
    y: &Sums,
    steps: usize,
) where
    Model: ModuleMut<
            Tensor<(usize, Const<6>), f32, Cpu, OwnedTape<f32, Cpu>>,
            Output = Tensor<(usize, Const<3>), f32, Cpu, OwnedTape<f32, Cpu>>,
            Error = CpuError,
        > + TensorCollection<f32, Cpu>,
    Opt: Optimizer<Model, Cpu, f32>,
{
    let mut grads = model.alloc_grads();
    for _ in 0..steps {
        let loss = mse_loss(model.forward_mut(x.trace(grads)), y.clone());
        grads = loss.backward();
        optimizer.update(model, &grads).expect("every tensor is used");
        model.zero_grads(&mut grads);
    }
}

fn batch() -> (Tensor<(usize, Const<6>), f32, Cpu>, Sums) {
    let dev = Cpu::seed_from_u64(8);
    (
        dev.sample_normal_like(&(7, Const)),
        dev.sample_normal_like(&(7, Const)),
    )
}

#[test]
fn our_optimizer_drives_a_loop_of_dfdx() {
    let (x, y) = batch();
    let close = |a: &Model, b: &Model, most: f32| {
        for (a, b) in numbers(a).iter().zip(numbers(b)) {
            assert!((a - b).abs() < most, "{a} {b}");
        }
        assert!(
            numbers(a)
                .iter()
                .zip(numbers(&model()))
                .any(|(a, b)| (a - b).abs() > 0.01)
        );
    };
    let (mut ours, mut theirs) = (model(), model());
    let mut optimizer =
        TypedOptimizer::new(&ours, Recipe::new().sgd(0.05).nesterov(0.9)).expect("an optimizer");
    generic(&mut ours, &mut optimizer, &x, &y, 10);
    assert_eq!(optimizer.steps(), 10);
    let config = dfdx::optim::SgdConfig {
        lr: 0.05,
        momentum: Some(dfdx::optim::Momentum::Nesterov(0.9)),
        weight_decay: None,
    };
    let mut sgd = dfdx::optim::Sgd::new(&theirs, config);
    generic(&mut theirs, &mut sgd, &x, &y, 10);
    close(&ours, &theirs, 1e-5);

    let (mut ours, mut theirs) = (model(), model());
    let mut optimizer = TypedOptimizer::new(&ours, Recipe::new().adam(0.01)).expect("an optimizer");
    generic(&mut ours, &mut optimizer, &x, &y, 10);
    let config = dfdx::optim::AdamConfig {
        lr: 0.01,
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: None,
    };
    let mut adam = dfdx::optim::Adam::new(&theirs, config);
    generic(&mut theirs, &mut adam, &x, &y, 10);
    close(&ours, &theirs, 1e-4);
}

/// Takes the sign of the gradient alone.
struct Sign;

impl UpdateRule for Sign {
    fn states(&self) -> usize {
        0
    }

    fn update(&self, tensor: TensorStep<'_>) {
        for (p, g) in tensor.parameters.iter_mut().zip(tensor.gradients) {
            *p -= tensor.rate as f32 * g.signum();
        }
    }
}

#[test]
fn steps_over_a_dfdx_model_by_groups_and_rules_of_ones_own() {
    let (x, y) = batch();
    let gradients = |model: &Model| mse_loss(model.forward(x.leaky_trace()), y.clone()).backward();
    let start = model();
    let mut stepped = start.clone();
    let recipe = Recipe::new().sgd(0.01).frozen("0").rate_of("2.bias", 2.0);
    let mut optimizer = TypedOptimizer::new(&stepped, &recipe)
        .and_then(|optimizer| optimizer.rule(Sign))
        .expect("an optimizer");
    let found = gradients(&stepped);
    optimizer.step(&mut stepped, &found).expect("a step");
    assert_eq!(numbers(&stepped)[..140], numbers(&start)[..140]);
    let moved = |rate: f32, before: Vec<f32>, after: Vec<f32>, by: Vec<f32>| {
        for ((before, after), g) in before.iter().zip(&after).zip(&by) {
            assert!((before - rate * g.signum() - after).abs() < 1e-6);
        }
    };
    moved(
        0.01,
        start.2.weight.as_vec(),
        stepped.2.weight.as_vec(),
        found.get(&start.2.weight).as_vec(),
    );
    moved(
        0.02,
        start.2.bias.as_vec(),
        stepped.2.bias.as_vec(),
        found.get(&start.2.bias).as_vec(),
    );
    optimizer.set_rate(0.1).unwrap();
    let before = stepped.2.bias.as_vec();
    optimizer.step(&mut stepped, &found).expect("a step");
    moved(
        0.2,
        before,
        stepped.2.bias.as_vec(),
        found.get(&start.2.bias).as_vec(),
    );
    assert!(TypedOptimizer::new(&start, Recipe::new().frozen("1.weight")).is_err());
}

#[test]
fn a_step_that_would_teach_nothing_or_break_is_refused() {
    let (x, y) = batch();
    let start = model();
    let mut stepped = start.clone();
    let recipe = Recipe::new().sgd(0.1).l2(0.1);
    let mut optimizer = TypedOptimizer::new(&stepped, &recipe).expect("an optimizer");
    // A loss that left the tape.
    let outputs = start.forward(x.leaky_trace()).split_tape().0;
    let none = mse_loss(outputs.leaky_trace(), y.clone()).backward();
    let error = optimizer.step(&mut stepped, &none).unwrap_err().to_string();
    assert!(
        error.contains("by its tape") && error.contains("x.trace(grads)"),
        "{error}"
    );
    // A root of 0.
    let broken = (start.forward(x.leaky_trace()) * 0.0).sqrt().mean().backward();
    let error = optimizer.step(&mut stepped, &broken).unwrap_err().to_string();
    assert!(error.contains("update 1, tensor 0.weight"), "{error}");
    assert_eq!(numbers(&stepped), numbers(&start));
    assert_eq!(optimizer.steps(), 0);
    // A loss that uses a part: the rest takes no update, its penalty included, and dfdx's way is told of it.
    let hidden = start.0.forward(x.leaky_trace()).square().mean().backward();
    optimizer.step(&mut stepped, &hidden).expect("a step");
    assert_ne!(numbers(&stepped)[..140], numbers(&start)[..140]);
    assert_eq!(numbers(&stepped)[140..], numbers(&start)[140..]);
    match optimizer.update(&mut stepped, &hidden) {
        Err(dfdx::optim::OptimizerUpdateError::UnusedParams(unused)) => assert_eq!(unused.ids.len(), 2),
        other => panic!("{other:?}"),
    }
}
