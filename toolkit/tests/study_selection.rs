//! Selection in studies: by validation or folds, with the test part touched once; and what trainings are handed to.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jook::data::Shape;
use jook::prelude::*;
use jook::study::{Threads, TrialResult};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("jook-selection-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn moons() -> Dataset {
    datasets::two_moons(240, 0.25, 1).unwrap()
}

fn net(units: usize) -> Mlp {
    Mlp::new([2, units, 2])
}

fn recipe() -> Recipe {
    Recipe::new().epochs(4).batch(16).sgd(0.1)
}

const UNITS: &str = "net.layers.dense1.kind.Dense.units";

fn study(name: &str) -> Study {
    Study::new(name)
        .base(net(8), recipe())
        .vary(UNITS, [2, 8, 16])
        .in_memory()
        .quiet()
}

fn two(train: &Dataset, test: &Dataset) -> Split {
    Split::new(train.clone(), test.clone()).unwrap()
}

/// What a training of its own gives, as bits.
fn by_hand(split: &Split, units: usize, seed: u64) -> u64 {
    let run = net(units).fit(split, recipe().seed(seed)).unwrap();
    run.evaluation.unwrap().log_loss.to_bits()
}

fn log_loss(trial: &TrialResult) -> u64 {
    trial.metric("log_loss").unwrap().to_bits()
}

#[test]
fn validation_chooses_and_the_test_part_is_touched_once() {
    let split = moons().split_three(0.25, 0.25, 1).unwrap();
    let validation = split.validation.clone().unwrap();
    let result = study("validation").data(&split).seeds(2).fit().unwrap();
    // Six trials judged on the validation part, two of the chosen setting on the test part.
    assert_eq!((result.trials().len(), result.counts().planned), (6, 8));
    let judged = two(&split.train, &validation);
    for trial in result.trials() {
        let units = trial.settings().get(UNITS).unwrap().count().unwrap();
        assert_eq!(log_loss(trial), by_hand(&judged, units, trial.seed()));
        assert_eq!((trial.measured_on(), trial.fold()), (Some("validation"), None));
    }
    let (best, mean) = result.best("accuracy").unwrap();
    let chosen = result.chosen().unwrap();
    assert_eq!((&chosen.settings, chosen.on_validation), (&best, mean));
    let units = best.get(UNITS).unwrap().count().unwrap();
    let tested = two(&split.train, &split.test);
    assert_eq!(chosen.trials().len(), 2);
    for trial in chosen.trials() {
        assert_eq!(trial.measured_on(), Some("test"));
        assert_eq!(log_loss(trial), by_hand(&tested, units, trial.seed()));
    }
    let text = result.to_string();
    let accuracy = chosen.on_test().unwrap();
    for words in [
        "best on validation (60 examples): ".to_owned(),
        format!("on the test part, once, trained again on the whole training part: accuracy {accuracy}"),
    ] {
        assert!(text.contains(&words), "no {words:?} in: {text}");
    }
    assert!(chosen.on_test_of("log_loss").is_some() && chosen.on_test_of("nothing").is_none());
    assert!(
        chosen
            .to_string()
            .contains("chosen on validation (60 examples): "),
        "{chosen}"
    );
}

#[test]
fn the_test_part_has_no_say_in_the_choice() {
    let split = moons().split_three(0.25, 0.25, 1).unwrap();
    let turned: Vec<u32> = split.test.labels().unwrap().iter().map(|l| 1 - l).collect();
    let other = Split {
        test: split
            .test
            .clone()
            .with_labels(turned, split.test.class_names().to_vec())
            .unwrap(),
        ..split.clone()
    };
    let (one, other) = (
        study("a").data(&split).seeds(2).fit().unwrap(),
        study("a").data(&other).seeds(2).fit().unwrap(),
    );
    let bits = |result: &StudyResult| result.trials().iter().map(|t| log_loss(t)).collect::<Vec<_>>();
    assert_eq!(bits(&one), bits(&other));
    let (one, other) = (one.chosen().unwrap(), other.chosen().unwrap());
    assert_eq!(one.settings, other.settings);
    let sum = one.on_test().unwrap().mean + other.on_test().unwrap().mean;
    assert!(
        (sum - 1.0).abs() < 1e-12,
        "the labels of the test part are turned: {sum}"
    );
}

