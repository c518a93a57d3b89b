//! Chosen triplets against the library's, and against their definitions in f64.

use std::collections::BTreeMap;

use super::*;

/// Distances in f64.
fn distances(example: &Example, normalized: bool, power: u32) -> Vec<Vec<f64>> {
    let rows: Vec<Vec<f64>> = example
        .embeddings
        .chunks_exact(example.width)
        .map(|row| {
            let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            let by = if normalized && length > 0.0 { length } else { 1.0 };
            row.iter().map(|&x| f64::from(x) / by).collect()
        })
        .collect();
    let between = |a: &Vec<f64>, b: &Vec<f64>| {
        let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
        square.powf(f64::from(power) / 2.0)
    };
    rows.iter()
        .map(|a| rows.iter().map(|b| between(a, b)).collect())
        .collect()
}

/// What a miner is to choose, from its definition.
fn by_hand(how: &How, d: &[Vec<f64>], labels: &[u32]) -> Vec<[usize; 3]> {
    let n = labels.len();
    let mut found = Vec::new();
    for (a, d) in d.iter().enumerate() {
        for p in (0..n).filter(|&p| p != a && labels[p] == labels[a]) {
            for q in (0..n).filter(|&q| labels[q] != labels[a]) {
                let same = |k: usize| k != a && labels[k] == labels[a];
                let other = |k: usize| labels[k] != labels[a];
                let chosen = match how.miner.as_str() {
                    "Hard" => d[q] <= d[p],
                    "SemiHard" => d[q] > d[p] && d[q] <= d[p] + how.margin.unwrap(),
                    "BatchHard" => {
                        let farther = |k: usize| same(k) && (d[k] > d[p] || d[k] == d[p] && k < p);
                        let nearer = |k: usize| other(k) && (d[k] < d[q] || d[k] == d[q] && k < q);
                        !(0..n).any(farther) && !(0..n).any(nearer)
                    }
                    _ => true,
                };
                if chosen {
                    found.push([a, p, q]);
                }
            }
        }
    }
    found
}

#[test]
fn chosen_triplets_are_the_librarys() {
    let mut sets = 0;
    for example in examples() {
        for case in &example.cases {
            let (Some(how), Some(expected)) = (&case.triplet, &case.chosen) else {
                continue;
            };
            let (mut found, mut expected) = (how.loss().chosen(&example.batch()), expected.clone());
            found.sort_unstable();
            expected.sort_unstable();
            let d = distances(&example, how.normalized, how.power);
            if found != expected {
                // Of equal distances the library's first is not always the first.
                let size =
                    |all: &[[usize; 3]]| -> f64 { all.iter().map(|t| d[t[0]][t[1]] - d[t[0]][t[2]]).sum() };
                assert_eq!(found.len(), expected.len(), "{}, {how:?}", example.name);
                assert_eq!(
                    how.miner, "BatchHard",
                    "{}: {found:?} for {expected:?}",
                    example.name
                );
                assert!(
                    (size(&found) - size(&expected)).abs() < 1e-9,
                    "{}, {how:?}",
                    example.name
                );
            }
            let by_definition = by_hand(how, &d, &example.labels);
            assert_eq!(found, by_definition, "{}, {how:?}", example.name);
            sets += usize::from(!expected.is_empty());
        }
    }
    assert!(sets > 20, "{sets}");
}

#[test]
fn negatives_are_drawn_by_their_distance_and_the_step() {
    let example = examples().swap_remove(0);
    let loss = TripletLoss::new().miner(Miner::distance_weighted(3));
    let chosen = |step: u64| {
        loss.chosen(&Batch {
            step,
            ..example.batch()
        })
    };
    assert_eq!(chosen(5), chosen(5));
    assert_ne!(chosen(5), chosen(6));
    let (d, labels, w) = (
        distances(&example, true, 1),
        &example.labels,
        example.width as f64,
    );
    let (mut counts, steps) = (BTreeMap::<(usize, usize), f64>::new(), 4000);
    let mut pairs = vec![0.0; labels.len()];
    for step in 0..steps {
        for [a, p, q] in chosen(step) {
            assert!(a != p && labels[a] == labels[p] && labels[a] != labels[q]);
            *counts.entry((a, q)).or_default() += 1.0;
            pairs[a] += 1.0;
        }
    }
    for (a, (d, &pairs)) in d.iter().zip(&pairs).enumerate() {
        let positives = (0..labels.len())
            .filter(|&p| p != a && labels[p] == labels[a])
            .count();
        let density = |d: f64| d.powf(w - 2.0) * (1.0 - d * d / 4.0).powf((w - 3.0) / 2.0);
        let chance = |q: usize| match labels[q] != labels[a] && d[q] < 1.4 {
            true => 1.0 / density(d[q].max(0.5)),
            false => 0.0,
        };
        let all: f64 = (0..labels.len()).map(chance).sum();
        let drawn = if all > 0.0 {
            positives as f64 * steps as f64
        } else {
            0.0
        };
        assert_eq!(pairs, drawn, "anchor {a}");
        for q in (0..labels.len()).filter(|_| drawn > 0.0) {
            let (share, expected) = (counts.get(&(a, q)).unwrap_or(&0.0) / drawn, chance(q) / all);
            // Four standard errors.
            let room = 4.0 * (expected * (1.0 - expected) / drawn).sqrt() + 1e-9;
            assert!(
                (share - expected).abs() <= room,
                "{a}, {q}: {share} for {expected}"
            );
        }
    }
}
