//! Passes through whole networks: the same bits, dropout, small batches, prediction.

use super::scattered;
use crate::net::cpu::Passes;
use crate::net::executor::How;
use crate::net::predict::PLANS;
use crate::net::{Activation, Cnn, Init, Layer, LayerKind, Mlp, NetSpec, Network, Role};
use crate::seed::stream;

#[test]
fn the_same_seed_gives_the_same_bits() {
    let run = |seed: u64| {
        let mut network = Mlp::new([20, 33, 33, 7])
            .activation(Activation::Gelu)
            .dropout(0.3)
            .batch_norm()
            .build(seed)
            .unwrap();
        let mut rng = stream(seed, "dropout");
        let mut passes = Passes::new(&network, 50);
        let x = scattered(50 * 20, 1);
        for _ in 0..3 {
            let y = passes.forward(&mut network, &x, How::train(&mut rng)).to_vec();
            passes.backward(&network, &y);
            for (p, g) in network.parameters_mut().iter_mut().zip(passes.gradients()) {
                *p -= 0.01 * g;
            }
        }
        let bits: Vec<u32> = network
            .parameters()
            .iter()
            .chain(network.buffers())
            .map(|x| x.to_bits())
            .collect();
        bits
    };
    let here = run(5);
    let elsewhere = std::thread::spawn(move || run(5)).join().unwrap();
    assert_eq!(here, elsewhere);
    assert_ne!(here, run(6));
}

#[test]
fn an_example_gets_the_same_bits_in_any_batch() {
    let network = Mlp::new([300, 37, 5]).build(1).unwrap();
    let x = scattered(301 * 300, 2);
    let all = network.predict(&x).unwrap();
    for row in [0, 1, 4, 5, 255, 256, 299, 300] {
        let alone = network.predict(&x[row * 300..(row + 1) * 300]).unwrap();
        assert_eq!(alone, all[row * 5..(row + 1) * 5], "row {row}");
    }
    assert!(network.predict(&[]).unwrap().is_empty());
    let error = network.predict(&[1.0; 299]).unwrap_err().to_string();
    assert!(error.contains("299") && error.contains("300"), "{error}");
}

#[test]
fn networks_go_to_other_threads() {
    fn travels<T: Send + Sync + Clone + 'static>(_: &T) {}
    travels(&Mlp::new([3, 2]));
    travels(&Mlp::new([3, 2]).build(0).unwrap());
}

#[test]
fn tensors_start_alone() {
    let start = |mlp: Mlp| mlp.build(3).unwrap().tensor("logits.weight").unwrap().to_vec();
    let plain = start(Mlp::new([8, 16, 4]));
    assert_eq!(
        plain,
        start(Mlp::new([9, 16, 4])),
        "another input leaves the last layer's start"
    );
    assert_ne!(plain, start(Mlp::new([8, 16, 4]).init(Init::XavierUniform)));
    let biased = Mlp::new([8, 16, 4])
        .bias_init(Init::Constant(0.1))
        .build(3)
        .unwrap();
    assert!(biased.tensor("dense1.bias").unwrap().iter().all(|&b| b == 0.1));
}

#[test]
fn dropout_acts_in_training_only_and_differs_each_step() {
    let mut network = Mlp::new([6, 200, 3]).dropout(0.5).build(1).unwrap();
    let x = scattered(4 * 6, 1);
    let mut rng = stream(1, "dropout");
    let mut passes = Passes::new(&network, 4);
    let first = passes.forward(&mut network, &x, How::train(&mut rng)).to_vec();
    let second = passes.forward(&mut network, &x, How::train(&mut rng)).to_vec();
    assert_ne!(first, second);
    let still = passes.forward(&mut network, &x, How::evaluate()).to_vec();
    assert_eq!(still, network.predict(&x).unwrap());
    assert_eq!(
        still,
        Mlp::new([6, 200, 3]).build(1).unwrap().predict(&x).unwrap()
    );
}

#[test]
fn channels_and_branches_drop_as_a_whole_for_each_example() {
    let spec = |kind: LayerKind| NetSpec {
        input: 24,
        image: Some((3, 2, 4).into()),
        layers: vec![Layer {
            name: "drops".into(),
            kind,
            from: Vec::new(),
            frozen: false,
        }],
    };
    let rows = 200;
    let x = vec![1.0; rows * 24];
    // Which of an example's four channels are there.
    let there = |kind: LayerKind| -> Vec<[bool; 4]> {
        let mut network = Network::new(&spec(kind.clone()), 0).unwrap();
        assert_eq!(network.predict(&x).unwrap(), x, "{kind}");
        let mut passes = Passes::new(&network, rows);
        let y = passes.forward(&mut network, &x, How::train(&mut stream(3, "dropout")));
        y.chunks(24)
            .map(|example| {
                let first: [f32; 4] = example[..4].try_into().unwrap();
                assert!(
                    example.chunks(4).all(|pixel| pixel == first),
                    "{kind}: {example:?}"
                );
                assert!(first.iter().all(|&y| y == 0.0 || y == 2.0), "{kind}: {first:?}");
                first.map(|y| y > 0.0)
            })
            .collect()
    };
    let channels = there(LayerKind::SpatialDropout(0.5));
    let kept = channels.as_flattened().iter().filter(|&&kept| kept).count();
    assert!((320..480).contains(&kept), "{kept} of 800");
    assert!(channels.iter().any(|kept| kept.iter().any(|one| *one != kept[0])));
    let examples = there(LayerKind::DropPath(0.5));
    let kept = examples.iter().filter(|kept| kept[0]).count();
    assert!((70..130).contains(&kept), "{kept} of 200");
    assert!(examples.iter().all(|kept| kept.iter().all(|one| *one == kept[0])));
}

