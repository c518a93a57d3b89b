//! Networks as modules of dfdx, moved by its optimizers.

use dfdx::optim::{Adam, AdamConfig, Momentum, Sgd, SgdConfig, WeightDecay};
use dfdx::prelude::*;

use super::{relative_error, scattered};
use crate::loss::Loss;
use crate::net::{Activation, Mlp, Network, NetworkModule};
use crate::train::{Recipe, Stepper};

type Batch<const W: usize> = Tensor<(usize, Const<W>), f32, Cpu>;

fn batch<const W: usize>(rows: usize, seed: u64) -> Batch<W> {
    Cpu::default().tensor_from_vec(scattered(rows * W, seed), (rows, Const::<W>))
}

fn network() -> Network {
    Mlp::new([5, 12, 2])
        .activation(Activation::Tanh)
        .build(1)
        .unwrap()
}

/// Ten steps towards a smaller mean square error, by an optimizer of dfdx.
fn stepped<const I: usize, const O: usize>(
    net: &mut NetworkModule<I, O>,
    mut optimizer: impl Optimizer<NetworkModule<I, O>, Cpu, f32>,
    (x, y): (&Batch<I>, &Batch<O>),
) {
    let mut grads = net.alloc_grads();
    for _ in 0..10 {
        let loss = mse_loss(net.forward_mut(x.trace(grads)), y.clone());
        grads = loss.backward();
        optimizer.update(net, &grads).unwrap();
        net.zero_grads(&mut grads);
    }
}

/// The same steps by our own rule.
fn by_ours(network: &Network, recipe: Recipe, (x, y): (&Batch<5>, &Batch<2>)) -> Network {
    let mut stepper = Stepper::new(network, recipe).unwrap();
    for _ in 0..10 {
        let values = y.as_vec();
        let targets = crate::data::Targets::Values(&values);
        stepper
            .minimize(&x.as_vec(), targets, &mut Loss::MeanSquaredError)
            .unwrap();
    }
    stepper.into_network()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

#[test]
fn dfdxs_optimizers_move_a_network_as_ours_do() {
    let (x, y) = (batch::<5>(6, 2), batch::<2>(6, 3));
    let start = network();

    let mut net = NetworkModule::<5, 2>::new(&start, 0).unwrap();
    let config = SgdConfig {
        lr: 0.1,
        momentum: Some(Momentum::Classic(0.9)),
        weight_decay: None,
    };
    let sgd = Sgd::new(&net, config);
    stepped(&mut net, sgd, (&x, &y));
    let ours = by_ours(&start, Recipe::new().sgd(0.1).momentum(0.9), (&x, &y));
    let error = relative_error(net.network().parameters(), &wide(ours.parameters()));
    assert!(error < 1e-5, "{error}");
    assert!(relative_error(start.parameters(), &wide(ours.parameters())) > 0.01);

    let mut net = NetworkModule::<5, 2>::new(&start, 0).unwrap();
    let config = AdamConfig {
        lr: 0.01,
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: Some(WeightDecay::Decoupled(0.01)),
    };
    let adam = Adam::new(&net, config);
    stepped(&mut net, adam, (&x, &y));
    // dfdx decays biases too.
    let recipe = Recipe::new().adam(0.01).decay_of("*", 0.01);
    let ours = by_ours(&start, recipe, (&x, &y));
    let error = relative_error(net.network().parameters(), &wide(ours.parameters()));
    assert!(error < 1e-4, "{error}");
}

#[test]
fn frozen_layers_stay_and_running_statistics_move() {
    let mut start = Mlp::new([5, 12, 2]).batch_norm().dropout(0.3).build(1).unwrap();
    start.freeze("dense1").unwrap();
    let mut net = NetworkModule::<5, 2>::new(&start, 7).unwrap();
    // Decay acts on all that dfdx updates, with a gradient or without.
    let config = SgdConfig {
        lr: 0.1,
        momentum: None,
        weight_decay: Some(WeightDecay::Decoupled(0.1)),
    };
    let sgd = Sgd::new(&net, config);
    stepped(&mut net, sgd, (&batch::<5>(6, 2), &batch::<2>(6, 3)));
    let after = net.network();
    for tensor in start.tensors() {
        let (before, after) = (start.tensor(&tensor.name), after.tensor(&tensor.name));
        assert_eq!(
            before == after,
            tensor.name.starts_with("dense1."),
            "{}",
            tensor.name
        );
    }
    assert_eq!(net.num_trainable_params(), 2 * 12 + 12 * 2 + 2);
    // In evaluation mode it is the network; in training mode the same seed drops the same.
    let x = batch::<5>(3, 9);
    assert_eq!(
        net.forward(x.clone()).as_vec(),
        after.predict(&x.as_vec()).unwrap()
    );
    let mut twin = net.clone();
    assert_eq!(
        net.forward_mut(x.clone()).as_vec(),
        twin.forward_mut(x.clone()).as_vec()
    );
    assert_ne!(net.forward_mut(x.clone()).as_vec(), net.forward(x).as_vec());
}

#[test]
fn a_network_stands_in_a_tuple_of_modules() {
    let dev = Cpu::seed_from_u64(3);
    let body = NetworkModule::<5, 2>::new(&network(), 0).unwrap();
    let mut model = (dev.build_module::<Linear<4, 5>, f32>(), body, ReLU);
    let mut grads = model.alloc_grads();
    let mut adam = Adam::new(&model, AdamConfig::default());
    let (x, y) = (batch::<4>(6, 5), batch::<2>(6, 6));
    let before = (model.0.weight.as_vec(), model.1.network());
    let mut losses = Vec::new();
    for _ in 0..20 {
        let loss = mse_loss(model.forward_mut(x.trace(grads)), y.clone());
        losses.push(loss.array());
        grads = loss.backward();
        adam.update(&mut model, &grads).unwrap();
        model.zero_grads(&mut grads);
    }
    assert!(losses[19] < losses[0], "{losses:?}");
    assert_ne!(model.0.weight.as_vec(), before.0);
    assert_ne!(model.1.network().parameters(), before.1.parameters());
}

#[test]
fn a_network_of_other_widths_is_refused() {
    let error = NetworkModule::<4, 2>::new(&network(), 0)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("NetworkModule::<5, 2>"), "{error}");
}
