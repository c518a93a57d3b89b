//! The equal average (SWA), and the statistics of batch norm that belong to it.

use super::super::{Flow, Moment, Recipe, Watcher};
use super::loops::undisturbed;
use super::{bits, clouds};
use crate::Result;
use crate::data::Dataset;
use crate::net::{Mlp, Network};

/// Takes down the parameters after each update.
#[derive(Default)]
struct Seen(Vec<Vec<f32>>);

impl Watcher for &mut Seen {
    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        self.0.push(at.parameters().to_vec());
        Ok(Flow::On)
    }
}

/// Mean and unbiased variance of what the first layer puts out, each the mean over batches of so many examples, in f64.
fn statistics(network: &Network, data: &Dataset, batch: usize) -> Vec<f64> {
    let tensor = |name: &str| {
        network
            .tensors()
            .iter()
            .find(|t| t.name == name)
            .expect(name)
            .clone()
    };
    let (w, b) = (tensor("dense1.weight"), tensor("dense1.bias"));
    let (inputs, units) = (w.shape[0], w.shape[1]);
    let (w, b) = (&network.parameters()[w.range], &network.parameters()[b.range]);
    let rows: Vec<usize> = (0..data.len()).collect();
    let batches: Vec<&[usize]> = rows.chunks(batch).filter(|rows| rows.len() > 1).collect();
    let mut all = vec![0.0; 2 * units];
    for rows in &batches {
        for unit in 0..units {
            let out = |row: &usize| {
                let terms = data.row(*row).iter().enumerate();
                let sum: f64 = terms
                    .map(|(i, x)| f64::from(*x) * f64::from(w[i * units + unit]))
                    .sum();
                sum + f64::from(b[unit])
            };
            assert_eq!(data.row(0).len(), inputs);
            let values: Vec<f64> = rows.iter().map(out).collect();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
            all[unit] += mean / batches.len() as f64;
            all[units + unit] += variance / batches.len() as f64;
        }
    }
    all
}

#[test]
fn an_equal_average_is_of_the_late_epochs_and_has_its_own_statistics() {
    let _turn = undisturbed();
    // The last of four batches is one example alone.
    let data = clouds(49, 5, 3, 0.5, 1);
    let net = Mlp::new([5, 6, 3]).batch_norm().dropout(0.2);
    let recipe = Recipe::new().epochs(10).batch(16).sgd(0.1).swa(0.6);
    let mut seen = Seen::default();
    let network = net.build(0).expect("a network");
    let run = network
        .training()
        .watch(&mut seen)
        .run(&data, recipe.clone())
        .expect("a run");
    assert_eq!(seen.0.len(), 40);
    let late: Vec<&Vec<f32>> = (7..=10).map(|epoch| &seen.0[4 * epoch - 1]).collect();
    for (i, found) in run.network().parameters().iter().enumerate() {
        let expected = late.iter().map(|p| f64::from(p[i])).sum::<f64>() / 4.0;
        assert!(
            (f64::from(*found) - expected).abs() < 1e-6,
            "{found} for {expected}"
        );
    }
    let expected = statistics(run.network(), &data, 16);
    for (found, expected) in run.network().buffers().iter().zip(&expected) {
        let off = (f64::from(*found) - expected).abs();
        assert!(off < 1e-5 * expected.abs().max(0.1), "{found} for {expected}");
    }
    // The training's own statistics are something else.
    let plain = Recipe {
        swa: None,
        ..recipe.clone()
    };
    let plain = network.train(&data, plain).expect("a run");
    let far = plain.network().buffers().iter().zip(&expected);
    assert!(
        far.clone()
            .any(|(found, e)| (f64::from(*found) - e).abs() > 1e-2 * e.abs())
    );
    assert_eq!(plain.network().parameters(), &seen.0[39][..]);
    // What a file holds is what was given.
    let path = super::scratch("swa.safetensors");
    run.save(&path).expect("a file");
    let loaded = Network::load(&path).expect("a network");
    assert_eq!(
        (loaded.parameters(), loaded.buffers()),
        (run.network().parameters(), run.network().buffers())
    );
}

#[test]
fn a_training_that_is_stopped_between_checks_gives_the_average_with_its_statistics() {
    let _turn = undisturbed();
    struct Stop;
    impl Watcher for Stop {
        fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
            Ok(match at.step() {
                31 => Flow::Stop("enough".into()),
                _ => Flow::On,
            })
        }
    }
    let data = clouds(48, 5, 3, 0.5, 1);
    let network = Mlp::new([5, 6, 3]).batch_norm().build(0).expect("a network");
    let recipe = Recipe::new()
        .epochs(20)
        .batch(16)
        .sgd(0.1)
        .swa(0.1)
        .check_every(7);
    let run = network.training().watch(Stop).run(&data, recipe).expect("a run");
    let expected = statistics(run.network(), &data, 16);
    for (found, expected) in run.network().buffers().iter().zip(&expected) {
        let off = (f64::from(*found) - expected).abs();
        assert!(off < 1e-5 * expected.abs().max(0.1), "{found} for {expected}");
    }
}

