//! Inception-v3 against torchvision, whose values tests/reference/inception.py wrote.

use serde::Deserialize;

use super::{relative_error, scatter};
use crate::net::{InceptionV3, LayerKind};
use crate::weights::Weights;

const IMAGES: usize = 4;
const SIDE: usize = 299;
const BLOCK: usize = 23;

#[derive(Deserialize)]
struct Golden {
    parameters: usize,
    tensors: Vec<(String, Vec<usize>)>,
    bottlenecks: Vec<f64>,
    logits: Vec<f64>,
    aux_logits: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../tests/reference/inception.json")).unwrap()
}

/// The weights by inception.py's recipe, under torchvision's names.
fn weights(golden: &Golden) -> Weights {
    let tensor = |(name, shape): &(String, Vec<usize>)| {
        let count: usize = shape.iter().product();
        let (layer, last) = name.rsplit_once('.').unwrap();
        let (base, scale) = match last {
            "running_var" => (1.0, 0.5),
            "weight" if layer.ends_with(".bn") => (1.0, 0.25),
            "weight" => (0.0, (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt()),
            _ => (0.0, 0.25),
        };
        let values = scatter(name, count);
        let values = values
            .iter()
            .map(|v| (base + scale * f64::from(*v)) as f32)
            .collect();
        (name.clone(), shape.clone(), values)
    };
    Weights::new(golden.tensors.iter().map(tensor)).unwrap()
}

/// The images by inception.py's recipe, height x width x channels.
fn images() -> Vec<f32> {
    let blocks = scatter("blocks", IMAGES * 13 * 13 * 3);
    let mut images = scatter("pixels", IMAGES * SIDE * SIDE * 3);
    for (i, number) in images.iter_mut().enumerate() {
        let (image, y, x, channel) = (i / (SIDE * SIDE * 3), i / (SIDE * 3) % SIDE, i / 3 % SIDE, i % 3);
        let block = ((image * 13 + y / BLOCK) * 13 + x / BLOCK) * 3 + channel;
        *number = 4.0 * blocks[block] + 2.0 * *number;
    }
    images
}

#[test]
fn inception_v3_gives_torchvisions_logits_and_bottlenecks() {
    let golden = golden();
    let mut network = InceptionV3::new()
        .aux(true)
        .transform_input(true)
        .build(0)
        .unwrap();
    assert_eq!(network.parameters().len(), golden.parameters);
    network.load_weights(&weights(&golden)).unwrap();
    let mut prepared = network.prepare(&["avgpool", "fc", "AuxLogits-fc"]).unwrap();
    let images = images();
    let outputs = prepared.run(&images).unwrap();
    for (what, got, expected) in [
        ("bottlenecks", &outputs[0], &golden.bottlenecks),
        ("logits", &outputs[1], &golden.logits),
        ("auxiliary logits", &outputs[2], &golden.aux_logits),
    ] {
        let width = expected.len() / IMAGES;
        for (image, (got, expected)) in got.chunks(width).zip(expected.chunks(width)).enumerate() {
            let error = relative_error(got, expected);
            assert!(error < 1e-4, "{what} of image {image} off by {error}");
        }
    }
}

#[test]
fn inception_v3_has_the_sizes_of_the_papers_table() {
    let spec = InceptionV3::new().spec().unwrap();
    let shapes = spec.shapes();
    for (layer, expected) in [
        ("Conv2d_1a_3x3-relu", (149, 149, 32)),
        ("Conv2d_2a_3x3-relu", (147, 147, 32)),
        ("Conv2d_2b_3x3-relu", (147, 147, 64)),
        ("maxpool1", (73, 73, 64)),
        ("Conv2d_3b_1x1-relu", (73, 73, 80)),
        ("Conv2d_4a_3x3-relu", (71, 71, 192)),
        ("maxpool2", (35, 35, 192)),
        ("Mixed_5d", (35, 35, 288)),
        ("Mixed_6e", (17, 17, 768)),
        ("Mixed_7c", (8, 8, 2048)),
    ] {
        assert_eq!(shapes[spec.position(layer).unwrap()], expected.into(), "{layer}");
    }
    // Without the head there are torchvision's tensors but for the head's.
    let heads = golden()
        .tensors
        .iter()
        .filter(|(name, _)| name.starts_with("AuxLogits."))
        .count();
    let tensors = InceptionV3::new().build(0).unwrap().tensors().len();
    assert_eq!(tensors, golden().tensors.len() - heads);
    assert!(
        spec.layers
            .iter()
            .all(|layer| !matches!(layer.kind, LayerKind::Affine { .. }))
    );
}

#[test]
fn images_too_small_for_inception_v3_are_refused() {
    assert!(InceptionV3::new().side(75).spec().is_ok());
    let error = InceptionV3::new().side(74).spec().unwrap_err().to_string();
    assert!(error.contains("does not fit"), "{error}");
    let error = InceptionV3::new()
        .side(200)
        .aux(true)
        .spec()
        .unwrap_err()
        .to_string();
    assert!(error.contains("AuxLogits"), "{error}");
    assert!(
        InceptionV3::new()
            .classes(0)
            .spec()
            .unwrap_err()
            .to_string()
            .contains("fc")
    );
}
