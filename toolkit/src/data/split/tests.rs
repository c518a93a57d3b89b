use super::*;
use crate::data::{Shape, datasets};
use crate::show::Show as _;

/// One feature, the row's number, so that rows can be told apart.
fn numbered(labels: &[u32], classes: usize) -> Dataset {
    let names = (0..classes).map(|class| class.to_string()).collect();
    let features = (0..labels.len()).map(|i| i as f32).collect();
    let data = Dataset::new("numbered", Shape::Flat(1), features).unwrap();
    data.with_labels(labels.to_vec(), names).unwrap()
}

fn rows(part: &Dataset) -> Vec<usize> {
    part.features().iter().map(|&x| x as usize).collect()
}

#[track_caller]
fn refused(made: Result<Split>, words: &[&str]) {
    let error = made.unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "no {word:?} in: {error}");
    }
}

#[test]
fn parts_are_stratified_and_share_nothing() {
    let digits = datasets::digits().unwrap();
    for (share, seed) in [(0.2, 0), (0.2, 1), (0.37, 5), (0.5, 2)] {
        let split = digits.split(share, seed).unwrap();
        let total = (1797.0 * share).round() as usize;
        assert_eq!((split.test.len(), split.train.len()), (total, 1797 - total));
        for (n, test) in digits.class_counts().into_iter().zip(split.test.class_counts()) {
            let exact = n as f64 * share;
            assert!((test as f64 - exact).abs() < 1.0, "{test} of {n} at {share}");
        }
    }
    let labels: Vec<u32> = (0..90).map(|i| i % 3).collect();
    let split = numbered(&labels, 3).split(0.1, 7).unwrap();
    assert_eq!(split.test.class_counts(), [3, 3, 3]);
    let mut all = [rows(&split.train), rows(&split.test)].concat();
    assert!(rows(&split.train).is_sorted() && rows(&split.test).is_sorted());
    all.sort_unstable();
    assert_eq!(all, (0..90).collect::<Vec<_>>());
    for part in [&split.train, &split.test] {
        for (row, label) in part.iter() {
            assert_eq!(label, Some(labels[row[0] as usize]));
        }
    }
}

#[test]
fn the_seed_alone_decides() {
    let digits = datasets::digits().unwrap();
    let digest = |seed| digits.split(0.2, seed).unwrap().test.digest();
    assert_eq!(digest(3), digest(3));
    assert_ne!(digest(3), digest(4));
    let few = |seed| digits.few_shot(10, seed).unwrap().train.digest();
    assert_eq!(few(3), few(3));
    assert_ne!(few(3), few(4));
    // Pinned: results of one version must be found again by the next.
    let (split, few) = (digits.split(0.2, 0).unwrap(), digits.few_shot(10, 0).unwrap());
    assert_eq!(split.test.digest()[..16], *"87fb5d10b61193b8");
    assert_eq!(few.train.digest()[..16], *"8cd7f666d002bff0");
}

#[test]
fn every_example_has_the_same_chance() {
    let labels: Vec<u32> = (0..20).map(|i| u32::from(i < 5)).collect();
    let data = numbered(&labels, 2);
    let mut chosen = [0; 20];
    for seed in 0..2000 {
        rows(&data.split(0.4, seed).unwrap().test)
            .iter()
            .for_each(|&row| chosen[row] += 1);
    }
    // 800 expected, standard deviation 22.
    assert!(chosen.iter().all(|n| (690..910).contains(n)), "{chosen:?}");
}

#[test]
fn a_class_keeps_its_last_example_for_training() {
    let data = numbered(&[0, 0, 0, 0, 1, 2, 2], 3);
    for seed in 0..20 {
        let split = data.split(0.9, seed).unwrap();
        assert_eq!(split.train.class_counts(), [1, 1, 1]);
        assert_eq!(split.test.class_counts(), [3, 0, 1]);
    }
}

#[test]
fn without_labels_a_split_is_plain() {
    let data = Dataset::new("d", Shape::Flat(1), (0..10).map(|i| i as f32).collect()).unwrap();
    let split = data.split(0.3, 1).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (7, 3));
    refused(data.few_shot(1, 0), &["expected labels"]);
}

#[test]
fn shares_that_cannot_be_are_refused() {
    let data = numbered(&[0, 0, 1, 1], 2);
    for share in [0.0, 1.0, -0.5, 1.5, f64::NAN, f64::INFINITY] {
        refused(data.split(share, 0), &["test share between 0 and 1", "numbered"]);
    }
    refused(data.split(0.01, 0), &["found none in the test part"]);
    refused(
        data.subset(&[]).unwrap().split(0.5, 0),
        &["found none in the training part"],
    );
}

#[test]
fn few_shot_takes_k_of_each_and_nests() {
    let digits = datasets::digits().unwrap();
    let (five, ten) = (digits.few_shot(5, 1).unwrap(), digits.few_shot(10, 1).unwrap());
    assert_eq!(ten.train.class_counts(), [10; 10]);
    assert_eq!(ten.test.len(), 1697);
    assert_ne!(ten.train.digest(), digits.few_shot(10, 2).unwrap().train.digest());
    let has = |row: &[f32]| ten.train.rows().any(|other| other == row);
    assert!(five.train.rows().all(has));
    let labels: Vec<u32> = (0..12).map(|i| i / 4).collect();
    let split = numbered(&labels, 3).few_shot(3, 0).unwrap();
    assert_eq!(
        (split.train.class_counts(), split.test.class_counts()),
        (vec![3; 3], vec![1; 3])
    );
    assert!(
        rows(&split.test)
            .iter()
            .all(|row| !rows(&split.train).contains(row))
    );
}

