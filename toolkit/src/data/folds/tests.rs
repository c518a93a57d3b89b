use std::collections::HashSet;

use super::*;
use crate::data::{Shape, datasets};

/// One feature, the row's number, so that rows can be told apart.
fn numbered(n: usize) -> Dataset {
    Dataset::new("numbered", Shape::Flat(1), (0..n).map(|i| i as f32).collect()).unwrap()
}

fn labelled(labels: Vec<u32>) -> Dataset {
    let names = (0..=labels.iter().copied().max().unwrap()).map(|class| class.to_string());
    numbered(labels.len())
        .with_labels(labels, names.collect())
        .unwrap()
}

fn rows(part: &Dataset) -> Vec<usize> {
    part.features().iter().map(|&x| x as usize).collect()
}

/// Each row is tested once, and learned from wherever it is not tested.
#[track_caller]
fn check_cover(data: &Dataset, folds: &[Split]) {
    let mut tested: Vec<usize> = folds.iter().flat_map(|fold| rows(&fold.test)).collect();
    tested.sort_unstable();
    assert_eq!(tested, (0..data.len()).collect::<Vec<_>>());
    for fold in folds {
        let mut all = [rows(&fold.train), rows(&fold.test)].concat();
        assert!(rows(&fold.train).is_sorted() && rows(&fold.test).is_sorted());
        all.sort_unstable();
        assert_eq!(all, (0..data.len()).collect::<Vec<_>>());
    }
}

#[track_caller]
fn check_even(counts: impl Iterator<Item = usize>) {
    let counts: Vec<usize> = counts.collect();
    let (low, high) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(high - low <= 1, "{counts:?}");
}

#[test]
fn folds_are_stratified_and_cover_each_example_once() {
    // Sizes that no number of folds divides.
    let labels: Vec<u32> = [13, 29, 7, 2]
        .iter()
        .enumerate()
        .flat_map(|(class, &n)| vec![class as u32; n])
        .collect();
    let data = labelled(labels);
    for k in [2, 3, 5, 10] {
        let folds = data.folds(k, 4).unwrap();
        assert_eq!(folds.len(), k);
        check_cover(&data, &folds);
        check_even(folds.iter().map(|fold| fold.test.len()));
        for class in 0..4 {
            check_even(folds.iter().map(|fold| fold.test.class_counts()[class]));
        }
    }
    assert_eq!(data.folds(5, 4).unwrap()[1].test.name(), "numbered (test 2 of 5)");
}

#[test]
fn data_without_labels_are_dealt_evenly() {
    let data = numbered(17);
    let folds = data.folds(5, 0).unwrap();
    check_cover(&data, &folds);
    check_even(folds.iter().map(|fold| fold.test.len()));
    // Leave one out.
    check_cover(&data, &data.folds(17, 0).unwrap());
    let values = data.with_values(vec![1.0; 17], ["y"]).unwrap();
    assert!(values.folds(3, 0).unwrap()[0].test.values().is_some());
}

#[test]
fn the_seed_alone_decides_and_more_draws_add_to_fewer() {
    let digits = datasets::digits().unwrap();
    let digests = |splits: Vec<Split>| -> Vec<String> { splits.iter().map(|s| s.test.digest()).collect() };
    let once = digests(digits.folds(3, 1).unwrap());
    assert_eq!(once, digests(digits.folds(3, 1).unwrap()));
    let thrice = digests(digits.repeated_folds(3, 3, 1).unwrap());
    assert_eq!(thrice.len(), 9);
    assert_eq!(thrice[..3], once);
    assert_eq!(thrice[..6], digests(digits.repeated_folds(3, 2, 1).unwrap()));
    assert_eq!(
        thrice.iter().collect::<HashSet<_>>().len(),
        9,
        "no two draws are alike"
    );
    assert_ne!(once, digests(digits.folds(3, 2).unwrap()));
    let repeated = digits.repeated_folds(3, 2, 1).unwrap();
    assert_eq!(repeated[4].train.name(), "digits (train 2 of 3, draw 2)");
}

#[test]
fn groups_stay_in_one_fold_and_sizes_are_fair() {
    // 40 groups of 1 to 8 examples; a group has one class or two.
    let (mut groups, mut labels) = (Vec::new(), Vec::new());
    for group in 0..40_u32 {
        for i in 0..=(group * 7 % 8) {
            groups.push(group * 3);
            labels.push(if i % 3 == 0 { group % 2 } else { group % 3 });
        }
    }
    let data = labelled(labels).with_groups(groups).unwrap();
    for seed in 0..5 {
        let folds = data.folds(4, seed).unwrap();
        check_cover(&data, &folds);
        let of = |part: &Dataset| -> HashSet<u32> { part.groups().unwrap().iter().copied().collect() };
        for fold in &folds {
            assert!(of(&fold.train).is_disjoint(&of(&fold.test)));
            // 180 examples, 45 a fold.
            assert!(
                fold.test.len().abs_diff(data.len() / 4) <= 5,
                "{}",
                fold.test.len()
            );
            for (here, all) in fold.test.class_counts().iter().zip(data.class_counts()) {
                let fair = all as f64 / 4.0;
                assert!((*here as f64 - fair).abs() <= 5.0, "{here} of {all}, fair {fair}");
            }
        }
    }
    // As many groups as folds: each fold gets one.
    let four = numbered(20)
        .with_groups((0..20).map(|i| (i as u32).min(3)).collect())
        .unwrap();
    let mut sizes: Vec<usize> = four.folds(4, 0).unwrap().iter().map(|f| f.test.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 1, 17]);
}

#[test]
fn folds_that_cannot_be_are_refused() {
    let data = numbered(6);
    let refused = |made: Result<Vec<Split>>, words: &[&str]| {
        let error = made.unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "no {word:?} in: {error}");
        }
    };
    refused(data.folds(1, 0), &["2 folds or more", "found k = 1", "numbered"]);
    refused(data.folds(7, 0), &["7 examples or more, found 6", "at most 6"]);
    refused(data.repeated_folds(2, 0, 0), &["found 0 times"]);
    let grouped = data.with_groups(vec![1, 1, 2, 2, 1, 2]).unwrap();
    refused(grouped.folds(3, 0), &["3 groups or more, found 2"]);
    refused(grouped.repeated_folds(2, usize::MAX / 8, 0), &["fewer folds"]);
}
