//! A network with a head for the class and, behind a reversal of the gradient, one for the domain (Ganin and Lempitsky
//! 2015).

use jook::net::{Layer, LayerKind, NetSpec};
use jook::prelude::*;

use super::{clouds, near};

fn layer(name: &str, kind: LayerKind, from: &[&str]) -> Layer {
    Layer {
        name: name.into(),
        kind,
        from: from.iter().map(|&from| from.to_owned()).collect(),
        frozen: false,
    }
}

fn dense(units: usize) -> LayerKind {
    LayerKind::Dense {
        units,
        bias: true,
        init: XavierUniform,
        bias_init: Zeros,
    }
}

fn spec(strength: f32) -> NetSpec {
    NetSpec::chain(
        2,
        vec![
            layer("features", dense(6), &[]),
            layer("tanh", LayerKind::Activation(Tanh), &[]),
            layer("class", dense(2), &["tanh"]),
            layer("reversal", LayerKind::ReverseGradient(strength), &["tanh"]),
            layer("domain", dense(2), &[]),
        ],
    )
}

/// The sum of some outputs times some numbers: its slopes by the outputs are the numbers.
fn weighted(outputs: &[f32], numbers: &[f32]) -> f64 {
    outputs
        .iter()
        .zip(numbers)
        .map(|(x, y)| f64::from(*x) * f64::from(*y))
        .sum()
}

#[test]
fn the_domain_head_learns_and_the_features_unlearn() -> Result<()> {
    let strength = 0.7;
    let net = Network::new(&spec(strength), 3)?;
    let x = [0.3, -0.8, 1.1, 0.4, -0.6, 0.2];
    let (by_class, by_domain) = ([0.5, -1.0, 0.3, 0.7, -0.2, 0.4], [1.0, -0.4, 0.6, 0.1, -0.9, 0.8]);
    let mut stepper = Stepper::tapped(&net, Recipe::new(), &["class", "domain"])?;
    stepper.forward(&x)?;
    stepper.backward_at(&[(0, &by_class), (1, &by_domain)], false)?;
    let found = stepper.gradients().to_vec();
    // By finite differences: the features go down the class's loss and up the domain's.
    let value = |parameters: &[f32], domain: f64| -> Result<f64> {
        let mut moved = net.clone();
        moved.parameters_mut().copy_from_slice(parameters);
        let mut prepared = moved.prepare(&["class", "domain"])?;
        let outputs = prepared.run(&x)?;
        Ok(weighted(outputs[0], &by_class) + domain * weighted(outputs[1], &by_domain))
    };
    let mut expected = Vec::new();
    for tensor in net.tensors() {
        let domain = if tensor.name.starts_with("features") {
            -f64::from(strength)
        } else {
            1.0
        };
        for at in tensor.range.clone() {
            let (mut up, mut down) = (net.parameters().to_vec(), net.parameters().to_vec());
            up[at] += 1e-2;
            down[at] -= 1e-2;
            expected.push((value(&up, domain)? - value(&down, domain)?) / 2e-2);
        }
    }
    near(&found, &expected, 2e-3);
    Ok(())
}

#[test]
fn both_heads_train_on_two_streams() -> Result<()> {
    let (source, target) = (clouds(200, 0.0, 1), clouds(200, 0.4, 2));
    let unlabelled = Dataset::new("target", 2, target.features().to_vec())?;
    // Which stream an example is of, as the domain's class.
    let domain = objective(["domain"], |seen: &Seen<'_>, slopes| {
        let labels: Vec<u32> = (0..)
            .zip(seen.streams)
            .flat_map(|(d, part)| vec![d; part.range.len()])
            .collect();
        let value = Loss::SoftmaxCrossEntropy.value_and_gradient(
            seen.outputs[0],
            Targets::Classes(&labels),
            slopes[0],
        );
        Ok(f64::from(value))
    })
    .of_streams(2);
    let both = Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("class")).plus(0.3, domain);
    let net = Network::new(&spec(1.0), 0)?;
    let recipe = Recipe::new().epochs(30).batch(20).adam(0.01).early_stopping(0.2);
    let run = net
        .training()
        .objective(both)
        .beside(&unlabelled)
        .run(&source, recipe)?;
    let mut prepared = run.network().prepare(&["class"])?;
    let outputs = prepared.run(target.features())?;
    let names = target.class_names().to_vec();
    let evaluation = Evaluation::of(outputs[0], target.require_labels()?, &names)?;
    assert!(evaluation.accuracy > 0.95, "{evaluation}");
    assert!(run.row().is_some_and(|row| row.held_out_accuracy > 0.95));
    Ok(())
}