#[test]
fn classes_are_picked_and_counted_in_the_order_given() {
    let data = numbered(&[0, 1, 2, 1, 0], 3);
    let picked = data.of_classes(&["1", "0"]).unwrap();
    assert_eq!(rows(&picked), [0, 1, 3, 4]);
    assert_eq!(picked.labels(), Some(&[1, 0, 0, 1][..]));
    let error = data.of_classes(&["3"]).unwrap_err().to_string();
    assert!(error.contains("0, 1, 2") && error.contains("found 3"), "{error}");
    assert!(data.of_classes(&["1", "1"]).is_err());
}

#[test]
fn too_few_examples_name_the_class() {
    let data = numbered(&[0, 0, 0, 1, 1], 3);
    refused(data.few_shot(0, 0), &["at least 1 example a class, found 0"]);
    refused(
        data.few_shot(3, 0),
        &["at least 3 examples of class 1, found 2", "few_shot(3)"],
    );
    refused(data.few_shot(1, 0), &["at least 1 examples of class 2, found 0"]);
    refused(
        numbered(&[0, 1], 2).few_shot(1, 0),
        &["found none in the test part"],
    );
}

#[test]
fn three_parts_share_nothing_and_keep_the_test_part_of_two() {
    let digits = datasets::digits().unwrap();
    let three = digits.split_three(0.2, 0.2, 3).unwrap();
    assert_eq!(three.test.digest(), digits.split(0.2, 3).unwrap().test.digest());
    let labels: Vec<u32> = (0..90).map(|i| i % 3).collect();
    let data = numbered(&labels, 3);
    let three = data.split_three(0.3, 0.1, 7).unwrap();
    let validation = three.validation.clone().unwrap();
    assert_eq!(three.test.class_counts(), [3, 3, 3]);
    assert_eq!(validation.class_counts(), [9, 9, 9]);
    assert_eq!(validation.name(), "numbered (validation)");
    let mut all = [rows(&three.train), rows(&validation), rows(&three.test)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..90).collect::<Vec<_>>());
    let other = data.split_three(0.3, 0.1, 8).unwrap().validation.unwrap();
    assert_ne!(rows(&other), rows(&validation));
    for (a, b) in [(0.0, 0.1), (0.1, 0.0), (0.6, 0.4), (f64::NAN, 0.1), (0.5, 0.8)] {
        refused(
            data.split_three(a, b, 0),
            &["validation and a test share", "numbered"],
        );
    }
    refused(
        data.split_three(0.001, 0.1, 0),
        &["validation part of", "Dataset::folds"],
    );
    let text = three.bundle().plain().to_owned();
    for words in [
        "54 examples to train on, 27 to choose by, 9 to test on",
        "validation",
        "all       54          27     9",
    ] {
        assert!(text.contains(words), "no {words:?} in: {text}");
    }
    // What a validation part is scaled by comes from the training part alone.
    let scaled = three.standardized().unwrap().validation.unwrap();
    let by_hand = Standardizer::fit(&three.train)
        .unwrap()
        .apply(&validation)
        .unwrap();
    assert_eq!(scaled.features(), by_hand.features());
}

#[test]
fn groups_stay_in_one_part() {
    let labels: Vec<u32> = (0..120).map(|i| i % 3).collect();
    let groups: Vec<u32> = (0..120).map(|i| i / 7 * 10).collect();
    let data = numbered(&labels, 3).with_groups(groups).unwrap();
    let of = |part: &Dataset| -> HashSet<u32> { part.groups().unwrap().iter().copied().collect() };
    for seed in 0..5 {
        let two = data.split(0.3, seed).unwrap();
        assert!(of(&two.train).is_disjoint(&of(&two.test)));
        // 36 wanted, groups of 7 (the last of 1): never further off than half a group.
        assert!(two.test.len().abs_diff(36) <= 3, "{}", two.test.len());
        let three = data.split_three(0.2, 0.3, seed).unwrap();
        let validation = three.validation.unwrap();
        assert!(of(&validation).is_disjoint(&of(&three.train)));
        assert!(of(&validation).is_disjoint(&of(&three.test)));
        assert!(validation.len().abs_diff(24) <= 3, "{}", validation.len());
        let few = data.few_shot(2, seed).unwrap();
        assert_eq!(few.train.class_counts(), [2, 2, 2]);
        assert!(of(&few.train).is_disjoint(&of(&few.test)));
    }
    let one = data.with_groups(vec![1; 120]).unwrap();
    refused(one.split(0.3, 0), &["found none in the test part"]);
}

#[test]
fn a_validation_part_of_its_own_is_matched_by_name() {
    let split = numbered(&[0, 1, 2, 0, 1, 2], 3).split(0.5, 0).unwrap();
    let reversed: Vec<String> = ["2", "1", "0"].map(String::from).to_vec();
    let other = split.test.with_classes_of(&reversed).unwrap();
    let labels = split.test.labels().unwrap().to_vec();
    let three = split.with_validation(other).unwrap().matched().unwrap();
    assert_eq!(three.validation.unwrap().labels(), Some(&labels[..]));
}
