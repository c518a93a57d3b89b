//! Monte-Carlo dropout: what its mean and its spread are, and what is refused.

use super::scattered;
use crate::data::{Dataset, datasets};
use crate::net::cpu::Passes;
use crate::net::executor::How;
use crate::net::{Activation, Cnn, Layer, LayerKind, Mlp, NetSpec, Network};
use crate::seed::stream;
use crate::train::Recipe;

fn data(rows: usize, width: usize) -> Dataset {
    Dataset::new("scattered", width, scattered(rows * width, 1)).unwrap()
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let powers: Vec<f64> = logits.iter().map(|&x| f64::from(x).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

fn entropy(shares: &[f64]) -> f64 {
    -shares.iter().map(|p| p * p.ln()).sum::<f64>()
}

#[test]
fn it_is_the_mean_over_thinned_networks() {
    // More rows than go through at once.
    let data = data(300, 6);
    let mut network = Mlp::new([6, 20, 3]).batch_norm().dropout(0.4).build(1).unwrap();
    // Running statistics that are not those of the batch.
    network.buffers_mut().iter_mut().for_each(|b| *b += 0.5);
    let found = network.predict_mc_dropout(&data, 3, 9).unwrap();
    let mut rng = stream(9, "mc dropout");
    let mut copy = network.clone();
    let mut passes = Passes::new(&copy, 256);
    let (mut mean, mut own) = (vec![0.0; 900], vec![0.0; 300]);
    for _ in 0..3 {
        let mut logits = Vec::new();
        for chunk in data.features().chunks(256 * 6) {
            logits.extend_from_slice(passes.forward(&mut copy, chunk, How::sample(&mut rng)));
        }
        for (row, logits) in logits.chunks(3).enumerate() {
            let shares = softmax(logits);
            own[row] += entropy(&shares) / 3.0;
            for (class, share) in shares.iter().enumerate() {
                mean[3 * row + class] += share / 3.0;
            }
        }
    }
    assert_eq!(copy.buffers(), network.buffers(), "running statistics stay");
    for (found, expected) in found.probabilities().unwrap().iter().zip(&mean) {
        assert!((f64::from(*found) - expected).abs() < 1e-6, "{found}, {expected}");
    }
    let (whole, shared) = (found.entropy().unwrap(), found.mutual_information().unwrap());
    for row in 0..300 {
        let expected = entropy(&mean[3 * row..3 * row + 3]);
        assert!((f64::from(whole[row]) - expected).abs() < 1e-5);
        assert!((f64::from(shared[row]) - (expected - own[row])).abs() < 1e-5);
    }
    assert!(shared.iter().any(|&x| x > 0.01));
    assert_eq!(found.passes(), 3);
    assert_eq!(found.frame().width(), 5);
    assert!(found.to_string().ends_with("the mean of 3 passes"));
}

#[test]
fn a_seed_decides_it_and_what_nearly_never_drops_says_what_predict_says() {
    let data = data(40, 6);
    let network = Mlp::new([6, 20, 3]).batch_norm().dropout(0.4).build(1).unwrap();
    let said = |seed| {
        network
            .predict_mc_dropout(&data, 2, seed)
            .unwrap()
            .outputs()
            .to_vec()
    };
    assert_eq!(said(1), said(1));
    assert_ne!(said(1), said(2));
    let rarely = Mlp::new([6, 20, 3]).batch_norm().dropout(1e-9).build(1).unwrap();
    let mean = rarely.predict_mc_dropout(&data, 2, 1).unwrap();
    let plain = rarely.predict(&data).unwrap();
    let pairs = mean
        .probabilities()
        .unwrap()
        .into_iter()
        .zip(plain.probabilities().unwrap());
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6));
    assert!(mean.mutual_information().unwrap().iter().all(|&x| x < 1e-5));
}

