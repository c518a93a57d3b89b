//! A center for each class, which the embeddings of its examples are drawn to and which is learned at a rate of its own
//! (Wen et al. 2016).

use jook::prelude::*;

use super::clouds;

struct Centers {
    centers: Vec<f32>,
    slopes: Vec<f32>,
    width: usize,
    rate: f64,
    layer: &'static str,
}

impl Objective for Centers {
    fn taps(&self) -> Vec<String> {
        vec![self.layer.into()]
    }

    /// Half the mean squared distance of each embedding from its class's center.
    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        let Targets::Classes(labels) = seen.streams[0].targets else {
            return Err(Error::data("centers need labels"));
        };
        self.slopes.fill(0.0);
        let (n, width, mut total) = (labels.len() as f32, self.width, 0.0);
        let rows = seen.outputs[0]
            .chunks_exact(width)
            .zip(slopes[0].chunks_exact_mut(width));
        for ((row, slope), &label) in rows.zip(labels) {
            let place = label as usize * width..(label as usize + 1) * width;
            let (center, pull) = (&self.centers[place.clone()], &mut self.slopes[place]);
            for i in 0..width {
                let difference = row[i] - center[i];
                slope[i] = difference / n;
                pull[i] -= difference / n;
                total += f64::from(difference * difference / n) / 2.0;
            }
        }
        Ok(total)
    }

    fn learned(&mut self) -> Vec<Learned<'_>> {
        vec![Learned {
            numbers: &mut self.centers,
            slopes: &mut self.slopes,
            rate: Some(self.rate),
        }]
    }
}

fn centers(layer: &'static str, rate: f64) -> Centers {
    Centers {
        centers: vec![0.0; 2 * 8],
        slopes: vec![0.0; 2 * 8],
        width: 8,
        rate,
        layer,
    }
}

/// The mean squared distance of embeddings from the mean of their class, by that between the means of the classes.
fn spread(net: &Network, data: &Dataset) -> Result<f64> {
    let mut prepared = net.prepare(&["activation2"])?;
    let rows: Vec<Vec<f32>> = prepared.run(data.features())?[0]
        .chunks(8)
        .map(<[f32]>::to_vec)
        .collect();
    let mean = |class: usize| -> Vec<f32> {
        let own = data.rows_of(class);
        (0..8)
            .map(|i| own.iter().map(|&row| rows[row][i]).sum::<f32>() / own.len() as f32)
            .collect()
    };
    let means = [mean(0), mean(1)];
    let distance = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from((a - b) * (a - b)))
            .sum::<f64>()
    };
    let labels = data.require_labels()?;
    let within: f64 = rows
        .iter()
        .zip(labels)
        .map(|(row, &label)| distance(row, &means[label as usize]))
        .sum();
    Ok(within / rows.len() as f64 / distance(&means[0], &means[1]))
}

#[test]
fn embeddings_gather_around_their_centers() -> Result<()> {
    let data = datasets::two_moons(200, 0.1, 1)?;
    let net = Mlp::new([2, 32, 8, 2]).build(0)?;
    let recipe = Recipe::new().epochs(60).batch(20).adam(0.01);
    let plain = net.train(&data, &recipe)?;
    let both = Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits")).plus(0.5, centers("activation2", 0.5));
    let centered = net.training().objective(both).run(&data, &recipe)?;
    let (without, with) = (
        spread(plain.network(), &data)?,
        spread(centered.network(), &data)?,
    );
    assert!(with < 0.6 * without, "{with} with centers, {without} without");
    assert!(centered.evaluate(&data)?.accuracy > 0.95);
    Ok(())
}

#[test]
fn centers_move_at_their_own_rate_and_a_resumed_training_goes_on_with_them() -> Result<()> {
    let data = clouds(40, 0.0, 1);
    let net = Mlp::new([2, 8, 2]).build(0)?;
    // The network stands still: a center at rate 1 with all examples in a batch moves half-way (half are of its class).
    let still = Recipe::new().sgd(1e-30).batch(40).steps(1);
    let mut one = centers("activation1", 1.0);
    net.training().objective(&mut one).run(&data, &still)?;
    let mut prepared = net.prepare(&["activation1"])?;
    let rows = prepared.run(data.features())?[0].to_vec();
    let counts = data.class_counts();
    for class in 0..2 {
        for i in 0..8 {
            let sum: f32 = data.rows_of(class).iter().map(|&row| rows[row * 8 + i]).sum();
            let expected = sum / 40.0;
            let found = one.centers[class * 8 + i];
            assert!(
                (found - expected).abs() < 1e-5,
                "{found} for {expected} of {counts:?}"
            );
        }
    }
    let path = std::env::temp_dir().join(format!("jook-centers-{}.safetensors", std::process::id()));
    let recipe = |steps: u64| Recipe::new().sgd(0.1).batch(10).steps(steps);
    let whole = net
        .training()
        .objective(centers("activation1", 0.5))
        .run(&data, recipe(20).checkpoint(&path, 12))?;
    let mut wrong = centers("activation1", 0.5);
    let refused = net
        .training()
        .objective(&mut wrong)
        .run(&data, recipe(21).resume(&path));
    assert!(refused.is_err());
    let resumed = net
        .training()
        .objective(centers("activation1", 0.5))
        .run(&data, recipe(20).resume(&path))?;
    std::fs::remove_file(&path).map_err(|e| Error::io(&path, &e))?;
    assert_eq!(whole.network().parameters(), resumed.network().parameters());
    Ok(())
}
