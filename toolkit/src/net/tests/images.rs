//! Layers on images against PyTorch, whose values tests/reference/conv.py wrote.

use serde::Deserialize;

use super::{relative_error, scatter};
use crate::net::cpu::Passes;
use crate::net::executor::How;
use crate::net::{Layer, LayerKind, NetSpec, Network, Role};
use crate::seed::stream;

/// Largest relative errors. Of single layers by plain sums:
const ONE_LAYER: f64 = 2e-6;
/// Of convolutions by minimal filtering, which takes fewer products and rounds more.
const FILTERED: f64 = 2e-5;
/// Of norms by the statistics of an example, and networks of few layers.
const EXAMPLES: f64 = 5e-6;
/// Of whole networks, where batch norm divides by what little is left of a number.
const SEVERAL: f64 = 2e-5;

#[derive(Deserialize)]
pub(super) struct Golden {
    pub convolutions: Vec<Case>,
    pub filtered: Vec<Case>,
    pub poolings: Vec<Case>,
    pub others: Vec<Case>,
    pub examples: Vec<Case>,
}

#[derive(Deserialize)]
pub(super) struct Case {
    pub name: String,
    pub spec: NetSpec,
    pub rows: usize,
    pub training: bool,
    /// Where the examples are indices: how many there are.
    pub vocabulary: Option<usize>,
    pub y: Vec<f64>,
    pub input_gradient: Vec<f64>,
    pub gradients: Vec<f64>,
    buffers_after: Vec<f64>,
}

impl Case {
    /// The network with the numbers that conv.py gave it.
    fn network(&self) -> Network {
        let mut network = Network::new(&self.spec, 0).unwrap();
        let count = network.parameters().len();
        network
            .parameters_mut()
            .copy_from_slice(&scatter("parameters", count));
        let buffers = scatter("buffers", network.buffers().len());
        network.buffers_mut().copy_from_slice(&buffers);
        let variances: Vec<_> = network
            .tensors()
            .iter()
            .filter(|tensor| tensor.name.ends_with("running_var"))
            .map(|tensor| tensor.range.clone())
            .collect();
        for range in variances {
            network.buffers_mut()[range]
                .iter_mut()
                .for_each(|v| *v = 1.0 + *v / 2.0);
        }
        network
    }

    /// The examples that conv.py gave it.
    fn x(&self) -> Vec<f32> {
        let mut x = scatter("x", self.rows * self.spec.input);
        if let Some(vocabulary) = self.vocabulary {
            let index = |x: f32| ((f64::from(x) + 1.0) / 2.0 * vocabulary as f64).floor() as f32;
            x.iter_mut().for_each(|x| *x = index(*x));
        }
        x
    }

    fn check(&self, tolerance: f64) {
        let mut network = self.network();
        let x = self.x();
        // Room for more images than come, with rubbish in it: it must not matter.
        let mut passes = Passes::new(&network, self.rows + 2);
        passes.input(self.rows + 2).fill(f32::NAN);
        let mut rng = stream(0, "none");
        let mode = if self.training {
            How::train(&mut rng)
        } else {
            How::evaluate()
        };
        let y = passes.forward(&mut network, &x, mode).to_vec();
        passes.gradients_mut().fill(f32::NAN);
        passes.backward_to_input(&network, &scatter("above", y.len()));

        let close = |what: &str, got: &[f32], expected: &[f64]| {
            let error = relative_error(got, expected);
            assert!(error < tolerance, "{}: {what} off by {error}", self.name);
        };
        close("outputs", &y, &self.y);
        close("input gradient", passes.input_gradient(), &self.input_gradient);
        close("running statistics", network.buffers(), &self.buffers_after);
        close("gradients", passes.gradients(), &self.gradients);
        // Each tensor on its own scale, but for those of no gradient (a bias in front of batch norm).
        let size = |values: &[f64]| values.iter().fold(0.0f64, |most, g| most.max(g.abs()));
        for tensor in network.tensors().iter().filter(|t| t.role != Role::Running) {
            let range = tensor.range.clone();
            if tensor.frozen {
                assert!(passes.gradients()[range].iter().all(|&g| g == 0.0));
            } else if size(&self.gradients[range.clone()]) > 1e-6 * size(&self.gradients) {
                close(
                    &tensor.name,
                    &passes.gradients()[range.clone()],
                    &self.gradients[range],
                );
            }
        }
        // The same by the network made ready for evaluation, where training makes no difference.
        let norm = |layer: &Layer| matches!(layer.kind, LayerKind::BatchNorm { .. }) && !layer.frozen;
        if !self.training || !self.spec.layers.iter().any(norm) {
            let network = self.network();
            close("prediction", &network.predict(&x).unwrap(), &self.y);
            let last = &self.spec.layers[self.spec.layers.len() - 1].name;
            let mut prepared = network.prepare(&[last]).unwrap();
            close("prepared prediction", prepared.run(&x).unwrap()[0], &self.y);
        }
        // The same without the input's gradient.
        let all = passes.gradients().to_vec();
        passes.gradients_mut().fill(f32::NAN);
        passes.backward(&network, &scatter("above", y.len()));
        assert_eq!(passes.gradients(), all, "{}", self.name);
    }
}

