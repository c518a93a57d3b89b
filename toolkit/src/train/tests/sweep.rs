//! Trainings on a GPU give the CPU's bits: the kernel's source, run on the CPU by stand-ins for the driver and for NVRTC
//! (`cuda/stand_in`), against the CPU's executor. On a machine with a GPU the same tests run there when
//! `JOOK_TEST_GPU` is set.

use std::collections::HashMap;

use jook_cuda::sweep::{self, Flow, Plan};
use rand::Rng as _;

use crate::data::{Dataset, Shape};
use crate::loss::Loss;
use crate::net::{Activation, Init, Layer, LayerKind, NetSpec, Network};
use crate::seed::{Rng, stream};
use crate::testing::device;
use crate::train::sweep::{Planned, Refused, Shared, plan};
use crate::train::{Ending, Recipe, Rule, Run, Sampler};

/// One of several.
fn one_of<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.random_range(0..all.len())]
}

/// What the kernel is compiled for.
struct Form {
    inputs: usize,
    /// Units and pieces of each layer, and whether a norm stands behind it.
    layers: Vec<(usize, usize, bool)>,
    batch: usize,
    rule: usize,
}

fn form(rng: &mut Rng) -> Form {
    let count = rng.random_range(1..=5);
    let widest = one_of(rng, &[6, 20, 64, 130, 300]);
    let layer = |last: bool, rng: &mut Rng| {
        let units = if last {
            rng.random_range(2..=20)
        } else {
            rng.random_range(1..=widest)
        };
        let pieces = if !last && rng.random_bool(0.15) {
            rng.random_range(2..=4)
        } else {
            1
        };
        (units, pieces, !last && rng.random_bool(0.3))
    };
    Form {
        inputs: rng.random_range(1..=widest),
        layers: (1..=count).map(|at| layer(at == count, rng)).collect(),
        batch: one_of(rng, &[1, 5, 16, 32, 33, 64, 100, 257]),
        rule: rng.random_range(0..4),
    }
}

fn spec(form: &Form, rng: &mut Rng) -> NetSpec {
    let mut layers = Vec::new();
    let mut push = |name: String, kind, frozen| {
        layers.push(Layer {
            name,
            kind,
            from: Vec::new(),
            frozen,
        })
    };
    let large = rng.random_bool(0.1);
    for (at, &(units, pieces, norm)) in form.layers.iter().enumerate() {
        let last = at + 1 == form.layers.len();
        let kind = LayerKind::Dense {
            units: units * pieces,
            bias: rng.random_bool(0.9),
            init: if large {
                Init::Normal(3.0)
            } else {
                Init::FanUniform
            },
            bias_init: Init::Uniform(0.1),
        };
        push(format!("dense{at}"), kind, rng.random_bool(0.07));
        if norm {
            let kind = LayerKind::BatchNorm {
                momentum: one_of(rng, &[0.1, 0.3, 1.0]),
                epsilon: 1e-5,
            };
            push(format!("norm{at}"), kind, rng.random_bool(0.1));
        }
        if last {
            break;
        }
        let activation = match pieces {
            1 => one_of(
                rng,
                &[
                    Activation::Relu,
                    Activation::Relu,
                    Activation::Relu,
                    Activation::Identity,
                    Activation::LeakyRelu(0.01),
                    Activation::LeakyRelu(-0.3),
                    Activation::Tanh,
                    Activation::Sigmoid,
                    Activation::Gelu,
                ],
            ),
            pieces => Activation::Maxout(pieces),
        };
        push(
            format!("activation{at}"),
            LayerKind::Activation(activation),
            false,
        );
        if rng.random_bool(0.4) {
            push(
                format!("dropout{at}"),
                LayerKind::Dropout(one_of(rng, &[0.1, 0.5])),
                false,
            );
        }
    }
    NetSpec::chain(form.inputs, layers)
}

