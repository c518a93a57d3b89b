//! Convolutional networks for small images: what they are, what is refused, and that they learn.

use crate::data::{Shape, datasets};
use crate::net::{Activation, Cnn, Init, Mlp, NetSpec};
use crate::show::Show;
use crate::study::Study;
use crate::train::Recipe;

fn refused(cnn: Cnn, words: &[&str]) {
    let error = cnn.spec().expect_err("a spec that cannot be").to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

#[test]
fn the_two_forms_read_as_their_papers_say() {
    let lenet = Cnn::new((28, 28, 1), 10).dropout(0.2).spec().unwrap();
    assert_eq!(
        lenet.to_string(),
        "28x28x1 > conv 5x5 padding 2 to 16 relu > max pool 2x2 stride 2 ceil > conv 5x5 padding 2 to 32 relu > \
         max pool 2x2 stride 2 ceil > flatten > dense 128 relu > dropout 0.2 > dense 10"
    );
    let resnet = Cnn::resnet((8, 8, 3), 4).channels([4, 8]).spec().unwrap();
    let shape = |name: &str| resnet.shapes()[resnet.position(name).unwrap()];
    assert_eq!(shape("block1-add"), (8, 8, 4).into());
    assert_eq!(shape("block2-shortcut"), (4, 4, 8).into());
    assert_eq!(shape("block2-add"), (4, 4, 8).into());
    assert_eq!(shape("mean"), Shape::Flat(8));
    // The first block sums what went in as it is.
    assert!(resnet.position("block1-shortcut").is_err());
    let deeper = Cnn::resnet((8, 8, 3), 4).blocks(3).spec().unwrap();
    assert!(deeper.position("block9-add").is_ok());
    assert!(Cnn::new((8, 8, 1), 10).bundle().plain().contains("8 x 8 x 16"));
}

#[test]
fn channels_and_blocks_are_dropped_where_the_papers_drop_them() {
    let spec = |cnn: Cnn| cnn.spec().unwrap();
    let lenet = || Cnn::new((8, 8, 1), 10).channels([4, 8]).hidden(0);
    let line = spec(lenet().input_dropout(0.1).spatial_dropouts([0.2, 0.3])).to_string();
    assert_eq!(
        line,
        "8x8x1 > dropout 0.1 > conv 5x5 padding 2 to 4 relu > max pool 2x2 stride 2 ceil > spatial dropout 0.2 > \
         conv 5x5 padding 2 to 8 relu > max pool 2x2 stride 2 ceil > spatial dropout 0.3 > flatten > dense 10"
    );
    let resnet = || Cnn::resnet((8, 8, 1), 10).channels([4, 4]).blocks(2);
    let net = spec(resnet().spatial_dropout(0.1).drop_path(0.4));
    let drops: Vec<(&str, f32)> = net
        .layers
        .iter()
        .filter_map(|layer| Some((layer.name.as_str(), layer.kind.drops()?)))
        .collect();
    assert_eq!(
        drops,
        [
            ("block1-spatial_dropout", 0.1),
            ("block1-drop_path", 0.1),
            ("block2-spatial_dropout", 0.1),
            ("block2-drop_path", 0.2),
            ("block3-spatial_dropout", 0.1),
            ("block3-drop_path", 0.3),
            ("block4-spatial_dropout", 0.1),
            ("block4-drop_path", 0.4),
        ]
    );
    let add = &net.layers[net.position("block3-add").unwrap()];
    assert_eq!(add.from[0], "block3-drop_path");
    // Nothing is dropped in evaluation, and nothing is learned in what drops.
    let (with, without) = (
        resnet().drop_path(0.4).build(1).unwrap(),
        resnet().build(1).unwrap(),
    );
    let x = vec![0.5; 64];
    assert_eq!(with.predict(&x).unwrap(), without.predict(&x).unwrap());
    refused(lenet().drop_path(0.1), &["no drop_path", "Cnn::resnet"]);
    refused(lenet().spatial_dropout(1.0), &["spatial dropout", "is 1"]);
    refused(lenet().spatial_dropout(f64::NAN), &["spatial dropout", "NaN"]);
    refused(
        lenet().spatial_dropouts([0.1]),
        &["1 probabilities", "2 convolutions"],
    );
    refused(
        resnet().spatial_dropouts([0.1, 0.1]),
        &["2 probabilities", "4 blocks"],
    );
    refused(resnet().drop_path(-1), &["drop path", "-1"]);
}

#[test]
fn any_size_and_activation_makes_a_network() {
    for shape in [(1, 1, 1), (1, 40, 2), (7, 3, 1), (2, 2, 3)] {
        for activation in [Activation::Relu, Activation::Maxout(2), Activation::Identity] {
            for cnn in [Cnn::lenet(shape, 3), Cnn::resnet(shape, 3)] {
                let network = cnn
                    .channels([2, 4])
                    .activation(activation)
                    .batch_norm()
                    .build(0)
                    .unwrap();
                let outputs = network.predict(&vec![0.5; 2 * network.inputs()]).unwrap();
                assert_eq!(outputs.len(), 2 * 3);
                assert!(outputs.iter().all(|y| y.is_finite()));
            }
        }
    }
    let without = Cnn::new((8, 8, 1), 3).hidden(0).spec().unwrap();
    assert!(without.position("dense1").is_err());
}

#[test]
fn wrong_settings_are_refused_with_a_way_out() {
    let shape = (8, 8, 1);
    refused(Cnn::new(Shape::Flat(64), 10), &["64 features", "Mlp"]);
    refused(Cnn::new(shape, 0), &["0 units", "logits"]);
    refused(Cnn::new((0, 8, 1), 10), &["input"]);
    refused(Cnn::new(shape, 10).channels([]), &["0 numbers of channels"]);
    refused(Cnn::new(shape, 10).channels([8, 0]), &["0 channels", "conv2"]);
    refused(
        Cnn::new(shape, 10)
            .channels([usize::MAX])
            .activation(Activation::Maxout(2)),
        &["conv1"],
    );
    refused(Cnn::new(shape, 10).kernel(0), &["0 x 0", "odd"]);
    refused(Cnn::new(shape, 10).kernel(4), &["4 x 4", "odd"]);
    refused(Cnn::new(shape, 10).kernel(-1), &["whole number"]);
    refused(Cnn::new(shape, 10).blocks(2), &["no blocks", "Cnn::resnet"]);
    refused(Cnn::resnet(shape, 10).blocks(0), &["0 blocks"]);
    refused(Cnn::resnet(shape, 10).blocks(1e12), &["more than the 10000"]);
    refused(Cnn::resnet(shape, 10).hidden(8), &["no hidden", "Cnn::lenet"]);
    refused(Cnn::resnet(shape, 10).kernel(5), &["no kernel"]);
    refused(Cnn::new(shape, 10).dropout(1.0), &["dropout"]);
    refused(Cnn::new(shape, 10).init(Init::Normal(-1.0)), &["conv1"]);
    refused(Cnn::new(shape, 10).freeze("conv9"), &["conv9", "conv1"]);
}

#[test]
fn networks_on_images_train_like_any_other() {
    let digits = datasets::digits().unwrap().few_shot(10, 7).unwrap();
    let recipe = || Recipe::new().epochs(40).batch(20).sgd(0.05).momentum(0.9);
    let lenet = Cnn::new((8, 8, 1), 10)
        .channels([8, 16])
        .hidden(32)
        .freeze("conv1");
    let run = lenet.fit(&digits, recipe()).unwrap();
    let start = lenet.build(run.recipe.seed).unwrap();
    assert_eq!(run.model.tensor("conv1.weight"), start.tensor("conv1.weight"));
    assert_ne!(run.model.tensor("conv2.weight"), start.tensor("conv2.weight"));
    let accuracy = run.evaluation.as_ref().unwrap().accuracy;
    assert!(accuracy > 0.84, "lenet: {accuracy}");
    assert_eq!(
        lenet.fit(&digits, recipe()).unwrap().model.parameters(),
        run.model.parameters()
    );
    let resnet = Cnn::resnet(digits.train.shape(), 10).channels([8, 16]);
    let accuracy = resnet
        .fit(&digits, recipe())
        .unwrap()
        .evaluation
        .unwrap()
        .accuracy;
    assert!(accuracy > 0.79, "resnet: {accuracy}");
}

#[test]
fn data_of_another_shape_are_refused_with_a_way_out() {
    let split = datasets::digits().unwrap().few_shot(2, 0).unwrap();
    let data = &split.train;
    let recipe = || Recipe::new().epochs(1);
    let error = Cnn::new((28, 28, 1), 10)
        .train(data, recipe())
        .unwrap_err()
        .to_string();
    for words in ["28 x 28 images", "found 8 x 8 images", "data.shape()"] {
        assert!(error.contains(words), "{error}");
    }
    let flat = data.clone().with_shape(Shape::Flat(64)).unwrap();
    let error = Cnn::new((8, 8, 1), 10)
        .train(&flat, recipe())
        .unwrap_err()
        .to_string();
    assert!(error.contains("with_shape"), "{error}");
    assert!(
        Cnn::new((8, 8, 1), 10)
            .train(&flat.with_shape((8, 8, 1)).unwrap(), recipe())
            .is_ok()
    );
    assert!(data.clone().with_shape((8, 4, 1)).is_err());
    // The numbers are as many, the images are not the same.
    let turned = data.clone().with_shape((4, 16, 1)).unwrap();
    let run = Cnn::new((8, 8, 1), 10).train(data, recipe()).unwrap();
    assert!(run.evaluate(&turned).unwrap_err().to_string().contains("4 x 16"));
    assert!(Mlp::new([64, 10]).train(data, recipe()).is_ok());
}

#[test]
fn a_study_takes_them_as_its_base_and_as_a_setting() {
    let split = datasets::digits().unwrap().few_shot(3, 0).unwrap();
    let base = Cnn::new((8, 8, 1), 10).channels([4]).hidden(8);
    let study = Study::new("cnn")
        .base(&base, Recipe::new().epochs(2))
        .vary("net.layers.conv1.kind.Conv2d.channels", [2, 4])
        .data(&split)
        .seeds(1)
        .in_memory()
        .quiet()
        .fit()
        .unwrap();
    assert_eq!(study.trials().len(), 2);
    assert!(NetSpec::try_from(Cnn::new((8, 8, 1), 10)).is_ok());
}
