//! The bridge to dfdx: networks as ops on its tape, and losses written in it.

use dfdx::prelude::*;

use super::{relative_error, scattered};
use crate::data::{Shape as Example, Targets};
use crate::loss::Loss;
use crate::net::cpu::Passes;
use crate::net::permute::{TO_OURS, permuted};
use crate::net::tape::{LossValue, value_and_gradient};
use crate::net::{Cnn, Mlp, Network};
use crate::seed::stream;

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

type Input = Tensor<(usize, Const<3>), f32, Cpu, OwnedTape<f32, Cpu>>;

/// A network and the same one made of dfdx's parts.
fn twins() -> (Network, impl Fn(Input) -> LossValue) {
    let network = Mlp::new([3, 5, 2])
        .activation(crate::net::Activation::Tanh)
        .build(4)
        .unwrap();
    let device = Cpu::default();
    let take = |name: &str| network.tensor(name).unwrap().to_vec();
    let w1 = device.tensor_from_vec(take("dense1.weight"), (Const::<3>, Const::<5>));
    let w2 = device.tensor_from_vec(take("logits.weight"), (Const::<5>, Const::<2>));
    (network, move |x| {
        x.matmul(w1.clone()).tanh().matmul(w2.clone()).square().mean()
    })
}

#[test]
fn a_network_is_an_op_like_dfdxs_own() {
    let (network, twin) = twins();
    let device = Cpu::default();
    let x = device.tensor_from_vec(scattered(4 * 3, 1), (4, Const::<3>));
    // The network between two other ops: the input is scaled, the output squared.
    let here = network.forward(x.leaky_trace() * 1.5).unwrap().square().mean();
    let there = twin(x.leaky_trace() * 1.5);
    let (one, other): (f32, f32) = (here.array(), there.array());
    assert!((one - other).abs() < 1e-6);
    let (mut here, there) = (here.backward(), there.backward());
    let (got, expected) = (here.get(&x).as_vec(), there.get(&x).as_vec());
    assert!(relative_error(&got, &wide(&expected)) < 1e-5);

    let gradients = network.parameter_gradients(&mut here).unwrap();
    let mut passes = Passes::new(&network, 4);
    let scaled: Vec<f32> = x.as_vec().iter().map(|x| 1.5 * x).collect();
    let y = passes.evaluate(&network, &scaled).to_vec();
    let above: Vec<f32> = y.iter().map(|y| 2.0 * y / y_count(&network)).collect();
    passes.backward(&network, &above);
    assert!(relative_error(&gradients, &wide(passes.gradients())) < 1e-5);
    assert!(gradients.iter().any(|g| g.abs() > 1e-3));
}

fn y_count(network: &Network) -> f32 {
    (4 * network.outputs()) as f32
}

#[test]
fn gradients_add_up_over_uses_and_stay_apart_for_copies() {
    let (network, _) = twins();
    let other = network.clone();
    let x = Cpu::default().tensor_from_vec(scattered(4 * 3, 1), (4usize, 3usize));
    let once = {
        let mut gradients = network
            .forward(x.leaky_trace())
            .unwrap()
            .sum::<Rank0, _>()
            .backward();
        network.parameter_gradients(&mut gradients).unwrap()
    };
    let both = network.forward(x.leaky_trace()).unwrap() + network.forward(x.clone()).unwrap();
    let mut gradients = both.sum::<Rank0, _>().backward();
    // The second use had no tape.
    assert_eq!(network.parameter_gradients(&mut gradients).unwrap(), once);
    let both = network.forward(x.leaky_trace()).unwrap() + network.forward(x.leaky_trace()).unwrap();
    let mut gradients = both.sum::<Rank0, _>().backward();
    let twice: Vec<f64> = once.iter().map(|&g| 2.0 * f64::from(g)).collect();
    assert!(relative_error(&network.parameter_gradients(&mut gradients).unwrap(), &twice) < 1e-6);
    // It was on no tape: zeros would train nothing, without a word.
    let error = other.parameter_gradients(&mut gradients).unwrap_err().to_string();
    assert!(
        error.contains("by its tape") && error.contains("a clone"),
        "{error}"
    );
}

#[test]
fn transposed_inputs_and_wrong_widths() {
    let (network, _) = twins();
    let device = Cpu::default();
    let values = scattered(4 * 3, 1);
    let straight = network
        .forward(device.tensor_from_vec(values.clone(), (4usize, 3usize)))
        .unwrap();
    let mut turned = vec![0.0; 12];
    for (i, &value) in values.iter().enumerate() {
        turned[(i % 3) * 4 + i / 3] = value;
    }
    let turned = device
        .tensor_from_vec(turned, (3usize, 4usize))
        .permute::<(usize, usize), Axes2<1, 0>>();
    assert_eq!(network.forward(turned).unwrap().as_vec(), straight.as_vec());
    let error = network
        .forward(device.tensor_from_vec(values, (3usize, 4usize)))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("rows of 4") && error.contains("takes 3"),
        "{error}"
    );
}

