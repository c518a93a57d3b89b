//! Two networks under one layer, and images at lower resolutions.

use super::{digits, small_net};
use crate::data::{Dataset, ImageDomain, Shape, datasets};
use crate::net::{Cnn, Mlp, Network};
use crate::train::Recipe;
use crate::transfer::{Concat, Features};

fn bottleneck(net: &Network, layer: &str, data: &Dataset) -> Vec<f32> {
    Features::of(net, layer)
        .without_cache()
        .run(data)
        .unwrap()
        .features()
        .to_vec()
}

#[test]
fn the_joined_network_puts_both_bottlenecks_side_by_side() {
    let data = datasets::objects(30, 28, ImageDomain::Flat, 1).unwrap();
    let small = data.at_resolution(8, 8).unwrap();
    let fine = Cnn::new(data.shape(), 10)
        .channels([4, 8])
        .hidden(12)
        .dropout(0.3)
        .build(1)
        .unwrap();
    // Branches that read the input, and one that reads another by name.
    let coarse = Cnn::resnet(small.shape(), 10).channels([4, 8]).build(2).unwrap();
    for (a, b, widths, both) in [
        (&fine, &coarse, [12, 8], [&data, &small]),
        (&coarse, &fine, [8, 12], [&small, &data]),
    ] {
        let joined = Concat::new(a, b).classes(7).build(0).unwrap();
        assert_eq!((joined.spec().shape(), joined.outputs()), (data.shape(), 7));
        let names = widths.map(|width| if width == 12 { "activation3" } else { "mean" });
        let made = bottleneck(&joined, "bottlenecks", &data);
        let (a, b) = (bottleneck(a, names[0], both[0]), bottleneck(b, names[1], both[1]));
        for (i, row) in made.chunks_exact(20).enumerate() {
            let apart = [&a[i * widths[0]..][..widths[0]], &b[i * widths[1]..][..widths[1]]].concat();
            for (joined, apart) in row.iter().zip(&apart) {
                assert!(
                    (joined - apart).abs() <= 1e-4 * apart.abs().max(1.0),
                    "image {i}: {joined}, {apart}"
                );
            }
        }
    }
}

#[test]
fn three_networks_of_two_kinds_join_and_each_sees_what_it_knows() {
    let data = digits(50);
    let flat = data.clone().with_shape(Shape::Flat(64)).unwrap();
    let dense = Mlp::new([64, 6, 10]).build(1).unwrap();
    let convolutional = Cnn::new(data.shape(), 10)
        .channels([4])
        .hidden(5)
        .build(2)
        .unwrap();
    let other = Mlp::new([64, 7, 10]).build(3).unwrap();
    let joined = Concat::of([&dense, &convolutional, &other]).build(0).unwrap();
    assert_eq!(joined.spec().shape(), data.shape());
    let sides = [
        bottleneck(&dense, "activation1", &flat),
        bottleneck(&convolutional, "activation2", &data),
        bottleneck(&other, "activation1", &flat),
    ];
    let made = bottleneck(&joined, "bottlenecks", &data);
    for (i, row) in made.chunks_exact(18).enumerate() {
        let apart = [
            &sides[0][i * 6..][..6],
            &sides[1][i * 5..][..5],
            &sides[2][i * 7..][..7],
        ]
        .concat();
        for (joined, apart) in row.iter().zip(&apart) {
            assert!((joined - apart).abs() <= 1e-5 * apart.abs().max(1.0));
        }
    }
    // Read back, it is the same network.
    let again: crate::net::NetSpec =
        serde_json::from_str(&serde_json::to_string(joined.spec()).unwrap()).unwrap();
    assert_eq!(&again, joined.spec());
}

#[test]
fn frozen_layers_stay_and_fine_tuned_ones_learn() {
    let (data, net) = (digits(200), small_net());
    let mut partly = Cnn::new((4, 4, 1), 10).channels([4]).hidden(8).build(0).unwrap();
    partly.freeze("conv1").unwrap();
    let moved = |joined: Network| -> Vec<String> {
        let run = joined.train(&data, Recipe::new().steps(3)).unwrap();
        let tensors = joined.tensors().iter();
        let changed = tensors.filter(|t| joined.tensor(&t.name) != run.model.tensor(&t.name));
        changed.map(|t| t.name.clone()).collect()
    };
    let frozen = Concat::new(&net, &partly).build(0).unwrap();
    assert_eq!(moved(frozen), ["logits.weight", "logits.bias"]);
    let tuned = moved(Concat::new(&net, &partly).fine_tune().build(0).unwrap());
    for name in [
        "a-conv1.weight",
        "a-batch_norm1.running_mean",
        "b-dense1.weight",
        "logits.weight",
    ] {
        assert!(tuned.iter().any(|moved| moved == name), "{name} not in {tuned:?}");
    }
    assert!(
        !tuned.iter().any(|moved| moved.starts_with("b-conv1")),
        "{tuned:?}"
    );
}

#[test]
fn networks_of_plain_numbers_join_and_what_does_not_fit_is_refused() {
    let mlp = |inputs: usize| Mlp::new([inputs, 6, 3]).build(0).unwrap();
    let joined = Concat::new(&mlp(5), &mlp(5)).build(0).unwrap();
    assert_eq!((joined.inputs(), joined.outputs()), (5, 3));
    let refused = |a: &Network, b: &Network, word: &str| {
        let error = Concat::new(a, b).build(0).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    let cnn = |side: usize, channels| {
        Cnn::new((side, side, channels), 3)
            .channels([2])
            .build(0)
            .unwrap()
    };
    refused(&mlp(5), &mlp(6), "5 features and 6 features");
    refused(&mlp(63), &cnn(8, 1), "differ in size only");
    refused(&mlp(64), &cnn(16, 1), "differ in size only");
    for few in [Vec::new(), vec![&mlp(5)]] {
        let error = Concat::of(few).build(0).unwrap_err().to_string();
        assert!(error.contains("2 to 26"), "{error}");
    }
    refused(&cnn(8, 1), &cnn(8, 3), "differ in size only");
    refused(&cnn(9, 1), &cnn(8, 1), "cannot be reduced");
    refused(&mlp(5), &Mlp::new([5, 3]).build(0).unwrap(), "network b");
}

#[test]
fn a_lower_resolution_is_the_mean_of_the_pixels() {
    let image: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let data = Dataset::new("d", Shape::from((4, 4, 1)), image).unwrap();
    assert_eq!(
        data.at_resolution(2, 2).unwrap().features(),
        [2.5, 4.5, 10.5, 12.5]
    );
    assert_eq!(data.at_resolution(1, 4).unwrap().features(), [6.0, 7.0, 8.0, 9.0]);
    assert_eq!(data.at_resolution(4, 4).unwrap().features(), data.features());
    // 28 + 4 = 4 * 8: the border counts as zeros.
    let white = Dataset::new("w", Shape::from((28, 28, 1)), vec![1.0; 784]).unwrap();
    let small = white.at_resolution(8, 8).unwrap();
    assert_eq!(
        (small.row(0)[0], small.row(0)[1], small.row(0)[9]),
        (0.25, 0.5, 1.0)
    );
    for (height, width) in [(0, 1), (5, 4), (4, 5)] {
        assert!(data.at_resolution(height, width).is_err(), "{height} x {width}");
    }
    assert!(datasets::iris().unwrap().at_resolution(1, 1).is_err());
}
