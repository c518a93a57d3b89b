//! Studies from end to end: the same bits on any number of threads, nothing computed twice, failures
//! recorded, results on disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use jook::prelude::*;
use jook::study::{Chart, Value};
use polars::prelude::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("jook-study-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn files(dir: &Path, end: &str) -> usize {
    let names = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(end)).count()
}

fn moons() -> Split {
    datasets::two_moons(200, 0.2, 1).unwrap().split(0.5, 1).unwrap()
}

fn recipe() -> Recipe {
    Recipe::new().epochs(4).batch(16).sgd(0.1)
}

fn bits(study: &StudyResult, metric: &str) -> Vec<(String, u64, u64)> {
    study
        .trials()
        .into_iter()
        .map(|t| {
            (
                t.settings().to_string(),
                t.seed(),
                t.metric(metric).unwrap().to_bits(),
            )
        })
        .collect()
}

#[test]
fn threads_do_not_change_a_bit_and_a_study_gives_what_a_training_alone_gives() {
    let split = moons();
    let run = |threads: usize| {
        Study::new("threads")
            .vary("activation", [Activation::Tanh, Relu, Maxout(2)])
            .vary("dropout", [0.0, 0.3])
            .seeds(2)
            .threads(threads)
            .in_memory()
            .quiet()
            .run(|t| {
                let net = Mlp::new([2, 16, 2])
                    .activation(t["activation"])
                    .dropout(t["dropout"]);
                net.fit(&split, recipe().seed(t.seed()))
            })
            .unwrap()
    };
    let (one, two) = (run(1), run(2));
    assert_eq!(one.trials().len(), 12);
    for metric in ["accuracy", "log_loss", "train_loss"] {
        assert_eq!(bits(&one, metric), bits(&two, metric));
    }
    let different: std::collections::HashSet<_> = bits(&one, "log_loss").into_iter().map(|b| b.2).collect();
    assert_eq!(different.len(), 12, "settings and seeds all matter");
    let alone = Mlp::new([2, 16, 2])
        .activation(Maxout(2))
        .dropout(0.3)
        .fit(&split, recipe().seed(1))
        .unwrap();
    let inside = two.trials().into_iter().next_back().unwrap();
    assert_eq!(
        (inside.settings().to_string(), inside.seed()),
        ("activation=Maxout(2), dropout=0.3".into(), 1)
    );
    assert_eq!(
        inside.metric("log_loss").unwrap().to_bits(),
        alone.evaluation.unwrap().log_loss.to_bits()
    );
}

#[test]
fn the_declarative_form_does_what_the_closure_does() {
    let split = moons();
    let net = || Mlp::new([2, 8, 2]);
    // The base is judged on a validation part: here the same examples as the closure measures on.
    let split = split.clone().with_validation(split.test).unwrap();
    let study = Study::new("declared")
        .base(net(), recipe())
        .data(&split)
        .vary("recipe.batch", [8, 32])
        .vary("net.layers.dense1.kind.Dense.units", [4, 12])
        .seeds(2)
        .in_memory()
        .quiet()
        .fit()
        .unwrap();
    let by_hand = Study::new("by hand")
        .vary("batch", [8, 32])
        .vary("units", [4, 12])
        .seeds(2)
        .in_memory()
        .quiet()
        .run(|t| {
            net()
                .hidden(t["units"])
                .fit(&split, recipe().batch(t["batch"]).seed(t.seed()))
        })
        .unwrap();
    let numbers = |s: &StudyResult| bits(s, "log_loss").into_iter().map(|b| b.2).collect::<Vec<_>>();
    assert_eq!(numbers(&study), numbers(&by_hand));
    let error = Study::new("declared")
        .base(net(), recipe())
        .data(&split)
        .vary("recipe.bach", [8, 32])
        .in_memory()
        .fit()
        .unwrap_err();
    assert!(error.to_string().contains("bach"), "{error}");
    assert!(
        Study::new("no base")
            .data(&split)
            .in_memory()
            .fit()
            .unwrap_err()
            .to_string()
            .contains("base")
    );
}

