//! Gradients against central differences. The loss is a random mix of the outputs, summed in f64. The steps
//! are 2^-6 and 2^-7, for numbers of size 1, and the two differences are combined (Richardson): what is
//! left is of the order of step^4, and f32's rounding over the step. Required: 2e-3 of the largest
//! gradient. Numbers whose two differences disagree stand at a kink and are skipped; at most a tenth may be.

use super::scattered;
use crate::data::Shape;
use crate::net::cpu::Passes;
use crate::net::executor::How;
use crate::net::{Activation, Init, Layer, LayerKind, NetSpec, Network, Role, Window};
use crate::seed::stream;

const ROWS: usize = 6;

fn dense(units: usize) -> LayerKind {
    LayerKind::Dense {
        units,
        bias: true,
        init: Init::FanUniform,
        bias_init: Init::Uniform(0.5),
    }
}

fn spec(kinds: Vec<LayerKind>) -> NetSpec {
    let name = |i| format!("layer{i}");
    let layers = kinds
        .into_iter()
        .enumerate()
        .map(|(i, kind)| Layer {
            name: name(i),
            kind,
            from: Vec::new(),
            frozen: false,
        })
        .collect();
    NetSpec::chain(4, layers)
}

/// The loss, with the same dropout masks each time and the running statistics left alone.
fn loss(passes: &mut Passes, network: &Network, x: &[f32], above: &[f32], training: bool) -> f64 {
    let mut network = network.clone();
    let mut rng = stream(3, "dropout");
    let mode = if training {
        How::train(&mut rng)
    } else {
        How::evaluate()
    };
    let y = passes.forward(&mut network, x, mode);
    y.iter()
        .zip(above)
        .map(|(&y, &a)| f64::from(y) * f64::from(a))
        .sum()
}

fn check(name: &str, spec: &NetSpec, training: bool) {
    check_rows(name, spec, training, ROWS);
}

/// Compares every parameter's and every input's gradient, on a batch of `rows`; those of frozen layers must
/// be 0.
fn check_rows(name: &str, spec: &NetSpec, training: bool, rows: usize) {
    check_on(name, spec, training, &scattered(rows * spec.input, 3), true);
}

/// The same for these examples; without their own gradient where they cannot move by little, as indices.
fn check_on(name: &str, spec: &NetSpec, training: bool, x: &[f32], moving: bool) {
    let rows = x.len() / spec.input;
    let mut network = Network::new(spec, 11).unwrap();
    // Scales and shifts away from 1 and 0, running statistics from 0 and 1.
    for (p, noise) in network.parameters_mut().iter_mut().zip(scattered(10_000, 1)) {
        *p += 0.2 * noise;
    }
    for (b, noise) in network.buffers_mut().iter_mut().zip(scattered(1000, 2)) {
        *b += 0.3 * noise;
    }
    let above = scattered(rows * spec.outputs(), 4);
    let mut passes = Passes::new(&network, rows);
    loss(&mut passes, &network, x, &above, training);
    passes.backward_to_input(&network, &above);
    let expected: Vec<f32> = passes
        .gradients()
        .iter()
        .chain(passes.input_gradient().iter().filter(|_| moving))
        .copied()
        .collect();
    let scale = expected.iter().fold(0.0f32, |most, g| most.max(g.abs()));
    assert!(scale > 0.01, "{name}: the gradient is {scale}");

    let parameters = network.parameters().len();
    let frozen: Vec<_> = network
        .tensors()
        .iter()
        .filter(|t| t.frozen && t.role != Role::Running)
        .map(|t| t.range.clone())
        .collect();
    let mut skipped = 0;
    for (i, &expected) in expected.iter().enumerate() {
        if frozen.iter().any(|range| range.contains(&i)) {
            assert_eq!(expected, 0.0, "{name}: gradient {i} of a frozen layer");
            continue;
        }
        let mut slope = |step: f32| {
            let mut at = |moved: f32| {
                let (mut network, mut x) = (network.clone(), x.to_vec());
                match i.checked_sub(parameters) {
                    None => network.parameters_mut()[i] += moved,
                    Some(i) => x[i] += moved,
                }
                loss(&mut passes, &network, &x, &above, training)
            };
            (at(step) - at(-step)) / f64::from(2.0 * step)
        };
        let (wide, narrow) = (slope(1.0 / 64.0), slope(1.0 / 128.0));
        if (wide - narrow).abs() > 2e-3 * f64::from(scale) {
            skipped += 1;
            continue;
        }
        let estimate = (4.0 * narrow - wide) / 3.0;
        let error = (estimate - f64::from(expected)).abs() / f64::from(scale);
        assert!(
            error < 2e-3,
            "{name}: gradient {i} is {expected}, by differences {estimate}"
        );
    }
    assert!(
        skipped * 10 <= expected.len(),
        "{name}: {skipped} of {} skipped",
        expected.len()
    );
}

