use super::*;

fn small() -> Dataset {
    Dataset::new("small", Shape::Flat(2), vec![1.0, 2.0, 3.0, 4.0, 5.0, -6.0])
        .unwrap()
        .with_labels(vec![1, 0, 1], vec!["a".into(), "b".into(), "c".into()])
        .unwrap()
}

#[track_caller]
fn refused<T>(made: Result<T>, words: &[&str]) {
    let Err(error) = made else { panic!("accepted") };
    for word in words {
        assert!(error.to_string().contains(word), "no {word:?} in: {error}");
    }
}

#[test]
fn accessors_agree_with_what_was_put_in() {
    let data = small().with_feature_names(vec!["x".into(), "y".into()]).unwrap();
    assert_eq!((data.len(), data.width(), data.classes()), (3, 2, 3));
    assert_eq!(data.class_counts(), [1, 2, 0]);
    assert_eq!((data.rows_of(1), data.rows_of(2)), (vec![0, 2], vec![]));
    assert_eq!(
        (data.label(1), data.class_name(1), data.class_name(9)),
        (Some(0), "b".into(), "9".into())
    );
    assert_eq!(data.feature_ranges(), [(1.0, 5.0), (-6.0, 4.0)]);
    assert_eq!(data.range(), Some((-6.0, 5.0)));
    let pairs: Vec<(Vec<f32>, Option<u32>)> = data.iter().map(|(row, label)| (row.to_vec(), label)).collect();
    assert_eq!(pairs[2], (vec![5.0, -6.0], Some(1)));
    assert_eq!(data.rows().len(), 3);
    assert_eq!(data.to_string(), "small: 3 examples, 2 features, 3 classes");
    assert_eq!(
        format!("{data:?}"),
        "Dataset(small: 3 examples, 2 features, 3 classes)"
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let new = |shape, features| Dataset::new("d", shape, features);
    refused(
        new(Shape::Flat(2), vec![1.0; 3]),
        &["multiple of 2", "found 3", "dataset d"],
    );
    refused(
        new(Shape::Flat(0), vec![]),
        &[
            "a shape of 1 to",
            "found Flat(0)",
            "dataset d",
            "each side 1 or more",
        ],
    );
    let vast = Shape::Image {
        height: usize::MAX,
        width: 3,
        channels: 2,
    };
    refused(
        new(vast, vec![1.0; 6]),
        &["a shape of 1 to", "channels: 2", "dataset d"],
    );
    refused(new(vast, vec![]), &["a shape of 1 to"]);
    refused(
        new(Shape::Flat(2), vec![0.0, 1.0, 2.0, f32::NAN]),
        &["found NaN", "row 2, column 2"],
    );
    refused(
        new(Shape::Flat(1), vec![f32::INFINITY]),
        &["found inf", "row 1, column 1"],
    );
    let labelled = |labels: Vec<u32>| small().with_labels(labels, vec!["a".into(), "b".into()]);
    refused(labelled(vec![0, 1]), &["expected 3 labels, found 2"]);
    refused(labelled(vec![0, 1, 2]), &["labels below 2, found 2", "row 3"]);
    refused(
        small().with_labels(vec![0, 1, 2], vec!["a".into(), "b".into(), "a".into()]),
        &["different names", "found a twice", "dataset small"],
    );
    refused(
        small().with_features(vec![0.0; 4]),
        &["expected 6 numbers as before, found 4"],
    );
    refused(small().subset(&[0, 3]), &["rows below 3, found 3"]);
    refused(
        small().with_feature_names(vec!["x".into()]),
        &["expected 2 feature names, found 1"],
    );
    refused(
        new(Shape::Flat(1), vec![1.0]).unwrap().require_labels(),
        &["expected labels, found none"],
    );
}

#[test]
fn a_subset_keeps_order_labels_and_origin() {
    let data = small().with_origin("somewhere", "CC0");
    let part = data.subset(&[2, 0, 2]).unwrap();
    assert_eq!(part.features(), [5.0, -6.0, 1.0, 2.0, 5.0, -6.0]);
    assert_eq!(part.labels().unwrap(), [1, 1, 1]);
    assert_eq!(
        (part.class_names(), part.source(), part.licence()),
        (data.class_names(), "somewhere", "CC0")
    );
    let none = data.subset(&[]).unwrap();
    assert!(none.is_empty() && none.feature_ranges().is_empty() && none.range().is_none());
}

#[test]
fn the_digest_tells_what_training_would_tell() {
    let data = small();
    let digest = data.digest();
    assert_eq!(digest.len(), 64);
    let renamed = data.clone().named("other").with_origin("x", "y");
    assert_eq!(renamed.digest(), digest);
    assert_eq!(data.subset(&[0, 1, 2]).unwrap().digest(), digest);
    let mut features = data.features().to_vec();
    features[5] = -6.000_001;
    let names = || data.class_names().to_vec();
    let image = Shape::Image {
        height: 1,
        width: 2,
        channels: 1,
    };
    let bare = Dataset::new("d", Shape::Flat(2), data.features().to_vec()).unwrap();
    let others = [
        data.with_features(features).unwrap(),
        data.clone().with_labels(vec![1, 1, 1], names()).unwrap(),
        Dataset::new("d", image, data.features().to_vec())
            .unwrap()
            .with_labels(vec![1, 0, 1], names())
            .unwrap(),
        bare,
        data.subset(&[1, 0, 2]).unwrap(),
    ];
    for (i, other) in others.iter().enumerate() {
        assert_ne!(other.digest(), digest, "{i}");
    }
}

/// Taken with Python: hashlib over struct.pack of 0, 2, 3 (<Q), the features (<f), b"labels", 3 (<Q) and the
/// labels (<I). The digest is in the keys of result stores: it must not change from one version to the next.
#[test]
fn the_digest_is_pinned() {
    assert_eq!(
        small().digest(),
        "dff01473749d7b652fc429d07a78d3ad1b8bb7eee4bca587a78d61a95c0df8d2"
    );
}

#[test]
#[should_panic(expected = "example 3 of a dataset of 3, counted from 0")]
fn a_row_that_is_not_there_is_named() {
    small().row(3);
}

#[test]
#[should_panic(expected = "label 4 of a dataset of 3, counted from 0")]
fn a_label_that_is_not_there_is_named() {
    small().label(4);
}

#[test]
fn a_great_many_classes_are_matched_by_name() {
    let n = 50_000u32;
    let names: Vec<String> = (0..n).map(|class| format!("c{class}")).collect();
    let reversed: Vec<String> = names.iter().rev().cloned().collect();
    let data = Dataset::new("many", Shape::Flat(1), vec![0.0; n as usize])
        .unwrap()
        .with_labels((0..n).collect(), names)
        .unwrap();
    let moved = data.with_classes_of(&reversed).unwrap();
    assert_eq!(moved.label(0), Some(n - 1));
    assert!(
        moved
            .labels()
            .unwrap()
            .iter()
            .zip((0..n).rev())
            .all(|(&label, want)| label == want)
    );
}

#[test]
fn rows_go_numbers_are_blanked_and_labels_are_mistaken() {
    let names = || vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let data = Dataset::new("d", 2, (0..600).map(|i| i as f32).collect())
        .and_then(|data| data.with_labels((0..300).map(|row| row % 3).collect(), names()))
        .unwrap();
    let fewer = data.without_rows(&[2, 0, 2]).unwrap();
    assert_eq!(
        (fewer.len(), fewer.row(0), fewer.label(1)),
        (298, &[2.0, 3.0][..], Some(0))
    );
    assert!(
        data.without_rows(&[300])
            .unwrap_err()
            .to_string()
            .contains("found 300")
    );
    let blank = data.blank(&[1]).unwrap();
    assert_eq!((blank.row(1), blank.labels()), (&[2.0, 0.0][..], data.labels()));
    assert!(data.blank(&[2]).is_err());
    let noisy = data.mislabelled(0.3, 1).unwrap();
    let pairs = noisy.labels().unwrap().iter().zip(data.labels().unwrap());
    let wrong = pairs.filter(|(a, b)| a != b).count();
    assert!((60..120).contains(&wrong), "{wrong}");
    assert_eq!(data.mislabelled(0.0, 1).unwrap().digest(), data.digest());
    assert!(data.mislabelled(1.5, 1).is_err() && data.mislabelled(f64::NAN, 1).is_err());
}
