//! Weights in PyTorch's naming and order, there and back.

use crate::data::Shape;
use crate::net::{Activation, Cnn, Init, Layer, LayerKind, Mlp, NetSpec, Network, Role};
use crate::weights::Weights;

#[test]
fn weights_go_to_pytorchs_order_and_come_back() {
    let builder = Cnn::lenet((6, 4, 2), 3).channels([3, 5]).hidden(7).batch_norm();
    let network = builder.build(1).unwrap();
    let weights = network.weights().unwrap();
    let shapes = |name: &str| weights.get(name).unwrap().shape.to_vec();
    assert_eq!(shapes("conv1.weight"), [3, 2, 5, 5]);
    assert_eq!(shapes("conv2.bias"), [5]);
    assert_eq!(shapes("batch_norm1.running_var"), [3]);
    assert_eq!(shapes("dense1.weight"), [7, 2 * 5]);
    // Row o, column i of theirs is row i, column o of ours; so with the kernel's place in front.
    let (ours, theirs) = (
        network.tensor("conv1.weight").unwrap(),
        weights.get("conv1.weight").unwrap().values,
    );
    let (y, x, i, o) = (3, 1, 1, 2);
    assert_eq!(
        theirs[((o * 2 + i) * 5 + y) * 5 + x],
        ours[((y * 5 + x) * 2 + i) * 3 + o]
    );
    // Behind flatten, images of 2 x 1 x 5: channel c of pixel p is input c * 2 + p there, p * 5 + c here.
    let (ours, theirs) = (
        network.tensor("dense1.weight").unwrap(),
        weights.get("dense1.weight").unwrap().values,
    );
    let (p, c, o) = (1, 3, 4);
    assert_eq!(theirs[o * 10 + c * 2 + p], ours[(p * 5 + c) * 7 + o]);

    let mut other = builder.build(2).unwrap();
    assert_ne!(other.parameters(), network.parameters());
    other.load_weights(&weights).unwrap();
    assert_eq!(other.parameters(), network.parameters());
    assert_eq!(other.buffers(), network.buffers());
}

#[test]
fn tensors_that_do_not_fit_are_listed() {
    let mut network = Mlp::new([4, 3, 2]).build(0).unwrap();
    let before = network.parameters().to_vec();
    let weights = Weights::new([
        ("dense1.weight", vec![3, 4], vec![0.0; 12]),
        ("logits.weight", vec![5, 3], vec![0.0; 15]),
        ("logits.bias", vec![2], vec![0.0; 2]),
        ("head.bias", vec![1], vec![0.0]),
    ])
    .unwrap();
    let error = network.load_weights(&weights).unwrap_err().to_string();
    for words in [
        "dense1.bias (3)",
        "logits.weight: expected 2 x 3, found 5 x 3",
        "head.bias (1)",
    ] {
        assert!(error.contains(words), "{words} is not in {error}");
    }
    assert_eq!(network.parameters(), before);
}

#[test]
fn a_wrappers_prefix_is_named_with_its_remedy() {
    let mut network = Mlp::new([4, 3, 2]).build(0).unwrap();
    let own = network.weights().unwrap();
    for prefix in ["module.", "_orig_mod.", "model.", "module._orig_mod."] {
        let wrapped = own.clone().rename(|name| format!("{prefix}{name}")).unwrap();
        let error = network.load_weights(&wrapped).unwrap_err().to_string();
        let remedy =
            format!("weights.rename(|name| name.strip_prefix({prefix:?}).unwrap_or(name).to_owned())?");
        assert!(
            error.contains(&format!("the file has `{prefix}` before each name")),
            "{error}"
        );
        assert!(error.contains(&remedy), "{error}");
        // What it says to do.
        let bare = wrapped.rename(|name| name.strip_prefix(prefix).unwrap_or(name).to_owned());
        network.load_weights(&bare.unwrap()).unwrap();

        let expected: Vec<(String, Vec<usize>)> = own
            .iter()
            .map(|(name, tensor)| (format!("{prefix}{name}"), tensor.shape.to_vec()))
            .collect();
        let expected = expected.iter().map(|(name, shape)| (name.as_str(), &shape[..]));
        let error = own.require(expected).unwrap_err().to_string();
        assert!(
            error.contains(&format!("the network has `{prefix}` before each name")),
            "{error}"
        );
    }
}

