//! Against PyTorch, whose values tests/reference/net.py wrote.

use serde::Deserialize;

use super::relative_error;
use crate::net::cpu::Passes;
use crate::net::executor::How;
use crate::net::{Init, NetSpec, Network, Role};
use crate::seed::stream;

const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    networks: Vec<NetworkCase>,
    inits: Vec<InitCase>,
}

#[derive(Deserialize)]
struct NetworkCase {
    name: String,
    spec: NetSpec,
    training: bool,
    parameters: Vec<f32>,
    buffers: Vec<f32>,
    x: Vec<f32>,
    above: Vec<f32>,
    y: Vec<f64>,
    input_gradient: Vec<f64>,
    gradients: Vec<f64>,
    buffers_after: Vec<f64>,
}

#[derive(Deserialize)]
struct InitCase {
    init: Init,
    inputs: usize,
    units: usize,
    mean: f64,
    sd: f64,
    fourth: f64,
    least: f64,
    most: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../tests/reference/net.json")).unwrap()
}

#[test]
fn networks_give_pytorchs_outputs_and_gradients() {
    let cases = golden().networks;
    assert!(cases.len() >= 16);
    for case in cases {
        let mut network = Network::new(&case.spec, 0).unwrap();
        network.parameters_mut().copy_from_slice(&case.parameters);
        network.buffers_mut().copy_from_slice(&case.buffers);
        let rows = case.x.len() / case.spec.input;
        // Room for more rows than come, with rubbish in it: it must not matter.
        let mut passes = Passes::new(&network, rows + 3);
        passes.input(rows + 3).fill(f32::NAN);
        let mut rng = stream(0, "none");
        let mode = if case.training {
            How::train(&mut rng)
        } else {
            How::evaluate()
        };
        let y = passes.forward(&mut network, &case.x, mode).to_vec();
        passes.gradients_mut().fill(f32::NAN);
        passes.backward_to_input(&network, &case.above);

        let close = |what: &str, got: &[f32], expected: &[f64]| {
            let error = relative_error(got, expected);
            assert!(error < TOLERANCE, "{}: {what} off by {error}", case.name);
        };
        close("outputs", &y, &case.y);
        close("input gradient", passes.input_gradient(), &case.input_gradient);
        close("running statistics", network.buffers(), &case.buffers_after);
        close("gradients", passes.gradients(), &case.gradients);
        // Each tensor on its own scale, but for those of no gradient (a bias in front of batch norm).
        let size = |values: &[f64]| values.iter().fold(0.0f64, |most, g| most.max(g.abs()));
        for tensor in network.tensors().iter().filter(|t| t.role != Role::Running) {
            let range = tensor.range.clone();
            if tensor.frozen || size(&case.gradients[range.clone()]) > 1e-9 * size(&case.gradients) {
                close(
                    &tensor.name,
                    &passes.gradients()[range.clone()],
                    &case.gradients[range],
                );
            }
        }
        // The same without the input's gradient.
        let all = passes.gradients().to_vec();
        passes.gradients_mut().fill(f32::NAN);
        passes.backward(&network, &case.above);
        assert_eq!(
            passes.gradients(),
            all,
            "{}: gradients without the input's",
            case.name
        );
        assert!(passes.input_gradient().is_empty());
    }
}

#[test]
fn initial_weights_have_pytorchs_moments() {
    let cases = golden().inits;
    assert_eq!(cases.len(), 10);
    for case in cases {
        let count = case.inputs * case.units;
        let mut weights = vec![f32::NAN; count];
        case.init
            .fill(&mut weights, case.inputs, case.units, &mut stream(7, "init"));
        let mean_of =
            |f: &dyn Fn(f64) -> f64| weights.iter().map(|&w| f(f64::from(w))).sum::<f64>() / count as f64;
        let mean = mean_of(&|w| w);
        let sd = mean_of(&|w| (w - mean).powi(2)).sqrt();
        let fourth = mean_of(&|w| (w - mean).powi(4));
        let least = f64::from(weights.iter().copied().fold(f32::INFINITY, f32::min));
        let most = f64::from(weights.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        // Two samples of 786,432: six standard errors of their difference.
        let noise = 6.0 * (2.0 / count as f64).sqrt();
        let name = format!("{}", case.init);
        assert!((mean - case.mean).abs() <= noise * case.sd, "{name}: mean {mean}");
        assert!(
            (sd - case.sd).abs() <= noise * case.sd,
            "{name}: sd {sd}, expected {}",
            case.sd
        );
        // The variance of w^4 is below 100 fourth^2 for both laws: 96/9 of it for the normal one.
        assert!(
            (fourth - case.fourth).abs() <= 4.0 * noise * case.fourth,
            "{name}: fourth moment {fourth}"
        );
        // The ends of a uniform law are met to 1e-4 by so many draws; those of a normal one wander.
        let normal = matches!(case.init, Init::Normal(_) | Init::XavierNormal | Init::HeNormal);
        let slack = if normal { 0.25 } else { 1e-4 };
        assert!(
            (least - case.least).abs() <= slack * case.least.abs(),
            "{name}: least {least}"
        );
        assert!(
            (most - case.most).abs() <= slack * case.most.abs(),
            "{name}: most {most}"
        );
    }
}
