//! Batch-norm statistics adapted at test time (Nado et al. 2020; Schneider et al. 2020).

use jook::prelude::*;

use super::clouds;

#[test]
fn statistics_of_the_test_batch_undo_a_shift() -> Result<()> {
    let (train, moved) = (clouds(200, 0.0, 1), clouds(200, 3.0, 2));
    let net = Mlp::new([2, 16, 2]).batch_norm();
    let run = net.train(&train, Recipe::new().epochs(20).batch(20).adam(0.01))?;
    let before = run.evaluate(&moved)?.accuracy;
    assert!(before < 0.7, "{before}");
    let mut stepper = Stepper::new(run.network(), Recipe::new())?;
    let names = moved.class_names().to_vec();
    let labels = moved.require_labels()?;
    // The batch's own statistics, which leave the network as it is ...
    let outputs = stepper.adapt(moved.features(), false)?.to_vec();
    assert!(Evaluation::of(&outputs, labels, &names)?.accuracy > 0.95);
    assert_eq!(stepper.network().buffers(), run.network().buffers());
    // ... and moved ones, which stay.
    let parameters = run.network().parameters();
    for _ in 0..50 {
        stepper.adapt(moved.features(), true)?;
    }
    assert_eq!(stepper.network().parameters(), parameters);
    let outputs = stepper.network().predict(moved.features())?;
    assert!(Evaluation::of(&outputs, labels, &names)?.accuracy > 0.95);
    Ok(())
}

#[test]
fn sure_answers_are_learnt_from_without_labels() -> Result<()> {
    use dfdx::prelude::*;
    // The entropy of the answers goes down the scales and shifts of batch norm alone (Wang et al. 2021, "Tent").
    let (train, moved) = (
        datasets::two_moons(200, 0.2, 1)?,
        datasets::two_moons(200, 0.3, 2)?,
    );
    let run = Mlp::new([2, 16, 2])
        .batch_norm()
        .train(&train, Recipe::new().epochs(10).batch(20).adam(0.01))?;
    let recipe = Recipe::new().sgd(0.5).frozen("dense1").frozen("logits");
    let mut stepper = Stepper::new(run.network(), recipe)?;
    let entropy = |logits: jook::net::tape::Logits| {
        let log = logits.log_softmax::<Axis<1>>();
        let weighted = log.with_empty_tape().exp() * log;
        -weighted.sum::<_, Axis<1>>().mean()
    };
    let values: Vec<f64> = (0..30)
        .map(|_| stepper.learn(moved.features(), entropy))
        .collect::<Result<_>>()?;
    assert!(values[29] < 0.7 * values[0], "{} to {}", values[0], values[29]);
    for name in ["dense1.weight", "dense1.bias", "logits.weight", "logits.bias"] {
        assert_eq!(
            stepper.network().tensor(name),
            run.network().tensor(name),
            "{name}"
        );
    }
    assert_ne!(
        stepper.network().tensor("batch_norm1.scale"),
        run.network().tensor("batch_norm1.scale")
    );
    Ok(())
}
