//! The units: dead, saturated, and gradients that fade on their way down.

use super::case::{Case, Report, asked_about};
use super::{Finding, Illness, Sureness};
use crate::Result;
use crate::data::Targets;
use crate::net::{LayerKind, NetSpec, Probed, Role};
use crate::show::readable_number;

/// Share of dead units of a layer from which they are remarked on, and from which they are found.
const DEAD: (f64, f64) = (0.25, 0.6);
const LEAKY: &str = "let net = net.activation(LeakyRelu(0.1));";
/// The same of outputs at a bound.
const SATURATED: (f64, f64) = (0.4, 0.6);
/// Gradients of the first layer with weights, beside those of the last hidden one.
const FADED: f64 = 0.01;

pub(super) fn look(case: &Case<'_>, report: &mut Report) -> Result<()> {
    let Some(trained) = &case.trained else {
        return Ok(());
    };
    let Some(network) = trained.network else {
        report.not_seen(
            "units",
            "the model is dfdx's: only a network of Jook's can be probed",
        );
        return Ok(());
    };
    let Some(said) = &trained.learned else {
        report.not_seen("units", "no examples to probe the network with");
        return Ok(());
    };
    let finite = network.parameters().iter().all(|p| p.is_finite());
    if !finite || matches!(said.data().targets(), Targets::Shares { .. }) {
        report.not_seen(
            "units",
            "the network's numbers are not finite, or the targets are shares",
        );
        return Ok(());
    }
    let data = asked_about(said.data(), case.seed)?;
    // An objective of one's own may have other outputs than the classes: then there is no probe.
    let probe = network.probe(&data)?;
    let layers = probe.layers();
    // What the last layer puts out is for the loss.
    let hidden = &layers[..layers.len().saturating_sub(1)];
    let worst = |of: fn(&Probed) -> Option<f64>| {
        let all = hidden.iter().filter_map(|layer| Some((layer, of(layer)?)));
        all.max_by(|a, b| a.1.total_cmp(&b.1))
    };
    if let Some((layer, share)) = worst(|layer| layer.dead)
        && share >= DEAD.0
    {
        let dead = (share * layer.units as f64).round();
        let seen = format!(
            "{dead} of {} units of {} are 0 for each of {} examples",
            layer.units,
            layer.name,
            probe.examples()
        );
        let high = report
            .findings
            .iter()
            .find(|found| found.illness == Illness::RateTooHigh);
        let (trick, line) = match high {
            // What killed them would kill others.
            Some(found) => (
                "the lower rate, and ReLUs that keep a slope",
                format!("{LEAKY} {}", found.line),
            ),
            None => ("ReLUs that keep a slope below 0", LEAKY.to_owned()),
        };
        let finding = Finding::new(Illness::DeadUnits, seen, Sureness::Counted).answer(trick, line);
        report.add(finding.remark_if(share < DEAD.1));
    }
    if let Some((layer, share)) = worst(|layer| layer.saturated)
        && share >= SATURATED.0
    {
        let seen = format!(
            "{} of the outputs of {} ({}) are at a bound, on {} examples",
            super::case::percent(share),
            layer.name,
            layer.kind,
            probe.examples()
        );
        let (trick, line) = match report
            .findings
            .iter()
            .find(|f| f.illness == Illness::UnscaledFeatures)
        {
            Some(found) => (found.trick.clone(), found.line.clone()),
            None => (
                "initial weights that keep the size of signals".into(),
                "let net = net.init(XavierUniform);".into(),
            ),
        };
        let finding = Finding::new(Illness::SaturatedUnits, seen, Sureness::Counted).answer(trick, line);
        report.add(finding.remark_if(share < SATURATED.1));
    }
    gradients(network.spec(), network.tensors(), layers, report);
    Ok(())
}

/// Gradients that reach the first and the last hidden layer with weights.
fn gradients(spec: &NetSpec, tensors: &[crate::net::TensorInfo], layers: &[Probed], report: &mut Report) {
    let weighs = |name: &str| {
        let own = tensors.iter().filter(|tensor| tensor.role == Role::Weight);
        own.map(|tensor| tensor.name.rsplit_once('.').map_or("", |(layer, _)| layer))
            .any(|layer| layer == name)
    };
    let weighing: Vec<&Probed> = layers.iter().filter(|layer| weighs(&layer.name)).collect();
    let [first, .., last, _] = weighing[..] else {
        return;
    };
    let (Some(low), Some(high)) = (first.gradient_sd, last.gradient_sd) else {
        return;
    };
    // Where units are dead no gradient passes: that is another illness.
    if high.is_nan() || high <= 0.0 || low >= FADED * high || report.has(Illness::DeadUnits) {
        return;
    }
    let seen = format!(
        "the gradients' deviation is {} at {}, and {} at {}",
        readable_number(low),
        first.name,
        readable_number(high),
        last.name
    );
    let bounded = spec
        .layers
        .iter()
        .any(|layer| matches!(layer.kind, LayerKind::Activation(crate::net::Activation::Sigmoid)));
    let (trick, line) = match bounded {
        true => (
            "an activation with a slope of 1, and weights that suit it",
            "let net = net.activation(Relu).init(HeNormal);",
        ),
        false => (
            "initial weights that keep the size of signals",
            "let net = net.init(XavierUniform);",
        ),
    };
    report.add(Finding::new(Illness::VanishingGradients, seen, Sureness::Counted).answer(trick, line));
}