fn data(name: &str, n: usize, form: &Form, kind: usize, rng: &mut Rng) -> Dataset {
    let scale = if rng.random_bool(0.08) { 1e4 } else { 1.0 };
    let outputs = form.layers.last().map_or(1, |layer| layer.0);
    let mut number = || rng.random_range(-1.0..1.0_f32);
    let features: Vec<f32> = (0..n * form.inputs).map(|_| scale * number()).collect();
    let values: Vec<f32> = (0..n * outputs).map(|_| number()).collect();
    let labels: Vec<u32> = (0..n).map(|i| (i % outputs) as u32).collect();
    let names: Vec<String> = (0..outputs).map(|class| class.to_string()).collect();
    let data = Dataset::new(name, Shape::Flat(form.inputs), features).expect("features");
    let data = match kind {
        0 => data.with_labels(labels, names).expect("labels"),
        1 => {
            let whole = |row: &[f32]| row.iter().map(|x| x + 1.0).sum::<f32>();
            let rows = values.chunks_exact(outputs);
            let shares = rows
                .flat_map(|row| row.iter().map(move |x| (x + 1.0) / whole(row)))
                .collect();
            data.with_shares(shares, names).expect("shares")
        }
        _ => data.with_values(values, names).expect("values"),
    };
    if rng.random_bool(0.2) {
        let weights = (0..n).map(|_| rng.random_range(0.0..3.0)).collect();
        return data.with_weights(weights).expect("weights");
    }
    data
}

fn recipe(form: &Form, kind: usize, rng: &mut Rng) -> Recipe {
    let rate = one_of(rng, &[1e-4, 1e-3, 0.01, 0.1, 3.0]);
    let mut recipe = Recipe::new()
        .batch(form.batch)
        .steps(rng.random_range(1..=25))
        .rule(match form.rule {
            0 => Rule::Sgd { rate },
            1 => Rule::Momentum { rate, momentum: 0.9 },
            2 => Rule::Nesterov { rate, momentum: 0.8 },
            _ => Rule::Adam {
                rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
            },
        });
    if kind >= 2 || rng.random_bool(0.2) && kind == 0 {
        recipe = recipe.loss(Loss::MeanSquaredError);
    }
    if rng.random_bool(0.3) {
        recipe = recipe.l2(1e-2);
    }
    if rng.random_bool(0.2) {
        recipe = recipe.l1(1e-3);
    }
    if rng.random_bool(0.2) {
        recipe = recipe.decay(0.1);
    }
    if rng.random_bool(0.2) {
        recipe = recipe.max_norm(one_of(rng, &[0.3, 1.1]));
    }
    if rng.random_bool(0.3) {
        recipe = match form.batch % 3 {
            0 => recipe.stepped_by_steps(0.5, 4),
            1 => recipe.cosine(0.01),
            _ => recipe.exponential(0.5, 1),
        };
    }
    if rng.random_bool(0.4) {
        recipe = recipe.early_stopping(0.25).patience(rng.random_range(1..=4));
    }
    if rng.random_bool(0.6) {
        recipe = recipe.check_every(rng.random_range(1..=6));
    }
    if kind == 0 && rng.random_bool(0.15) {
        recipe = recipe.sampler(Sampler::Balanced);
    }
    recipe.seed(rng.random_range(0..1000))
}

fn bits(all: &[f32]) -> Vec<u32> {
    all.iter().map(|x| x.to_bits()).collect()
}

/// Everything that two runs must have in common: all but how long they took and where they ran.
fn compare(case: &str, cpu: &Run, gpu: &Run) {
    let records = |run: &Run| -> Vec<[u64; 6]> {
        let row = |r: &crate::train::Record| {
            [
                r.step as f64,
                r.epoch,
                r.rate,
                r.loss,
                r.held_out_loss,
                r.held_out_accuracy,
            ]
            .map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() })
        };
        run.history().records().iter().map(row).collect()
    };
    assert_eq!(cpu.ending, gpu.ending, "{case}");
    assert_eq!(records(cpu), records(gpu), "{case}: history");
    let (a, b) = (cpu.state(), gpu.state());
    assert_eq!(bits(&a.kept.parameters), bits(&b.kept.parameters), "{case}: kept");
    assert_eq!(
        bits(&a.kept.buffers),
        bits(&b.kept.buffers),
        "{case}: kept buffers"
    );
    assert_eq!(
        (a.kept.step, a.kept.loss.to_bits()),
        (b.kept.step, b.kept.loss.to_bits()),
        "{case}"
    );
    assert_eq!(a.counters.stale, b.counters.stale, "{case}: stale checks");
    assert_eq!(a.counters.dropout(), b.counters.dropout(), "{case}: dropout");
    assert_eq!(bits(&a.parameters), bits(&b.parameters), "{case}: parameters");
    if !cpu.ending.is_diverged() {
        assert_eq!(bits(&a.buffers), bits(&b.buffers), "{case}: buffers");
        let moments = |moments: &[Vec<f32>]| moments.iter().map(|one| bits(one)).collect::<Vec<_>>();
        assert_eq!(moments(&a.moments), moments(&b.moments), "{case}: moments");
    }
    assert_eq!(
        bits(cpu.network().parameters()),
        bits(gpu.network().parameters()),
        "{case}: network"
    );
    assert_eq!(
        bits(cpu.network().buffers()),
        bits(gpu.network().buffers()),
        "{case}: network's buffers"
    );
}

