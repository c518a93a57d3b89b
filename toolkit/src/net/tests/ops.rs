//! Ops on dfdx tensors: against PyTorch's values from conv.json, in PyTorch's own order, and by differences.

use dfdx::prelude::*;

use super::images::{Case, golden};
use super::{relative_error, scatter};
use crate::Result;
use crate::data::Shape;
use crate::net::permute::{inverse, permuted};
use crate::net::{LayerKind, Window, ops};

type Four = (usize, usize, usize, usize);

fn four(values: Vec<f32>, [a, b, c, d]: [usize; 4]) -> Tensor<Four, f32, Cpu> {
    Cpu::default().tensor_from_vec(values, (a, b, c, d))
}

/// A tensor in PyTorch's order made of one in ours, and back.
struct Turned {
    ours: [usize; 4],
    axes: [usize; 4],
}

impl Turned {
    fn images(rows: usize, shape: Shape) -> Self {
        let Shape::Image {
            height,
            width,
            channels,
        } = shape
        else {
            panic!("{shape} is no image");
        };
        Self {
            ours: [rows, height, width, channels],
            axes: [0, 3, 1, 2],
        }
    }

    fn tensor(&self, values: &[f32]) -> Tensor<Four, f32, Cpu> {
        four(
            permuted(values, &self.ours, &self.axes),
            self.axes.map(|axis| self.ours[axis]),
        )
    }

    fn back(&self, values: &[f32]) -> Vec<f32> {
        permuted(
            values,
            &self.axes.map(|axis| self.ours[axis]),
            &inverse(&self.axes),
        )
    }
}

/// Runs the only layer of a case as an op; gives outputs and gradients by input and parameters, all in our order.
fn run(case: &Case) -> [Vec<f32>; 3] {
    let images = Turned::images(case.rows, case.spec.shape());
    let outputs = Turned::images(case.rows, case.spec.shapes()[0]);
    let x = images.tensor(&scatter("x", case.rows * case.spec.input));
    let above = outputs.tensor(&scatter("above", case.rows * case.spec.outputs()));
    match &case.spec.layers[0].kind {
        LayerKind::Conv2d {
            channels,
            window,
            groups,
            bias,
            ..
        } => {
            let turned = Turned {
                ours: [
                    window.kernel[0],
                    window.kernel[1],
                    images.ours[3] / groups,
                    *channels,
                ],
                axes: [3, 2, 0, 1],
            };
            let count: usize = turned.ours.iter().product();
            let numbers = scatter("parameters", count + channels);
            let weights = turned.tensor(&numbers[..count]);
            let biases = Cpu::default().tensor_from_vec(numbers[count..].to_vec(), (*channels,));
            let y = if *bias {
                ops::conv2d_with_bias(x.leaky_trace(), weights.clone(), biases.clone(), *window, *groups)
            } else {
                ops::conv2d(x.leaky_trace(), weights.clone(), *window, *groups)
            }
            .unwrap();
            let values = outputs.back(&y.as_vec());
            let gradients = (y * above).sum::<Rank0, _>().backward();
            let mut learned = turned.back(&gradients.get(&weights).as_vec());
            if *bias {
                learned.extend(gradients.get(&biases).as_vec());
            }
            [values, images.back(&gradients.get(&x).as_vec()), learned]
        }
        LayerKind::MaxPool2d { window, ceil } => {
            let y = ops::max_pool2d(x.leaky_trace(), *window, *ceil).unwrap();
            let values = outputs.back(&y.as_vec());
            let gradients = (y * above).sum::<Rank0, _>().backward();
            [values, images.back(&gradients.get(&x).as_vec()), Vec::new()]
        }
        LayerKind::AvgPool2d {
            window,
            ceil,
            count_include_pad,
        } => {
            let y = ops::avg_pool2d(x.leaky_trace(), *window, *ceil, *count_include_pad).unwrap();
            let values = outputs.back(&y.as_vec());
            let gradients = (y * above).sum::<Rank0, _>().backward();
            [values, images.back(&gradients.get(&x).as_vec()), Vec::new()]
        }
        LayerKind::BatchNorm { epsilon, .. } => {
            let channels = images.ours[3];
            let numbers = scatter("parameters", 2 * channels);
            let part = |range: std::ops::Range<usize>| {
                Cpu::default().tensor_from_vec(numbers[range].to_vec(), (channels,))
            };
            let (scale, shift) = (part(0..channels), part(channels..2 * channels));
            let y = ops::batch_norm2d(x.leaky_trace(), scale.clone(), shift.clone(), *epsilon).unwrap();
            let values = outputs.back(&y.as_vec());
            let gradients = (y * above).sum::<Rank0, _>().backward();
            let learned = [gradients.get(&scale).as_vec(), gradients.get(&shift).as_vec()].concat();
            [values, images.back(&gradients.get(&x).as_vec()), learned]
        }
        other => panic!("no op for {other}"),
    }
}

