//! Probes of networks made by hand, whose shares are known, and gradients against differences.

use crate::data::{Dataset, datasets};
use crate::loss::{Loss, Sum, objective};
use crate::net::{Activation, Cnn, Init, Layer, LayerKind, Mlp, NetSpec, Network, Window};
use crate::show::Show;

fn layer(name: &str, kind: LayerKind, from: &[&str]) -> Layer {
    Layer {
        name: name.to_owned(),
        kind,
        from: from.iter().map(|name| name.to_string()).collect(),
        frozen: false,
    }
}

fn dense(units: usize) -> LayerKind {
    LayerKind::Dense {
        units,
        bias: true,
        init: Init::Normal(0.7),
        bias_init: Init::Uniform(0.5),
    }
}

fn put(net: &mut Network, tensor: &str, values: &[f32]) {
    let range = net
        .tensors()
        .iter()
        .find(|info| info.name == tensor)
        .unwrap()
        .range
        .clone();
    net.parameters_mut()[range].copy_from_slice(values);
}

/// One input x of -2, -1, 1 and 2.
fn line() -> Dataset {
    let data = Dataset::new("line", 1, vec![-2.0, -1.0, 1.0, 2.0]).unwrap();
    data.with_labels(vec![0, 0, 1, 1], vec!["below".into(), "above".into()])
        .unwrap()
}

#[test]
fn dead_units_and_zeros_of_relus_are_counted() {
    let mut net = Mlp::new([1, 4, 2]).build(0).unwrap();
    // Always 0; x above 0; x below 0; always above 0.
    put(&mut net, "dense1.weight", &[1.0, 1.0, -1.0, 1.0]);
    put(&mut net, "dense1.bias", &[-5.0, 0.0, 0.0, 5.0]);
    let probe = net.probe(&line()).unwrap();
    let relu = probe.layer("activation1").unwrap();
    assert_eq!((relu.units, relu.dead, relu.zeros), (4, Some(0.25), 0.5));
    assert_eq!((relu.mean, relu.saturated), (26.0 / 16.0, None));
    // Outputs 0 0 1 2, 2 1 0 0, 3 4 6 7: their squares sum up to 10 + 110.
    let sd = (120.0f64 / 16.0 - (26.0f64 / 16.0).powi(2)).sqrt();
    assert!((relu.sd - sd).abs() < 1e-12, "{}", relu.sd);
    let sums = probe.layer("dense1").unwrap();
    assert_eq!((sums.dead, sums.zeros, sums.mean), (None, 0.0, 0.0));
    assert_eq!(sums.sd, ((4.0 * 10.0 + 2.0 * 4.0 * 25.0) / 16.0f64).sqrt());
    assert_eq!(probe.layers().len(), 3);
    assert!(probe.layer("dense2").is_none());
    // ReLUs by another name.
    for activation in [Activation::LeakyRelu(0.0), Activation::Elu(0.0)] {
        let mut other = Mlp::new([1, 4, 2]).activation(activation).build(0).unwrap();
        other.parameters_mut().copy_from_slice(net.parameters());
        let other = other.probe(&line()).unwrap();
        let other = other.layer("activation1").unwrap();
        assert_eq!(
            (other.dead, other.zeros, other.sd),
            (relu.dead, relu.zeros, relu.sd)
        );
    }
}