#[test]
fn a_single_row_goes_through_batch_norm() {
    let mut network = Mlp::new([6, 5, 3]).batch_norm().build(1).unwrap();
    let before = network.buffers().to_vec();
    let mut rng = stream(1, "dropout");
    let mut passes = Passes::new(&network, 8);
    let y = passes
        .forward(&mut network, &scattered(6, 1), How::train(&mut rng))
        .to_vec();
    assert!(y.iter().all(|y| y.is_finite()));
    assert_eq!(network.buffers(), before);
    passes.forward(&mut network, &scattered(12, 1), How::train(&mut rng));
    assert_ne!(network.buffers(), before);
}

#[test]
fn nan_comes_out_where_it_goes_in() {
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Gelu,
        Activation::Maxout(2),
        Activation::HardTanh,
        Activation::Softsign,
        Activation::Elu(1.0),
        Activation::Selu,
        Activation::Silu,
        Activation::Mish,
    ] {
        let network = Mlp::new([3, 4, 2]).activation(activation).build(1).unwrap();
        let y = network.predict(&[0.0, f32::NAN, 1.0, 0.0, 0.0, 1.0]).unwrap();
        assert!(
            y[..2].iter().all(|y| y.is_nan()) && y[2..].iter().all(|y| y.is_finite()),
            "{activation}"
        );
    }
}

#[test]
fn optimizers_learn_what_to_move() {
    let network = Mlp::new([3, 4, 4, 2])
        .batch_norm()
        .freeze("dense2")
        .build(1)
        .unwrap();
    let frozen: usize = network
        .tensors()
        .iter()
        .filter(|t| t.frozen)
        .map(|t| t.range.len())
        .sum();
    let moving: usize = network.trainable().iter().map(|r| r.len()).sum();
    assert_eq!((frozen, moving + frozen), (20, network.parameters().len()));
    assert_eq!(network.trainable().len(), 2, "neighbours are joined");
    let running: usize = network
        .tensors()
        .iter()
        .filter(|t| t.role == Role::Running)
        .map(|t| t.range.len())
        .sum();
    assert_eq!(running, network.buffers().len());
}

#[test]
fn an_empty_batch_leaves_no_gradient_of_the_one_before() {
    let mut network = Mlp::new([6, 5, 3]).batch_norm().build(1).unwrap();
    let mut rng = stream(1, "dropout");
    let mut passes = Passes::new(&network, 4);
    passes.forward(&mut network, &scattered(24, 1), How::train(&mut rng));
    passes.backward(&network, &scattered(12, 2));
    assert!(passes.gradients().iter().any(|&g| g != 0.0));
    passes.forward(&mut network, &[], How::train(&mut rng));
    passes.backward(&network, &[]);
    assert!(passes.gradients().iter().all(|&g| g == 0.0));
}

#[test]
#[should_panic(expected = "another network")]
fn passes_know_their_layers() {
    // As many inputs, parameters and layers, and other shapes.
    let (one, mut other) = (
        Mlp::new([1, 3, 1]).build(0).unwrap(),
        Mlp::new([1, 1, 4]).build(0).unwrap(),
    );
    assert_eq!(one.parameters().len(), other.parameters().len());
    Passes::new(&one, 1).forward(&mut other, &[1.0], How::evaluate());
}

#[test]
#[should_panic(expected = "another network")]
fn passes_know_their_wiring() {
    // The same layers, of which the last reads another one.
    let spec = |from: &str| {
        let mut spec = Mlp::new([2, 2, 2, 2])
            .activation(crate::net::Activation::Identity)
            .spec()
            .unwrap();
        spec.layers[2].from = vec![from.to_owned()];
        Network::new(&spec, 0).unwrap()
    };
    let (one, mut other) = (spec("dense2"), spec("dense1"));
    Passes::new(&one, 1).forward(&mut other, &[1.0, 2.0], How::evaluate());
}

