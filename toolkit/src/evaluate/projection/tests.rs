//! What is not to be seen from outside, and what a whole process must be stopped for.

use super::{Tsne, Umap, umap};
use crate::data::Dataset;
use crate::{interrupt, testing};

/// a and b by umap-learn 0.5.12's `find_ab_params(1.0, least)`.
#[test]
fn the_curve_of_distances_is_umap_learns() {
    for (least, a, b) in [
        (0.0, 1.932_808_397_343_15, 0.790_494_973_223_383),
        (0.1, 1.576_943_460_269_77, 0.895_060_877_851_573),
        (0.5, 0.583_030_020_341_442, 1.334_166_992_431_49),
    ] {
        let found = umap::curve(least);
        assert!((found.0 / a - 1.0).abs() < 1e-4, "{found:?} for {a} and {b}");
        assert!((found.1 / b - 1.0).abs() < 1e-4, "{found:?} for {a} and {b}");
    }
}

/// A stop reaches the whole process: it is asked for in a child, which is this test binary.
#[test]
fn a_stop_leaves_the_picture_as_it_was() {
    let mut child = testing::child("evaluate::projection::tests::in_child");
    child.env("JOOK_TEST_CASE", "stop");
    testing::passes(child);
}

#[test]
#[ignore = "run in a child process by the test above"]
fn in_child() {
    if std::env::var_os("JOOK_TEST_CASE").is_none() {
        return;
    }
    let data = Dataset::new("line", 1, (0..60).map(|i| (i * i) as f32).collect()).unwrap();
    let _scope = interrupt::scope();
    interrupt::request();
    let stopped = [
        Tsne::new().perplexity(5.0).epochs(1_000_000_000).run(&data),
        Umap::new().epochs(1_000_000_000).run(&data),
    ];
    for picture in stopped {
        assert_eq!(picture.unwrap().len(), data.len());
    }
}