pub(super) fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../tests/reference/conv.json")).unwrap()
}

#[test]
fn convolutions_give_pytorchs_outputs_and_gradients() {
    let cases = golden().convolutions;
    assert!(cases.len() >= 70);
    cases.iter().for_each(|case| case.check(ONE_LAYER));
}

#[test]
fn filtered_convolutions_give_them_too() {
    let cases = golden().filtered;
    assert!(cases.len() >= 8);
    cases.iter().for_each(|case| case.check(FILTERED));
}

#[test]
fn poolings_give_pytorchs_outputs_and_gradients() {
    let cases = golden().poolings;
    assert!(cases.len() >= 40);
    cases.iter().for_each(|case| case.check(ONE_LAYER));
}

#[test]
fn networks_on_images_give_pytorchs_outputs_and_gradients() {
    let cases = golden().others;
    let has = |kind: fn(&LayerKind) -> bool| {
        let found = |case: &Case| case.spec.layers.iter().any(|layer| kind(&layer.kind));
        assert!(cases.iter().any(found));
    };
    has(|kind| matches!(kind, LayerKind::BatchNorm { .. }));
    has(|kind| matches!(kind, LayerKind::Concat));
    has(|kind| matches!(kind, LayerKind::Add));
    has(|kind| matches!(kind, LayerKind::Affine { .. }));
    has(|kind| matches!(kind, LayerKind::Flatten));
    cases.iter().for_each(|case| case.check(SEVERAL));
}

#[test]
fn layers_for_small_data_give_pytorchs_outputs_and_gradients() {
    let cases = golden().examples;
    let has = |kind: fn(&LayerKind) -> bool| {
        let found = |case: &Case| case.spec.layers.iter().any(|layer| kind(&layer.kind));
        assert!(cases.iter().any(found));
    };
    has(|kind| matches!(kind, LayerKind::LayerNorm { .. }));
    has(|kind| matches!(kind, LayerKind::GroupNorm { .. }));
    has(|kind| matches!(kind, LayerKind::InstanceNorm { .. }));
    has(|kind| matches!(kind, LayerKind::PRelu { .. }));
    has(|kind| matches!(kind, LayerKind::Embedding { .. }));
    has(|kind| matches!(kind, LayerKind::GlobalMaxPool));
    has(|kind| matches!(kind, LayerKind::Upsample { .. }));
    cases.iter().for_each(|case| case.check(EXAMPLES));
}

#[test]
fn a_window_that_sees_nothing_of_the_image_gives_it_no_gradient() {
    let spec: NetSpec = serde_json::from_str(
        r#"{"input": 4, "image": {"Image": {"height": 2, "width": 2, "channels": 1}}, "layers": [
            {"name": "pool", "kind": {"MaxPool2d": {"ceil": false, "window":
                {"kernel": [2, 2], "stride": [1, 1], "padding": [1, 1], "dilation": [3, 3]}}}}]}"#,
    )
    .unwrap();
    let network = Network::new(&spec, 0).unwrap();
    let mut passes = Passes::new(&network, 1);
    assert_eq!(
        passes.evaluate(&network, &[1.0, 2.0, 3.0, 4.0]),
        [f32::NEG_INFINITY]
    );
    passes.backward_to_input(&network, &[1.0]);
    assert_eq!(passes.input_gradient(), [0.0; 4]);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    // Direct, filtered and padded convolutions, poolings and a dense layer large enough to be shared.
    let network = crate::net::Cnn::lenet((28, 28, 1), 10)
        .channels([32, 64])
        .kernel(3)
        .build(3)
        .unwrap();
    let rows = 48;
    let x = super::scattered(rows * 28 * 28, 5);
    let above = super::scattered(rows * 10, 6);
    let step = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut passes = Passes::new(&network, rows);
            let y = passes.evaluate(&network, &x).to_vec();
            passes.backward_to_input(&network, &above);
            let gradients = passes.gradients().to_vec();
            (
                y,
                gradients,
                passes.input_gradient().to_vec(),
                network.predict(&x).unwrap(),
            )
        })
    };
    let one = step(1);
    assert!(one.1.iter().any(|g| *g != 0.0));
    for threads in [2, 3, 5] {
        assert!(one == step(threads), "{threads} threads");
    }
}