#[test]
fn a_batch_too_large_is_an_error() {
    // A broadcast tensor holds one number, and as a batch it would hold 2^60.
    let network = Mlp::new([1, 1]).build(0).unwrap();
    let one: Tensor<Rank0, f32, _> = Cpu::default().tensor(0.0);
    let x = one.broadcast_like::<_, Axes2<0, 1>>(&(1usize << 60, 1usize));
    let error = network.forward(x).unwrap_err().to_string();
    assert!(error.contains("GiB of free memory"), "{error}");
}

#[test]
fn training_mode_drops_and_moves_running_statistics() {
    let mut network = Mlp::new([3, 50, 2]).batch_norm().dropout(0.5).build(4).unwrap();
    let x = Cpu::default().tensor_from_vec(scattered(4 * 3, 1), (4usize, 3usize));
    let before = network.buffers().to_vec();
    let still = network.forward(x.clone()).unwrap().as_vec();
    assert_eq!(network.buffers(), before);
    let mut rng = stream(1, "dropout");
    let first = network.forward_mut(x.clone(), &mut rng).unwrap().as_vec();
    assert_ne!(network.buffers(), before);
    let second = network.forward_mut(x, &mut rng).unwrap().as_vec();
    assert!(first != still && first != second);
}

#[test]
fn a_loss_in_dfdx_meets_the_fused_one() {
    let logits: Vec<f32> = scattered(5 * 4, 2).iter().map(|x| 3.0 * x).collect();
    let classes = [0u32, 3, 1, 1, 2];
    let mut one_hot = vec![0.0; 20];
    classes
        .iter()
        .enumerate()
        .for_each(|(row, &class)| one_hot[row * 4 + class as usize] = 1.0);
    let (mut here, mut there) = (vec![0.0; 20], vec![0.0; 20]);
    let fused = Loss::SoftmaxCrossEntropy.value_and_gradient(&logits, Targets::Classes(&classes), &mut here);
    let written = value_and_gradient(&logits, 4, &mut there, |z| {
        let targets = z.device().tensor_from_vec(one_hot, (5, 4));
        cross_entropy_with_logits_loss(z, targets)
    })
    .unwrap();
    assert!((fused - written).abs() < 1e-5 * fused);
    assert!(relative_error(&here, &wide(&there)) < 1e-5);
    assert!(value_and_gradient(&logits, 3, &mut there, |z| z.square().mean()).is_err());
}

/// The error of a loss over logits of 2 rows of 2, and the gradient that it leaves.
fn of_loss(loss: impl FnOnce(crate::net::tape::Logits) -> LossValue) -> (Result<f32, String>, Vec<f32>) {
    let mut gradient = vec![0.0; 4];
    let value = value_and_gradient(&[0.1, -0.2, 0.3, 0.4], 2, &mut gradient, loss);
    (value.map_err(|error| error.to_string()), gradient)
}

#[test]
fn a_loss_that_leaves_the_tape_is_refused() {
    let dev = Cpu::default();
    // Through plain numbers, at once and half-way.
    let at_once = of_loss(|z| {
        let z = dev.tensor_from_vec(z.as_vec(), (2usize, 2usize));
        z.leaky_trace().square().mean()
    });
    let half_way = of_loss(|z| {
        let shares = z.softmax::<Axis<1>>();
        let shares = dev.tensor_from_vec(shares.as_vec(), (2usize, 2usize));
        shares.leaky_trace().square().mean()
    });
    // The tape dropped half-way; and put on numbers that do not come from the logits.
    let dropped = of_loss(|z| z.tanh().split_tape().0.leaky_trace().square().mean());
    let borrowed = of_loss(|z| {
        let (_, tape) = z.split_tape();
        dev.tensor(0.5).put_tape(tape)
    });
    for (what, (value, _)) in [
        ("at once", at_once),
        ("half-way", half_way),
        ("dropped", dropped),
        ("borrowed", borrowed),
    ] {
        let error = value.expect_err(what);
        assert!(
            error.contains("by their tape") && error.contains(".array()"),
            "{what}: {error}"
        );
    }
    // A part of a loss may stop the gradient: here the weight of each square.
    let (value, gradient) = of_loss(|z| {
        let (weights, tape) = z.split_tape();
        let fixed = weights.clone() * 1.0;
        (weights.put_tape(tape) * fixed).sum()
    });
    assert!((value.unwrap() - 0.3).abs() < 1e-6);
    assert_eq!(gradient, [0.1, -0.2, 0.3, 0.4]);
}

