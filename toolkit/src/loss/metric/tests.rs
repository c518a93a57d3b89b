//! Metric losses against pytorch-metric-learning and torch, whose values in f64 tests/reference/losses.py wrote, against
//! finite differences, and against their equations by brute force.

mod differences;
mod mining;
mod refusals;

use serde::Deserialize;

use super::part::{Batch, Metric};
use super::{
    ArcFace, CenterLoss, ContrastiveLoss, CosFace, Miner, MultiSimilarity, ProxyAnchor,
    SupervisedContrastive, TripletLoss,
};

#[derive(Deserialize)]
struct Golden {
    metric: Vec<Example>,
}

/// A batch, and what losses are on it.
#[derive(Deserialize)]
struct Example {
    name: String,
    width: usize,
    embeddings: Vec<f32>,
    labels: Vec<u32>,
    /// Vectors of classes.
    own: Vec<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    triplet: Option<How>,
    loss: Option<Which>,
    value: f64,
    slopes: Vec<f64>,
    by_own: Option<Vec<f64>>,
    chosen: Option<Vec<[usize; 3]>>,
}

#[derive(Debug, Deserialize)]
struct How {
    miner: String,
    margin: Option<f64>,
    power: u32,
    normalized: bool,
    mean: String,
}

#[derive(Debug, Deserialize)]
enum Which {
    Contrastive { margin: f64, normalized: bool },
    SupervisedContrastive { temperature: f64 },
    MultiSimilarity { epsilon: Option<f64> },
    ProxyAnchor { margin: f64, alpha: f64 },
    ArcFace { margin: f64, scale: f64 },
    CosFace { margin: f64, scale: f64 },
    Center {},
}

impl How {
    fn loss(&self) -> TripletLoss {
        let miner = match self.miner.as_str() {
            "All" => Miner::All,
            "Hard" => Miner::Hard,
            "SemiHard" => Miner::SemiHard,
            _ => Miner::BatchHard,
        };
        let loss = TripletLoss::new()
            .miner(miner)
            .squared(self.power == 2)
            .normalized(self.normalized)
            .mean_over_all(self.mean == "all");
        match self.margin {
            Some(margin) => loss.margin(margin),
            None => loss.soft_margin(),
        }
    }
}

impl Example {
    fn batch(&self) -> Batch<'_> {
        Batch {
            x: &self.embeddings,
            width: self.width,
            labels: &self.labels,
            step: 1,
        }
    }

    /// The value, the slopes by the embeddings, and those by what is learned.
    fn of(&self, loss: &mut impl Metric) -> (f64, Vec<f32>, Vec<f32>) {
        loss.validate().unwrap();
        loss.prepare(self.own.len() / self.width, self.width).unwrap();
        for own in loss.own() {
            own.numbers.copy_from_slice(&self.own);
            own.slopes.fill(0.0);
        }
        let mut slopes = vec![0.0; self.embeddings.len()];
        let value = loss.of(self.batch(), &mut slopes).unwrap();
        let by_own = loss.own().iter().flat_map(|own| own.slopes.to_vec()).collect();
        (value, slopes, by_own)
    }

    fn of_which(&self, which: &Which) -> (f64, Vec<f32>, Vec<f32>) {
        match *which {
            Which::Contrastive { margin, normalized } => {
                self.of(&mut ContrastiveLoss::new().margin(margin).normalized(normalized))
            }
            Which::SupervisedContrastive { temperature } => {
                self.of(&mut SupervisedContrastive::new().temperature(temperature))
            }
            Which::MultiSimilarity { epsilon: None } => self.of(&mut MultiSimilarity::new()),
            Which::MultiSimilarity { epsilon: Some(e) } => self.of(&mut MultiSimilarity::new().mining(e)),
            Which::ProxyAnchor { margin, alpha } => {
                self.of(&mut ProxyAnchor::new().margin(margin).alpha(alpha))
            }
            Which::ArcFace { margin, scale } => self.of(&mut ArcFace::new().margin(margin).scale(scale)),
            Which::CosFace { margin, scale } => self.of(&mut CosFace::new().margin(margin).scale(scale)),
            Which::Center {} => self.of(&mut CenterLoss::new()),
        }
    }

    /// Rows without a direction.
    fn nothings(&self) -> Vec<usize> {
        let rows = self.embeddings.chunks_exact(self.width).enumerate();
        rows.filter(|(_, row)| row.iter().all(|&x| x == 0.0))
            .map(|(i, _)| i)
            .collect()
    }
}

fn examples() -> Vec<Example> {
    let golden: Golden =
        serde_json::from_str(include_str!("../../../../tests/reference/losses.json")).unwrap();
    assert_eq!(golden.metric.len(), 8);
    golden.metric
}

/// The largest difference by the largest number; numbers that are 0 but for rounding are 0.
fn off(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let pairs = found.iter().zip(expected);
    let worst = pairs
        .map(|(&f, &e)| (f64::from(f) - e).abs())
        .fold(0.0, |most, x| if x > most || x.is_nan() { x } else { most });
    match worst < 1e-7 {
        true => 0.0,
        false => worst / size,
    }
}