#[test]
fn ops_give_pytorchs_outputs_and_gradients() {
    let golden = golden();
    let pooled = |case: &&Case| !matches!(case.spec.layers[0].kind, LayerKind::GlobalAvgPool);
    let norms = |case: &&Case| {
        case.training
            && case.spec.layers.len() == 1
            && matches!(case.spec.layers[0].kind, LayerKind::BatchNorm { .. })
    };
    let cases: Vec<&Case> = golden
        .convolutions
        .iter()
        .chain(golden.poolings.iter().filter(pooled))
        .chain(golden.others.iter().filter(norms))
        .collect();
    assert!(cases.len() >= 110);
    for case in cases {
        let [y, by_input, learned] = run(case);
        for (what, got, expected) in [
            ("outputs", y, &case.y),
            ("input gradient", by_input, &case.input_gradient),
            ("gradients", learned, &case.gradients),
        ] {
            let error = relative_error(&got, expected);
            assert!(error < 2e-6, "{}: {what} off by {error}", case.name);
        }
    }
}

#[test]
fn ops_chain_with_dfdxs_own_and_have_the_gradient_of_their_function() {
    let window = Window::square(3).padding(1);
    let loss = |x: &Tensor<Four, f32, Cpu>, w: &Tensor<Four, f32, Cpu>| -> Result<_> {
        let maps = ops::conv2d(x.leaky_trace(), w.clone(), window, 1)?.tanh();
        let means = ops::avg_pool2d(maps, Window::square(2).stride(2), true, true)?;
        Ok(ops::global_avg_pool(means.sin())?.square().mean::<Rank0, _>())
    };
    let (x, w) = (scatter("x", 2 * 2 * 5 * 4), scatter("w", 3 * 2 * 9));
    let (xs, ws) = ([2, 2, 5, 4], [3, 2, 3, 3]);
    let (tx, tw) = (four(x.clone(), xs), four(w.clone(), ws));
    let gradients = loss(&tx, &tw).unwrap().backward();
    let (by_x, by_w) = (gradients.get(&tx).as_vec(), gradients.get(&tw).as_vec());
    let value = |x: &[f32], w: &[f32]| -> f64 {
        let value = loss(&four(x.to_vec(), xs), &four(w.to_vec(), ws)).unwrap();
        f64::from(value.array())
    };
    let step = 1.0 / 64.0;
    let scale = by_w.iter().fold(0.0f32, |most, g| most.max(g.abs()));
    assert!(scale > 1e-3);
    let moved = |values: &[f32], i: usize, by: f32| {
        let mut values = values.to_vec();
        values[i] += by;
        values
    };
    let close = |what: &str, i: usize, gradient: f32, above: f64, below: f64| {
        let slope = (above - below) / f64::from(2.0 * step);
        assert!(
            (slope - f64::from(gradient)).abs() < 3e-3 * f64::from(scale),
            "{what} {i}: {gradient}, by differences {slope}"
        );
    };
    for (i, &gradient) in by_w.iter().enumerate() {
        let at = |by| value(&x, &moved(&w, i, by));
        close("weight", i, gradient, at(step), at(-step));
    }
    for (i, &gradient) in by_x.iter().enumerate() {
        let at = |by| value(&moved(&x, i, by), &w);
        close("input", i, gradient, at(step), at(-step));
    }
}