#[test]
fn a_loss_that_never_met_the_network_is_refused() {
    let (network, _) = twins();
    let x = Cpu::default().tensor_from_vec(scattered(4 * 3, 1), (4usize, 3usize));
    let refused = |gradients: &mut Gradients<f32, Cpu>| {
        let error = network.parameter_gradients(gradients).unwrap_err().to_string();
        assert!(
            error.contains("by its tape") && error.contains("leaky_trace"),
            "{error}"
        );
    };
    refused(&mut x.leaky_trace().square().mean().backward());
    // Its outputs, as plain numbers.
    let outputs = network.forward(x.leaky_trace()).unwrap().split_tape().0;
    refused(&mut outputs.leaky_trace().square().mean().backward());
    // A tape that keeps the gradients of another model alone.
    let other = Cpu::default().build_module::<Linear<3, 3>, f32>();
    let x = x.realize::<(usize, Const<3>)>();
    let hidden = other.forward(x.traced(other.alloc_grads()));
    let outputs = network.forward(hidden).unwrap();
    refused(&mut outputs.square().mean().backward());
}

#[test]
fn images_go_in_by_channels_as_dfdx_has_them() {
    let network = Cnn::new((4, 5, 2), 3).channels([6]).build(3).unwrap();
    let values = scattered(2 * 2 * 4 * 5, 5);
    let dev = Cpu::default();
    let x = dev.tensor_from_vec(values.clone(), (2usize, 2usize, 4usize, 5usize));
    let ours = dev.tensor_from_vec(permuted(&values, &[2, 2, 4, 5], &TO_OURS), (2usize, 40usize));
    let (here, there) = (
        network.forward(x.leaky_trace()).unwrap(),
        network.forward(ours.leaky_trace()).unwrap(),
    );
    assert_eq!(here.as_vec(), there.as_vec());
    let (here, there) = (here.square().mean().backward(), there.square().mean().backward());
    let expected = there.get(&ours).as_vec();
    assert_eq!(
        permuted(&here.get(&x).as_vec(), &[2, 2, 4, 5], &TO_OURS),
        expected
    );
    assert!(expected.iter().any(|g| g.abs() > 1e-4));
    // Height and width in each other's place.
    let turned = dev.tensor_from_vec(values, (2usize, 2usize, 5usize, 4usize));
    let error = network.forward(turned).unwrap_err().to_string();
    let image = Example::from((4, 5, 2)).to_string();
    assert!(
        error.contains(&image) && error.contains("x channels x height"),
        "{error}"
    );
}

#[test]
fn the_op_keeps_the_numbers_of_its_moment() {
    let (mut network, _) = twins();
    let x = Cpu::default().tensor_from_vec(scattered(4 * 3, 1), (4usize, 3usize));
    let gradients = |network: &Network, outputs: crate::net::tape::Logits| {
        let mut gradients = outputs.square().mean().backward();
        network.parameter_gradients(&mut gradients).unwrap()
    };
    let before = gradients(&network, network.forward(x.leaky_trace()).unwrap());
    let outputs = network.forward(x.leaky_trace()).unwrap();
    network.parameters_mut().iter_mut().for_each(|p| *p *= 2.0);
    assert_eq!(gradients(&network, outputs), before);
    assert_ne!(
        gradients(&network, network.forward(x.leaky_trace()).unwrap()),
        before
    );
}

#[test]
fn batches_of_any_size_take_turns() {
    let (network, _) = twins();
    let fresh = |rows: usize| {
        let x = Cpu::default().tensor_from_vec(scattered(rows * 3, rows as u64), (rows, 3usize));
        (network.clone().forward(x.clone()).unwrap().as_vec(), x)
    };
    // Two at once, so that one finds no passes waiting; larger and smaller ones than those that wait.
    for rows in [4, 2, 7, 1, 7] {
        let (expected, x) = fresh(rows);
        let (first, second) = (
            network.forward(x.leaky_trace()).unwrap(),
            network.forward(x.leaky_trace()).unwrap(),
        );
        assert_eq!(first.as_vec(), expected);
        assert_eq!(second.as_vec(), expected);
        let mut gradients = (first + second).sum::<Rank0, _>().backward();
        let twice = network.parameter_gradients(&mut gradients).unwrap();
        let copy = network.clone();
        let mut gradients = copy
            .forward(x.leaky_trace())
            .unwrap()
            .sum::<Rank0, _>()
            .backward();
        let once = copy.parameter_gradients(&mut gradients).unwrap();
        let expected: Vec<f64> = once.iter().map(|&g| 2.0 * f64::from(g)).collect();
        assert!(relative_error(&twice, &expected) < 1e-6, "{rows} rows");
    }
}