#[test]
fn what_is_on_disk_is_not_computed_again() {
    let folder = Folder::new("resume");
    let calls = AtomicUsize::new(0);
    let run = |xs: &[f64], seeds: usize, version: &str| {
        Study::new("resumed")
            .version(version)
            .vary("x", xs.to_vec())
            .vary("flag", [true, false])
            .seeds(seeds)
            .store(&folder.0)
            .quiet()
            .run(|t| {
                calls.fetch_add(1, Ordering::SeqCst);
                let sign = if bool::try_from(t["flag"])? { 1.0 } else { -1.0 };
                Ok([("score", sign * t["x"].number()? / 3.0 + t.seed() as f64)])
            })
            .unwrap()
    };
    let first = run(&[0.1, 0.2], 2, "1");
    assert_eq!(calls.load(Ordering::SeqCst), 8);
    let again = run(&[0.1, 0.2], 2, "1");
    assert_eq!(calls.load(Ordering::SeqCst), 8);
    assert_eq!(bits(&first, "score"), bits(&again, "score"));
    assert_eq!((again.counts().computed, again.counts().reused), (0, 8));
    assert_eq!(run(&[0.2, 0.3], 3, "1").counts().reused, 4); // x = 0.2 with two seeds of three
    assert_eq!(calls.load(Ordering::SeqCst), 16);
    assert_eq!(run(&[0.1], 1, "2").counts().reused, 0);

    // A damaged file is computed again; a leftover is cleared away; the rest is left alone.
    let victim = first.trials().first().unwrap().key().to_owned();
    std::fs::write(folder.0.join(format!("{victim}.parquet")), b"PAR1 torn").unwrap();
    std::fs::write(folder.0.join(format!(".{victim}.1-1.tmp")), b"half").unwrap();
    assert!(
        Store::open(&folder.0)
            .unwrap()
            .frame()
            .unwrap_err()
            .to_string()
            .contains(&victim)
    );
    assert_eq!(run(&[0.1, 0.2], 2, "1").counts().computed, 1);
    assert_eq!(files(&folder.0, ".tmp"), 0);
    let frame = Store::open(&folder.0).unwrap().frame().unwrap();
    assert_eq!(frame.height(), files(&folder.0, ".parquet"));
    assert_eq!(frame.column("x").unwrap().dtype(), &DataType::Float64);
    assert_eq!(frame.column("flag").unwrap().dtype(), &DataType::Boolean);
    assert_eq!(frame.column("score").unwrap().null_count(), 0);
    for name in [
        "seconds",
        "ending",
        "error",
        "spec",
        "recipe",
        "jook",
        "device",
        "finished_at",
        "seed",
    ] {
        assert!(frame.column(name).is_ok(), "{name}");
    }
    // Polars alone reads the folder as one table.
    let pattern = format!("{}/*.parquet", folder.0.display());
    let alone = LazyFrame::scan_parquet(pattern.as_str().into(), Default::default())
        .unwrap()
        .collect()
        .unwrap();
    assert_eq!(alone.height(), frame.height());
}

#[test]
fn failures_are_recorded_and_stop_nothing() {
    let folder = Folder::new("failures");
    let calls = AtomicUsize::new(0);
    let run = |repaired: bool, keep: bool| {
        let study = Study::new("failing")
            .version("1")
            .vary("x", [1, 2, 3, 4])
            .store(&folder.0)
            .quiet();
        let study = if keep { study.keep_failed() } else { study };
        study
            .run(|t| {
                calls.fetch_add(1, Ordering::SeqCst);
                match i64::try_from(t["x"])? {
                    2 if !repaired => Err(jook::Error::data("two is broken")),
                    3 if !repaired => panic!("three blew up"),
                    4 if !repaired => Ok(vec![("seed", 1.0)]),
                    x => Ok(vec![("score", x as f64)]),
                }
            })
            .unwrap()
    };
    let study = run(false, false);
    let errors: Vec<_> = study
        .trials()
        .into_iter()
        .map(|t| t.error().unwrap_or("").to_owned())
        .collect();
    assert_eq!(errors[0], "");
    assert!(
        errors[1].contains("two is broken")
            && errors[2].contains("three blew up")
            && errors[3].contains("seed")
    );
    let table = study.table();
    assert_eq!(
        table.column("failed").unwrap().u32().unwrap().to_vec(),
        [0, 1, 1, 1].map(Some)
    );
    assert_eq!(
        table.column("n").unwrap().u32().unwrap().to_vec(),
        [1, 0, 0, 0].map(Some)
    );
    assert!(study.bundle().plain().contains("two is broken"));
    let stored = Store::open(&folder.0).unwrap().frame().unwrap();
    assert_eq!(
        (stored.height(), stored.column("error").unwrap().null_count()),
        (4, 1)
    );
    assert_eq!(run(false, true).counts().computed, 0);
    assert_eq!(calls.load(Ordering::SeqCst), 4);
    assert_eq!(run(true, false).counts().computed, 3);
    let stored = Store::open(&folder.0).unwrap().frame().unwrap();
    assert_eq!(
        (stored.height(), stored.column("error").unwrap().null_count()),
        (4, 4)
    );
}

