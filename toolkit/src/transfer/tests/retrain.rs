//! New last layers.

use super::{digits, small_net};
use crate::data::{Shape, datasets};
use crate::net::{Cnn, InceptionV3, Mlp};
use crate::testing::Scratch;
use crate::train::{Budget, Recipe};
use crate::transfer::Retrain;

#[test]
fn the_new_network_is_the_frozen_old_one_with_the_trained_layer() {
    let (net, data) = (small_net(), digits(400));
    let data = data.of_classes(&["3", "5", "8"]).unwrap();
    let recipe = Retrain::tutorial().steps(300).sgd(0.01).momentum(0.9);
    let made = Retrain::of(&net, "logits")
        .without_cache()
        .recipe(recipe)
        .run(&data)
        .unwrap();
    assert_eq!(made.network.outputs(), 3);
    // Dropout between the two is passed over.
    assert_eq!(made.features.name(), format!("activation3 of {}", data.name()));
    for tensor in made.network.tensors() {
        let new = tensor.name.starts_with("logits.");
        assert_eq!(tensor.frozen, !new, "{}", tensor.name);
        if !new {
            assert_eq!(
                made.network.tensor(&tensor.name),
                net.tensor(&tensor.name),
                "{}",
                tensor.name
            );
        }
    }
    let whole = made.network.predict(data.features()).unwrap();
    let head = made.run.predict(made.features.features()).unwrap();
    for (whole, head) in whole.iter().zip(&head) {
        assert!(
            (whole - head).abs() <= 1e-4 * head.abs().max(1.0),
            "{whole}, {head}"
        );
    }
    let evaluation = made.run.evaluation.as_ref().unwrap();
    assert_eq!(evaluation.n, (data.len() as f64 * 0.1).round() as usize);
    // Random convolutions tell three digits apart far better than chance does.
    assert!(evaluation.accuracy > 0.6, "{made}");
}

#[test]
fn the_defaults_are_the_tutorials() {
    let recipe = Retrain::tutorial();
    assert_eq!(
        (recipe.length, recipe.batch, recipe.rule.rate()),
        (Budget::Steps(4000), 100, 0.01)
    );
    let made = Retrain::of(&small_net(), "logits")
        .without_cache()
        .run(&digits(500))
        .unwrap();
    assert_eq!(made.run.steps, 4000);
    assert_eq!(made.run.history.len(), 400);
    assert_eq!(made.run.evaluation.as_ref().unwrap().n, 50);
    // 50 tested on, 50 for validation: 400 examples are an epoch of 4 batches.
    assert_eq!(made.run.epochs, 1000.0);
}

#[test]
fn bottlenecks_are_shared_with_features_and_with_the_next_retraining() {
    let (net, scratch, data) = (small_net(), Scratch::new(), digits(200));
    let recipe = Recipe::new().steps(10);
    let run = |net: &crate::net::Network| {
        let retrain = Retrain::of(net, "logits").cache(scratch.path());
        retrain
            .recipe(recipe.clone())
            .test_share(0.25)
            .run(&data)
            .unwrap()
    };
    let first = run(&net);
    assert_eq!(
        (first.features.cached, first.run.evaluation.as_ref().unwrap().n),
        (0, 50)
    );
    assert_eq!(
        run(&first.network).features.cached,
        200,
        "only the last layer differs"
    );
}

#[test]
fn layers_that_cannot_be_replaced_are_refused() {
    let refused = |net: &crate::net::Network, layer: &str, word: &str| {
        let error = Retrain::of(net, layer)
            .without_cache()
            .run(&digits(50))
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
    };
    refused(&small_net(), "dense1", "the last layer is \"logits\"");
    refused(&small_net(), "fc", "logits");
    let flat = Mlp::new([64, 10]).build(0).unwrap();
    refused(&flat, "logits", "nothing stands before");
    let spec = InceptionV3::new().spec().unwrap();
    assert_eq!(spec.layers[spec.bottleneck_before("fc").unwrap()].name, "avgpool");
    // Two classes of one image each leave nothing to test on; no labels, nothing to learn.
    let net = Cnn::new((8, 8, 1), 2).channels([4]).build(0).unwrap();
    let unlabelled = crate::data::Dataset::new("u", Shape::from((8, 8, 1)), vec![0.5; 640]).unwrap();
    assert!(
        Retrain::of(&net, "logits")
            .without_cache()
            .run(&unlabelled)
            .is_err()
    );
    let two = datasets::digits().unwrap().subset(&[0, 1]).unwrap();
    assert!(Retrain::of(&net, "logits").without_cache().run(&two).is_err());
}
