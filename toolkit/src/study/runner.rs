//! Running the trials of a study: what is missing, on all cores, each trial on one thread.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::base::Base;
use super::claim::Claim;
use super::goal::Goals;
use super::live::Live;
use super::record::{TAKEN, TrialResult, history_columns, key};
use super::result::{Counts, StudyResult};
use super::settings::Settings;
use super::store::Store;
use super::study::Announce;
use super::trial::{Measured, Trial};
use crate::{Error, Result, interrupt, show};

/// A study, decided in every respect.
pub(super) struct Plan {
    pub name: String,
    pub version: String,
    pub varied: Vec<String>,
    /// What is known of base and data.
    pub fingerprint: String,
    pub combinations: Vec<Settings>,
    pub seeds: Vec<u64>,
    pub store: Option<Store>,
    pub threads: usize,
    pub metric: Option<String>,
    pub goals: Goals,
    pub quiet: bool,
    pub retry: bool,
    pub base: Option<Arc<Base>>,
    pub announce: Option<Arc<Announce>>,
}

/// One trial to run, and the place of its result.
struct Job {
    combination: usize,
    seed: u64,
    key: String,
    place: usize,
}

type Closure<'a> = dyn Fn(&Trial) -> Result<Measured> + Sync + 'a;

pub(super) fn run(plan: Plan, closure: &Closure<'_>) -> Result<StudyResult> {
    let start = Instant::now();
    let stop_request = interrupt::scope();
    let mut results: Vec<Option<TrialResult>> = Vec::new();
    results.resize_with(plan.combinations.len() * plan.seeds.len(), || None);
    let mut jobs = Vec::new();
    // All combinations with the first seed, then with the next: a study stopped half-way can be read.
    for (s, &seed) in plan.seeds.iter().enumerate() {
        for (combination, settings) in plan.combinations.iter().enumerate() {
            let key = key(&plan.name, &plan.version, &plan.fingerprint, settings, seed);
            let place = combination * plan.seeds.len() + s;
            match found(&plan, &key) {
                Some(result) => results[place] = Some(result),
                None => jobs.push(Job {
                    combination,
                    seed,
                    key,
                    place,
                }),
            }
        }
    }
    let mut reused = results.iter().flatten().count();
    let mut trouble = None;
    if let Some(announce) = &plan.announce {
        let all = || results.iter().flatten().for_each(|result| announce(result));
        trouble = catch_unwind(AssertUnwindSafe(all))
            .err()
            .map(|panic| panicked("the function of on_finished", panic.as_ref()));
    }
    let mut live = Live::new(&plan, results, jobs.len());
    let work = Work {
        plan: &plan,
        closure,
        jobs: &jobs,
        next: AtomicUsize::new(0),
        elsewhere: Mutex::default(),
        began: now(),
        broken: AtomicBool::new(false),
    };
    let (sender, finished) = mpsc::channel();
    let (mut spawned_threads, mut refused) = (0, None);
    std::thread::scope(|threads| {
        for _ in 0..plan.threads.min(jobs.len()) {
            let sender = sender.clone();
            // A system that refuses another thread has given some: they do the work.
            let spawned = std::thread::Builder::new().spawn_scoped(threads, || work.on_one_thread(sender));
            if let Err(error) = spawned {
                refused = Some(error);
                break;
            }
            spawned_threads += 1;
        }
        drop(sender);
        // This thread waits for the disk, so that the others need not.
        while let Ok(first) = finished.recv() {
            let batch: Vec<Finished> = std::iter::once(first)
                .chain(finished.try_iter().take(31))
                .collect();
            let fresh = batch.iter().filter(|one| one.fresh && one.result.complete);
            let fresh: Vec<&TrialResult> = fresh.map(|one| &one.result).collect();
            if !work.broken.load(Ordering::Relaxed)
                && let Some(Err(error)) = plan.store.as_ref().map(|store| store.save(&fresh))
            {
                work.broken.store(true, Ordering::Relaxed);
                trouble = Some(error);
            }
            for Finished {
                place, result, fresh, ..
            } in batch
            {
                reused += usize::from(!fresh);
                // Only what is on disk is announced.
                if result.complete
                    && !work.broken.load(Ordering::Relaxed)
                    && let Some(announce) = &plan.announce
                    && let Err(panic) = catch_unwind(AssertUnwindSafe(|| announce(&result)))
                {
                    // The trials go on: what they find is worth more than what is said of it.
                    trouble.get_or_insert(panicked("the function of on_finished", panic.as_ref()));
                }
                live.put(place, result);
            }
        }
    });
    let stopped = stop_request.requested();
    drop(stop_request);
    let results = live.finish();
    if let Some(error) = refused.filter(|_| spawned_threads == 0 && !jobs.is_empty()) {
        return Err(Error::spec(format!("no thread could be started: {error}")).at("study"));
    }
    if results.iter().flatten().next().is_none()
        && let Some(error) = trouble
    {
        return Err(error);
    }
    let computed = results
        .iter()
        .flatten()
        .filter(|r| r.complete)
        .count()
        .saturating_sub(reused);
    let counts = Counts {
        planned: results.len(),
        computed,
        reused,
        stopped,
    };
    Ok(StudyResult::new(plan, results, counts, start.elapsed(), trouble))
}

fn found(plan: &Plan, key: &str) -> Option<TrialResult> {
    let store = plan.store.as_ref()?;
    store.find(key).or_else(|| match plan.retry {
        true => None,
        false => store.find_failed(key),
    })
}