#[test]
fn without_a_validation_part_a_fifth_of_the_training_part_judges() {
    let split = moons().split(0.25, 1).unwrap();
    let result = study("share").data(&split).fit().unwrap();
    let text = result.to_string();
    assert!(
        text.contains("best on validation (36 examples split off the training part): "),
        "{text}"
    );
    // The chosen setting learns from all 180 examples that are no test part.
    let chosen = result.chosen().unwrap();
    let units = chosen.settings.get(UNITS).unwrap().count().unwrap();
    assert_eq!(log_loss(&chosen.trials()[0]), by_hand(&split, units, 0));
    assert_ne!(log_loss(result.trials()[0]), by_hand(&split, 2, 0));
    // Groups are kept whole here, too: of one group nothing can be split off.
    let one = split.train.clone().with_groups(vec![1; 180]).unwrap();
    let error = study("one group")
        .data(&two(&one, &split.test))
        .fit()
        .unwrap_err();
    assert!(
        error.to_string().contains("too few for a validation part"),
        "{error}"
    );
}

#[test]
fn a_closure_that_takes_its_data_from_the_trial_chooses_as_a_base_does() {
    for split in [
        moons().split(0.25, 1).unwrap(),
        moons().split_three(0.2, 0.25, 1).unwrap(),
    ] {
        let by_base = study("base").data(&split).seeds(2).fit().unwrap();
        let closure = || {
            Study::new("closure")
                .vary("units", [2, 8, 16])
                .seeds(2)
                .data(&split)
                .in_memory()
                .quiet()
        };
        let run = |t: &Trial| net(t["units"].count()?).fit(t.data()?, recipe().seed(t.seed()));
        let result = closure().run(run).unwrap();
        let bits = |result: &StudyResult| result.trials().iter().map(|t| log_loss(t)).collect::<Vec<_>>();
        assert_eq!(bits(&by_base), bits(&result));
        assert_eq!(result.counts().planned, 3 * 2 + 2);
        let (expected, chosen) = (by_base.chosen().unwrap(), result.chosen().unwrap());
        let units = chosen.settings.get("units").unwrap().count().unwrap();
        assert_eq!(units, expected.settings.get(UNITS).unwrap().count().unwrap());
        assert_eq!(chosen.on_validation, expected.on_validation);
        assert_eq!(chosen.on_test(), expected.on_test());
        assert_eq!(log_loss(&chosen.trials()[1]), by_hand(&split, units, 1));
        for trial in result.trials() {
            assert_eq!(trial.measured_on(), Some("validation"));
        }
        assert_eq!(chosen.trials()[0].measured_on(), Some("test"));
        let (text, expected) = (result.to_string(), by_base.to_string());
        let line = |text: &str| {
            let (_, from) = text.split_once("best on validation (").expect("what chose");
            from.split_once(": ").expect("the setting").0.to_owned()
        };
        assert_eq!(line(&text), line(&expected));
        assert!(text.contains("on the test part, once"), "{text}");
        // A trial that is judged never has the rows of the test part.
        let seen = std::sync::Mutex::new(Vec::new());
        closure()
            .seeds(1)
            .run(|t| {
                let data = t.data()?;
                seen.lock().unwrap().push((data.train.len(), data.test.digest()));
                assert!(data.validation.is_none());
                t["units"].number()
            })
            .unwrap();
        let seen = seen.into_inner().unwrap();
        let on_test = |one: &&(usize, String)| one.1 == split.test.digest();
        assert_eq!((seen.len(), seen.iter().filter(on_test).count()), (4, 1));
        assert_eq!(seen.iter().find(on_test).unwrap().0, split.train.len());
    }
}

#[test]
fn closures_on_folds_are_tested_once_and_found_again() {
    let folder = Folder::new("closure-folds");
    let split = moons().split(0.25, 1).unwrap();
    let folds = split.train.folds(3, 0).unwrap();
    let run = || {
        Study::new("closure")
            .version("1")
            .vary("units", [2, 16])
            .data(&split)
            .folds(&folds)
            .store(&folder.0)
            .quiet()
            .run(|t| net(t["units"].count()?).fit(t.data()?, recipe().seed(t.seed())))
            .unwrap()
    };
    let (first, again) = (run(), run());
    assert_eq!((first.counts().computed, first.counts().reused), (7, 0));
    assert_eq!((again.counts().computed, again.counts().reused), (0, 7));
    assert_eq!(
        first.chosen().unwrap().on_test(),
        again.chosen().unwrap().on_test()
    );
    assert!(again.to_string().contains("best on 3 folds: "), "{again}");
    // The test part never chooses, by a closure no more than by a base.
    let whole = moons().folds(3, 0).unwrap();
    let error = Study::new("closure")
        .data(&split)
        .folds(&whole)
        .in_memory()
        .run(|_| Ok(1.0))
        .unwrap_err();
    assert!(
        error.to_string().contains("the test part would choose"),
        "{error}"
    );
}