#[test]
fn saturated_outputs_are_counted() {
    let weights = [10.0, 0.1, 0.0, 1.0];
    let shares = [
        // Of the first unit all four, of the last one none (tanh 2 is 0.96); the sigmoid is at 0.88 and 0.12 there.
        (Activation::Tanh, Some(4.0 / 16.0)),
        (Activation::Sigmoid, Some(4.0 / 16.0)),
        // Of the last one all.
        (Activation::HardTanh, Some(8.0 / 16.0)),
        // 20 / 21 is 0.95.
        (Activation::Softsign, Some(0.0)),
        (Activation::Elu(1.0), None),
        (Activation::Silu, None),
    ];
    for (activation, share) in shares {
        let mut net = Mlp::new([1, 4, 2]).activation(activation).build(0).unwrap();
        put(&mut net, "dense1.weight", &weights);
        put(&mut net, "dense1.bias", &[0.0; 4]);
        let probe = net.probe(&line()).unwrap();
        let found = probe.layer("activation1").unwrap();
        assert_eq!((found.saturated, found.dead), (share, None), "{activation}");
        // The third unit is 0, or a half.
        let zeros = if activation == Activation::Sigmoid {
            0.0
        } else {
            0.25
        };
        assert_eq!(found.zeros, zeros, "{activation}");
    }
}

#[test]
fn a_unit_of_an_image_is_a_channel() {
    let kind = LayerKind::Conv2d {
        channels: 2,
        window: Window::square(1),
        groups: 1,
        bias: true,
        init: Init::Constant(1.0),
        bias_init: Init::Zeros,
    };
    let relu = LayerKind::Activation(Activation::Relu);
    let layers = vec![
        layer("conv", kind, &[]),
        layer("relu", relu, &[]),
        layer("flat", LayerKind::Flatten, &[]),
    ];
    let mut spec = NetSpec::chain(4, layers);
    spec.image = Some((2, 2, 1).into());
    let mut net = Network::new(&spec, 0).unwrap();
    // The first channel is the image, the second always 0.
    put(&mut net, "conv.weight", &[1.0, -1.0]);
    let images = Dataset::new("images", (2, 2, 1), vec![1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0]).unwrap();
    let probe = net.probe(&images).unwrap();
    let relu = probe.layer("relu").unwrap();
    assert_eq!((relu.units, relu.dead, relu.zeros), (2, Some(0.5), 14.0 / 16.0));
    // Flat, each number is one, and none is said to be dead.
    assert_eq!(
        (
            probe.layer("flat").unwrap().units,
            probe.layer("flat").unwrap().dead
        ),
        (8, None)
    );
    assert!(
        probe.layers().iter().all(|layer| layer.gradient_sd.is_none()),
        "no targets, no loss"
    );
}

/// The cross-entropy of one example's logits, in f64.
fn cross_entropy(logits: &[f32], class: u32) -> f64 {
    let sum: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
    sum.ln() - f64::from(logits[class as usize])
}

#[test]
fn what_reaches_the_input_reaches_its_flat_form() {
    let layers = vec![
        layer("flat", LayerKind::Flatten, &[]),
        layer("logits", dense(3), &[]),
    ];
    let mut spec = NetSpec::chain(4, layers);
    spec.image = Some((2, 2, 1).into());
    let net = Network::new(&spec, 2).unwrap();
    let images = Dataset::new("images", (2, 2, 1), super::scattered(20, 8)).unwrap();
    let labels: Vec<u32> = (0..5).map(|i| i % 3).collect();
    let images = images
        .with_labels(labels.clone(), vec!["a".into(), "b".into(), "c".into()])
        .unwrap();
    let weight = net.tensor("logits.weight").unwrap();
    let mut slopes = Vec::new();
    for (logits, label) in net
        .predict(images.features())
        .unwrap()
        .chunks_exact(3)
        .zip(labels)
    {
        let exps: Vec<f64> = logits.iter().map(|&x| f64::from(x).exp()).collect();
        let sum: f64 = exps.iter().sum();
        let above = |k: usize| exps[k] / sum - f64::from(u8::from(k == label as usize));
        for own in weight.chunks_exact(3) {
            slopes.push((0..3).map(|k| f64::from(own[k]) * above(k)).sum());
        }
    }
    let probe = net.probe(&images).unwrap();
    let found = probe.layer("flat").unwrap().gradient_sd.unwrap();
    assert!(
        (found / sd(&slopes) - 1.0).abs() < 1e-5,
        "{found}, expected {}",
        sd(&slopes)
    );
}