#[test]
fn the_number_of_threads_changes_no_bit_of_depthwise_convolutions() {
    let depthwise = |side, stride| LayerKind::Conv2d {
        channels: 80,
        window: crate::net::Window::square(side).stride(stride).same(),
        groups: 80,
        bias: true,
        init: crate::net::HeNormal,
        bias_init: crate::net::Uniform(0.5),
    };
    let kinds = [
        depthwise(3, 1),
        LayerKind::Activation(crate::net::Relu),
        depthwise(5, 2),
    ];
    let layers = kinds.into_iter().enumerate().map(|(i, kind)| Layer {
        name: format!("layer{i}"),
        kind,
        from: Vec::new(),
        frozen: false,
    });
    let spec = NetSpec {
        input: 24 * 24 * 80,
        image: Some((24, 24, 80).into()),
        layers: layers.collect(),
    };
    let network = Network::new(&spec, 3).unwrap();
    let rows = 8;
    let x = super::scattered(rows * network.inputs(), 5);
    let above = super::scattered(rows * network.outputs(), 6);
    let step = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut passes = Passes::new(&network, rows);
            let y = passes.evaluate(&network, &x).to_vec();
            passes.backward_to_input(&network, &above);
            let gradients = passes.gradients().to_vec();
            (y, gradients, passes.input_gradient().to_vec())
        })
    };
    let one = step(1);
    assert!(one.1.iter().all(|g| *g != 0.0));
    for threads in [2, 3] {
        assert!(one == step(threads), "{threads} threads");
    }
}

#[test]
fn a_relu_joins_no_layer_that_others_read_as_well() {
    let layer = |name: &str, from: &[&str], kind| Layer {
        name: name.into(),
        kind,
        from: from.iter().map(|&name| name.to_owned()).collect(),
        frozen: false,
    };
    let relu = || LayerKind::Activation(crate::net::Relu);
    let conv = LayerKind::Conv2d {
        channels: 4,
        window: crate::net::Window::square(3),
        groups: 1,
        bias: true,
        init: crate::net::HeNormal,
        bias_init: crate::net::Uniform(0.5),
    };
    let spec = NetSpec {
        input: 5 * 5 * 2,
        image: Some((5, 5, 2).into()),
        layers: vec![
            layer("conv", &[], conv),
            // Nobody reads it.
            layer("side", &["conv"], relu()),
            layer("mean", &["conv"], LayerKind::GlobalAvgPool),
            // A flattened form of what `mean` reads, too.
            layer("flatten", &["conv"], LayerKind::Flatten),
            layer("relu", &["flatten"], relu()),
            layer("logits", &["mean", "relu"], LayerKind::Concat),
        ],
    };
    let network = Network::new(&spec, 1).unwrap();
    let x = super::scattered(3 * 50, 2);
    let expected: Vec<f64> = {
        let layers = ["conv"];
        let mut prepared = network.prepare(&layers).unwrap();
        let conv = prepared.run(&x).unwrap()[0].to_vec();
        assert!(conv.iter().any(|&y| y < 0.0));
        conv.chunks_exact(36)
            .flat_map(|image| {
                let mean =
                    (0..4).map(|c| image[c..].iter().step_by(4).map(|&y| f64::from(y)).sum::<f64>() / 9.0);
                let relu = image.iter().map(|&y| f64::from(y.max(0.0)));
                mean.chain(relu).collect::<Vec<f64>>()
            })
            .collect()
    };
    let mut passes = Passes::new(&network, 3);
    assert!(relative_error(passes.evaluate(&network, &x), &expected) < 1e-6);
    assert!(relative_error(&network.predict(&x).unwrap(), &expected) < 1e-6);
}
