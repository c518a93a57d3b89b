//! Xavier's and He's weights keep the size of signals over ten layers, where a normal law of 0.01 loses them; and five
//! hidden layers learn in the order of Glorot and Bengio (2010).

use jook::prelude::*;

use super::gain;

/// By how much the variance of what the hidden layers put out falls or grows from the first to the tenth.
fn change_of_variance(activation: Activation, init: Init, layers: &str) -> Result<f64> {
    let digits = datasets::digits()?.split(0.2, 0)?.standardized()?.train;
    let mut widths = vec![64];
    widths.extend([128; 10]);
    widths.push(10);
    let net = Mlp::new(widths).activation(activation).init(init).build(1)?;
    let probe = net.probe(&digits)?;
    let variance = |depth: usize| {
        let layer = probe.layer(&format!("{layers}{depth}")).expect("a hidden layer");
        layer.sd * layer.sd
    };
    Ok(variance(10) / variance(1))
}

#[test]
fn xavier_and_he_keep_the_variance_of_ten_layers() {
    let within = |x: f64, most: f64| (1.0 / most..=most).contains(&x);
    // Sums before ReLU; what comes out of tanh.
    let he = change_of_variance(Activation::Relu, HeNormal, "dense").expect("a probe");
    let linear = change_of_variance(Activation::Identity, XavierNormal, "dense").expect("a probe");
    let small = change_of_variance(Activation::Relu, Normal(0.01), "dense").expect("a probe");
    println!("he {he}, xavier {linear}, normal {small:e}");
    assert!(within(he, 4.0) && within(linear, 4.0), "{he}, {linear}");
    assert!(small < 1e-6, "{small}");
}

/// Accuracy after a few epochs of plain descent through five hidden layers.
fn learned(activation: Activation, init: Init, seed: u64) -> Result<f64> {
    let parts = datasets::digits()?.split(0.25, seed)?;
    let net = Mlp::new([64, 100, 100, 100, 100, 100, 10])
        .activation(activation)
        .init(init);
    let recipe = Recipe::new().epochs(15).batch(20).sgd(0.02).seed(seed);
    Ok(net.train(&parts.train, recipe)?.evaluate(&parts.test)?.accuracy)
}

#[test]
fn five_hidden_layers_learn_in_glorots_order() {
    let xavier = |seed| learned(Activation::Tanh, XavierUniform, seed);
    let standard = |seed| learned(Activation::Tanh, FanUniform, seed);
    let sigmoid = |seed| learned(Activation::Sigmoid, FanUniform, seed);
    let (mean, low) = gain(5, xavier, standard);
    assert!(low > 0.0 && mean > 0.005, "{mean}, from {low}");
    let (mean, low) = gain(5, standard, sigmoid);
    assert!(low > 0.0 && mean > 0.3, "{mean}, from {low}");
}
