//! Activations against PyTorch, whose values and slopes tests/reference/activations.py wrote.

use serde::Deserialize;

use crate::net::cpu::Passes;
use crate::net::executor::How;
use crate::net::{Activation, Layer, LayerKind, NetSpec, Network};

#[derive(Deserialize)]
struct Golden {
    points: Vec<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    activation: Activation,
    values: Vec<f64>,
    slopes: Vec<f64>,
    /// At minus and plus infinity.
    ends: [String; 2],
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../tests/reference/activations.json")).unwrap()
}

/// Nothing but the activation of so many numbers.
fn alone(activation: Activation, inputs: usize) -> Network {
    let layer = Layer {
        name: "activation".to_owned(),
        kind: LayerKind::Activation(activation),
        from: Vec::new(),
        frozen: false,
    };
    Network::new(&NetSpec::chain(inputs, vec![layer]), 0).unwrap()
}

/// The largest relative error, what is off by `floor` taken for right; infinite where a number is not one.
fn worst(got: &[f32], expected: &[f64], floor: impl Fn(usize) -> f64) -> f64 {
    assert_eq!(got.len(), expected.len());
    let pairs = got.iter().zip(expected).enumerate();
    let error = pairs.map(|(i, (&got, &expected))| {
        let off = (f64::from(got) - expected).abs();
        match off.is_nan() {
            true => f64::INFINITY,
            false if off <= floor(i) => 0.0,
            false => off / expected.abs(),
        }
    });
    error.fold(0.0, f64::max)
}

#[test]
fn values_and_slopes_are_pytorchs() {
    let Golden { points, cases } = golden();
    assert!(cases.len() == 7 && points.len() == 301);
    // The slopes of SiLU and Mish have their zeros at -1.28 and -1.19, and a difference there is measured as it is.
    let floor = |i: usize| if points[i].abs() < 4.0 { 1e-6 } else { 1e-37 };
    for case in cases {
        let mut network = alone(case.activation, points.len());
        let mut passes = Passes::new(&network, 1);
        let trained = passes.forward(&mut network, &points, How::evaluate()).to_vec();
        passes.backward_to_input(&network, &vec![1.0; points.len()]);
        let values = worst(&trained, &case.values, |_| 1e-37);
        let slopes = worst(passes.input_gradient(), &case.slopes, floor);
        println!(
            "{}: values off by {values:.1e}, slopes by {slopes:.1e}",
            case.activation
        );
        assert!(values < 1e-5, "{}: values off by {values}", case.activation);
        assert!(slopes < 1e-5, "{}: slopes off by {slopes}", case.activation);
        assert_eq!(network.predict(&points).unwrap(), trained, "{}", case.activation);
    }
}

#[test]
fn infinities_give_what_they_give_in_pytorch() {
    for case in golden().cases {
        let network = alone(case.activation, 3);
        let got = network
            .predict(&[f32::NEG_INFINITY, f32::INFINITY, f32::NAN])
            .unwrap();
        for (got, expected) in got.iter().zip(&case.ends) {
            let expected: f32 = expected.parse().unwrap();
            assert!(
                *got == expected || (got.is_nan() && expected.is_nan()),
                "{}: {got}, expected {expected}",
                case.activation
            );
        }
        assert!(got[2].is_nan());
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let Golden { points, cases } = golden();
    for case in cases {
        let network = alone(case.activation, points.len());
        let batch = points.repeat(300);
        let bits = |threads| -> Vec<u32> {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let y = pool.install(|| network.predict(&batch)).unwrap();
            y.iter().map(|y| y.to_bits()).collect()
        };
        assert_eq!(bits(1), bits(4), "{}", case.activation);
    }
}

#[test]
fn names_and_constants_are_said_and_kept() {
    let said = [
        (Activation::HardTanh, "hard tanh"),
        (Activation::Softsign, "softsign"),
        (Activation::Elu(0.5), "elu 0.5"),
        (Activation::Selu, "selu"),
        (Activation::Silu, "silu"),
        (Activation::Mish, "mish"),
    ];
    for (activation, words) in said {
        assert_eq!(activation.to_string(), words);
        let json = serde_json::to_string(&activation).unwrap();
        assert_eq!(serde_json::from_str::<Activation>(&json).unwrap(), activation);
    }
    for alpha in [-1.0, f32::NAN, f32::INFINITY] {
        let error = crate::net::Mlp::new([2, 2, 2])
            .activation(Activation::Elu(alpha))
            .spec()
            .unwrap_err()
            .to_string();
        assert!(error.contains(&format!("alpha of an ELU is {alpha}")), "{error}");
    }
}