#[test]
fn a_closure_with_data_of_its_own_says_on_what_its_best_was_chosen() {
    let split = moons().split(0.25, 1).unwrap();
    let closure = || {
        Study::new("closure")
            .vary("units", [2, 8])
            .data(&split)
            .in_memory()
            .quiet()
    };
    let own = |t: &Trial| net(t["units"].count()?).fit(&split, recipe().seed(t.seed()));
    let result = closure().run(own).unwrap();
    let text = result.to_string();
    assert!(
        text.contains("best on the test part, which chose it, so that its number is too good: "),
        "{text}"
    );
    assert_eq!(result.counts().planned, 2);
    assert!(result.chosen().unwrap_err().to_string().contains("t.data()?"));
    let said = |metric: &str, result: Result<StudyResult>| {
        let result = result.unwrap();
        let text = result.to_string();
        assert!(text.contains(metric), "no {metric:?} in: {text}");
        assert!(result.chosen().is_err() && !text.contains("test part"), "{text}");
    };
    said(
        "best by what the trials measured: ",
        closure().run(|t| t["units"].number()),
    );
    said(
        "best on the trials' own validation: ",
        closure().run(|t| {
            Ok(Measured::new()
                .metric("score", t["units"].number()?)
                .measured_on("validation"))
        }),
    );
    let watched = |t: &Trial| net(t["units"].count()?).fit(t.data()?, recipe().early_stopping(0.2));
    said(
        "best on the held-out part: ",
        closure().metric("held_out_loss").run(watched),
    );
    let run = |t: &Trial| net(t["units"].count()?).fit(t.data()?, recipe().seed(t.seed()));
    assert!(
        Study::new("no data")
            .vary("units", [2])
            .in_memory()
            .quiet()
            .run(run)
            .unwrap()
            .to_string()
            .contains("has no data")
    );
}