#[test]
fn a_prefix_and_another_head_are_told_together() {
    let mut network = Mlp::new([4, 3, 2]).build(0).unwrap();
    let trained = Mlp::new([4, 3, 5]).build(1).unwrap().weights().unwrap();
    let off = "weights.rename(|name| name.strip_prefix(\"module.\").unwrap_or(name).to_owned())?`; then build the network \
               with the sizes of the file";
    // The head of other classes, and one of another name.
    let wrapped = trained.clone().rename(|name| format!("module.{name}")).unwrap();
    let error = network.load_weights(&wrapped).unwrap_err().to_string();
    assert!(
        error.contains(off) && error.contains("network.load_weights_except(&weights, [\"logits\"])?"),
        "{error}"
    );
    let named = trained
        .clone()
        .rename(|name| format!("module.{}", name.replace("logits", "fc")))
        .unwrap();
    let error = network.load_weights(&named).unwrap_err().to_string();
    let call =
        "network.load_weights_except(&weights.filter(|name| !name.starts_with(\"fc.\")), [\"logits\"])?";
    assert!(error.contains(off) && error.contains(call), "{error}");
    let bare = named
        .rename(|name| name.strip_prefix("module.").unwrap_or(name).to_owned())
        .unwrap();
    network
        .load_weights_except(&bare.filter(|name| !name.starts_with("fc.")), ["logits"])
        .unwrap();
    // One network of two in a file, and one before whose names something is to be put.
    let two = network.weights().unwrap();
    let both: Vec<_> = ["encoder", "decoder"]
        .iter()
        .flat_map(|part| {
            two.iter().map(move |(name, tensor)| {
                (
                    format!("{part}.{name}"),
                    tensor.shape.to_vec(),
                    tensor.values.to_vec(),
                )
            })
        })
        .collect();
    let error = network
        .load_weights(&Weights::new(both).unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("coder.` before each name") && error.contains("; then leave the unexpected"),
        "{error}"
    );
}

#[test]
fn matrices_the_other_way_round_are_told() {
    let mut network = Mlp::new([4, 3, 2]).build(0).unwrap();
    let own = network.weights().unwrap();
    let turned = own.iter().map(|(name, tensor)| {
        let shape = tensor.shape.iter().rev().copied().collect();
        (name.to_owned(), shape, tensor.values.to_vec())
    });
    let error = network
        .load_weights(&Weights::new(turned).unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("dense layers as outputs x inputs"), "{error}");
}

#[test]
fn names_of_another_library_are_not_answered_by_loading_nothing() {
    let mut network = Mlp::new([4, 3, 2]).build(0).unwrap();
    let keras = network
        .weights()
        .unwrap()
        .rename(|name| name.replace("weight", "kernel"))
        .unwrap();
    let error = network.load_weights(&keras).unwrap_err().to_string();
    assert!(
        !error.contains("load_weights_except") && error.contains("Weights::rename"),
        "{error}"
    );
    // What is trained of a layer is not left out for what it lacks.
    let part = network.weights().unwrap().filter(|name| name != "dense1.bias");
    let error = network.load_weights(&part).unwrap_err().to_string();
    assert!(!error.contains("load_weights_except"), "{error}");
}

#[test]
fn numbers_that_are_none_are_refused() {
    let mut network = Mlp::new([4, 3, 2]).build(0).unwrap();
    let before = network.clone();
    for odd in [f32::NAN, f32::INFINITY] {
        let own = network.weights().unwrap();
        let tensors = own.iter().map(|(name, tensor)| {
            let mut values = tensor.values.to_vec();
            if name == "logits.bias" {
                values[1] = odd;
            }
            (name.to_owned(), tensor.shape.to_vec(), values)
        });
        let weights = Weights::new(tensors).unwrap();
        assert!(weights.to_string().contains(", 1 not finite"), "{weights}");
        let error = network.load_weights(&weights).unwrap_err().to_string();
        assert!(
            error.contains("numbers logits.bias has 1 that") && error.contains("to do:"),
            "{error}"
        );
        assert_eq!(network.parameters(), before.parameters());
        network.load_weights_except(&weights, ["logits"]).unwrap();
    }
}

