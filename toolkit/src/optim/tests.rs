//! Rules on many parameters, groups, penalties, clipping.

use std::sync::Arc;

use super::*;
use crate::net::{Mlp, Network, Role};
use crate::seed::{normal, stream};

const RULES: [Rule; 13] = [
    Rule::ScheduleFree { rate: 0.1, beta: 0.9 },
    Rule::ScheduleFreeAdam {
        rate: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    },
    Rule::Sgd { rate: 0.1 },
    Rule::Momentum {
        rate: 0.1,
        momentum: 0.9,
    },
    Rule::Nesterov {
        rate: 0.1,
        momentum: 0.9,
    },
    Rule::Adam {
        rate: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    },
    Rule::Adagrad {
        rate: 0.1,
        epsilon: 1e-10,
    },
    Rule::RmsProp {
        rate: 0.01,
        alpha: 0.99,
        epsilon: 1e-8,
    },
    Rule::Adadelta {
        rate: 1.0,
        rho: 0.9,
        epsilon: 1e-6,
    },
    Rule::AmsGrad {
        rate: 0.1,
        beta1: 0.9,
        beta2: 0.5,
        epsilon: 1e-8,
    },
    Rule::RAdam {
        rate: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    },
    Rule::Lion {
        rate: 0.01,
        beta1: 0.9,
        beta2: 0.99,
    },
    Rule::NAdam {
        rate: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        momentum_decay: 0.004,
    },
];

fn drawn(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = stream(seed, "numbers");
    (0..n).map(|_| normal(&mut rng) as f32).collect()
}

/// Three updates of `rule`, in f64, by the formulas as they stand in its documentation.
fn by_formula(
    rule: Rule,
    start: &[f32],
    gradients: &[Vec<f32>],
    (l1, l2, decay): (f64, f64, f64),
) -> Vec<f64> {
    let step = |p0: f32, own: Vec<f64>| {
        let (mut p, mut v, mut m, mut u) = (f64::from(p0), 0.0, 0.0, 0.0f64);
        let mut product = 1.0;
        let (mut z, mut x, mut second) = (p, p, 0.0);
        for (t, g) in (1..).zip(own) {
            let g = g + l2 * p + l1 * if p == 0.0 { 0.0 } else { p.signum() };
            let rate = rule.rate();
            if !rule.averages() {
                p -= rate * decay * p;
            }
            match rule {
                Rule::Sgd { .. } => p -= rate * g,
                Rule::Momentum { momentum, .. } => {
                    v = momentum * v + g;
                    p -= rate * v;
                }
                Rule::Nesterov { momentum, .. } => {
                    v = momentum * v + g;
                    p -= rate * (g + momentum * v);
                }
                Rule::Adam {
                    beta1,
                    beta2,
                    epsilon,
                    ..
                } => {
                    m = beta1 * m + (1.0 - beta1) * g;
                    v = beta2 * v + (1.0 - beta2) * g * g;
                    let (first, second) = (m / (1.0 - beta1.powi(t)), v / (1.0 - beta2.powi(t)));
                    p -= rate * first / (second.sqrt() + epsilon);
                }
                Rule::Adagrad { epsilon, .. } => {
                    v += g * g;
                    p -= rate * g / (v.sqrt() + epsilon);
                }
                Rule::RmsProp { alpha, epsilon, .. } => {
                    v = alpha * v + (1.0 - alpha) * g * g;
                    p -= rate * g / (v.sqrt() + epsilon);
                }
                Rule::Adadelta { rho, epsilon, .. } => {
                    v = rho * v + (1.0 - rho) * g * g;
                    let d = g * (u + epsilon).sqrt() / (v + epsilon).sqrt();
                    u = rho * u + (1.0 - rho) * d * d;
                    p -= rate * d;
                }
                Rule::AmsGrad {
                    beta1,
                    beta2,
                    epsilon,
                    ..
                } => {
                    m = beta1 * m + (1.0 - beta1) * g;
                    v = beta2 * v + (1.0 - beta2) * g * g;
                    u = u.max(v);
                    let (first, second) = (m / (1.0 - beta1.powi(t)), u / (1.0 - beta2.powi(t)));
                    p -= rate * first / (second.sqrt() + epsilon);
                }
                Rule::NAdam {
                    beta1,
                    beta2,
                    epsilon,
                    momentum_decay,
                    ..
                } => {
                    let momentum =
                        |t: i32| beta1 * (1.0 - 0.5 * 0.96_f64.powf(f64::from(t) * momentum_decay));
                    product *= momentum(t);
                    m = beta1 * m + (1.0 - beta1) * g;
                    v = beta2 * v + (1.0 - beta2) * g * g;
                    let first = (1.0 - momentum(t)) * g / (1.0 - product)
                        + momentum(t + 1) * m / (1.0 - product * momentum(t + 1));
                    p -= rate * first / ((v / (1.0 - beta2.powi(t))).sqrt() + epsilon);
                }
                // At one rate, each z has the same weight.
                Rule::ScheduleFree { beta, .. } => {
                    z -= rate * (g + decay * p);
                    x += (z - x) / f64::from(t);
                    p = (1.0 - beta) * z + beta * x;
                }
                Rule::ScheduleFreeAdam {
                    beta1,
                    beta2,
                    epsilon,
                    ..
                } => {
                    second = beta2 * second + (1.0 - beta2) * g * g;
                    let root = (second / (1.0 - beta2.powi(t))).sqrt();
                    z -= rate * (g / (root + epsilon) + decay * p);
                    x += (z - x) / f64::from(t);
                    p = (1.0 - beta1) * z + beta1 * x;
                }
                Rule::Lamb { .. } | Rule::Muon { .. } => unreachable!("of whole tensors"),
                // Three gradients are too few for its second mean: the golden values have more.
                Rule::RAdam { beta1, .. } => {
                    m = beta1 * m + (1.0 - beta1) * g;
                    p -= rate * m / (1.0 - beta1.powi(t));
                }
                Rule::Lion { beta1, beta2, .. } => {
                    let way: f64 = beta1 * m + (1.0 - beta1) * g;
                    p -= rate * if way == 0.0 { 0.0 } else { way.signum() };
                    m = beta2 * m + (1.0 - beta2) * g;
                }
            }
        }
        p
    };
    let own = |i: usize| gradients.iter().map(|g| f64::from(g[i])).collect();
    start.iter().enumerate().map(|(i, &p)| step(p, own(i))).collect()
}