#[test]
fn folds_judge_and_the_corrected_interval_is_over_folds() {
    let split = moons().split(0.25, 1).unwrap();
    let folds = split.train.folds(5, 0).unwrap();
    let result = study("folds").data(&split).folds(&folds).seeds(2).fit().unwrap();
    assert_eq!((result.trials().len(), result.counts().planned), (3 * 5 * 2, 32));
    let first: Vec<_> = result.trials().into_iter().take(10).collect();
    let order: Vec<_> = first.iter().map(|t| (t.fold().unwrap(), t.seed())).collect();
    assert_eq!(order[..3], [(0, 0), (0, 1), (1, 0)]);
    for trial in &first {
        assert_eq!(
            log_loss(trial),
            by_hand(&folds[trial.fold().unwrap()], 2, trial.seed())
        );
    }
    // By hand: the mean of each fold over its seeds, and the variance (1/5 + 36/144) s^2 of their mean.
    let accuracy = |trial: &&TrialResult| trial.metric("accuracy").unwrap();
    let means: Vec<f64> = first
        .chunks(2)
        .map(|two| two.iter().map(accuracy).sum::<f64>() / 2.0)
        .collect();
    let mean = means.iter().sum::<f64>() / 5.0;
    let variance = means.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4.0;
    let half = 2.776_445_105_197_794 * (variance * (0.2 + 0.25)).sqrt();
    let table = result.table();
    let cell = |name: &str| table.column(name).unwrap().f64().unwrap().get(0).unwrap();
    assert!(half > 0.0 && (cell("mean") - mean).abs() < 1e-12);
    assert!((cell("low") - (mean - half)).abs() < 1e-9 && (cell("high") - (mean + half)).abs() < 1e-9);
    assert_eq!(table.column("n").unwrap().u32().unwrap().get(0), Some(5));
    let text = result.to_string();
    for words in [
        "best on 5 folds: ",
        "Nadeau and Bengio",
        "n_test/n_train = 0.25",
        "on the test part, once",
    ] {
        assert!(text.contains(words), "no {words:?} in: {text}");
    }
    let pair = result.compare([(UNITS, 2)], [(UNITS, 16)], "log_loss").unwrap();
    assert_eq!(
        pair.pairs.iter().map(|pair| pair.0).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    let plain = Paired::of(&pair.pairs.iter().map(|p| (p.1, p.2)).collect::<Vec<_>>()).unwrap();
    let width = |p: &Paired| p.interval.map(|(low, high)| high - low).unwrap();
    let wider = width(&pair.paired) / width(&plain);
    assert!((wider - (1.0 + 5.0 * 0.25_f64).sqrt()).abs() < 1e-9, "{wider}");
    assert!(pair.paired.p_value > plain.p_value);
    assert_eq!(pair.paired.p_wilcoxon, None);
    let text = pair.bundle().plain().to_owned();
    assert!(
        text.contains("5 pairs that share a fold") && text.contains("training parts overlap"),
        "{text}"
    );
    // Many at once are paired and corrected as two are.
    let all = result.compare_all([(UNITS, 16)], "log_loss").unwrap();
    let of_two = all
        .others
        .iter()
        .find(|other| other.settings.get(UNITS) == pair.a.get(UNITS));
    let of_two = of_two.unwrap();
    assert_eq!((of_two.paired, &of_two.pairs), (Some(pair.paired), &pair.pairs));
    assert!(all.others.len() == 2 && of_two.p_holm >= pair.paired.p_value);
    let text = all.bundle().plain().to_owned();
    for words in ["paired by fold (less is better)", "training parts overlap"] {
        assert!(text.contains(words), "no {words:?} in: {text}");
    }
    // The chosen setting is trained on the whole training part.
    let chosen = result.chosen().unwrap();
    let units = chosen.settings.get(UNITS).unwrap().count().unwrap();
    assert_eq!(log_loss(&chosen.trials()[1]), by_hand(&split, units, 1));
    for chart in [
        result.box_plot("accuracy"),
        result.curves("accuracy", UNITS),
        result.learning_curves("loss"),
        result.parallel_coordinates("accuracy"),
    ] {
        let figure = serde_json::to_string(&chart.unwrap().into_plot()).unwrap();
        assert!(figure.contains("5 folds x 2 seeds"));
    }
}

#[test]
fn folds_alone_judge_without_a_test_part_and_serve_closures() {
    let data = moons();
    let folds = data.repeated_folds(3, 2, 0).unwrap();
    let result = study("alone").folds(&folds).fit().unwrap();
    assert_eq!(result.trials().len(), 18);
    assert!(result.chosen().is_err() && !result.to_string().contains("test part"));
    let closure = Study::new("closure")
        .vary("units", [2, 8, 16])
        .folds(&folds)
        .in_memory()
        .quiet();
    let closure = closure
        .run(|t| {
            assert!(t.fold().is_some());
            net(t["units"].count()?).fit(t.data()?, recipe().seed(t.seed()))
        })
        .unwrap();
    let bits = |result: &StudyResult| result.trials().iter().map(|t| log_loss(t)).collect::<Vec<_>>();
    assert_eq!(bits(&result), bits(&closure));
    // Parts that share no example need no correction.
    let halves: Vec<Split> = data
        .folds(2, 0)
        .unwrap()
        .iter()
        .map(|h| h.test.split(0.5, 0).unwrap())
        .collect();
    let apart = study("apart").folds(&halves).fit().unwrap();
    assert!(!apart.to_string().contains("Nadeau"));
    let three = data.split_three(0.2, 0.2, 0).unwrap();
    let error = study("both")
        .data(&three)
        .folds(&folds)
        .fit()
        .unwrap_err()
        .to_string();
    assert!(error.contains("folds and a validation part"), "{error}");
    let error = study("none").folds(&[]).fit().unwrap_err().to_string();
    assert!(error.contains("one fold or more"), "{error}");
}

#[test]
fn trials_on_folds_and_on_the_test_part_are_found_again() {
    let folder = Folder::new("store");
    let split = moons().split(0.25, 1).unwrap();
    let run = |k: usize| {
        let folds = split.train.folds(k, 0).unwrap();
        let study = study("kept").store(&folder.0).data(&split).folds(&folds);
        study.fit().unwrap()
    };
    let (first, again) = (run(3), run(3));
    assert_eq!((first.counts().computed, first.counts().reused), (10, 0));
    assert_eq!((again.counts().computed, again.counts().reused), (0, 10));
    let all = |result: &StudyResult| -> Vec<_> {
        let one = |t: &TrialResult| (t.fold(), t.measured_on().map(str::to_owned), log_loss(t));
        let trials = result.trials().into_iter().map(one);
        trials
            .chain(result.chosen().unwrap().trials().iter().map(one))
            .collect()
    };
    assert_eq!(all(&first), all(&again));
    // Other folds are other data; the test part's trial is the same, if the same setting is chosen.
    assert_eq!(run(4).counts().planned, 13);
    let frame = Store::open(&folder.0).unwrap().frame().unwrap();
    let on = frame.column("measured_on").unwrap().str().unwrap();
    assert!(on.iter().any(|part| part == Some("test")));
    assert_eq!(
        frame.column("fold").unwrap().null_count(),
        on.iter().filter(|p| *p == Some("test")).count()
    );
}

/// Trains rounds of up to four jobs, in reverse, and remembers their sizes.
struct Rounds {
    sizes: Arc<Mutex<Vec<usize>>>,
    trained: Arc<AtomicUsize>,
}

impl Backend for Rounds {
    fn fit(&self, data: &Split, jobs: &[Job], finished: &mut dyn FnMut(usize, Result<Run>)) {
        self.sizes.lock().unwrap().push(jobs.len());
        for (at, job) in jobs.iter().enumerate().rev() {
            self.trained.fetch_add(1, Ordering::SeqCst);
            finished(at, job.fit(data));
            finished(at, Err(jook::Error::spec("said twice")));
        }
        finished(jobs.len(), Err(jook::Error::spec("of no job")));
    }

    fn jobs(&self) -> usize {
        4
    }

    fn device(&self) -> Option<String> {
        Some("a device of a test".to_owned())
    }
}

#[test]
fn a_backend_is_handed_rounds_of_jobs() {
    let split = moons().split(0.25, 1).unwrap();
    let folds = split.train.folds(2, 0).unwrap();
    let of = |study: Study| study.data(&split).folds(&folds).seeds(2).fit().unwrap();
    let (sizes, trained) = (Arc::default(), Arc::default());
    let backend = Rounds {
        sizes: Arc::clone(&sizes),
        trained: Arc::clone(&trained),
    };
    let (threads, rounds) = (of(study("jobs").threads(3)), of(study("jobs").backend(backend)));
    let bits = |result: &StudyResult| -> Vec<u64> {
        let tested = result.chosen().unwrap().trials().iter().map(log_loss);
        result.trials().into_iter().map(log_loss).chain(tested).collect()
    };
    assert_eq!(bits(&threads), bits(&rounds));
    // Three combinations on a fold with a seed, and then the next fold: rounds share their data. Last, the test part.
    assert_eq!(*sizes.lock().unwrap(), [3, 3, 3, 3, 2]);
    assert_eq!(trained.load(Ordering::SeqCst), 14);
    assert_ne!(
        threads.trials()[0].key(),
        rounds.trials()[0].key(),
        "devices have trials of their own"
    );
    let closure = study("closure")
        .backend(Threads::new(1))
        .run(|_| Ok(1.0))
        .unwrap_err();
    assert!(closure.to_string().contains("backend"), "{closure}");
}

/// Hands over the first job alone, and then panics or ends.
struct Broken(bool);

impl Backend for Broken {
    fn fit(&self, data: &Split, jobs: &[Job], finished: &mut dyn FnMut(usize, Result<Run>)) {
        finished(0, jobs[0].fit(data));
        assert!(!self.0, "the device is gone");
    }
}

#[test]
fn jobs_that_a_backend_loses_fail_and_stop_nothing() {
    let folds = moons().folds(2, 0).unwrap();
    for (panics, said) in [
        (true, "the device is gone"),
        (false, "did not hand this job over"),
    ] {
        let result = study("broken")
            .backend(Broken(panics))
            .folds(&folds)
            .fit()
            .unwrap();
        let errors: Vec<bool> = result.trials().iter().map(|t| t.error().is_some()).collect();
        assert_eq!(errors, [false, false, true, true, true, true]);
        assert!(result.trials()[2].error().unwrap().contains(said));
    }
}

#[test]
fn threads_train_jobs_side_by_side_as_alone() {
    let split = moons().split(0.25, 1).unwrap();
    let jobs: Vec<Job> = (0..6)
        .map(|seed| Job {
            net: net(4).spec().unwrap(),
            recipe: recipe(),
            seed,
        })
        .collect();
    let text = serde_json::to_string(&jobs).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Job>>(&text).unwrap(), jobs);
    let mut runs: Vec<Option<Run>> = vec![None; 6];
    quiet(|| Threads::new(3).fit(&split, &jobs, &mut |at, run| runs[at] = run.ok()));
    for (job, run) in jobs.iter().zip(runs) {
        let found = run.expect("a run").evaluation.unwrap().log_loss.to_bits();
        assert_eq!(found, by_hand(&split, 4, job.seed));
    }
    let wrong = Job {
        net: Mlp::new([3, 2]).spec().unwrap(),
        recipe: recipe(),
        seed: 0,
    };
    let mut errors = 0;
    Threads::new(0).fit(&split, &[wrong], &mut |_, run| {
        errors += usize::from(run.is_err())
    });
    assert_eq!(errors, 1);
}