/// Trains all planned on the card.
fn sweep_all(card: &jook_cuda::Card, fitting: &Plan, planned: Vec<Planned>) -> Vec<Run> {
    let jobs: Vec<sweep::Job> = planned.iter().map(|one| one.job.clone()).collect();
    let done = sweep::run(card, fitting, &jobs, |_| Flow::On).expect("trained");
    if let Some(path) = std::env::var_os("JOOK_RECORD_SWEEPS") {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .expect("a file");
        let (shape, done) = (fitting.shape.clone(), done.clone());
        sweep::Record { shape, jobs, done }
            .write(&mut file)
            .expect("written");
    }
    planned
        .into_iter()
        .zip(done)
        .map(|(one, done)| one.finish(done, "a card", 1.0))
        .collect()
}

#[test]
fn random_trainings_on_a_gpu_give_the_bits_of_the_cpu() {
    let Some(device) = device() else {
        return;
    };
    let card = device.card().expect("a card");
    let (forms, each) = match std::env::var("JOOK_TEST_SWEEPS")
        .ok()
        .and_then(|n| n.parse().ok())
    {
        Some(forms) => (forms, 12),
        None => (8, 8),
    };
    let mut rng = stream(11, "random sweeps");
    let (mut endings, mut compared) = (HashMap::new(), 0);
    for number in 0..forms {
        let form = form(&mut rng);
        let (mut shared, mut planned, mut runs) = (Shared::default(), Vec::new(), Vec::new());
        for trial in 0..each {
            let kind = one_of(&mut rng, &[0, 0, 0, 1, 2]);
            let n = rng.random_range(form.batch.max(40)..=form.batch.max(40) * 2 + 40);
            let data = data("random", n, &form, kind, &mut rng);
            let spec = spec(&form, &mut rng);
            let mut recipe = recipe(&form, kind, &mut rng);
            if rng.random_bool(0.15) {
                let other = self::data("watched", rng.random_range(5..400), &form, kind, &mut rng);
                recipe.early_stopping = None;
                recipe.patience = None;
                recipe = recipe.validation(&other);
            }
            let case = format!("form {number}, trial {trial}: {spec}, {recipe}");
            let network = Network::new(&spec, recipe.seed).expect("a network");
            let cpu = match network.train(&data, recipe.clone()) {
                Ok(run) => run,
                // Too few examples for the share, say: then the card is not asked either.
                Err(_) => continue,
            };
            match plan(network, &data, recipe, &mut shared) {
                Ok(one) => {
                    planned.push(one);
                    runs.push((case, cpu));
                }
                Err(Refused::Cpu(why)) => panic!("{case}: {why}"),
                Err(Refused::Wrong(error)) => panic!("{case}: {error}"),
            }
        }
        // The largest batch may be smaller than asked for: kernels of several shapes.
        let mut groups: HashMap<_, Vec<_>> = HashMap::new();
        for (one, run) in planned.into_iter().zip(runs) {
            groups.entry(one.shape.clone()).or_default().push((one, run));
        }
        for (_, group) in groups {
            let (planned, runs): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let Ok(fitting) = Plan::new(planned[0].shape.clone(), card.shared_bytes) else {
                continue;
            };
            for (gpu, (case, cpu)) in sweep_all(card, &fitting, planned).iter().zip(&runs) {
                compare(case, cpu, gpu);
                compared += 1;
                let kind = match cpu.ending {
                    Ending::Completed => "completed",
                    Ending::EarlyStopped { .. } => "stopped early",
                    Ending::Diverged { .. } => "diverged",
                    _ => "other",
                };
                *endings.entry(kind).or_insert(0) += 1;
            }
        }
    }
    eprintln!("{compared} trainings compared: {endings:?}");
    assert!(compared > forms * each / 2);
    assert!(endings.len() >= 3, "too much alike: {endings:?}");
}