/// Khosla et al. 2020, equation 2, in f64: also of a batch of one class, where the library gives 0.
fn supervised_contrastive(example: &Example, temperature: f64) -> f64 {
    let rows: Vec<Vec<f64>> = example
        .embeddings
        .chunks_exact(example.width)
        .map(|row| {
            let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            row.iter().map(|&x| f64::from(x) / length).collect()
        })
        .collect();
    let (n, labels) = (rows.len(), &example.labels);
    let power = |i: usize, j: usize| -> f64 {
        let cosine: f64 = rows[i].iter().zip(&rows[j]).map(|(a, b)| a * b).sum();
        (cosine / temperature).exp()
    };
    let mut losses = Vec::new();
    for i in 0..n {
        let positives: Vec<usize> = (0..n).filter(|&p| p != i && labels[p] == labels[i]).collect();
        if positives.is_empty() {
            continue;
        }
        let all: f64 = (0..n).filter(|&a| a != i).map(|a| power(i, a)).sum();
        let sum: f64 = positives.iter().map(|&p| -(power(i, p) / all).ln()).sum();
        losses.push(sum / positives.len() as f64);
    }
    losses.iter().sum::<f64>() / losses.len().max(1) as f64
}

#[test]
fn values_and_slopes_are_the_librarys() {
    const TOLERANCE: f64 = 1e-4;
    let (mut worst, mut cases) = ((0.0f64, String::new()), 0);
    for example in examples() {
        let nothings = example.nothings();
        for case in &example.cases {
            let (found, what) = match (&case.triplet, &case.loss) {
                (Some(how), _) => (example.of(&mut how.loss()), format!("{how:?}")),
                (_, Some(which)) => (example.of_which(which), format!("{which:?}")),
                _ => unreachable!("a case of nothing"),
            };
            let what = format!("{}: {what}", example.name);
            let (value, mut slopes, by_own) = found;
            let mut expected = case.slopes.clone();
            if let Some(Which::SupervisedContrastive { temperature }) = case.loss
                && example.name == "one class"
            {
                // The library leaves a batch without negatives out; in the paper's sums it is a batch as any other.
                let by_hand = supervised_contrastive(&example, temperature);
                assert!(case.value == 0.0 && by_hand > 0.5, "{what}: {by_hand}");
                assert!(
                    (value / by_hand - 1.0).abs() < TOLERANCE,
                    "{what}: {value} for {by_hand}"
                );
                continue;
            }
            let normalized = match (&case.triplet, &case.loss) {
                (Some(how), _) => how.normalized,
                (_, Some(Which::Contrastive { normalized, .. })) => *normalized,
                (_, Some(Which::Center {})) => false,
                _ => true,
            };
            for &row in nothings.iter().filter(|_| normalized) {
                // Torch divides by 1e-12 where there is no length: a step to nowhere. Here it is none.
                let place = row * example.width..(row + 1) * example.width;
                assert!(slopes[place.clone()].iter().all(|&s| s == 0.0), "{what}");
                expected[place.clone()].fill(0.0);
                slopes[place].fill(0.0);
            }
            let mut check = |part: &str, off: f64| {
                assert!(off < TOLERANCE, "{what}: {part} off by {off:.1e}");
                if off > worst.0 {
                    worst = (off, format!("{part} of {what}"));
                }
            };
            let by_value = (value - case.value).abs() / case.value.abs().max(1e-3);
            check("value", by_value);
            check("slopes", off(&slopes, &expected));
            if let Some(expected) = &case.by_own {
                check("slopes by its own", off(&by_own, expected));
            }
            cases += 1;
        }
    }
    println!("{cases} cases, the worst off by {:.1e}: {}", worst.0, worst.1);
    assert!(cases > 200, "{cases}");
}

#[test]
fn centers_move_as_equation_4_says() {
    for example in examples() {
        let (_, _, moves) = example.of(&mut CenterLoss::new());
        let width = example.width;
        for class in 0..example.own.len() / width {
            let of_class: Vec<usize> = (0..example.labels.len())
                .filter(|&row| example.labels[row] as usize == class)
                .collect();
            for k in 0..width {
                let center = f64::from(example.own[class * width + k]);
                let sum: f64 = of_class
                    .iter()
                    .map(|&row| center - f64::from(example.embeddings[row * width + k]))
                    .sum();
                let expected = sum / (1.0 + of_class.len() as f64);
                let found = f64::from(moves[class * width + k]);
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{}: {found} for {expected}",
                    example.name
                );
            }
        }
    }
}

#[test]
fn batches_without_a_pair_are_nothing() {
    for example in examples() {
        if !["one class", "all alone", "one example"].contains(&example.name.as_str()) {
            continue;
        }
        for miner in [
            Miner::All,
            Miner::Hard,
            Miner::SemiHard,
            Miner::BatchHard,
            Miner::distance_weighted(0),
        ] {
            let (value, slopes, _) = example.of(&mut TripletLoss::new().miner(miner));
            assert!(value == 0.0 && slopes.iter().all(|&s| s == 0.0), "{miner:?}");
        }
        let (value, slopes, _) = example.of(&mut MultiSimilarity::new().mining(0.1));
        assert!(
            value == 0.0 && slopes.iter().all(|&s| s == 0.0),
            "{}",
            example.name
        );
        if example.name != "one class" {
            let (value, slopes, _) = example.of(&mut SupervisedContrastive::new());
            assert!(
                value == 0.0 && slopes.iter().all(|&s| s == 0.0),
                "{}",
                example.name
            );
        }
    }
}
