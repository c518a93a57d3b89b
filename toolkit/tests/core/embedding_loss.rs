//! A loss of one's own over embeddings, with more classes than outputs: examples of one class near each other, others
//! apart (Hadsell et al. 2006).

use jook::net::tape::Logits;
use jook::prelude::*;

/// Five classes around a circle.
fn circle(n: usize, seed: u64) -> Dataset {
    let noise = datasets::two_moons(n, 0.1, seed).expect("points");
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 5).collect();
    let spread = |(row, &label): (&[f32], &u32)| {
        let angle = std::f32::consts::TAU * label as f32 / 5.0;
        [
            angle.cos() + 0.1 * row[0],
            angle.sin() + 0.1 * row[1],
            0.3 * row[0] * row[1],
        ]
    };
    let features: Vec<f32> = noise.rows().zip(&labels).flat_map(spread).collect();
    let names = (0..5).map(|class| class.to_string()).collect();
    Dataset::new("circle", 3, features)
        .and_then(|data| data.with_labels(labels, names))
        .expect("a dataset")
}

#[test]
fn labels_may_exceed_the_outputs() -> Result<()> {
    use dfdx::prelude::*;
    let data = circle(100, 1);
    let net = Mlp::new([3, 16, 2]).build(0)?;
    // Two outputs, five classes: the standard loss says no, and this one has its own mind.
    assert!(net.train(&data, Recipe::new()).is_err());
    let contrastive = on_tape([] as [&str; 0], |mut outputs: Vec<Logits>, seen: &Seen<'_>| {
        let Targets::Classes(labels) = seen.streams[0].targets else {
            unreachable!("the data have labels");
        };
        let (n, device) = (labels.len(), Cpu::default());
        let pair = |f: fn(bool) -> f32| -> Vec<f32> {
            labels
                .iter()
                .flat_map(|a| labels.iter().map(move |b| f(a == b)))
                .collect()
        };
        let same = device.tensor_from_vec(pair(|same| f32::from(u8::from(same))), (n, n));
        let other = device.tensor_from_vec(pair(|same| f32::from(u8::from(!same))), (n, n));
        let x = outputs.remove(0);
        // Two names for dfdx, which takes no tensor twice in one op.
        let (rows, columns, shape) = (x.with_empty_tape() * 1.0, x, (n, n, 2));
        let between =
            rows.broadcast_like::<_, Axis<1>>(&shape) - columns.broadcast_like::<_, Axis<0>>(&shape);
        let distance = between.square().sum::<_, Axis<2>>();
        let near = distance.with_empty_tape() * same;
        let apart = (-(distance + 1e-3).sqrt() + 1.0).relu().square() * other;
        (near + apart).mean()
    });
    let by_class = Sampler::PerClass { classes: 5, each: 6 };
    let recipe = Recipe::new().steps(400).adam(0.01).sampler(by_class);
    let run = net.training().objective(contrastive).run(&data, recipe)?;
    // The nearest other example is of the same class.
    let points = run.network().predict(data.features())?;
    let labels = data.require_labels()?;
    let distance = |a: usize, b: usize| {
        (0..2)
            .map(|i| (points[2 * a + i] - points[2 * b + i]).powi(2))
            .sum::<f32>()
    };
    let nearest = |a: usize| {
        (0..100)
            .filter(|&b| b != a)
            .min_by(|&b, &c| distance(a, b).total_cmp(&distance(a, c)))
    };
    let right = (0..100)
        .filter(|&a| nearest(a).is_some_and(|b| labels[a] == labels[b]))
        .count();
    assert!(right >= 97, "{right}");
    Ok(())
}