/// A finished trial on its way to the disk.
struct Finished {
    place: usize,
    result: TrialResult,
    /// Run here and now, not found in the store.
    fresh: bool,
    /// Given up once the result is on disk.
    _claim: Option<Claim>,
}

/// How often a process looks for what others are computing.
const LOOK: Duration = Duration::from_millis(50);

/// What the threads share.
struct Work<'a> {
    plan: &'a Plan,
    closure: &'a Closure<'a>,
    jobs: &'a [Job],
    next: AtomicUsize,
    /// Jobs that other processes on the same store are at.
    elsewhere: Mutex<VecDeque<usize>>,
    /// When the study began here, in milliseconds since 1970.
    began: i64,
    /// A result could not be put on disk: no thread starts another trial.
    broken: AtomicBool,
}

impl Work<'_> {
    fn on_one_thread(&self, sender: mpsc::Sender<Finished>) {
        // Parallel loops inside a trial stay on its thread: the cores are full of trials already.
        match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
            Ok(pool) => pool.install(|| self.work(&sender)),
            Err(_) => self.work(&sender),
        }
    }

    fn work(&self, sender: &mpsc::Sender<Finished>) {
        while self.goes_on() {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = self.jobs.get(at) else { break };
            match self.finished(job) {
                Some(finished) => _ = sender.send(finished),
                None => self.others().push_back(at),
            }
        }
        self.work_with_others(sender);
    }

    /// Takes the results of other processes as they come, and the trials of those that have ended without one.
    fn work_with_others(&self, sender: &mpsc::Sender<Finished>) {
        while self.goes_on() {
            let mut idle = true;
            let round = self.others().len();
            for _ in 0..round {
                let Some(at) = self.others().pop_front() else {
                    break;
                };
                match self.finished(&self.jobs[at]) {
                    Some(finished) => {
                        idle = false;
                        _ = sender.send(finished);
                    }
                    None => self.others().push_back(at),
                }
                if !self.goes_on() {
                    return;
                }
            }
            if self.others().is_empty() {
                return;
            }
            if idle {
                std::thread::sleep(LOOK);
            }
        }
    }

    fn goes_on(&self) -> bool {
        !self.broken.load(Ordering::Relaxed) && !interrupt::requested()
    }

    fn others(&self) -> std::sync::MutexGuard<'_, VecDeque<usize>> {
        self.elsewhere
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The trial, computed here or found; none while another process computes it.
    fn finished(&self, job: &Job) -> Option<Finished> {
        let place = job.place;
        let (mut found, mut claim) = (None, None);
        if let Some(store) = &self.plan.store {
            claim = Some(store.claim(&job.key)?);
            // Another process on the same store may have been here since. What failed there in the meantime would
            // fail here, too.
            let since = |trial: &TrialResult| trial.finished_at > self.began;
            let failed = || store.find_failed(&job.key).filter(since);
            found = store.find(&job.key).or_else(failed);
        }
        let fresh = found.is_none();
        Some(Finished {
            place,
            result: found.unwrap_or_else(|| self.trial(job)),
            fresh,
            _claim: claim,
        })
    }

    fn trial(&self, job: &Job) -> TrialResult {
        let settings = self.plan.combinations[job.combination].clone();
        let trial = Trial::new(settings.clone(), job.seed, self.plan.base.clone());
        let start = Instant::now();
        let measured = catch_unwind(AssertUnwindSafe(|| show::quiet(|| (self.closure)(&trial))))
            .unwrap_or_else(|panic| Err(panicked("the trial", panic.as_ref())))
            .and_then(|measured| checked(measured, &settings));
        let seconds = start.elapsed().as_secs_f64();
        let requested = interrupt::requested();
        let (measured, error) = match measured {
            Ok(measured) => (measured, None),
            Err(error) => (Measured::new().ending("failed"), Some(error.to_string())),
        };
        let complete = measured.complete.unwrap_or(!requested);
        let ending = measured.ending.filter(|_| complete || error.is_none());
        TrialResult {
            key: job.key.clone(),
            study: self.plan.name.clone(),
            version: self.plan.version.clone(),
            settings,
            seed: job.seed,
            metrics: measured.metrics,
            seconds,
            ending: ending.unwrap_or_else(|| if complete { "completed" } else { "interrupted" }.to_owned()),
            error,
            spec: measured.spec,
            recipe: measured.recipe,
            jook: env!("CARGO_PKG_VERSION").to_owned(),
            device: device().to_owned(),
            finished_at: now(),
            history: measured.history.as_ref().map(history_columns).unwrap_or_default(),
            complete,
        }
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |t| t.as_millis() as i64)
}

/// Metrics become columns beside the settings: their names must be free.
fn checked(measured: Measured, settings: &Settings) -> Result<Measured> {
    let mut seen = HashSet::new();
    for (name, _) in &measured.metrics {
        let taken =
            TAKEN.contains(&name.as_str()) || settings.get(name).is_some() || name.starts_with("history.");
        if name.is_empty() || taken || !seen.insert(name) {
            return Err(
                Error::spec(format!("the metric \"{name}\" has the name of another column"))
                    .fix("return it under another name"),
            );
        }
    }
    Ok(measured)
}

fn panicked(who: &str, panic: &(dyn std::any::Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned());
    Error::spec(format!("{who} panicked: {said}"))
}

/// What the trials run on.
fn device() -> &'static str {
    static DEVICE: OnceLock<String> = OnceLock::new();
    DEVICE.get_or_init(|| {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        match model {
            Some((_, model)) => format!("cpu ({})", model.trim()),
            None => format!("cpu ({})", std::env::consts::ARCH),
        }
    })
}