/// y = 2 a - b, with a little noise; another scale of the noise for each of `n` examples.
fn line(n: usize) -> Dataset {
    let features: Vec<f32> = (0..2 * n)
        .map(|i| ((i * 37 % 101) as f32 - 50.0) / 30.0)
        .collect();
    let values = features.chunks(2).enumerate();
    let values: Vec<f32> = values
        .map(|(i, x)| 2.0 * x[0] - x[1] + ((i * 53 % 17) as f32 - 8.0) / 80.0)
        .collect();
    let data = Dataset::new("line", Shape::Flat(2), features).unwrap();
    data.with_values(values, ["y"]).unwrap()
}

#[test]
fn studies_of_regression_choose_by_rmse() {
    let split = line(200).split(0.25, 0).unwrap();
    let result = Study::new("regression")
        .base(
            Mlp::new([2, 1]),
            Recipe::new().epochs(20).batch(16).loss(Loss::MeanSquaredError),
        )
        .vary(
            "recipe.rule",
            [Rule::Sgd { rate: 0.05 }, Rule::Sgd { rate: 1e-5 }],
        )
        .data(&split)
        .seeds(2)
        .in_memory()
        .quiet()
        .fit()
        .unwrap();
    assert_eq!(result.main_metric(), "rmse");
    let chosen = result.chosen().unwrap();
    assert_eq!(chosen.settings.to_string(), "recipe.rule=SGD 0.05", "{chosen}");
    let tested = chosen.on_test().unwrap().mean;
    assert!(tested < 0.1, "{tested}");
    assert!(chosen.on_test_of("r2").unwrap().mean > 0.99);
    // Less of an error is better, more of r2.
    for metric in ["rmse", "mae", "r2"] {
        assert_eq!(result.best(metric).unwrap().0, chosen.settings, "{metric}");
    }
    let folds = line(60).folds(3, 0).unwrap();
    let folded = Study::new("folds")
        .base(
            Mlp::new([2, 1]),
            Recipe::new().epochs(5).loss(Loss::MeanSquaredError),
        )
        .folds(&folds)
        .in_memory()
        .quiet()
        .fit()
        .unwrap();
    assert!(folded.trials().iter().all(|trial| trial.metric("rmse").is_some()));
}

#[test]
fn examples_that_a_base_watches_reach_its_trials() {
    let split = moons().split_three(0.2, 0.2, 0).unwrap();
    let watched = moons().subset(&(0..40).collect::<Vec<_>>()).unwrap();
    let recipe = recipe().validation(&watched);
    let result = Study::new("watched")
        .base(net(4), recipe.clone())
        .data(&split)
        .in_memory()
        .quiet()
        .fit()
        .unwrap();
    let judged = two(&split.train, split.validation.as_ref().unwrap());
    let alone = net(4).fit(&judged, recipe).unwrap();
    let trial = result.trials()[0];
    assert_eq!(trial.error(), None);
    assert_eq!(
        trial.metric("held_out_loss"),
        alone.row().map(|row| row.held_out_loss)
    );
}