#[test]
fn schedules_of_the_rate_go_to_a_gpu_and_those_of_the_momentum_do_not() {
    let moons = crate::data::datasets::two_moons(60, 0.1, 0).expect("data");
    let planned = |recipe: Recipe| {
        let network = crate::net::Mlp::new([2, 4, 2]).build(0).expect("a network");
        match plan(network, &moons, recipe.epochs(5), &mut Shared::default()) {
            Ok(_) => None,
            Err(Refused::Cpu(why)) => Some(why),
            Err(Refused::Wrong(error)) => panic!("{error}"),
        }
    };
    let momentum = || Recipe::new().sgd(0.1).momentum(0.9);
    assert_eq!(planned(momentum().cosine(0).warm_up(0.1, 1)), None);
    assert_eq!(planned(momentum().restarts(0, 2, 1)), None);
    assert_eq!(planned(Recipe::new().sgd(0.1).one_cycle()), None);
    let why = planned(momentum().one_cycle()).expect("a reason");
    assert_eq!(why, "a momentum that the schedule changes");
}

#[test]
fn activations_that_the_kernel_lacks_are_left_to_the_processor() {
    let data = super::clouds(20, 2, 2, 0.2, 1);
    for (activation, name) in [
        (Activation::HardTanh, "hard tanh"),
        (Activation::Softsign, "softsign"),
        (Activation::Elu(1.0), "elu 1"),
        (Activation::Selu, "selu"),
        (Activation::Silu, "silu"),
        (Activation::Mish, "mish"),
    ] {
        let network = crate::net::Mlp::new([2, 4, 2]).activation(activation).build(0);
        let planned = plan(
            network.expect("a network"),
            &data,
            Recipe::new().epochs(1),
            &mut Shared::default(),
        );
        match planned {
            Err(Refused::Cpu(why)) => assert_eq!(why, format!("the activation {name}")),
            Err(Refused::Wrong(error)) => panic!("{error}"),
            Ok(_) => panic!("{name} goes to a card"),
        }
    }
}

#[test]
fn a_loss_that_it_does_not_know_is_refused_with_a_word() {
    let data = crate::data::datasets::two_moons(20, 0.1, 1).unwrap();
    for (loss, word) in [
        (Loss::label_smoothing(0.1), "cross entropy with smoothing"),
        (Loss::AbsoluteError, "the absolute error"),
    ] {
        let network = crate::net::Mlp::new([2, 4, 2]).build(0).unwrap();
        let planned = plan(network, &data, Recipe::new().loss(loss), &mut Shared::default());
        let Err(Refused::Cpu(why)) = planned else {
            panic!("{word} is planned");
        };
        assert!(why.contains(word), "{why}");
    }
}

#[test]
fn what_drops_otherwise_than_dropout_is_refused_with_a_word() {
    let data = crate::data::datasets::digits()
        .unwrap()
        .few_shot(2, 0)
        .unwrap()
        .train;
    let refused = |spec: NetSpec, word: &str| {
        let network = Network::new(&spec, 0).unwrap();
        let Err(Refused::Cpu(why)) = plan(network, &data, Recipe::new(), &mut Shared::default()) else {
            panic!("{word} is planned");
        };
        assert!(why.contains(word), "{why}");
    };
    let mlp = || crate::net::Mlp::new([64, 4, 10]);
    let with = |kind: LayerKind, at: usize| {
        let mut spec = mlp().spec().unwrap();
        let layer = Layer {
            name: "drops".into(),
            kind,
            from: Vec::new(),
            frozen: false,
        };
        spec.layers.insert(at, layer);
        spec
    };
    refused(with(LayerKind::DropPath(0.2), 2), "drop path 0.2");
    refused(mlp().input_dropout(0.2).spec().unwrap(), "dropout 0.2");
    let mut spatial = with(LayerKind::SpatialDropout(0.2), 0);
    spatial.image = Some(data.shape());
    spatial
        .layers
        .insert(1, with(LayerKind::Flatten, 0).layers.swap_remove(0));
    spatial.layers[1].name = "flat".into();
    refused(spatial, "spatial dropout 0.2");
}