#[test]
fn values_have_the_mean_and_the_spread_of_their_law() {
    // A sum of weighted inputs, each there with a chance of 0.6: mean and variance are known.
    let weights = [0.5, -1.0, 2.0, 0.25];
    let mut network = Mlp::new([4, 1]).input_dropout(0.4).build(0).unwrap();
    network.parameters_mut()[..4].copy_from_slice(&weights);
    let x = [1.0, 2.0, -1.0, 4.0];
    let one = Dataset::new("one", 4, x.to_vec()).unwrap();
    let one = one.with_values(vec![0.0], ["sum"]).unwrap();
    let passes = 20_000;
    let found = network.predict_mc_dropout(&one, passes, 5).unwrap();
    let terms: Vec<f64> = x.iter().zip(weights).map(|(&x, w)| f64::from(x * w)).collect();
    let mean: f64 = terms.iter().sum();
    let sd = (terms.iter().map(|term| term * term).sum::<f64>() * 0.4 / 0.6).sqrt();
    let (value, spread) = (found.values("sum").unwrap()[0], found.spread("sum").unwrap()[0]);
    let error = 5.0 * sd / (passes as f64).sqrt();
    assert!((f64::from(value) - mean).abs() < error, "{value} for {mean}");
    assert!((f64::from(spread) / sd - 1.0).abs() < 0.03, "{spread} for {sd}");
    assert!(found.frame().column("spread of sum").is_ok());
    assert!(found.spread("other").is_err() && found.mutual_information().is_err());
}

#[test]
fn channels_and_branches_count_as_dropout_and_nothing_else_does() {
    let images = datasets::digits().unwrap().few_shot(1, 0).unwrap().train;
    for cnn in [
        Cnn::new((8, 8, 1), 10).channels([4]).spatial_dropout(0.3),
        Cnn::resnet((8, 8, 1), 10).channels([4]).drop_path(0.3),
    ] {
        let found = cnn.build(0).unwrap().predict_mc_dropout(&images, 4, 0).unwrap();
        assert!(found.mutual_information().unwrap().iter().any(|&x| x > 1e-4));
    }
    let error = |network: &Network, passes| {
        let refused = network.predict_mc_dropout(&data(2, 6), passes, 0);
        refused.expect_err("a refusal").to_string()
    };
    let with = Mlp::new([6, 5, 3]).dropout(0.2).build(0).unwrap();
    assert!(error(&with, 0).contains("0 passes"));
    // A probability of 0, and dropout that the outputs do not read.
    let layer = |name: &str, kind, from: &[&str]| Layer {
        name: name.into(),
        kind,
        from: from.iter().map(|&name| name.to_owned()).collect(),
        frozen: false,
    };
    let layers = vec![
        layer("none", LayerKind::Dropout(0.0), &[]),
        layer("aside", LayerKind::Dropout(0.5), &["input"]),
        layer("last", LayerKind::Activation(Activation::Identity), &["none"]),
    ];
    let aside = Network::new(&NetSpec::chain(6, layers), 0).unwrap();
    for network in [aside, Mlp::new([6, 5, 3]).build(0).unwrap()] {
        let words = error(&network, 5);
        assert!(
            words.contains("drops nothing") && words.contains(".dropout(0.2)"),
            "{words}"
        );
    }
    let single = with.predict(&data(2, 6)).unwrap();
    assert_eq!(single.passes(), 1);
    let words = single.mutual_information().expect_err("one pass").to_string();
    assert!(words.contains("predict_mc_dropout"), "{words}");
}

#[test]
fn a_run_matches_its_data_by_name() {
    let iris = datasets::iris().unwrap();
    let run = Mlp::new([4, 16, 3])
        .dropout(0.2)
        .train(&iris, Recipe::new().epochs(5))
        .unwrap();
    let mean = run.predict_mc_dropout(&iris, 5, 1).unwrap();
    let same = run.network().predict_mc_dropout(&iris, 5, 1).unwrap();
    assert_eq!(mean.outputs(), same.outputs());
    let other = datasets::digits().unwrap();
    assert!(run.predict_mc_dropout(&other, 5, 1).is_err());
}
