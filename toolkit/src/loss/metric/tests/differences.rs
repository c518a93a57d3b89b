//! Slopes against finite differences, and how long a step takes.

use super::*;

/// Central differences of the value by numbers of `at`, which `value` is given with one of them moved.
fn differences(at: &[f32], mut value: impl FnMut(&[f32]) -> f64) -> Vec<f64> {
    let step = 1.0 / 128.0;
    let mut moved = at.to_vec();
    (0..at.len())
        .map(|i| {
            moved[i] = at[i] + step;
            let above = value(&moved);
            moved[i] = at[i] - step;
            let below = value(&moved);
            moved[i] = at[i];
            (above - below) / f64::from(2.0 * step)
        })
        .collect()
}

fn holds<M: Metric + Clone>(example: &Example, loss: &M, tolerance: f64) {
    let mut loss = loss.clone();
    let (_, slopes, by_own) = example.of(&mut loss);
    let mut scratch = vec![0.0; slopes.len()];
    let found = differences(&example.embeddings, |x| {
        scratch.fill(0.0);
        loss.of(Batch { x, ..example.batch() }, &mut scratch).unwrap()
    });
    let by = off(&slopes, &found);
    assert!(by < tolerance, "{}, {}: off by {by:.1e}", M::NAME, example.name);
    if by_own.is_empty() {
        return;
    }
    let found = differences(&example.own, |own| {
        loss.own()[0].numbers.copy_from_slice(own);
        loss.of(example.batch(), &mut scratch).unwrap()
    });
    let by = off(&by_own, &found);
    assert!(
        by < tolerance,
        "{}, {}, its own: off by {by:.1e}",
        M::NAME,
        example.name
    );
}

#[test]
fn slopes_are_finite_differences() {
    let examples = examples();
    for example in examples
        .iter()
        .filter(|e| ["several classes", "wide"].contains(&e.name.as_str()))
    {
        holds(example, &ContrastiveLoss::new().margin(3.0), 5e-3);
        holds(example, &ContrastiveLoss::new().normalized(true), 5e-3);
        holds(example, &SupervisedContrastive::new().temperature(0.5), 5e-3);
        holds(example, &MultiSimilarity::new().beta(10.0), 5e-3);
        holds(example, &TripletLoss::new().soft_margin().miner(Miner::All), 5e-3);
        let squared = TripletLoss::new().soft_margin().miner(Miner::All).squared(true);
        holds(example, &squared.normalized(false), 5e-3);
        holds(example, &ProxyAnchor::new().alpha(4.0), 5e-3);
        holds(example, &ArcFace::new().scale(4.0), 5e-3);
        holds(example, &CosFace::new().scale(4.0), 5e-3);
    }
}

#[test]
fn a_step_takes_far_less_than_a_millisecond() {
    let mut rng = crate::seed::stream(1, "embeddings");
    let x: Vec<f32> = (0..64 * 64)
        .map(|_| crate::seed::normal(&mut rng) as f32)
        .collect();
    let labels: Vec<u32> = (0..64).map(|i| i / 4).collect();
    let batch = Batch {
        x: &x,
        width: 64,
        labels: &labels,
        step: 1,
    };
    let fastest = |loss: &mut dyn FnMut(Batch<'_>, &mut [f32]) -> f64| {
        let mut slopes = vec![0.0; x.len()];
        let mut least = f64::INFINITY;
        for _ in 0..50 {
            slopes.fill(0.0);
            let began = std::time::Instant::now();
            let value = loss(batch, &mut slopes);
            least = least.min(began.elapsed().as_secs_f64() * 1e6);
            assert!(value > 0.0);
        }
        least
    };
    let time = |name: &str, loss: &mut dyn FnMut(Batch<'_>, &mut [f32]) -> f64| {
        let took = fastest(loss);
        println!("{name}: {took:.0} us");
        assert!(cfg!(debug_assertions) || took < 1000.0, "{name}: {took:.0} us");
    };
    let mut hardest = TripletLoss::new();
    time("batch hard", &mut |batch, slopes| {
        hardest.of(batch, slopes).unwrap()
    });
    let mut all = TripletLoss::new().miner(Miner::SemiHard);
    time("semi-hard", &mut |batch, slopes| all.of(batch, slopes).unwrap());
    let mut pairs = ContrastiveLoss::new().margin(20.0);
    time("contrastive", &mut |batch, slopes| {
        pairs.of(batch, slopes).unwrap()
    });
    let mut contrast = SupervisedContrastive::new();
    time("supervised contrastive", &mut |batch, slopes| {
        contrast.of(batch, slopes).unwrap()
    });
    let mut similar = MultiSimilarity::new();
    time("multi-similarity", &mut |batch, slopes| {
        similar.of(batch, slopes).unwrap()
    });
    let mut arc = ArcFace::new();
    arc.prepare(16, 64).unwrap();
    time("ArcFace", &mut |batch, slopes| arc.of(batch, slopes).unwrap());
}