#[test]
fn weights_with_a_tape_of_their_own_join_it() {
    let x = four(scatter("x", 2 * 3 * 4), [2, 3, 2, 2]);
    let w = four(scatter("w", 4 * 3), [4, 3, 1, 1]);
    let plain = ops::conv2d(x.leaky_trace(), w.clone(), Window::square(1), 1).unwrap();
    let expected = plain.sum::<Rank0, _>().backward().get(&w).as_vec();
    let halved = w.leaky_trace() * 0.5;
    let y = ops::conv2d(x.leaky_trace(), halved, Window::square(1), 1).unwrap();
    let got = y.sum::<Rank0, _>().backward().get(&w).as_vec();
    let expected: Vec<f64> = expected.iter().map(|g| 0.5 * f64::from(*g)).collect();
    assert!(relative_error(&got, &expected) < 1e-6);
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |result: Result<Tensor<Four, f32, Cpu>>, words: &[&str]| {
        let error = result.map(drop).expect_err("an op that cannot be").to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    let x = || four(scatter("x", 2 * 3 * 4 * 4), [2, 3, 4, 4]);
    let w = || four(scatter("w", 4 * 3 * 9), [4, 3, 3, 3]);
    refused(
        ops::conv2d(x(), w(), Window::square(2), 1),
        &["4 x 3 x 3 x 3", "2 x 2"],
    );
    refused(
        ops::conv2d(x(), w(), Window::square(3), 3),
        &["3 channels", "3 groups"],
    );
    refused(ops::conv2d(x(), w(), Window::square(3), 0), &["0 groups"]);
    refused(
        ops::conv2d(x(), w(), Window::square(3).stride(0), 1),
        &["stride 0"],
    );
    refused(
        ops::conv2d(x(), w(), Window::square(3).dilation(2), 1),
        &["does not fit"],
    );
    refused(ops::max_pool2d(x(), Window::square(5), false), &["does not fit"]);
    refused(
        ops::avg_pool2d(x(), Window::square(2).padding(2), false, true),
        &["half its kernel"],
    );
    let three = Cpu::default().tensor([1.0, 2.0, 3.0]);
    refused(
        ops::conv2d_with_bias(x(), w(), three.clone(), Window::square(3), 1),
        &["3 biases", "4 channels"],
    );
    refused(
        ops::batch_norm2d(x(), three.clone(), Cpu::default().tensor([1.0]), 1e-5),
        &["1 shifts"],
    );
    refused(
        ops::batch_norm2d(x(), three.clone(), three.clone(), 0.0),
        &["epsilon"],
    );
    let one = four(vec![1.0; 3], [1, 3, 1, 1]);
    refused(
        ops::batch_norm2d(one, three.clone(), three, 1e-5),
        &["no variance"],
    );
    refused(
        ops::max_pool2d(four(Vec::new(), [0, 3, 4, 4]), Window::square(2), false),
        &["no image"],
    );
}

#[test]
fn batch_norm_in_evaluation_is_dfdxs_own() {
    let dev = Cpu::seed_from_u64(4);
    let mut theirs = dev.build_module::<BatchNorm2D<3>, f32>();
    theirs.scale = dev.tensor([0.5, -1.5, 2.0]);
    theirs.bias = dev.tensor([0.1, 0.2, -0.3]);
    let (mut mean, mut variance) = (theirs.running_mean.clone(), theirs.running_var.clone());
    let x: Tensor<Rank4<4, 3, 2, 5>, f32, _> = dev.sample_normal();
    let own = || (theirs.scale.clone(), theirs.bias.clone());
    // Training moves the running statistics as theirs.
    let mut moved = theirs.clone();
    for step in 0..3 {
        let batch = x.clone() * (1.0 + step as f32) + 0.5;
        let expected = moved.forward_mut(batch.leaky_trace());
        let found = ops::batch_norm2d_moving(batch, own(), (&mut mean, &mut variance), 0.1, 1e-5).unwrap();
        let wide: Vec<f64> = expected.as_vec().iter().map(|&y| f64::from(y)).collect();
        assert!(relative_error(&found.as_vec(), &wide) < 1e-5);
    }
    for (found, expected) in [(&mean, &moved.running_mean), (&variance, &moved.running_var)] {
        let wide: Vec<f64> = expected.as_vec().iter().map(|&y| f64::from(y)).collect();
        assert!(relative_error(&found.as_vec(), &wide) < 1e-5);
    }
    // Evaluation uses and leaves them.
    let wide = |values: Vec<f32>| -> Vec<f64> { values.iter().map(|&y| f64::from(y)).collect() };
    let found = ops::batch_norm2d_running(x.leaky_trace(), own(), (&mean, &variance), 1e-5).unwrap();
    assert!(relative_error(&found.as_vec(), &wide(moved.forward(x.clone()).as_vec())) < 1e-5);
    // The gradients are those of dfdx's plain ops, the statistics being constants.
    type Size = Rank4<4, 3, 2, 5>;
    let spread =
        |tensor: &Tensor<Rank1<3>, f32, Cpu>| tensor.leaky_trace().broadcast::<Size, Axes3<0, 2, 3>>();
    let normal = (x.leaky_trace() - spread(&mean)) / spread(&(variance.clone() + 1e-5).sqrt());
    let expected = normal * spread(&theirs.scale) + spread(&theirs.bias);
    let (expected, found) = (
        expected.powi(3).mean().backward(),
        found.powi(3).mean().backward(),
    );
    for (found, expected) in [
        (found.get(&x).as_vec(), expected.get(&x).as_vec()),
        (
            found.get(&theirs.scale).as_vec(),
            expected.get(&theirs.scale).as_vec(),
        ),
        (
            found.get(&theirs.bias).as_vec(),
            expected.get(&theirs.bias).as_vec(),
        ),
    ] {
        assert!(relative_error(&found, &wide(expected)) < 1e-5);
    }
    // One image of one pixel has no variance, and needs none here.
    let one: Tensor<Rank4<1, 3, 1, 1>, f32, _> = dev.sample_normal();
    assert!(ops::batch_norm2d_running(one, own(), (&mean, &variance), 1e-5).is_ok());
    let two: Tensor<Rank1<2>, f32, _> = dev.ones();
    let error = ops::batch_norm2d_running(x, own(), (&two, &two), 1e-5).unwrap_err();
    assert!(
        error.to_string().contains("2 means came for 3 channels"),
        "{error}"
    );
}