fn sd(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// A network in which a layer is read by two, another is read where a ReLU is, and what is added to a layer's outputs
/// is known: the shifts of `Affine` layers.
fn two_ways(shifts: [f32; 4]) -> NetSpec {
    let affine = LayerKind::Affine {
        scale: vec![1.0; 4],
        shift: shifts.to_vec(),
    };
    let layers = vec![
        layer("dense1", dense(4), &[]),
        layer("tanh", LayerKind::Activation(Activation::Tanh), &[]),
        layer("moved", affine, &[]),
        layer("dense2", dense(4), &[]),
        layer("relu", LayerKind::Activation(Activation::Relu), &[]),
        layer("both", LayerKind::Add, &["relu", "moved"]),
        layer("logits", dense(3), &[]),
    ];
    NetSpec::chain(2, layers)
}

#[test]
fn gradients_are_those_of_differences() {
    let examples: Vec<f32> = super::scattered(600 * 2, 1).iter().map(|x| 2.0 * x).collect();
    let labels: Vec<u32> = (0..600).map(|i| i % 3).collect();
    let names = vec!["a".into(), "b".into(), "c".into()];
    let data = Dataset::new("random", 2, examples)
        .unwrap()
        .with_labels(labels.clone(), names)
        .unwrap();
    let net = Network::new(&two_ways([0.0; 4]), 3).unwrap();
    // More than go through together: parts of a loss that is a mean.
    let probe = net.probe(&data).unwrap();
    let losses = |net: &Network| -> Vec<f64> {
        let logits = net.predict(data.features()).unwrap();
        logits
            .chunks_exact(3)
            .zip(&labels)
            .map(|(row, &label)| cross_entropy(row, label))
            .collect()
    };
    let check = |name: &str, moved: &dyn Fn(usize, f32) -> Network, units: usize| {
        let step = 1.0 / 128.0;
        let slopes: Vec<f64> = (0..units)
            .flat_map(|unit| {
                let (above, below) = (losses(&moved(unit, step)), losses(&moved(unit, -step)));
                let slope = move |(a, b): (f64, f64)| (a - b) / f64::from(2.0 * step);
                above.into_iter().zip(below).map(slope).collect::<Vec<_>>()
            })
            .collect();
        let (found, expected) = (probe.layer(name).unwrap().gradient_sd.unwrap(), sd(&slopes));
        println!("{name}: gradient sd {found:.6}, {expected:.6} by differences");
        assert!(
            (found / expected - 1.0).abs() < 1e-3,
            "{name}: {found}, by differences {expected}"
        );
    };
    let bias = |layer: &'static str| {
        let net = net.clone();
        move |unit: usize, step: f32| {
            let mut net = net.clone();
            let name = format!("{layer}.bias");
            let mut values = net.tensor(&name).unwrap().to_vec();
            values[unit] += step;
            put(&mut net, &name, &values);
            net
        }
    };
    check("dense1", &bias("dense1"), 4);
    check("dense2", &bias("dense2"), 4);
    check("logits", &bias("logits"), 3);
    let shifted = |unit: usize, step: f32| {
        let mut shifts = [0.0; 4];
        shifts[unit] = step;
        let mut moved = Network::new(&two_ways(shifts), 3).unwrap();
        moved.parameters_mut().copy_from_slice(net.parameters());
        moved
    };
    check("moved", &shifted, 4);
    // What reaches a sum reaches its parts: the slope of a ReLU is not yet in what comes to it.
    let at = |name: &str| probe.layer(name).unwrap().gradient_sd.unwrap();
    assert_eq!(at("relu"), at("both"));
    assert!(at("dense2") < 0.95 * at("relu"));
    assert_eq!(at("tanh"), at("moved"));
}

