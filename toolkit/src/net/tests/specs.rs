//! Networks as data: what is refused, how they print, travel and show themselves.

use crate::net::{
    Activation, Cnn, InceptionV3, Init, Layer, LayerKind, MAX_TOTAL_WIDTH, MAX_WIDTH, Mlp, NetSpec, Network,
};
use crate::show::Show;

fn refused(mlp: Mlp, words: &[&str]) {
    let error = mlp.spec().expect_err("a spec that cannot be").to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

#[test]
fn wrong_settings_are_refused_with_their_place() {
    refused(Mlp::new([]), &["0 widths"]);
    refused(Mlp::new([64]), &["1 widths"]);
    refused(Mlp::new([0, 10]), &["input", "0 numbers"]);
    refused(Mlp::new([64, 0, 10]), &["0 units", "dense1"]);
    refused(Mlp::new([64, 8, 0]), &["0 units", "logits"]);
    refused(Mlp::new([64, MAX_WIDTH + 1]), &["logits"]);
    refused(Mlp::new([64, usize::MAX, 10]), &["dense1"]);
    refused(Mlp::new([usize::MAX, 10]), &["input"]);
    refused(Mlp::new([1 << 20, 1 << 20]), &["parameters", "logits"]);
    refused(
        Mlp::new([64, usize::MAX / 2, 10]).activation(Activation::Maxout(3)),
        &["columns", "dense1"],
    );
    refused(
        Mlp::new([64, 8, 10]).activation(Activation::Maxout(0)),
        &["maxout", "0 pieces"],
    );
    refused(
        Mlp::new([64, 8, 10]).activation(Activation::LeakyRelu(f32::NAN)),
        &["slope", "NaN"],
    );
    refused(Mlp::new([64, 8, 10]).dropout(1.0), &["dropout", "1"]);
    refused(Mlp::new([64, 8, 10]).dropout(-0.1), &["dropout", "-0.1"]);
    refused(Mlp::new([64, 8, 10]).dropout(f64::NAN), &["dropout", "NaN"]);
    refused(Mlp::new([64, 8, 10]).dropouts([1.5]), &["dropout", "1.5"]);
    refused(Mlp::new([64, 8, 10]).dropouts([f64::NAN]), &["dropout", "NaN"]);
    refused(
        Mlp::new([64, 8, 8, 10]).dropouts([0.5]),
        &["1 probabilities", "2 hidden layers", "network, dropouts"],
    );
    refused(
        Mlp::new([64, 10]).dropouts([0.5]),
        &["0 hidden layers", "input_dropout"],
    );
    refused(Mlp::new([64, 8, 10]).input_dropout(1), &["input dropout", "is 1"]);
    refused(
        Mlp::new([64, 8, 10]).init(Init::Normal(-1.0)),
        &["standard deviation", "-1", "dense1"],
    );
    refused(
        Mlp::new([64, 8, 10]).init(Init::Uniform(f32::INFINITY)),
        &["bound", "inf"],
    );
    // Finite, and its draws would not be.
    refused(
        Mlp::new([64, 8, 10]).init(Init::Normal(1e38)),
        &["standard deviation", "0 to 1e30", "dense1"],
    );
    refused(
        Mlp::new([64, 8, 10]).init(Init::Uniform(2e30)),
        &["bound", "0 to 1e30", "dense1"],
    );
    assert!(Mlp::new([64, 8, 10]).init(Init::Normal(1e30)).spec().is_ok());
    refused(
        Mlp::new([64, 10]).hidden(8),
        &["no hidden layer", "8 units", "2 widths"],
    );
    refused(
        Mlp::new([64, 8, 10]).bias_init(Init::Constant(f32::NAN)),
        &["constant", "NaN"],
    );
    refused(
        Mlp::new([64, 8, 10]).freeze("dense7"),
        &["dense7", "dense1, activation1, logits"],
    );
    // Also where it barely fits f64 but not f32: 0.99999999999 becomes 1 in f32.
    refused(Mlp::new([64, 8, 10]).dropout(0.999_999_999_99), &["dropout"]);
}

fn layer(name: &str, kind: LayerKind) -> Layer {
    Layer {
        name: name.into(),
        kind,
        from: Vec::new(),
        frozen: false,
    }
}

#[test]
fn wrong_specs_are_refused_whole() {
    let refused = |layers: Vec<Layer>, word: &str| {
        let error = NetSpec::chain(4, layers).validate().expect_err(word).to_string();
        assert!(error.contains(word), "{word:?} is not in: {error}");
    };
    let norm = |momentum, epsilon| vec![layer("norm", LayerKind::BatchNorm { momentum, epsilon })];
    refused(vec![], "no layers");
    refused(norm(1.5, 1e-5), "momentum");
    refused(norm(f32::NAN, 1e-5), "momentum");
    refused(norm(0.1, 0.0), "epsilon");
    refused(norm(0.1, f32::NAN), "epsilon");
    refused(
        vec![layer("m", LayerKind::Activation(Activation::Maxout(3)))],
        "multiple of 3",
    );
    refused(vec![layer("d", LayerKind::Dropout(1.0))], "dropout");
    refused(vec![layer("d", LayerKind::DropPath(f32::NAN))], "drop path");
    refused(
        vec![layer("d", LayerKind::SpatialDropout(0.1))],
        "spatial dropout takes images, found 4 plain numbers",
    );
    let mut image = NetSpec::chain(4, vec![layer("d", LayerKind::SpatialDropout(-0.1))]);
    image.image = Some((2, 2, 1).into());
    let error = image.validate().expect_err("a probability below 0").to_string();
    assert!(error.contains("spatial dropout probability is -0.1"), "{error}");
    refused(
        vec![
            layer("a", LayerKind::Dropout(0.1)),
            layer("a", LayerKind::Dropout(0.1)),
        ],
        "two layers",
    );
    refused(vec![layer("", LayerKind::Dropout(0.1))], "name");
    // No parameters, and more numbers for one example than a machine has.
    let tanh = |i| layer(&format!("t{i}"), LayerKind::Activation(Activation::Tanh));
    let wide = NetSpec::chain(MAX_WIDTH, (0..1000).map(tanh).collect());
    let error = wide.validate().expect_err("a spec too large").to_string();
    for word in [MAX_TOTAL_WIDTH.to_string().as_str(), "layer t3", "narrower"] {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
    refused(vec![layer("a.b", LayerKind::Dropout(0.1))], "name");
    assert!(Network::new(&NetSpec::chain(4, vec![]), 0).is_err());
}

#[test]
fn each_layer_has_its_probability_of_dropout() {
    let line = |mlp: Mlp| mlp.spec().unwrap().to_string();
    let net = || Mlp::new([4, 8, 8, 2]);
    let expected = "4 > dropout 0.2 > dense 8 relu > dropout 0.5 > dense 8 relu > dense 2";
    assert_eq!(line(net().input_dropout(0.2).dropouts([0.5, 0.0])), expected);
    // The last word counts, and none is none.
    assert_eq!(line(net().dropouts([0.5, 0.1]).dropout(0.0)), line(net()));
    assert_eq!(
        line(net().dropout(0.3).dropouts(Vec::<f64>::new())),
        line(net().dropout(0.3))
    );
    let spec = net().input_dropout(0.2).spec().unwrap();
    assert_eq!(spec.layers[0].name, "dropout0");
    let drops = [
        (LayerKind::Dropout(0.5), r#"{"Dropout":0.5}"#),
        (LayerKind::SpatialDropout(0.5), r#"{"SpatialDropout":0.5}"#),
        (LayerKind::DropPath(0.5), r#"{"DropPath":0.5}"#),
    ];
    for (kind, json) in drops {
        assert_eq!(serde_json::to_string(&kind).unwrap(), json);
        assert_eq!(serde_json::from_str::<LayerKind>(json).unwrap(), kind);
    }
}

#[test]
fn the_first_error_is_kept() {
    refused(
        Mlp::new([64, 8, 10])
            .dropout(2.0)
            .activation(Activation::Maxout(0)),
        &["maxout"],
    );
    struct Never;
    impl TryFrom<Never> for Init {
        type Error = crate::Error;
        fn try_from(_: Never) -> crate::Result<Init> {
            Err(crate::Error::spec("not an initialization"))
        }
    }
    refused(
        Mlp::new([64, 8, 10]).init(Never).init(Init::Zeros),
        &["not an initialization"],
    );
}

#[test]
fn a_network_reads_as_one_line() {
    let line = |mlp: Mlp| mlp.spec().unwrap().to_string();
    assert_eq!(
        line(Mlp::new([64, 128, 10]).dropout(0.2)),
        "64 > dense 128 relu > dropout 0.2 > dense 10"
    );
    assert_eq!(
        line(
            Mlp::new([2, 8, 8, 3])
                .activation(Activation::Maxout(2))
                .batch_norm()
                .freeze("dense1")
        ),
        "2 > dense 16 (frozen) > batch norm > maxout 2 > dense 16 > batch norm > maxout 2 > dense 3"
    );
    assert_eq!(line(Mlp::new([4, 3])), "4 > dense 3");
    assert_eq!(
        line(Mlp::new([4, 9, 9, 3]).hidden(5)),
        "4 > dense 5 relu > dense 5 relu > dense 3"
    );
    let names: Vec<String> = Mlp::new([4, 5, 6, 3])
        .batch_norm()
        .dropout(0.5)
        .spec()
        .unwrap()
        .layers
        .into_iter()
        .map(|l| l.name)
        .collect();
    let expected = "dense1 batch_norm1 activation1 dropout1 dense2 batch_norm2 activation2 dropout2 logits";
    assert_eq!(names.join(" "), expected);
}

#[test]
fn specs_travel_and_keep_their_digest() {
    let spec = Mlp::new([64, 32, 10])
        .activation(Activation::LeakyRelu(0.01))
        .dropout(0.1)
        .spec()
        .unwrap();
    let text = serde_json::to_string(&spec).unwrap();
    let back: NetSpec = serde_json::from_str(&text).unwrap();
    assert_eq!((&back, back.digest()), (&spec, spec.digest()));
    assert_eq!(spec.digest().len(), 64);
    let mut digests = std::collections::HashSet::new();
    for mlp in [
        Mlp::new([64, 32, 10]),
        Mlp::new([64, 33, 10]),
        Mlp::new([64, 32, 10]).dropout(0.1),
        Mlp::new([64, 32, 10]).freeze("dense1"),
        Mlp::new([64, 32, 10]).init(Init::Zeros),
    ] {
        assert!(digests.insert(mlp.spec().unwrap().digest()));
    }
}

// Fixed for good: checkpoints and stores of earlier versions are known by them. A new kind of layer, or a new field of
// one, is no reason to change one.
#[test]
fn digests_stay_what_they_are() {
    let golden = [
        (
            Mlp::new([64, 10]).spec(),
            "229fbfc39f63f76879ca7df731b3fdcd9c9654717e99b5e583f946d7d98e2cb9",
        ),
        (
            Mlp::new([64, 32, 10]).batch_norm().dropout(0.2).spec(),
            "731d3742c32f55c4982f1f39a74ea1882a6e1869a20ef5ee901b98cfadab31ab",
        ),
        (
            Mlp::new([4, 8, 3])
                .activation(Activation::Maxout(2))
                .freeze("dense1")
                .spec(),
            "3a3530cba718ea8c00fce9a238a2c201c87d412f9d8f4d11d4c1bf688284d679",
        ),
        (
            Cnn::new((28, 28, 1), 10).spec(),
            "532752fcb252519edb95c67af95372721726b13f5bad561a61041e4cfeece5ae",
        ),
        (
            InceptionV3::new().classes(5).spec(),
            "208937d7a27fb13c52626f8bc57075fe7a59fefe2863550b3dcee88de500ed3b",
        ),
    ];
    let found: Vec<String> = golden
        .iter()
        .map(|(spec, _)| spec.as_ref().unwrap().digest())
        .collect();
    let expected: Vec<&str> = golden.iter().map(|(_, digest)| *digest).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_a_spec_does_not_know_is_refused_by_name() {
    let text = serde_json::to_string(&Mlp::new([4, 3]).batch_norm().spec().unwrap()).unwrap();
    for (known, name) in [
        ("\"input\"", "inputs"),
        ("\"kind\"", "freeze"),
        ("\"units\":3", "activation"),
    ] {
        assert!(text.contains(known), "{known} is not in: {text}");
        let wrong = text.replacen(known, &format!("\"{name}\":true,{known}"), 1);
        let error = serde_json::from_str::<NetSpec>(&wrong).unwrap_err().to_string();
        assert!(
            error.contains("unknown field") && error.contains(name),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_network_shows_a_table_of_its_layers() {
    let network = Mlp::new([64, 128, 10]).freeze("dense1").build(0).unwrap();
    let text = network.bundle().plain().to_string();
    for word in [
        "64 > dense 128",
        "dense1",
        "8320",
        "1290",
        "9610 parameters",
        "1290 of them",
        "frozen",
    ] {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
    let html = network.bundle().to_html();
    assert!(html.contains("dense1") && html.contains("<table"), "{html}");
}

#[test]
fn every_setter_takes_a_setting_of_a_study() {
    let setting = |x: f64| crate::study::Value::from(x);
    let flag = |x: bool| crate::study::Value::from(x);
    assert_eq!(
        Mlp::new([4, 8, 2])
            .hidden(setting(16.0))
            .dropout(setting(0.25))
            .batch_norm_if(flag(true))
            .spec(),
        Mlp::new([4, 8, 2]).hidden(16).dropout(0.25).batch_norm().spec()
    );
    assert_eq!(
        Mlp::new([4, 8, 2]).batch_norm().batch_norm_if(false).spec(),
        Mlp::new([4, 8, 2]).spec()
    );
    assert_eq!(
        InceptionV3::new()
            .classes(setting(5.0))
            .side(80_u64)
            .transform_input(flag(true))
            .dropout(setting(0.5))
            .spec(),
        InceptionV3::new()
            .classes(5)
            .side(80)
            .transform_input(true)
            .spec()
    );
    let error = |spec: crate::Result<NetSpec>| spec.unwrap_err().to_string();
    for (spec, words) in [
        (
            Mlp::new([4, 8, 2]).hidden(setting(0.5)).spec(),
            ["whole number", "network, hidden"],
        ),
        (
            Mlp::new([4, 8, 2]).hidden(-3).spec(),
            ["found -3", "network, hidden"],
        ),
        (
            Mlp::new([4, 8, 2]).dropout(flag(true)).spec(),
            ["expected a number, found true", "network, dropout"],
        ),
        (
            Mlp::new([4, 8, 2]).batch_norm_if(setting(1.0)).spec(),
            ["true or false", "found 1"],
        ),
        (
            Cnn::new((8, 8, 1), 3).kernel(2.5).spec(),
            ["found 2.5", "network, kernel"],
        ),
        (
            InceptionV3::new().side(setting(75.5)).spec(),
            ["found 75.5", "network, side"],
        ),
        (InceptionV3::new().dropout(1.5).spec(), ["dropout", "1.5"]),
        (InceptionV3::new().freeze("conv1").spec(), ["no layer", "conv1"]),
    ] {
        let error = error(spec);
        assert!(
            words.iter().all(|word| error.contains(word)),
            "no {words:?} in: {error}"
        );
    }
}

#[test]
fn inception_has_dropout_and_freezing() {
    let spec = InceptionV3::new()
        .side(75)
        .dropout(0)
        .freeze("Conv2d_1a_3x3-conv")
        .spec()
        .unwrap();
    assert!(spec.position("dropout").is_err() && spec.layers[0].frozen);
    assert_eq!(spec.layers.iter().filter(|layer| layer.frozen).count(), 1);
    assert!(
        InceptionV3::new()
            .spec()
            .unwrap()
            .layers
            .iter()
            .any(|layer| layer.kind == LayerKind::Dropout(0.5))
    );
}