#[test]
fn all_but_the_head_is_offered_and_loads() {
    let trained = Mlp::new([4, 3, 5]).build(1).unwrap();
    let mut network = Mlp::new([4, 3, 2]).build(2).unwrap();
    let before = network.clone();
    let weights = trained.weights().unwrap();
    let error = network.load_weights(&weights).unwrap_err().to_string();
    assert!(
        error.contains("network.load_weights_except(&weights, [\"logits\"])?"),
        "{error}"
    );
    network.load_weights_except(&weights, ["logits"]).unwrap();
    let same = |name, of: &Network| network.tensor(name) == of.tensor(name);
    assert!(same("dense1.weight", &trained) && same("dense1.bias", &trained));
    assert!(same("logits.weight", &before) && same("logits.bias", &before));

    // A head of two layers.
    let deep = Mlp::new([4, 3, 3, 3, 5]).build(1).unwrap().weights().unwrap();
    let mut other = Mlp::new([4, 3, 3, 6, 2]).build(2).unwrap();
    let error = other.load_weights(&deep).unwrap_err().to_string();
    let call = "network.load_weights_except(&weights, [\"dense3\", \"logits\"])?";
    assert!(
        error.contains(call) && error.contains("but dense3 and logits"),
        "{error}"
    );
    other.load_weights_except(&deep, ["dense3", "logits"]).unwrap();
    // Most of another network is no head.
    let mut other = Mlp::new([4, 6, 6, 2]).build(2).unwrap();
    let error = other
        .load_weights(&trained.weights().unwrap())
        .unwrap_err()
        .to_string();
    assert!(!error.contains("load_weights_except"), "{error}");

    // A head of another name, and one that is for training only.
    let other = weights
        .rename(|name| name.replace("logits.", "head.fc."))
        .unwrap();
    let error = network.load_weights(&other).unwrap_err().to_string();
    let call = "load_weights_except(&weights.filter(|name| !name.starts_with(\"head.fc.\")), [\"logits\"])?";
    assert!(error.contains(call), "{error}");
    assert!(network.load_weights_except(&other, ["logits"]).is_err());
    let body = other.filter(|name| !name.starts_with("head.fc."));
    network.load_weights_except(&body, ["logits"]).unwrap();

    let error = network
        .load_weights_except(&body, ["fc"])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("found \"fc\"") && error.contains("dense1, logits"),
        "{error}"
    );
}

#[test]
fn batch_norm_takes_its_statistics_along() {
    let names = |network: &Network| -> Vec<String> {
        network.weights().unwrap().names().map(str::to_owned).collect()
    };
    let network = Mlp::new([4, 3, 2]).batch_norm().build(0).unwrap();
    assert!(
        network
            .tensors()
            .iter()
            .any(|tensor| tensor.role == Role::Running)
    );
    assert_eq!(
        names(&network)[2..6],
        [
            "batch_norm1.weight",
            "batch_norm1.bias",
            "batch_norm1.running_mean",
            "batch_norm1.running_var"
        ]
    );
}

/// What a flatten layer puts out stays in PyTorch's order through batch norm, ReLU and concat, up to a dense layer.
#[test]
fn the_order_behind_flatten_goes_on_to_the_dense_layer() {
    let layer = |name: &str, kind, from: &[&str]| Layer {
        name: name.into(),
        kind,
        from: from.iter().map(|&name| name.into()).collect(),
        frozen: false,
    };
    let norm = LayerKind::BatchNorm {
        epsilon: 1e-5,
        momentum: 0.1,
    };
    let dense = LayerKind::Dense {
        units: 1,
        bias: true,
        init: Init::Zeros,
        bias_init: Init::Zeros,
    };
    let relu = || LayerKind::Activation(Activation::Relu);
    let spec = |layers| NetSpec {
        input: 12,
        image: Some(Shape::Image {
            height: 2,
            width: 3,
            channels: 2,
        }),
        layers,
    };
    let mut network = Network::new(
        &spec(vec![
            layer("flat", LayerKind::Flatten, &[]),
            layer("norm", norm, &[]),
            layer("relu", relu(), &[]),
            layer("mean", LayerKind::GlobalAvgPool, &["input"]),
            layer("both", LayerKind::Concat, &["mean", "relu"]),
            layer("dense", dense.clone(), &[]),
        ]),
        0,
    )
    .unwrap();
    let count = |n: usize| (0..n).map(|i| i as f32).collect::<Vec<_>>();
    let weights = Weights::new([
        ("norm.weight", vec![12], count(12)),
        ("norm.bias", vec![12], vec![0.0; 12]),
        ("norm.running_mean", vec![12], vec![0.0; 12]),
        ("norm.running_var", vec![12], vec![1.0 - 1e-5; 12]),
        ("dense.weight", vec![1, 14], count(14)),
        ("dense.bias", vec![1], vec![0.0]),
    ])
    .unwrap();
    network.load_weights(&weights).unwrap();
    // Pixel 4, channel 1 is number 9 here and 10 there, which batch norm makes 10 and the dense layer takes 12 times,
    // behind the two means; the mean of channel 1 it takes once.
    let mut image = [0.0; 12];
    image[4 * 2 + 1] = 1.0;
    let output = network.predict(&image).unwrap()[0];
    assert!((output - (10.0 * 12.0 + 1.0 / 6.0)).abs() < 1e-3, "{output}");
    assert_eq!(
        network.weights().unwrap().get("dense.weight").unwrap().values,
        count(14)
    );

    let maxout = spec(vec![
        layer("flat", LayerKind::Flatten, &[]),
        layer("maxout", LayerKind::Activation(Activation::Maxout(2)), &[]),
        layer("dense", dense, &[]),
    ]);
    let error = Network::new(&maxout, 0)
        .unwrap()
        .weights()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("layer maxout") && error.contains("cannot be told"),
        "{error}"
    );
}