#[test]
fn the_loss_is_what_training_would_take_or_what_is_asked_for() {
    let net = Mlp::new([1, 3, 2]).build(5).unwrap();
    let data = line();
    let at = |probe: &crate::net::Probe, name: &str| probe.layer(name).unwrap().gradient_sd.unwrap();
    let probe = net.probe(&data).unwrap();
    assert_eq!(probe, net.probe_with(&data, Loss::SoftmaxCrossEntropy).unwrap());
    assert_ne!(
        at(&probe, "logits"),
        at(&net.probe_with(&data, Loss::MeanSquaredError).unwrap(), "logits")
    );
    let values = Dataset::new("values", 1, vec![0.0, 1.0]).unwrap();
    let values = values.with_values(vec![1.0, 2.0, 3.0, 5.0], ["a", "b"]).unwrap();
    assert_eq!(
        net.probe(&values).unwrap(),
        net.probe_with(&values, Loss::MeanSquaredError).unwrap()
    );
    // Of a layer on the way, none comes to those behind it.
    let early = objective(["dense1"], |_, slopes| {
        slopes[0].fill(1.0);
        Ok(0.0)
    });
    let early = net.probe_with(&data, early).unwrap();
    assert_eq!((at(&early, "logits"), at(&early, "dense1")), (0.0, 0.0));
    let twice = Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits"))
        .plus(1.0, Loss::SoftmaxCrossEntropy.at("logits"));
    let twice = net.probe_with(&data, twice).unwrap();
    assert!((at(&twice, "dense1") / at(&probe, "dense1") - 2.0).abs() < 1e-5);
}

#[test]
fn every_layer_of_a_network_shows_itself() {
    let digits = datasets::digits().unwrap();
    let net = Cnn::lenet((8, 8, 1), 10)
        .channels([6, 8])
        .kernel(3)
        .batch_norm()
        .dropout(0.3)
        .build(1)
        .unwrap();
    let before = net.clone();
    let probe = net.probe(&digits).unwrap();
    assert_eq!(before.buffers(), net.buffers());
    assert_eq!(
        (probe.layers().len(), probe.examples()),
        (net.spec().layers.len(), 1797)
    );
    assert!(
        probe
            .layers()
            .iter()
            .all(|layer| layer.gradient_sd.is_some_and(|sd| sd > 0.0))
    );
    let frame = probe.frame();
    assert_eq!(frame.shape(), (probe.layers().len(), 9));
    assert!(frame.column("dead").unwrap().null_count() > 0);
    let bundle = probe.bundle();
    assert!(bundle.html.is_some() && bundle.plotly.is_some() && bundle.plain().contains("conv1"));
    let chart = serde_json::to_string(&probe.chart()).unwrap();
    for word in [
        "sd of outputs",
        "sd of gradients",
        "dead units",
        "\"log\"",
        "conv1",
    ] {
        assert!(chart.contains(word), "{word} is not in the chart");
    }
    assert!(!chart.contains("saturated"));
    let said = probe.layers()[0].bundle();
    assert!(said.plain().starts_with("conv1, conv 3x3"), "{}", said.plain());
    // In one thread or several.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(pool.install(|| net.probe(&digits)).unwrap(), probe);
}

#[test]
fn what_cannot_be_probed_is_said() {
    let net = Mlp::new([1, 3, 2]).build(5).unwrap();
    let refused = |error: Option<crate::Error>, words: &str| {
        let error = error.unwrap().to_string();
        assert!(error.contains(words), "{error}");
    };
    let wide = Dataset::new("wide", 2, vec![0.0; 4]).unwrap();
    refused(net.probe(&wide).err(), "expected 1 numbers an example");
    refused(
        net.probe_with(&line(), Loss::SoftmaxCrossEntropy.at("dense9"))
            .err(),
        "dense9",
    );
    refused(
        net.probe_with(&line(), Loss::SoftmaxCrossEntropy.at("logits").stream(1))
            .err(),
        "2 streams",
    );
    let unknown = Dataset::new("unknown", 1, vec![0.0; 4]).unwrap();
    assert!(net.probe_with(&unknown, Loss::SoftmaxCrossEntropy).is_err());
}
