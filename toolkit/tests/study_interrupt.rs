//! Stopping a study: what is finished stays, what was on its way is marked and run again. (A process of its
//! own: a stop request reaches everything that runs in it.)

use std::sync::atomic::{AtomicUsize, Ordering};

use jook::prelude::*;

#[test]
fn a_stopped_study_keeps_what_is_finished() {
    let dir = std::env::temp_dir().join(format!("jook-study-stop-{}", std::process::id()));
    let split = datasets::two_moons(200, 0.2, 1).unwrap().split(0.5, 1).unwrap();
    let started = AtomicUsize::new(0);
    let run = |stop_at: usize| {
        Study::new("stopped")
            .version("1")
            .vary("x", [1, 2, 3, 4, 5, 6])
            .store(&dir)
            .threads(1)
            .quiet()
            .run(|t| {
                if started.fetch_add(1, Ordering::SeqCst) + 1 == stop_at {
                    jook::interrupt::request();
                }
                Mlp::new([2, 8, 2]).fit(&split, Recipe::new().epochs(3).sgd(0.1).seed(t.seed()))
            })
            .unwrap()
    };
    let stopped = run(4);
    let counts = stopped.counts();
    assert!(counts.stopped);
    assert_eq!((counts.planned, counts.computed), (6, 3));
    assert_eq!(Store::open(&dir).unwrap().frame().unwrap().height(), 3);
    let partial = stopped.trials().into_iter().find(|t| !t.is_complete()).unwrap();
    assert!(partial.ending().contains("interrupted"), "{}", partial.ending());
    let n: u32 = stopped
        .table()
        .column("n")
        .unwrap()
        .u32()
        .unwrap()
        .iter()
        .flatten()
        .sum();
    assert_eq!(n, 3, "a stopped training counts in no mean");
    assert!(stopped.bundle().plain().contains("stopped"));
    let rest = run(usize::MAX).counts();
    assert!(!rest.stopped);
    assert_eq!((rest.reused, rest.computed), (3, 3));
    std::fs::remove_dir_all(&dir).unwrap();

    // What is stopped before all combinations are judged chooses nothing, and looks at no test part.
    let stopped = Study::new("stopped fit")
        .version("1")
        .base(Mlp::new([2, 8, 2]), Recipe::new().epochs(3).sgd(0.1))
        .vary("recipe.batch", [8, 16, 32, 64])
        .data(&split)
        .in_memory()
        .threads(1)
        .quiet()
        .on_finished(|_| jook::interrupt::request())
        .fit()
        .unwrap();
    let counts = stopped.counts();
    assert!(counts.stopped && counts.planned == 4, "{counts:?}");
    assert!(stopped.chosen().is_err());
}
