//! Layers for small data: what is refused, words, indices, PyTorch's order, the builders' norms.

use super::{relative_error, scattered};
use crate::data::Shape;
use crate::net::{Cnn, Init, Layer, LayerKind, Mlp, NetSpec, Network, Role};
use crate::prelude::{Dataset, Recipe, Stepper};

fn layer(name: &str, kind: LayerKind) -> Layer {
    Layer {
        name: name.into(),
        kind,
        from: Vec::new(),
        frozen: false,
    }
}

fn chain(input: usize, kinds: Vec<LayerKind>) -> NetSpec {
    let named = kinds.into_iter().enumerate();
    NetSpec::chain(
        input,
        named.map(|(i, kind)| layer(&format!("layer{i}"), kind)).collect(),
    )
}

fn on_images(shape: (usize, usize, usize), kinds: Vec<LayerKind>) -> NetSpec {
    let shape: Shape = shape.into();
    NetSpec {
        image: Some(shape),
        ..chain(shape.width(), kinds)
    }
}

fn embedding(vocabulary: usize, width: usize) -> LayerKind {
    LayerKind::Embedding {
        vocabulary,
        width,
        init: Init::Word2Vec,
    }
}

fn dense(units: usize) -> LayerKind {
    LayerKind::Dense {
        units,
        bias: true,
        init: Init::FanUniform,
        bias_init: Init::Zeros,
    }
}

#[test]
fn what_the_layers_cannot_be_is_refused() {
    let refused = |spec: NetSpec, words: &[&str]| {
        let error = spec.validate().expect_err("a spec that cannot be").to_string();
        for word in words {
            assert!(error.contains(word), "{word:?} is not in: {error}");
        }
    };
    let group = |groups, epsilon| LayerKind::GroupNorm { groups, epsilon };
    let layer_norm = |epsilon| LayerKind::LayerNorm { epsilon };
    refused(
        chain(4, vec![layer_norm(0.0)]),
        &["epsilon of layer norm is 0", "layer0"],
    );
    refused(chain(1, vec![layer_norm(1e-5)]), &["1 number", "2 or more"]);
    refused(chain(4, vec![group(3, 1e-5)]), &["3 groups", "4 channels"]);
    refused(chain(4, vec![group(0, 1e-5)]), &["0 groups"]);
    refused(chain(4, vec![group(4, 1e-5)]), &["1 number", "fewer groups"]);
    refused(
        on_images((2, 2, 4), vec![group(2, f32::NAN)]),
        &["epsilon of group norm"],
    );
    let instance = || LayerKind::InstanceNorm { epsilon: 1e-5 };
    refused(chain(4, vec![instance()]), &["instance norm", "4 plain numbers"]);
    refused(on_images((1, 1, 4), vec![instance()]), &["1 number"]);
    refused(chain(4, vec![embedding(0, 3)]), &["0 entries"]);
    refused(chain(4, vec![embedding(3, 0)]), &["0 numbers for each index"]);
    refused(
        on_images((2, 2, 1), vec![embedding(3, 2)]),
        &["indices as plain numbers", "2 x 2 images"],
    );
    refused(
        chain(4, vec![dense(3), embedding(3, 2)]),
        &["embedding of 3 to 2 reads another layer", "layer1", "`input`"],
    );
    refused(chain(4, vec![embedding(1 << 20, 1 << 20)]), &["parameters"]);
    let upsample = |factor| LayerKind::Upsample { factor };
    refused(
        on_images((2, 2, 1), vec![upsample([2, 0])]),
        &["2 x 0", "factors from 1"],
    );
    refused(chain(4, vec![upsample([2, 2])]), &["upsampling", "plain numbers"]);
    refused(
        on_images((2, 2, 1), vec![upsample([1 << 20, 1 << 20])]),
        &["a layer gives"],
    );
    refused(
        chain(4, vec![LayerKind::GlobalMaxPool]),
        &["global pooling", "plain numbers"],
    );
    let slopes = LayerKind::PRelu {
        shared: false,
        init: Init::Constant(f32::NAN),
    };
    refused(chain(4, vec![slopes]), &["constant", "NaN"]);
}