#[test]
fn mistakes_in_a_closure_are_errors_of_its_builders() {
    let split = moons();
    let study = Study::new("mistakes")
        .vary("dropout", [0.1])
        .vary("activation", [Relu])
        .in_memory()
        .quiet();
    let said = |study: &StudyResult| study.trials().first().unwrap().error().unwrap().to_owned();
    let misspelt = study
        .clone()
        .run(|t| Mlp::new([2, 8, 2]).dropout(t["dropuot"]).fit(&split, recipe()))
        .unwrap();
    assert!(
        said(&misspelt).contains("dropuot") && said(&misspelt).contains("activation"),
        "{}",
        said(&misspelt)
    );
    let swapped = study
        .clone()
        .run(|t| Mlp::new([2, 8, 2]).dropout(t["activation"]).fit(&split, recipe()))
        .unwrap();
    assert!(said(&swapped).contains("Relu"), "{}", said(&swapped));
    let recipes = study
        .run(|t| Mlp::new([2, 8, 2]).fit(&split, recipe().batch(t["dropout"])))
        .unwrap();
    assert!(said(&recipes).contains("0.1"), "{}", said(&recipes));
}

#[test]
fn tables_and_comparisons_say_what_the_trials_say() {
    let study = Study::new("numbers")
        .vary("way", ["a", "b"])
        .vary("x", [1, 2])
        .seeds(3)
        .in_memory()
        .quiet()
        .run(|t| {
            let noise = [0.1, -0.2, 0.3][t.seed() as usize];
            let way = if <&str>::try_from(t["way"])? == "a" {
                1.0
            } else {
                0.0
            };
            Ok(way * (1.0 + noise) + t["x"].number()? + noise)
        })
        .unwrap();
    let table = study.table();
    assert_eq!(
        table.get_column_names(),
        [
            "way", "x", "metric", "mean", "low", "high", "n", "failed", "seconds"
        ]
    );
    let ways: Vec<_> = table
        .column("way")
        .unwrap()
        .str()
        .unwrap()
        .iter()
        .flatten()
        .collect();
    assert_eq!(ways, ["a", "a", "b", "b"]);
    assert_eq!(
        table.column("x").unwrap().i64().unwrap().to_vec(),
        [1, 2, 1, 2].map(Some)
    );
    let mean = table.column("mean").unwrap().f64().unwrap().get(2).unwrap();
    assert!((mean - (1.0 + 0.2 / 3.0)).abs() < 1e-12);
    // SciPy: stats.t.interval(0.95, 2, mean, stats.sem([1.1, 0.8, 1.3])).
    let low = table.column("low").unwrap().f64().unwrap().get(2).unwrap();
    let high = table.column("high").unwrap().f64().unwrap().get(2).unwrap();
    assert!(
        (low - 0.441_505_718_729_089_2).abs() < 1e-9 && (high - 1.691_827_614_604_244).abs() < 1e-9,
        "{low} {high}"
    );
    let one = study.compare([("way", "a")], [("way", "b")], "value").unwrap();
    assert_eq!(one.pairs.len(), 3, "one pair a seed, averaged over x");
    assert!((one.paired.difference - (1.0 + 0.2 / 3.0)).abs() < 1e-12);
    assert!(one.paired.p_value.unwrap() < 0.05 && one.bundle().plain().contains("paired"));
    let names: Vec<(&str, Value)> = vec![("way", "a".into()), ("x", 1.into())];
    assert_eq!(
        study.compare(names, [("way", "b")], "value").unwrap().pairs.len(),
        3
    );
    // Equal differences: the shown table says so in the place of numbers.
    let same = study.compare([("x", 1)], [("x", 1)], "value").unwrap();
    let text = same.bundle().plain().to_owned();
    assert!(same.paired.all_equal() && same.paired.p_value.is_none());
    assert!(text.contains("n = 3, all equal: no spread to judge by"), "{text}");
    assert!(!text.contains("t-test") && !text.contains("interval"), "{text}");
    for (a, metric, said) in [("c", "value", "no trial"), ("a", "accuracy", "accuracy")] {
        let error = study
            .compare([("way", a)], [("way", "b")], metric)
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(
        study
            .compare([("wey", "a")], [("way", "b")], "value")
            .unwrap_err()
            .to_string()
            .contains("wey")
    );
    let (best, _) = study.best("value").unwrap();
    assert_eq!(best.to_string(), "way=a, x=2");
    assert!(study.table_of("nothing").is_err());

    let single = Study::new("one")
        .vary("x", [1.5])
        .in_memory()
        .quiet()
        .run(|t| t["x"].number())
        .unwrap();
    let table = single.table();
    assert_eq!(table.column("low").unwrap().null_count(), 1);
    assert_eq!(table.column("mean").unwrap().f64().unwrap().get(0), Some(1.5));
    assert!(
        single
            .compare([("x", 1.5)], [("x", 1.5)], "value")
            .unwrap_err()
            .to_string()
            .contains("seeds")
    );
}

#[test]
fn charts_carry_the_numbers() {
    let split = moons();
    let study = Study::new("charts")
        .vary("units", [4, 8, 16])
        .vary("activation", [Activation::Tanh, Relu])
        .seeds(3)
        .in_memory()
        .quiet()
        .run(|t| {
            let net = Mlp::new([2, 8, 2]).hidden(t["units"]).activation(t["activation"]);
            net.fit(&split, recipe().early_stopping(0.2).seed(t.seed()))
        })
        .unwrap();
    let json = |chart: Chart| serde_json::to_value(chart.into_plot()).unwrap();
    let heat = json(study.heatmap("accuracy").unwrap());
    let table = study.table();
    let means = table.column("mean").unwrap().f64().unwrap().to_vec();
    assert_eq!(heat["data"][0]["z"].as_array().unwrap().len(), 3);
    assert_eq!(heat["data"][0]["z"][2][1].as_f64(), means[5]);
    let curves = json(study.curves("accuracy", "units").unwrap());
    assert_eq!(
        curves["data"].as_array().unwrap().len(),
        4,
        "two bands, two curves"
    );
    let boxes = json(study.box_plot("log_loss").unwrap());
    assert_eq!(boxes["data"].as_array().unwrap().len(), 6);
    let learning = json(study.learning_curves("held_out_loss").unwrap());
    assert_eq!(learning["data"].as_array().unwrap().len(), 12);
    assert!(
        study
            .learning_curves("no such")
            .unwrap_err()
            .to_string()
            .contains("held_out_loss")
    );
    let parallel = json(study.parallel_coordinates("accuracy").unwrap());
    assert_eq!(parallel["data"].as_array().unwrap().len(), 6 + 3);
    assert!(
        study
            .heatmap("acuracy")
            .unwrap_err()
            .to_string()
            .contains("accuracy")
    );
    assert!(
        study
            .curves("accuracy", "activation")
            .unwrap_err()
            .to_string()
            .contains("number")
    );
    assert!(study.heatmap_of("accuracy", "units", "activation").is_ok());
}

#[test]
fn differences_are_those_of_compare_at_each_place() {
    let study = Study::new("differences")
        .vary("rate", [0.0, 0.2, 0.5])
        .vary("x", [2, 1])
        .vary("kind", ["a", "b"])
        .seeds(4)
        .in_memory()
        .quiet()
        .run(|t| {
            let (rate, x) = (t["rate"].number()?, t["x"].number()?);
            let slope = if t["kind"].to_string() == "a" { 1.0 } else { -1.0 };
            Ok(slope * rate * x + t.seed() as f64 + 0.01 * ((1.0 + rate) * t.seed() as f64).sin())
        })
        .unwrap();
    let chart = study.difference_curves("value", [("rate", 0.0)], "x").unwrap();
    let json = serde_json::to_value(chart.into_plot()).unwrap();
    let traces = json["data"].as_array().unwrap();
    assert_eq!(traces.len(), 8, "a band and a line for two rates and two kinds");
    let line = traces
        .iter()
        .find(|trace| trace["name"] == "0.5, a" && trace["showlegend"] != false)
        .unwrap();
    assert_eq!(line["x"], serde_json::json!([1.0, 2.0]));
    let sides = |rate: f64| -> [(&str, jook::study::Value); 3] {
        [("rate", rate.into()), ("x", 2.into()), ("kind", "a".into())]
    };
    let one = study.compare(sides(0.5), sides(0.0), "value").unwrap();
    assert_eq!(line["y"][1].as_f64(), Some(one.paired.difference));
    let refused = |baseline: Vec<(&str, jook::study::Value)>, across: &str, word: &str| {
        let error = study
            .difference_curves("value", baseline, across)
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
    };
    refused(vec![("rate", 0.0.into())], "rate", "baseline is rate=0");
    refused(vec![], "x", "baseline");
    refused(vec![("rate", 0.3.into())], "x", "no trial");
    refused(vec![("rate", 0.0.into())], "kind", "number");
}

#[test]
fn a_random_search_goes_on_where_it_ended() {
    let folder = Folder::new("random");
    let run = |n: usize| {
        Study::new("search")
            .version("1")
            .vary("rate", Domain::log_uniform(1e-4, 1.0))
            .vary("units", Domain::integer(4, 64))
            .random(n, 5)
            .store(&folder.0)
            .quiet()
            .run(|t| Ok(t["rate"].number()? * t["units"].count()? as f64))
            .unwrap()
    };
    assert_eq!(run(6).counts().computed, 6);
    assert_eq!(run(10).counts().computed, 4);
}

#[test]
fn errors_of_other_libraries_pass_by_the_question_mark() {
    let fails = |n: usize| {
        let study = Study::new("foreign").vary("which", [n]).in_memory().quiet();
        let study = study.run(|t| {
            match usize::try_from(t["which"])? {
                0 => drop(std::fs::read("no/such/file")?),
                1 => drop(LazyFrame::default().select([col("gone")]).collect()?),
                2 => drop("rice".parse::<f64>()?),
                3 => boxed()?,
                4 => shared()?,
                5 => Err("in a word")?,
                6 => drop(u8::try_from(300)?),
                7 => drop(std::env::var("JOOK_OF_NO_SUCH_NAME")?),
                _ => drop(String::from_utf8(vec![0xff])?),
            }
            Ok(1.0)
        });
        let study = study.unwrap();
        study.trials()[0].error().unwrap().to_owned()
    };
    fn boxed() -> std::result::Result<(), Box<dyn std::error::Error>> {
        Err(jook::Error::data("of one's own").fix("stay whole").into())
    }
    fn shared() -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err("in a box".into())
    }
    let said = [
        "No such file or directory",
        "gone",
        "invalid float literal",
        "of one's own\n  to do: stay whole",
        "in a box",
        "in a word",
        "out of range",
        "environment variable not found",
        "invalid utf-8",
    ];
    for (n, said) in said.into_iter().enumerate() {
        let error = fails(n);
        assert!(error.contains(said), "{n}: {error}");
    }
    assert!(fails(0).contains("Error::io(path, &e)"), "{}", fails(0));
    let error = jook::Error::from(std::io::Error::other("no"));
    assert_eq!(error.kind(), jook::error::ErrorKind::Io);
}

