//! Metric losses train embeddings of more classes than outputs: alone, in a sum, with what they learn in checkpoints.

use jook::prelude::*;

/// Five classes around a circle, in three numbers of which one is noise.
fn circle(n: usize, seed: u64) -> Dataset {
    let noise = datasets::two_moons(n, 0.1, seed).expect("points");
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 5).collect();
    let spread = |(row, &label): (&[f32], &u32)| {
        let angle = std::f32::consts::TAU * label as f32 / 5.0;
        [
            angle.cos() + 0.25 * row[0],
            angle.sin() + 0.25 * row[1],
            2.0 * row[0] * row[1],
        ]
    };
    let features: Vec<f32> = noise.rows().zip(&labels).flat_map(spread).collect();
    let names = (0..5).map(|class| class.to_string()).collect();
    Dataset::new("circle", 3, features)
        .and_then(|data| data.with_labels(labels, names))
        .expect("a dataset")
}

/// The share of examples whose nearest other one by angle is of their class.
fn nearest(points: &[f32], width: usize, labels: &[u32]) -> f64 {
    let rows: Vec<&[f32]> = points.chunks(width).collect();
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12)
    };
    let right = |&a: &usize| {
        let others = (0..rows.len()).filter(|&b| b != a);
        let best = others.max_by(|&b, &c| cosine(rows[a], rows[b]).total_cmp(&cosine(rows[a], rows[c])));
        best.is_some_and(|b| labels[a] == labels[b])
    };
    (0..rows.len()).filter(right).count() as f64 / rows.len() as f64
}

#[test]
fn each_of_them_separates_classes_that_it_has_not_the_outputs_for() -> Result<()> {
    let (data, other) = (circle(100, 1), circle(100, 2));
    let net = Mlp::new([3, 32, 3]).build(0)?;
    let before = nearest(&net.predict(other.features())?, 3, other.require_labels()?);
    let all: Vec<(&str, Box<dyn Objective>)> = vec![
        ("contrastive", Box::new(ContrastiveLoss::new().normalized(true))),
        ("batch hard", Box::new(TripletLoss::new().margin(0.3))),
        ("soft", Box::new(TripletLoss::new().soft_margin().squared(true))),
        (
            "semi-hard",
            Box::new(TripletLoss::new().miner(Miner::SemiHard).margin(0.3)),
        ),
        (
            "by distance",
            Box::new(TripletLoss::new().miner(Miner::distance_weighted(1))),
        ),
        ("all", Box::new(TripletLoss::new().miner(Miner::All))),
        ("supervised contrastive", Box::new(SupervisedContrastive::new())),
        ("multi-similarity", Box::new(MultiSimilarity::new().mining(0.1))),
        (
            "proxy anchor",
            Box::new(ProxyAnchor::new().alpha(16.0).rate(0.05)),
        ),
        (
            "ArcFace",
            Box::new(ArcFace::new().scale(16.0).margin(0.3).rate(0.05)),
        ),
        (
            "CosFace",
            Box::new(CosFace::new().scale(16.0).margin(0.2).rate(0.05)),
        ),
    ];
    for (name, loss) in all {
        let by_class = Sampler::PerClass { classes: 5, each: 6 };
        let recipe = Recipe::new().steps(300).adam(0.01).sampler(by_class);
        let run = net.training().objective(loss).run(&data, recipe)?;
        assert!(!run.ending.is_diverged(), "{name}");
        let found = nearest(
            &run.network().predict(other.features())?,
            3,
            other.require_labels()?,
        );
        assert!(found > 0.97, "{name}: {found}, {before} before");
    }
    assert!(before < 0.97, "{before}");
    Ok(())
}

#[test]
fn held_out_examples_are_watched_by_them() -> Result<()> {
    let data = circle(100, 1);
    let net = Mlp::new([3, 16, 2]).build(0)?;
    let recipe = Recipe::new().epochs(10).batch(20).adam(0.01).early_stopping(0.3);
    let run = net
        .training()
        .objective(ArcFace::new().scale(8.0))
        .run(&data, recipe)?;
    assert!(
        run.history()
            .records()
            .iter()
            .all(|row| row.held_out_loss.is_finite())
    );
    Ok(())
}

#[test]
fn what_they_learn_stays_with_the_owner_and_goes_on_from_a_checkpoint() -> Result<()> {
    let data = circle(60, 1);
    let net = Mlp::new([3, 8, 3]).build(0)?;
    let path = std::env::temp_dir().join(format!("jook-metric-{}.safetensors", std::process::id()));
    let recipe = |steps: u64| Recipe::new().sgd(0.1).batch(12).steps(steps);
    for own in [true, false] {
        let make = || match own {
            true => Box::new(CenterLoss::new().at("activation1")) as Box<dyn Objective>,
            false => Box::new(ProxyAnchor::new().alpha(8.0)) as Box<dyn Objective>,
        };
        let whole = net
            .training()
            .objective(make())
            .run(&data, recipe(20).checkpoint(&path, 12))?;
        let resumed = net
            .training()
            .objective(make())
            .run(&data, recipe(20).resume(&path))?;
        assert_eq!(whole.network().parameters(), resumed.network().parameters());
    }
    std::fs::remove_file(&path).map_err(|e| Error::io(&path, &e))?;
    let mut centers = CenterLoss::new().at("activation1");
    assert!(centers.centers().is_empty());
    net.training().objective(&mut centers).run(&data, recipe(20))?;
    assert_eq!(centers.centers().len(), 5 * 8);
    assert!(centers.centers().iter().any(|&c| c != 0.0));
    Ok(())
}

/// The mean squared distance of embeddings from the mean of their class, by that from the mean of all.
fn spread(net: &Network, data: &Dataset) -> Result<f64> {
    let mut prepared = net.prepare(&["activation2"])?;
    let rows: Vec<f32> = prepared.run(data.features())?[0].to_vec();
    let labels = data.require_labels()?;
    let off = |of: &dyn Fn(usize) -> bool| -> f64 {
        let own: Vec<&[f32]> = rows
            .chunks(8)
            .enumerate()
            .filter(|(i, _)| of(*i))
            .map(|(_, r)| r)
            .collect();
        let mean = |k: usize| own.iter().map(|row| row[k]).sum::<f32>() / own.len() as f32;
        (0..8)
            .map(|k| {
                own.iter()
                    .map(|row| f64::from(row[k] - mean(k)).powi(2))
                    .sum::<f64>()
            })
            .sum()
    };
    let within: f64 = (0..5).map(|class| off(&|i| labels[i] == class)).sum();
    Ok(within / off(&|_| true))
}

#[test]
fn a_center_loss_beside_cross_entropy_gathers_classes() -> Result<()> {
    let data = circle(100, 1);
    let net = Mlp::new([3, 32, 8, 5]).build(0)?;
    let recipe = Recipe::new().epochs(60).batch(20).adam(0.01);
    let plain = net.train(&data, &recipe)?;
    let both =
        Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits")).plus(0.3, CenterLoss::new().at("activation2"));
    let centered = net.training().objective(both).run(&data, &recipe)?;
    let (without, with) = (
        spread(plain.network(), &data)?,
        spread(centered.network(), &data)?,
    );
    assert!(with < 0.5 * without, "{with} with centers, {without} without");
    assert!(centered.evaluate(&data)?.accuracy > 0.95);
    Ok(())
}