#[test]
fn specs_with_them_read_as_one_line_and_travel() {
    let kinds = vec![
        embedding(100, 8),
        LayerKind::Upsample { factor: [1, 2] },
        LayerKind::LayerNorm { epsilon: 1e-5 },
        LayerKind::GroupNorm {
            groups: 4,
            epsilon: 1e-5,
        },
        LayerKind::InstanceNorm { epsilon: 1e-5 },
        LayerKind::PRelu {
            shared: true,
            init: Init::Constant(0.25),
        },
        LayerKind::GlobalMaxPool,
        dense(3),
        LayerKind::PRelu {
            shared: false,
            init: Init::Constant(0.25),
        },
    ];
    let spec = chain(5, kinds);
    assert_eq!(
        spec.to_string(),
        "5 > embedding of 100 to 8 > upsample 1x2 > layer norm > group norm in 4 groups > instance norm > \
         prelu of one slope > global max pool > dense 3 > prelu"
    );
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<NetSpec>(&text).unwrap(), spec);
    let network = Network::new(&spec, 3).unwrap();
    let roles: Vec<(&str, Role)> = network
        .tensors()
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor.role))
        .collect();
    assert_eq!(roles[0], ("layer0.weight", Role::Weight));
    assert_eq!(roles[1], ("layer2.scale", Role::Scale));
    assert_eq!(roles[roles.len() - 1], ("layer8.slope", Role::Scale));
    assert_eq!(network.tensor("layer5.slope").unwrap(), [0.25]);
    assert_eq!(network.tensor("layer8.slope").unwrap(), [0.25; 3]);
    // Word2vec's law for vectors of 8 numbers.
    let table = network.tensor("layer0.weight").unwrap();
    let most = table.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    assert!(most <= 0.5 / 8.0 && most > 0.06, "{most}");
}

#[test]
fn what_is_no_index_is_refused_with_its_row() {
    let spec = chain(2, vec![embedding(3, 4), LayerKind::GlobalAvgPool, dense(2)]);
    let network = Network::new(&spec, 0).unwrap();
    let good = [0.0, 2.0, 1.0, 1.0];
    for (wrong, found) in [(3.0, "3"), (0.5, "0.5"), (-1.0, "-1"), (f32::NAN, "NaN")] {
        let x = [0.0, 2.0, 1.0, wrong];
        let refused = |error: crate::Error, place: &str| {
            let text = error.to_string();
            for word in [&format!("from 0 to 2, found {found}"), place, "layer0"] {
                assert!(text.contains(word), "{word:?} is not in: {text}");
            }
        };
        refused(network.predict(&x).unwrap_err(), "row 1, column 1");
        let mut prepared = network.prepare(&["layer2"]).unwrap();
        assert!(prepared.run(&good).is_ok());
        refused(prepared.run(&x).map(|_| ()).unwrap_err(), "row 1, column 1");
        let mut stepper = Stepper::new(&network, Recipe::new().sgd(0.1)).unwrap();
        assert!(stepper.forward(&good).is_ok());
        refused(stepper.forward(&x).map(|_| ()).unwrap_err(), "row 1, column 1");
        let names = || vec!["a".to_owned(), "b".to_owned()];
        if !wrong.is_nan() {
            let data = Dataset::new("words", Shape::Flat(2), x.to_vec()).unwrap();
            let data = data.with_labels(vec![0, 1], names()).unwrap();
            let run = network.train(&data, Recipe::new().epochs(1));
            refused(run.map(|_| ()).unwrap_err(), "dataset words, row 1, column 1");
        }
    }
}

#[test]
fn words_are_learned_by_their_vectors() {
    // A row is of class 1 when it holds word 7: two words of twenty.
    let words: Vec<f32> = (0..20)
        .flat_map(|a| (0..20).flat_map(move |b| [a as f32, b as f32]))
        .collect();
    let labels = words
        .chunks_exact(2)
        .map(|row| u32::from(row.contains(&7.0)))
        .collect();
    let names = vec!["without".to_owned(), "with".to_owned()];
    let data = Dataset::new("words", Shape::Flat(2), words.clone()).unwrap();
    let data = data.with_labels(labels, names).unwrap();
    let spec = chain(2, vec![embedding(20, 4), LayerKind::GlobalAvgPool, dense(2)]);
    let network = Network::new(&spec, 1).unwrap();
    let recipe = Recipe::new().epochs(60).batch(20).adam(0.05);
    let run = network.train(&data, recipe).unwrap();
    assert_eq!(run.evaluate(&data).unwrap().accuracy, 1.0);
}

