//! Too high a rate kills ReLUs, and leaky ones do not die.

use jook::prelude::*;

/// The mean share of dead units of both hidden layers after a training at this rate.
fn dead(activation: Activation, rate: f64, seed: u64) -> Result<f64> {
    let digits = datasets::digits()?.split(0.25, seed)?;
    let net = Mlp::new([64, 64, 64, 10]).activation(activation);
    let run = net.train(
        &digits.train,
        Recipe::new().epochs(10).batch(20).sgd(rate).seed(seed),
    )?;
    let probe = run.network().probe(&digits.train)?;
    let share = |name: &str| {
        let layer = probe.layer(name).expect("a hidden layer");
        // Of what is no ReLU the share of outputs that are 0 is the most that can be dead.
        layer.dead.unwrap_or(layer.zeros)
    };
    Ok((share("activation1") + share("activation2")) / 2.0)
}

#[test]
fn dead_units_rise_with_the_rate_and_fall_with_leaky_relu() {
    let mean = |activation, rate| {
        let shares = (0..5).map(|seed| dead(activation, rate, seed).expect("a probe"));
        shares.sum::<f64>() / 5.0
    };
    let (usual, high) = (mean(Activation::Relu, 0.05), mean(Activation::Relu, 0.6));
    let leaky = mean(Activation::LeakyRelu(0.1), 0.6);
    println!("dead: {usual} at 0.05, {high} at 0.6, leaky {leaky}");
    assert!(usual < 0.1 && high > usual + 0.1, "{usual}, {high}");
    assert!(leaky < 0.01, "{leaky}");
}