#[test]
fn every_layer_has_the_gradient_of_its_function() {
    let activations = [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Gelu,
        Activation::Maxout(2),
        Activation::Maxout(3),
        Activation::HardTanh,
        Activation::Softsign,
        Activation::Elu(1.0),
        Activation::Elu(0.4),
        Activation::Selu,
        Activation::Silu,
        Activation::Mish,
    ];
    for activation in activations {
        let kinds = vec![
            dense(5 * activation.pieces()),
            LayerKind::Activation(activation),
            dense(3),
        ];
        check(&activation.to_string(), &spec(kinds), true);
    }
    let norm = LayerKind::BatchNorm {
        momentum: 0.1,
        epsilon: 1e-5,
    };
    for training in [true, false] {
        let kinds = vec![
            dense(5),
            norm.clone(),
            LayerKind::Activation(Activation::Tanh),
            dense(3),
        ];
        check(
            &format!("batch norm, training {training}"),
            &spec(kinds),
            training,
        );
        let kinds = vec![
            dense(9),
            LayerKind::Activation(Activation::Tanh),
            LayerKind::Dropout(0.4),
            dense(3),
        ];
        check(&format!("dropout, training {training}"), &spec(kinds), training);
        let kinds = vec![
            dense(9),
            LayerKind::Activation(Activation::Relu),
            LayerKind::Dropout(0.4),
            dense(3),
        ];
        check(
            &format!("dropout behind relu, training {training}"),
            &spec(kinds),
            training,
        );
    }
}

#[test]
fn what_drops_channels_and_examples_has_it_too() {
    let conv = || LayerKind::Conv2d {
        channels: 4,
        window: Window::square(3).padding(1),
        groups: 1,
        bias: true,
        init: Init::FanUniform,
        bias_init: Init::Uniform(0.5),
    };
    let tanh = || LayerKind::Activation(Activation::Tanh);
    for training in [true, false] {
        for kind in [LayerKind::SpatialDropout(0.4), LayerKind::DropPath(0.4)] {
            for behind in [tanh(), LayerKind::Activation(Activation::Relu)] {
                let name = format!("{kind} behind {behind}, training {training}");
                let kinds = vec![conv(), behind, kind.clone(), LayerKind::Flatten, dense(3)];
                let mut spec = spec(kinds);
                (spec.input, spec.image) = (4 * 3 * 2, Some((4, 3, 2).into()));
                check_rows(&name, &spec, training, 4);
            }
        }
        // A branch that is dropped, and the way around it.
        let mut branch = spec(vec![
            dense(5),
            tanh(),
            dense(5),
            LayerKind::DropPath(0.4),
            LayerKind::Add,
            tanh(),
            dense(3),
        ]);
        branch.layers[4].from = vec!["layer3".into(), "layer0".into()];
        check(
            &format!("a dropped branch, training {training}"),
            &branch,
            training,
        );
    }
}

