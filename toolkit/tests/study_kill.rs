//! kill -9 at random moments of a study: no trial announced as finished is lost, the store can be read each
//! time, and the next run computes only what is missing. Processes on one store share its trials.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jook::study::{Store, Study, StudyResult};
use polars::prelude::*;
use rand::{Rng, SeedableRng};

const DIR: &str = "JOOK_TEST_STUDY_DIR";
const TRIALS: usize = 24 * 5;

fn study(dir: &Path) -> StudyResult {
    Study::new("killed")
        .version("1")
        .vary("x", (0..24).collect::<Vec<i32>>())
        .seeds(5)
        .threads(2)
        .store(dir)
        .quiet()
        .on_finished(|trial| println!("\non disk: {}", trial.key()))
        .run(|t| {
            println!("\ncomputed: {}", t.settings());
            std::thread::sleep(Duration::from_millis(3));
            Ok(t["x"].number()? + t.seed() as f64 / 10.0)
        })
        .unwrap()
}

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "run by the test below"]
fn victim() {
    if let Some(dir) = std::env::var_os(DIR) {
        study(Path::new(&dir));
    }
}

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Takes the next line, if there is one. A line cut off by the kill was not said.
fn hear(lines: &mut impl BufRead, announced: &mut HashSet<String>) -> bool {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    if let Some((_, key)) = line
        .strip_suffix('\n')
        .and_then(|line| line.split_once("on disk: "))
    {
        announced.insert(key.to_owned());
    }
    !line.is_empty()
}

fn keys(store: &Store) -> HashSet<String> {
    let frame = store.frame().expect("a readable store");
    let keys: HashSet<String> = frame
        .column("key")
        .unwrap()
        .str()
        .unwrap()
        .iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    assert_eq!(keys.len(), frame.height(), "every trial once");
    keys
}

fn temporary(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".tmp")).count()
}

#[test]
fn no_finished_trial_is_lost() {
    let dir = std::env::temp_dir().join(format!("jook-study-kill-{}", std::process::id()));
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(9);
    let mut announced = HashSet::new();
    let mut cut_short = 0;
    let mut started_over = 0;
    for round in 0..20 {
        // A study that came to its end starts over, so that each kill meets work.
        if dir.exists() && keys(&Store::open(&dir).unwrap()).len() == TRIALS {
            std::fs::remove_dir_all(&dir).unwrap();
            announced.clear();
            started_over += 1;
        }
        let mut victim = start(&dir);
        // Killed after some news, and then at any moment of the next trials; or while it starts.
        let news = random.random_range(0..16);
        let mut lines = BufReader::new(victim.stdout.take().unwrap());
        let mut heard = announced.len();
        while announced.len() < heard + news && hear(&mut lines, &mut announced) {}
        heard = announced.len();
        std::thread::sleep(Duration::from_micros(random.random_range(0..12_000)));
        victim.kill().unwrap();
        cut_short += usize::from(!victim.wait().unwrap().success());
        while hear(&mut lines, &mut announced) {}
        assert!(announced.len() >= heard);
        if !dir.exists() {
            continue; // killed before it began
        }
        let kept = keys(&Store::open(&dir).unwrap());
        let lost: Vec<_> = announced.difference(&kept).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
        // Every file is whole for polars alone, too.
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "parquet") {
                let file = std::fs::File::open(path).unwrap();
                assert_eq!(ParquetReader::new(file).finish().unwrap().height(), 1);
            }
        }
    }
    assert!(
        cut_short >= 15,
        "only {cut_short} of 20 were killed while they ran"
    );
    assert!(
        started_over > 0 || announced.len() > 20,
        "too few trials finished before a kill"
    );
    let before = Store::open(&dir).map_or(0, |store| keys(&store).len());
    let whole = study(&dir);
    assert_eq!(
        (whole.counts().reused, whole.counts().computed),
        (before, TRIALS - before)
    );
    assert_eq!(temporary(&dir), 0, "leftovers are cleared away");
    assert_eq!(keys(&Store::open(&dir).unwrap()).len(), TRIALS);
    assert_eq!(study(&dir).counts().computed, 0);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn two_processes_share_a_store() {
    let dir = std::env::temp_dir().join(format!("jook-study-two-{}", std::process::id()));
    let mut victims = [start(&dir), start(&dir)];
    let readers = victims.each_mut().map(|victim| {
        let lines = BufReader::new(victim.stdout.take().unwrap());
        std::thread::spawn(move || lines.lines().map_while(Result::ok).collect::<Vec<_>>())
    });
    let said = readers.map(|reader| reader.join().unwrap());
    let count = |lines: &[String], what: &str| lines.iter().filter(|line| line.contains(what)).count();
    for (victim, lines) in victims.iter_mut().zip(&said) {
        assert!(victim.wait().unwrap().success());
        assert_eq!(count(lines, "on disk: "), TRIALS, "each has every result");
    }
    let computed = said.each_ref().map(|lines| count(lines, "computed: "));
    assert_eq!(
        computed.iter().sum::<usize>(),
        TRIALS,
        "each trial once: {computed:?}"
    );
    assert_eq!(keys(&Store::open(&dir).unwrap()).len(), TRIALS);
    assert_eq!(temporary(&dir), 0);
    assert_eq!(study(&dir).counts().computed, 0);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn the_trials_of_a_killed_process_are_taken_over() {
    let dir = std::env::temp_dir().join(format!("jook-study-heir-{}", std::process::id()));
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder", "--ignored", "--nocapture"])
        .env(DIR, &dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    while !lines.next().unwrap().unwrap().contains("holds") {}
    let heir = {
        let dir = dir.clone();
        std::thread::spawn(move || patient(&dir, || {}))
    };
    // The other trials are done, and this one is waited for: its process lives.
    let done = || Store::open(&dir).map_or(0, |store| keys(&store).len());
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while done() < 3 {
        assert!(std::time::Instant::now() < end, "{} of 3 trials", done());
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    assert!(!heir.is_finished());
    victim.kill().unwrap();
    victim.wait().unwrap();
    let counts = heir.join().unwrap().counts();
    assert_eq!((counts.computed, counts.reused), (4, 0));
    let left = std::fs::read_dir(&dir).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    assert!(!names.into_iter().any(|name| name.contains("claim")));
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Four trials, of which the first calls `first`.
fn patient(dir: &Path, first: impl Fn() + Sync) -> StudyResult {
    Study::new("patient")
        .vary("x", [0, 1, 2, 3])
        .threads(1)
        .store(dir)
        .quiet()
        .run(|t| {
            let x = t["x"].number()?;
            if x == 0.0 {
                first();
            }
            Ok(x)
        })
        .unwrap()
}

/// Not a test of its own: the process that is killed while it holds a trial.
#[test]
#[ignore = "run by the test above"]
fn holder() {
    if let Some(dir) = std::env::var_os(DIR) {
        patient(Path::new(&dir), || {
            println!("\nholds");
            std::thread::sleep(Duration::from_secs(600));
        });
    }
}