#[test]
fn a_schedule_free_rule_gives_its_average_with_its_statistics() {
    let _turn = undisturbed();
    let data = clouds(48, 5, 3, 0.5, 1);
    let network = Mlp::new([5, 6, 3]).batch_norm().build(0).expect("a network");
    // At a check, and between two.
    for steps in [28, 31] {
        let recipe = Recipe::new().steps(steps).batch(16).check_every(7);
        let mut seen = Seen::default();
        let run = network
            .training()
            .watch(&mut seen)
            .run(&data, recipe.schedule_free(0.3))
            .expect("a run");
        assert_ne!(Some(&run.network().parameters().to_vec()), seen.0.last());
        let expected = statistics(run.network(), &data, 16);
        for (found, expected) in run.network().buffers().iter().zip(&expected) {
            let off = (f64::from(*found) - expected).abs();
            assert!(off < 1e-5 * expected.abs().max(0.1), "{found} for {expected}");
        }
    }
    // What is frozen stays, although no average of it was made.
    let mut frozen = Mlp::new([5, 6, 3]).build(0).expect("a network");
    frozen.freeze("dense1").expect("a layer");
    let run = frozen
        .train(&data, Recipe::new().epochs(3).schedule_free_adam(0.05))
        .expect("a run");
    let own = |network: &Network| network.parameters()[..30].to_vec();
    assert_eq!(own(run.network()), own(&frozen));
    assert_ne!(run.network().parameters(), frozen.parameters());
}

#[test]
fn a_schedule_free_rule_goes_with_no_other_average_and_not_with_a_loop_of_ones_own() {
    for recipe in [
        Recipe::new().schedule_free(0.5).average(0.9),
        Recipe::new().schedule_free(0.5).swa(0.5),
        Recipe::new().schedule_free_adam(0.01).max_norm(2),
        Recipe::new().schedule_free_adam(0.01).l1_proximal(0.1),
    ] {
        let error = recipe.validate().expect_err("an error").to_string();
        assert!(error.contains("average of its own"), "{error}");
    }
    let network = Mlp::new([5, 6, 3]).build(0).expect("a network");
    let error = crate::train::Stepper::new(&network, Recipe::new().schedule_free(0.5)).map(|_| ());
    assert!(
        error
            .expect_err("an error")
            .to_string()
            .contains("a loop of one's own")
    );
}

#[test]
fn held_out_examples_judge_the_average_with_its_statistics() {
    let _turn = undisturbed();
    let parts = clouds(180, 5, 3, 0.5, 1).split(0.3, 0).expect("parts");
    let (data, held) = (parts.train, parts.test);
    let network = Mlp::new([5, 6, 3]).batch_norm().build(0).expect("a network");
    let recipe = Recipe::new()
        .epochs(12)
        .batch(20)
        .sgd(0.05)
        .swa(0.25)
        .validation(&held)
        .patience(50);
    let run = network.train(&data, recipe.clone()).expect("a run");
    let best = run.history().records().iter().map(|r| r.held_out_loss);
    let best = best.fold(f64::INFINITY, f64::min);
    let outputs = run.network().predict(held.features()).expect("outputs");
    let labels = held.labels().expect("labels");
    let of_one = |(row, &label): (&[f32], &u32)| {
        let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
        sum.ln() - f64::from(row[label as usize])
    };
    let loss = outputs.chunks_exact(3).zip(labels).map(of_one).sum::<f64>() / labels.len() as f64;
    assert!((loss - best).abs() < 1e-5, "{loss} for {best}");
    assert_eq!(bits(&network.train(&data, recipe).expect("a run")), bits(&run));
}

#[test]
fn an_equal_average_that_cannot_be_is_refused_with_a_way_out() {
    for recipe in [
        Recipe::new().swa(1),
        Recipe::new().swa(-0.1),
        Recipe::new().swa(f64::NAN),
        Recipe::new().swa(0.5).average(0.9),
    ] {
        let error = recipe.validate().expect_err("an error").to_string();
        assert!(error.contains("recipe, swa"), "{error}");
    }
    let recipe = Recipe::new().swa(0.75);
    assert!(recipe.to_string().contains("averaged from 0.75"), "{recipe}");
    let json = serde_json::to_string(&recipe).expect("json");
    assert_eq!(json, r#"{"swa":0.75}"#);
}