#[test]
fn layers_in_their_rarer_forms_have_it_too() {
    let bare = LayerKind::Dense {
        units: 5,
        bias: false,
        init: Init::FanUniform,
        bias_init: Init::Zeros,
    };
    for activation in [Activation::Identity, Activation::Tanh] {
        let kinds = vec![bare.clone(), LayerKind::Activation(activation), bare.clone()];
        check(&format!("no bias, {activation}"), &spec(kinds), true);
    }
    let norm = LayerKind::BatchNorm {
        momentum: 0.1,
        epsilon: 1e-5,
    };
    let mut with_norm = spec(vec![
        dense(5),
        norm,
        LayerKind::Activation(Activation::Tanh),
        dense(3),
    ]);
    // One row has no variance: the running statistics stand in.
    check_rows("batch norm of one row", &with_norm, true, 1);
    with_norm.freeze("layer1").unwrap();
    check("frozen batch norm", &with_norm, true);
}

#[test]
fn a_frozen_batch_norm_lets_gradients_through() {
    let norm = LayerKind::BatchNorm {
        momentum: 0.1,
        epsilon: 1e-5,
    };
    let mut spec = spec(vec![
        dense(5),
        norm,
        LayerKind::Activation(Activation::Tanh),
        dense(3),
    ]);
    let free = Network::new(&spec, 11).unwrap();
    spec.freeze("layer1").unwrap();
    let mut network = Network::new(&spec, 11).unwrap();
    let (x, above) = (scattered(ROWS * 4, 3), scattered(ROWS * 3, 4));
    let mut rng = stream(0, "dropout");
    let mut passes = Passes::new(&network, ROWS);
    let y = passes.forward(&mut network, &x, How::train(&mut rng)).to_vec();
    assert_eq!(
        network.buffers(),
        free.buffers(),
        "frozen running statistics stay"
    );
    assert_eq!(
        y,
        free.predict(&x).unwrap(),
        "frozen batch norm evaluates with them"
    );
    passes.backward(&network, &above);
    let gradient = |name: &str| {
        let tensor = network.tensors().iter().find(|t| t.name == name).unwrap();
        passes.gradients()[tensor.range.clone()].to_vec()
    };
    assert!(gradient("layer0.weight").iter().any(|g| g.abs() > 1e-3));
    assert!(gradient("layer1.scale").iter().all(|&g| g == 0.0));
    assert!(gradient("layer1.shift").iter().all(|&g| g == 0.0));
}

/// A network on images of 5 x 4 x 2 with every kind of layer for them, branches that meet, a layer that
/// three others read, and the input read more than once.
fn graph() -> NetSpec {
    let conv = |channels, window: Window, groups, bias| LayerKind::Conv2d {
        channels,
        window,
        groups,
        bias,
        init: Init::FanUniform,
        bias_init: Init::Uniform(0.5),
    };
    let three = Window::square(3).padding(1);
    let norm = LayerKind::BatchNorm {
        momentum: 0.1,
        epsilon: 1e-5,
    };
    let tanh = LayerKind::Activation(Activation::Tanh);
    let affine = LayerKind::Affine {
        scale: vec![0.5, -2.0],
        shift: vec![0.1, 0.3],
    };
    let max = LayerKind::MaxPool2d {
        window: three,
        ceil: false,
    };
    let average = |count_include_pad, window: Window| LayerKind::AvgPool2d {
        window,
        ceil: true,
        count_include_pad,
    };
    let layers: [(&str, LayerKind, &[&str]); 18] = [
        ("affine", affine, &[]),
        ("conv1", conv(4, three, 1, false), &[]),
        ("norm1", norm, &[]),
        ("stem", tanh.clone(), &[]),
        ("conv2", conv(4, three.dilation(2).padding(2), 2, true), &[]),
        ("sum", LayerKind::Add, &["conv2", "stem"]),
        ("max", max, &["input"]),
        ("conv3", conv(2, Window::new([1, 3]).same(), 1, true), &[]),
        ("average", average(false, three), &["stem"]),
        ("depthwise", conv(8, three, 4, true), &[]),
        (
            "joined",
            LayerKind::Concat,
            &["sum", "conv3", "depthwise", "input"],
        ),
        ("tanh", tanh, &[]),
        (
            "conv4",
            conv(3, Window::square(3).stride(2).padding(1), 1, true),
            &[],
        ),
        ("pooled", average(true, Window::square(2).stride(2)), &[]),
        ("flat", LayerKind::Flatten, &[]),
        ("mean", LayerKind::GlobalAvgPool, &["conv4"]),
        ("both", LayerKind::Concat, &["flat", "mean"]),
        ("logits", dense(3), &[]),
    ];
    let layer = |(name, kind, from): (&str, LayerKind, &[&str])| Layer {
        name: name.to_owned(),
        kind,
        from: from.iter().map(|name| name.to_string()).collect(),
        frozen: false,
    };
    NetSpec {
        input: 40,
        image: Some(Shape::Image {
            height: 5,
            width: 4,
            channels: 2,
        }),
        layers: layers.into_iter().map(layer).collect(),
    }
}