/// In a program as in a cell, the code stays as it is while what a closure captures changes.
#[test]
fn studies_in_a_loop_are_told_apart() {
    let folder = Folder::new("loop");
    let study = |factor: f64| {
        let study = Study::new("loop").vary("x", [1.0]).store(&folder.0).quiet();
        study.run(|t| Ok(factor * t["x"].number()?)).unwrap()
    };
    for factor in [1.0, 2.0, 3.0] {
        assert_eq!(study(factor).best("value").unwrap().1.mean, factor);
    }
}

/// A link in a store, as tools make them that keep large files elsewhere, stays one.
#[test]
fn a_trial_is_written_through_a_link() {
    let folder = Folder::new("links");
    let study = || {
        let study = Study::new("links")
            .version("1")
            .vary("x", [0.5])
            .store(&folder.0)
            .quiet();
        study.run(|t| t["x"].number()).unwrap()
    };
    let name = format!("{}.parquet", study().trials()[0].key());
    let (link, elsewhere) = (folder.0.join(&name), folder.0.join("elsewhere"));
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("kept"), b"PAR1 torn").unwrap();
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("elsewhere/kept", &link).unwrap();
    assert_eq!(study().counts().computed, 1);
    assert!(link.is_symlink());
    assert_eq!(study().counts().reused, 1);
    assert_eq!(std::fs::read_dir(elsewhere).unwrap().count(), 1);
}

#[test]
fn the_best_setting_is_one_that_all_its_seeds_survived() {
    let run = |steady: bool| {
        Study::new("broken")
            .vary("x", if steady { vec![1, 2] } else { vec![1] })
            .seeds(3)
            .in_memory()
            .quiet()
            .run(|t| match (t["x"].count()?, t.seed()) {
                (1, 0) => Ok(0.9),
                (1, 1) => Ok(f64::NAN),
                (1, _) => Err(Error::data("broke")),
                _ => Ok(0.5),
            })
            .unwrap()
    };
    let steady = run(true);
    assert_eq!(steady.best("value").unwrap().0.to_string(), "x=2");
    let told = steady.to_string();
    assert!(
        told.contains("1 of 6 trials gave a value that is no finite number"),
        "{told}"
    );
    assert!(told.contains("first failure (x=1, seed 2): broke"), "{told}");
    let (best, mean) = run(false).best("value").unwrap();
    assert_eq!((best.to_string().as_str(), mean.mean, mean.n), ("x=1", 0.9, 1));
}