#[test]
fn many_parameters_are_updated_as_few_are() {
    // Enough to be shared among threads, several times over and unevenly.
    let n = 200_003;
    let start = drawn(n, 1);
    let gradients: Vec<Vec<f32>> = (2..5).map(|seed| drawn(n, seed)).collect();
    for rule in RULES {
        for (l1, l2, decay) in [(0.0, 0.0, 0.0), (0.03, 0.05, 0.0), (0.0, 0.0, 0.2)] {
            let mut states: Vec<Vec<f32>> = vec![vec![0.0; n]; rule.states()];
            let mut found = start.clone();
            for (step, gradients) in (1..).zip(&gradients) {
                let mut states: Vec<&mut [f32]> = states.iter_mut().map(Vec::as_mut_slice).collect();
                rule.update(TensorStep {
                    parameters: &mut found,
                    gradients,
                    states: &mut states,
                    shape: &[n],
                    hidden: None,
                    rate: rule.rate(),
                    momentum: None,
                    step,
                    l1,
                    l2,
                    decay,
                });
            }
            let sizes = (f64::from(l1), f64::from(l2), f64::from(decay));
            let expected = by_formula(rule, &start, &gradients, sizes);
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let off = (f64::from(*found) - expected).abs();
                // A penalty's sign may turn where a parameter passes 0 within a rounding.
                assert!(
                    off < 3e-6 || (l1 > 0.0 && expected.abs() < 0.02),
                    "{rule}, parameter {i}: {found} for {expected}"
                );
            }
        }
    }
}

fn network() -> Network {
    Mlp::new([3, 4, 2]).batch_norm().build(0).expect("a network")
}

/// One step of SGD at rate 1 on a network's parameters, all gradients `g`.
fn step(optimizer: &Optimizer, network: &Network, g: f32) -> Vec<f32> {
    let mut parameters = network.parameters().to_vec();
    let mut gradients = vec![g; parameters.len()];
    let update = Update {
        rate: 1.0,
        momentum: None,
        number: 1,
    };
    optimizer.step(&mut parameters, &mut gradients, &mut Vec::new(), update);
    let pairs = parameters.iter().zip(network.parameters());
    pairs.map(|(after, before)| before - after).collect()
}

fn group(tensors: &str) -> Group {
    Group {
        tensors: tensors.into(),
        ..Group::default()
    }
}

fn planned(network: &Network, groups: Vec<Group>, clip: (Option<f64>, Option<f64>)) -> Optimizer {
    let mut optimizer = Optimizer::with(
        Arc::new(Rule::Sgd { rate: 1.0 }),
        Settings::default(),
        groups,
        clip,
    );
    optimizer.plan(network.tensors()).expect("a plan");
    optimizer
}

#[test]
fn the_later_group_that_fits_counts() {
    let network = network();
    let groups = vec![
        Group {
            rate: Some(0.5),
            ..group("*")
        },
        Group {
            rate: Some(3.0),
            ..group("dense1")
        },
        Group {
            frozen: Some(true),
            ..group("*.bias")
        },
    ];
    let moved = step(&planned(&network, groups, (None, None)), &network, 1.0);
    for tensor in network.tensors().iter().filter(|t| t.role != Role::Running) {
        let expected = match tensor.name.as_str() {
            name if name.ends_with(".bias") => 0.0,
            "dense1.weight" => 3.0,
            _ => 0.5,
        };
        for moved in &moved[tensor.range.clone()] {
            assert!(
                (moved - expected).abs() < 1e-6,
                "{}: {moved} for {expected}",
                tensor.name
            );
        }
    }
}