#[test]
fn a_graph_of_layers_on_images_has_it_too() {
    let mut graph = graph();
    check_rows("graph", &graph, true, 2);
    check_rows("graph, evaluation", &graph, false, 2);
    graph.freeze("norm1").unwrap();
    graph.freeze("conv2").unwrap();
    check_rows("graph, partly frozen", &graph, true, 2);
}

fn prelu(shared: bool) -> LayerKind {
    LayerKind::PRelu {
        shared,
        init: Init::Constant(0.25),
    }
}

#[test]
fn norms_of_an_example_and_learned_slopes_have_it_too() {
    let epsilon = 1e-5;
    let kinds = [
        LayerKind::LayerNorm { epsilon },
        LayerKind::GroupNorm { groups: 2, epsilon },
        prelu(false),
        prelu(true),
    ];
    let tanh = || LayerKind::Activation(Activation::Tanh);
    for kind in kinds {
        for training in [true, false] {
            let layers = vec![dense(6), kind.clone(), tanh(), dense(3)];
            check(&format!("{kind}, training {training}"), &spec(layers), training);
        }
        let mut frozen = spec(vec![dense(6), kind.clone(), tanh(), dense(3)]);
        frozen.freeze("layer1").unwrap();
        check(&format!("frozen {kind}"), &frozen, true);
    }
}

#[test]
fn images_normalized_one_by_one_and_made_larger_have_it_too() {
    let epsilon = 1e-5;
    let kinds = [
        LayerKind::LayerNorm { epsilon },
        LayerKind::GroupNorm { groups: 2, epsilon },
        LayerKind::InstanceNorm { epsilon },
        prelu(false),
        LayerKind::Upsample { factor: [2, 3] },
        LayerKind::GlobalMaxPool,
    ];
    for kind in kinds {
        let conv = LayerKind::Conv2d {
            channels: 4,
            window: Window::square(2),
            groups: 1,
            bias: true,
            init: Init::FanUniform,
            bias_init: Init::Uniform(0.5),
        };
        let tanh = LayerKind::Activation(Activation::Tanh);
        let mut spec = spec(vec![conv, kind.clone(), tanh, LayerKind::Flatten, dense(3)]);
        (spec.input, spec.image) = (4 * 3 * 2, Some((4, 3, 2).into()));
        check_rows(&kind.to_string(), &spec, true, 2);
    }
}

#[test]
fn an_embedding_has_the_gradient_of_the_rows_it_looked_up() {
    let embedding = LayerKind::Embedding {
        vocabulary: 5,
        width: 3,
        init: Init::Normal(1.0),
    };
    let tanh = LayerKind::Activation(Activation::Tanh);
    let spec = spec(vec![embedding, tanh, LayerKind::Flatten, dense(3)]);
    // Index 2 twice in a row, 1 never.
    let x = [0.0, 2.0, 2.0, 4.0, 3.0, 0.0, 4.0, 2.0];
    check_on("embedding", &spec, true, &x, false);
    let network = Network::new(&spec, 1).unwrap();
    let mut passes = Passes::new(&network, 2);
    passes.evaluate(&network, &x);
    passes.backward_to_input(&network, &scattered(6, 4));
    assert_eq!(
        passes.input_gradient(),
        [0.0; 8],
        "which index it is has no slope"
    );
    let row = |index: usize| &passes.gradients()[index * 3..][..3];
    assert_eq!(row(1), [0.0; 3]);
    assert!(row(2).iter().all(|g| *g != 0.0));
}