#[test]
fn predictions_are_the_same_bits_in_any_batch_and_close_when_prepared() {
    let spec = Mlp::new([6, 32, 3]).layer_norm().spec().unwrap();
    let network = Network::new(&spec, 2).unwrap();
    let x = scattered(5 * 6, 1);
    let all = network.predict(&x).unwrap();
    for row in 0..5 {
        let alone = network.predict(&x[row * 6..][..6]).unwrap();
        assert_eq!(alone, all[row * 3..][..3]);
    }
    let expected: Vec<f64> = all.iter().map(|&y| f64::from(y)).collect();
    let mut prepared = network.prepare(&["logits"]).unwrap();
    assert!(relative_error(prepared.run(&x).unwrap()[0], &expected) < 1e-6);
}

#[test]
fn builders_take_one_norm_for_all_hidden_layers() {
    let line = |spec: crate::Result<NetSpec>| spec.unwrap().to_string();
    assert_eq!(
        line(Mlp::new([4, 8, 3]).layer_norm().spec()),
        "4 > dense 8 > layer norm > relu > dense 3"
    );
    assert_eq!(
        line(Mlp::new([4, 8, 3]).batch_norm().group_norm(2).spec()),
        "4 > dense 8 > group norm in 2 groups > relu > dense 3"
    );
    let spec = Mlp::new([4, 8, 3]).layer_norm().spec().unwrap();
    assert_eq!(spec.layers[1].name, "layer_norm1");
    let resnet = Cnn::resnet((8, 8, 3), 4)
        .channels([8, 16])
        .group_norm(4)
        .spec()
        .unwrap();
    let norms = resnet
        .layers
        .iter()
        .filter(|layer| matches!(layer.kind, LayerKind::GroupNorm { groups: 4, .. }));
    // The first, two in each of two blocks, and the second block's shortcut's.
    assert_eq!(norms.count(), 6);
    assert!(!resnet.to_string().contains("batch norm"));
    let error = Mlp::new([4, 9, 3]).group_norm(2).spec().unwrap_err().to_string();
    assert!(
        error.contains("2 groups") && error.contains("group_norm1"),
        "{error}"
    );
}

#[test]
fn pytorchs_order_is_kept_behind_flatten_and_embeddings() {
    let conv = || LayerKind::Conv2d {
        channels: 2,
        window: crate::net::Window::square(1),
        groups: 1,
        bias: false,
        init: Init::FanUniform,
        bias_init: Init::Zeros,
    };
    let norm = LayerKind::LayerNorm { epsilon: 1e-5 };
    let flat = on_images((1, 3, 2), vec![conv(), LayerKind::Flatten, norm, dense(1)]);
    let mut network = Network::new(&flat, 0).unwrap();
    let range = |network: &Network, name: &str| {
        let tensor = network.tensors().iter().find(|tensor| tensor.name == name);
        tensor.unwrap().range.clone()
    };
    let scale = range(&network, "layer2.scale");
    for (i, x) in network.parameters_mut()[scale].iter_mut().enumerate() {
        *x = i as f32;
    }
    // Here pixel by pixel, there channel by channel.
    let weights = network.weights().unwrap();
    let theirs = weights.get("layer2.weight").unwrap();
    assert_eq!(theirs.values, [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
    let mut other = Network::new(&flat, 9).unwrap();
    other.load_weights(&weights).unwrap();
    assert_eq!(other.parameters(), network.parameters());

    // PyTorch has the vectors of words one after another, as here.
    let words = chain(3, vec![embedding(4, 2), LayerKind::Flatten, dense(1)]);
    let network = Network::new(&words, 0).unwrap();
    let weights = network.weights().unwrap();
    let ours = |name: &str| network.tensor(name).unwrap();
    assert_eq!(
        weights.get("layer0.weight").unwrap().values,
        ours("layer0.weight")
    );
    assert_eq!(
        weights.get("layer2.weight").unwrap().values,
        ours("layer2.weight")
    );

    let groups = LayerKind::GroupNorm {
        groups: 2,
        epsilon: 1e-5,
    };
    let untold = on_images((1, 3, 2), vec![conv(), LayerKind::Flatten, groups]);
    let error = Network::new(&untold, 0)
        .unwrap()
        .weights()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("order of PyTorch's numbers") && error.contains("layer2"),
        "{error}"
    );
}