#[test]
fn patterns_fit_as_they_read() {
    for (pattern, name, fits) in [
        ("conv1", "conv1.weight", true),
        ("conv1", "conv10.weight", false),
        ("conv*", "conv10.weight", true),
        ("*.bias", "conv10.bias", true),
        ("*.bias", "bias.weight", false),
        ("conv1.weight", "conv1.weight", true),
        ("*", "anything.at_all", true),
        ("*1*t", "conv1.weight", true),
        ("*1*t", "conv1.bias", false),
    ] {
        assert_eq!(group(pattern).fits(name), fits, "{pattern} and {name}");
    }
}

#[test]
fn clipping_is_that_of_pytorch() {
    let network = network();
    let n = network.parameters().len() as f64;
    // Each gradient is 2, so their norm is 2 sqrt(n).
    let norm = 2.0 * n.sqrt();
    let by = |clip| f64::from(step(&planned(&network, Vec::new(), clip), &network, 2.0)[0]);
    assert!((by((Some(0.5), None)) - 2.0 * 0.5 / (norm + 1e-6)).abs() < 1e-6);
    assert!((by((Some(1e3), None)) - 2.0).abs() < 1e-6);
    assert!((by((None, Some(0.25))) - 0.25).abs() < 1e-6);
    // By value first, then by norm; what is frozen has no part in the norm.
    assert!((by((Some(1e3), Some(0.25))) - 0.25).abs() < 1e-6);
    let frozen = Group {
        frozen: Some(true),
        ..group("dense1")
    };
    let left = n - 16.0;
    let moved = step(&planned(&network, vec![frozen], (Some(0.5), None)), &network, 2.0);
    let last = f64::from(moved[moved.len() - 1]);
    assert!(
        (last - 2.0 * 0.5 / (2.0 * left.sqrt() + 1e-6)).abs() < 1e-6,
        "{last}"
    );
    assert_eq!(moved[0], 0.0);
}

/// A tensor's sizes, and what it is as a matrix.
type Sizes = (Vec<usize>, Option<(usize, usize)>);

/// Takes down which tensors it is told to be matrices.
struct Told(std::sync::Mutex<Vec<Sizes>>);

impl UpdateRule for Told {
    fn states(&self) -> usize {
        0
    }

    fn update(&self, tensor: TensorStep<'_>) {
        let mut told = self.0.lock().expect("no panic");
        told.push((tensor.shape.to_vec(), tensor.hidden));
    }
}

#[test]
fn hidden_layers_are_told_from_embeddings_heads_and_vectors() {
    use crate::net::{Cnn, Layer, LayerKind, NetSpec};
    let told = |network: &Network| {
        let rule = Arc::new(Told(std::sync::Mutex::default()));
        let mut optimizer = Optimizer::with(rule.clone(), Settings::default(), Vec::new(), (None, None));
        optimizer.plan(network.tensors()).expect("a plan");
        step(&optimizer, network, 1.0);
        let told = rule.0.lock().expect("no panic").clone();
        told.into_iter()
            .filter_map(|(shape, hidden)| Some((shape, hidden?)))
            .collect::<Vec<_>>()
    };
    let mlp = Mlp::new([3, 4, 5, 2]).batch_norm().build(0).expect("a network");
    assert_eq!(told(&mlp), [(vec![3, 4], (3, 4)), (vec![4, 5], (4, 5))]);
    let image = crate::data::Shape::Image {
        channels: 2,
        height: 8,
        width: 8,
    };
    let cnn = Cnn::new(image, 3)
        .channels([4, 5])
        .kernel(3)
        .hidden(6)
        .build(0)
        .expect("a network");
    let found = told(&cnn);
    assert_eq!(found[0], (vec![3, 3, 2, 4], (18, 4)));
    assert_eq!(found[1], (vec![3, 3, 4, 5], (36, 5)));
    assert_eq!(found.len(), 3);
    let layer = |name: &str, kind| Layer {
        name: name.into(),
        kind,
        from: Vec::new(),
        frozen: false,
    };
    let dense = |units| LayerKind::Dense {
        units,
        bias: true,
        init: crate::net::Init::HeUniform,
        bias_init: crate::net::Init::Zeros,
    };
    let embedding = LayerKind::Embedding {
        vocabulary: 10,
        width: 4,
        init: crate::net::Init::Normal(1.0),
    };
    let spec = NetSpec::chain(
        3,
        vec![
            layer("words", embedding),
            layer("flatten", LayerKind::Flatten),
            layer("hidden", dense(6)),
            layer("logits", dense(2)),
        ],
    );
    let network = Network::new(&spec, 0).expect("a network");
    assert_eq!(told(&network), [(vec![12, 6], (12, 6))]);
}
