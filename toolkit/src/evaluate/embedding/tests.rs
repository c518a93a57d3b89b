//! Against pytorch-metric-learning's AccuracyCalculator and scikit-learn's roc_curve: tests/reference/embedding.py.

use serde::Deserialize;

use super::{EmbeddingEvaluation, EmbeddingOptions};
use crate::show::Show;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    width: usize,
    embeddings: Vec<f32>,
    labels: Vec<u32>,
    recall: Vec<(usize, f64)>,
    map_at_r: f64,
    r_precision: f64,
    knn: Vec<(usize, f64)>,
    within: f64,
    between: f64,
    auc: f64,
    tar: Vec<(f64, f64)>,
    points: usize,
}

fn cases() -> Vec<Case> {
    let golden: Golden =
        serde_json::from_str(include_str!("../../../../tests/reference/embedding.json")).unwrap();
    assert_eq!(golden.cases.len(), 5);
    golden.cases
}

#[test]
fn numbers_are_the_librarys() {
    for case in cases() {
        let near = |what: &str, found: f64, expected: f64, tolerance: f64| {
            let off = (found - expected).abs() / expected.abs().max(1e-3);
            assert!(off < tolerance, "{}, {what}: {found} for {expected}", case.name);
        };
        for (neighbors, accuracy) in &case.knn {
            let options = EmbeddingOptions {
                neighbors: *neighbors,
                far: case.tar.iter().map(|(far, _)| *far).collect(),
                ..EmbeddingOptions::default()
            };
            let found =
                EmbeddingEvaluation::with(&case.embeddings, case.width, &case.labels, &options).unwrap();
            near("k-NN accuracy", found.knn_accuracy, *accuracy, 1e-12);
            assert_eq!(found.recall.len(), case.recall.len());
            for ((k, found), (same, expected)) in found.recall.iter().zip(&case.recall) {
                assert_eq!(k, same);
                near("recall", *found, *expected, 1e-12);
            }
            near("MAP@R", found.map_at_r, case.map_at_r, 1e-12);
            near("R-precision", found.r_precision, case.r_precision, 1e-12);
            near("within", found.within, case.within, 1e-5);
            near("between", found.between, case.between, 1e-5);
            near("AUC", found.roc.auc, case.auc, 1e-6);
            for ((far, found), (same, expected)) in found.tar_at_far.iter().zip(&case.tar) {
                assert_eq!(far, same);
                near("TAR", *found, *expected, 1e-12);
            }
            if case.name == "ties on a grid" {
                // Equal distances are one threshold.
                assert_eq!(found.roc.far.len(), case.points);
            }
        }
    }
}

#[test]
fn queries_in_blocks_are_as_one_by_one() {
    let mut rng = crate::seed::stream(3, "embeddings");
    let (n, width) = (300, 3);
    let x: Vec<f32> = (0..n * width)
        .map(|_| crate::seed::normal(&mut rng) as f32)
        .collect();
    let labels: Vec<u32> = (0..n as u32).map(|i| i * i % 7).collect();
    let found = EmbeddingEvaluation::of(&x, width, &labels).unwrap();
    let distance = |i: usize, j: usize| -> f64 {
        (0..width)
            .map(|k| (f64::from(x[i * width + k]) - f64::from(x[j * width + k])).powi(2))
            .sum()
    };
    let nearest = |i: usize| {
        let others = (0..n).filter(|&j| j != i);
        others
            .min_by(|&a, &b| distance(i, a).total_cmp(&distance(i, b)))
            .unwrap()
    };
    let right = (0..n).filter(|&i| labels[nearest(i)] == labels[i]).count();
    assert!((found.recall[0].1 - right as f64 / n as f64).abs() < 1e-12);
    assert!(found.recall.is_sorted_by(|a, b| a.1 <= b.1));
    let mut pairs = [Vec::new(), Vec::new()];
    for i in 0..n {
        for j in 0..i {
            pairs[usize::from(labels[i] == labels[j])].push(distance(i, j));
        }
    }
    let [other, mut same] = pairs;
    same.sort_by(f64::total_cmp);
    let below: usize = other.iter().map(|d| same.partition_point(|s| s < d)).sum();
    let auc = below as f64 / (same.len() * other.len()) as f64;
    assert!((found.roc.auc - auc).abs() < 1e-5, "{} {auc}", found.roc.auc);
}

#[test]
fn normalized_embeddings_are_compared_by_their_angles() {
    let x = [1.0, 0.0, 9.0, 0.1, 0.0, 1.0, 0.2, 9.0];
    let labels = [0, 0, 1, 1];
    let plain = EmbeddingEvaluation::of(&x, 2, &labels).unwrap();
    let options = EmbeddingOptions {
        normalized: true,
        ..EmbeddingOptions::default()
    };
    let angles = EmbeddingEvaluation::with(&x, 2, &labels, &options).unwrap();
    assert!(plain.recall[0].1 < 1.0 && plain.roc.auc < 1.0);
    assert_eq!(
        (angles.recall[0].1, angles.roc.auc, angles.map_at_r),
        (1.0, 1.0, 1.0)
    );
    assert!(angles.ratio() < 0.05);
}

#[test]
fn it_shows_a_row_a_table_and_a_chart() {
    let case = cases().swap_remove(0);
    let found = EmbeddingEvaluation::of(&case.embeddings, case.width, &case.labels).unwrap();
    assert_eq!(found.headers().len(), found.row().len());
    assert!(found.headers().contains(&"recall at 1".to_owned()));
    let text = found.to_string();
    assert!(
        text.contains("map at r") && text.contains("tar at far 0.01") && text.contains("n 60"),
        "{text}"
    );
    assert!(found.queries < found.n);
    let plot = found.roc.chart().to_json();
    assert!(
        plot.contains("false accept rate") && plot.contains("AUC"),
        "{plot}"
    );
    let _ = found.bundle();
}

#[test]
fn what_has_no_such_numbers_is_refused() {
    let refused = |x: &[f32], labels: &[u32], word: &str| {
        let error = EmbeddingEvaluation::of(x, 2, labels).unwrap_err().to_string();
        assert!(error.contains(word), "{word:?} is not in: {error}");
    };
    refused(&[0.0; 6], &[0, 1], "2 x 2");
    refused(&[], &[], "at least one");
    refused(&[0.0, 1.0, f32::NAN, 2.0], &[0, 0], "row 1");
    refused(&[0.0; 4], &[0, 1], "two examples of one class");
    refused(&[0.0; 4], &[1, 1], "two classes");
    let options = EmbeddingOptions {
        far: vec![2.0],
        ..EmbeddingOptions::default()
    };
    let error = EmbeddingEvaluation::with(&[0.0; 6], 2, &[0, 0, 1], &options).unwrap_err();
    assert!(error.to_string().contains("0 to 1"));
}