#[test]
fn passes_take_the_same_layers_frozen() {
    let plain = Mlp::new([3, 4, 2]).build(1).unwrap();
    let frozen = Mlp::new([3, 4, 2]).freeze("dense1").build(2).unwrap();
    let x = scattered(3, 1);
    let y = Passes::new(&plain, 1).evaluate(&frozen, &x).to_vec();
    assert_eq!(y, frozen.predict(&x).unwrap());
}

#[test]
fn what_a_row_costs_is_what_an_passes_holds() {
    let floats = |mlp: Mlp| {
        let network = mlp.build(0).unwrap();
        Passes::floats_per_row(&network, &[network.spec().layers.len() - 1])
    };
    // The input, the blocks' outputs, the gradient at the last, and twice the widest for those between.
    assert_eq!(floats(Mlp::new([3, 7, 2])), 3 + 7 + 2 + 2 + 2 * 7);
    let tanh = Mlp::new([3, 7, 2]).activation(Activation::Tanh);
    assert_eq!(floats(tanh), 3 + 7 + 7 + 2 + 2 + 2 * 7);
    let full = Mlp::new([3, 7, 2])
        .activation(Activation::Gelu)
        .batch_norm()
        .dropout(0.5);
    assert_eq!(floats(full), 3 + 7 + 3 * 2 * 7 + 2 + 2 + 2 * 7);
}

#[test]
fn rows_promised_to_one_executor_are_not_free_for_the_next() {
    let network = Mlp::new([2, 1 << 16, 2]).build(0).unwrap();
    let _turn = crate::memory::MOST_OF_IT
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let Some(free) = crate::memory::free() else { return };
    let each = 4 * Passes::floats_per_row(&network, &[network.spec().layers.len() - 1]) as u64;
    // Five eighths of the memory: one fits, two do not, though neither has taken any yet.
    let rows = (free / 8 * 5 / each) as usize;
    let first = Passes::check_rows(&network, rows).unwrap();
    let error = Passes::check_rows(&network, rows).unwrap_err().to_string();
    assert!(error.contains("promised to what runs already"), "{error}");
    drop(first);
    assert!(Passes::check_rows(&network, rows).is_ok());
}

#[test]
fn rows_that_memory_cannot_hold_are_refused() {
    let network = Mlp::new([2, 1 << 16, 2]).build(0).unwrap();
    assert!(Passes::check_rows(&network, 1).is_ok());
    let error = Passes::check_rows(&network, usize::MAX).unwrap_err().to_string();
    assert!(
        error.contains("GiB of free memory") && error.contains("smaller batches"),
        "{error}"
    );
}

/// How often predictions had to plan while `work` ran.
fn plans(work: impl FnOnce()) -> usize {
    let before = PLANS.get();
    work();
    PLANS.get() - before
}

#[test]
fn predictions_plan_once_until_a_number_changes() {
    let networks = [
        Mlp::new([6, 20, 3]).batch_norm().build(1).unwrap(),
        Cnn::new((6, 6, 1), 3)
            .channels([4])
            .batch_norm()
            .build(1)
            .unwrap(),
        Cnn::resnet((6, 6, 2), 3).channels([4, 6]).build(1).unwrap(),
    ];
    for mut network in networks {
        let x = scattered(300 * network.inputs(), 3);
        let fresh = |network: &Network, x: &[f32]| network.clone().predict(x).unwrap();
        let first = network.predict(&x).unwrap();
        let again = plans(|| {
            for rows in [300, 1, 17, 300] {
                let part = &x[..rows * network.inputs()];
                assert_eq!(network.predict(part).unwrap(), first[..rows * 3], "{rows} rows");
            }
        });
        assert_eq!(again, 0);
        assert_eq!(fresh(&network, &x), first);
        // A change of any number is seen.
        network.parameters_mut()[0] += 0.5;
        let changed = network.predict(&x).unwrap();
        assert_ne!(changed, first);
        assert_eq!(changed, fresh(&network, &x));
        let mean = network.buffers_mut();
        mean[0] += 0.5;
        let moved = network.predict(&x).unwrap();
        assert_ne!(moved, changed);
        assert_eq!(moved, fresh(&network, &x));
        let first_layer = network.spec().layers[0].name.clone();
        network.freeze(&first_layer).unwrap();
        assert_eq!(network.predict(&x).unwrap(), moved);
    }
}

#[test]
fn a_larger_batch_plans_anew_and_threads_do_not_wait() {
    let network = Mlp::new([6, 20, 3]).build(1).unwrap();
    let x = scattered(90 * 6, 3);
    assert_eq!(plans(|| drop(network.predict(&x[..6]).unwrap())), 1);
    assert_eq!(plans(|| drop(network.predict(&x[..60]).unwrap())), 1);
    assert_eq!(plans(|| drop(network.predict(&x[..54]).unwrap())), 0);
    assert_eq!(plans(|| drop(network.clone().predict(&x[..54]).unwrap())), 1);
    let all = network.predict(&x).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(network.predict(&x).unwrap(), all);
                }
            });
        }
    });
}
