//! Rates and penalties by layer: discriminative fine-tuning (Howard and Ruder 2018).

use jook::prelude::*;

use super::clouds;

/// How far each tensor moved.
fn moves(before: &Network, after: &Network) -> Vec<(String, f64)> {
    let one = |name: &str| {
        let pairs = before
            .tensor(name)
            .into_iter()
            .flatten()
            .zip(after.tensor(name).into_iter().flatten());
        pairs.map(|(a, b)| f64::from(b - a).powi(2)).sum::<f64>().sqrt()
    };
    before
        .tensors()
        .iter()
        .map(|tensor| (tensor.name.clone(), one(&tensor.name)))
        .collect()
}

#[test]
fn each_layer_moves_at_its_rate() -> Result<()> {
    let data = clouds(40, 0.0, 1);
    let net = Mlp::new([2, 8, 8, 2]).build(0)?;
    let recipe = Recipe::new().sgd(0.01).batch(40).steps(1);
    let plain = net.train(&data, &recipe)?;
    let rates = recipe
        .rate_of("dense1", 0)
        .rate_of("dense2", 0.1)
        .rate_of("logits.*", 10);
    let graded = net.train(&data, rates)?;
    let (one, other) = (moves(&net, plain.network()), moves(&net, graded.network()));
    for ((name, plain), (_, graded)) in one.iter().zip(&other) {
        let factor = match name.split('.').next() {
            Some("dense1") => 0.0,
            Some("dense2") => 0.1,
            _ => 10.0,
        };
        assert!(
            *plain > 0.0 && (graded - factor * plain).abs() < 1e-3 * plain,
            "{name}: {graded} for {plain}"
        );
    }
    Ok(())
}

#[test]
fn a_pattern_that_fits_nothing_is_refused_with_the_names() -> Result<()> {
    let net = Mlp::new([2, 8, 2]).build(0)?;
    let error = net
        .train(&clouds(10, 0.0, 1), Recipe::new().rate_of("conv*", 0.1))
        .expect_err("an error")
        .to_string();
    assert!(
        error.contains("conv*") && error.contains("dense1.weight") && error.contains("logits.bias"),
        "{error}"
    );
    Ok(())
}

#[test]
fn penalties_leave_biases_alone_unless_asked() -> Result<()> {
    let data = clouds(40, 0.0, 1);
    let net = Mlp::new([2, 8, 2]).bias_init(Constant(0.5)).build(0)?;
    // Nothing to learn but the penalty: the rate times the weight of the penalty is what goes.
    let nothing = || objective([] as [&str; 0], |_: &Seen<'_>, _| Ok(0.0));
    let train = |recipe: Recipe| {
        net.training()
            .objective(nothing())
            .run(&data, recipe.batch(40).steps(1))
    };
    let size = |run: &Run, name: &str| {
        let before: f64 = net
            .tensor(name)
            .into_iter()
            .flatten()
            .map(|&x| f64::from(x).powi(2))
            .sum();
        let after: f64 = run
            .network()
            .tensor(name)
            .into_iter()
            .flatten()
            .map(|&x| f64::from(x).powi(2))
            .sum();
        (after / before).sqrt()
    };
    let weights = train(Recipe::new().sgd(0.1).l2(1.0))?;
    assert!((size(&weights, "dense1.weight") - 0.9).abs() < 1e-5);
    assert_eq!(size(&weights, "dense1.bias"), 1.0);
    let all = train(Recipe::new().sgd(0.1).l2_of("*", 1.0))?;
    assert!((size(&all, "dense1.bias") - 0.9).abs() < 1e-5);
    let decayed = train(Recipe::new().adam(0.1).decay(0.5))?;
    assert!((size(&decayed, "logits.weight") - 0.95).abs() < 1e-5);
    assert_eq!(size(&decayed, "logits.bias"), 1.0);
    let limited = train(Recipe::new().sgd(0.1).max_norm(0.25))?;
    for column in 0..8 {
        let weights = limited.network().tensor("dense1.weight").unwrap_or_default();
        let norm = f64::from(weights[column].powi(2) + weights[8 + column].powi(2)).sqrt();
        assert!(norm < 0.25 + 1e-6, "{norm}");
    }
    Ok(())
}
