//! Computing trials: on all cores, each trial on one thread; or round by round on a backend.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::claim::Claim;
use super::frame::{TAKEN, history_columns};
use super::job::{Backend, Job, on_this_thread, panicked};
use super::plan::{Plan, Task};
use super::record::TrialResult;
use super::settings::Settings;
use super::trial::{Measured, Outcome as _, Trial};
use crate::data::Split;
use crate::train::{DEVICE, Run};
use crate::{Error, Result, interrupt, show};

/// What computes trials.
pub(super) enum Engine<'a> {
    /// A closure, one trial at a time on each thread.
    Closure(&'a (dyn Fn(&Trial) -> Result<Measured> + Sync)),
    /// The base of the study, as jobs.
    Backend(&'a dyn Backend),
}

impl Engine<'_> {
    /// How many threads work, and the most trials of a round on one.
    pub(super) fn threads(&self, plan: &Plan) -> (usize, usize) {
        match self {
            Engine::Closure(_) => (plan.threads, 1),
            Engine::Backend(backend) => (backend.rounds().max(1), backend.jobs().clamp(1, MOST_JOBS)),
        }
    }
}

/// A finished trial on its way to the disk.
pub(super) struct Done {
    pub place: usize,
    pub result: TrialResult,
    /// Run here and now, not found in the store.
    pub fresh: bool,
    /// Given up once the result is on disk.
    _claim: Option<Claim>,
}

/// What a closure calls validation that left the study's data alone.
const OWN_VALIDATION: &str = "trials' own validation";

/// Jobs of a round at most: in a store each keeps a file open, its claim.
const MOST_JOBS: usize = 256;

/// How often a process looks for what others are computing.
const LOOK: Duration = Duration::from_millis(50);

/// A missing trial, and the right to compute it.
struct Claimed<'a> {
    task: &'a Task,
    claim: Option<Claim>,
}

/// What the threads share.
pub(super) struct Work<'a> {
    plan: &'a Plan,
    engine: &'a Engine<'a>,
    tasks: &'a [Task],
    /// The most trials of a round.
    most: usize,
    next: Mutex<usize>,
    /// Tasks that other processes on the same store are at.
    elsewhere: Mutex<VecDeque<usize>>,
    /// When the study began here, in milliseconds since 1970.
    began: i64,
    /// A result could not be put on disk: no thread starts another trial.
    broken: AtomicBool,
}

type Sender = mpsc::Sender<Done>;

impl<'a> Work<'a> {
    pub(super) fn new(plan: &'a Plan, engine: &'a Engine<'a>, tasks: &'a [Task], most: usize) -> Self {
        Self {
            plan,
            engine,
            tasks,
            most,
            next: Mutex::new(0),
            elsewhere: Mutex::default(),
            began: now(),
            broken: AtomicBool::new(false),
        }
    }

    /// Lets no thread start another trial: results cannot be put on disk.
    pub(super) fn stop(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    pub(super) fn on_one_thread(&self, sender: Sender) {
        match self.most {
            1 => on_this_thread(|| self.work(&sender)),
            _ => self.work(&sender),
        }
    }

    fn work(&self, sender: &Sender) {
        while self.goes_on() {
            let round = self.round();
            if round.is_empty() {
                break;
            }
            let mut claimed = Vec::with_capacity(round.len());
            for at in round {
                match self.claim(&self.tasks[at], sender) {
                    Some(Some(missing)) => claimed.push(missing),
                    Some(None) => {}
                    None => locked(&self.elsewhere).push_back(at),
                }
            }
            self.compute(claimed, sender);
        }
        self.work_with_others(sender);
    }

    /// The next tasks, all of one part; none when all are taken.
    fn round(&self) -> std::ops::Range<usize> {
        let mut next = locked(&self.next);
        let start = *next;
        let part = self.tasks.get(start).map(|task| task.part);
        while *next < self.tasks.len() && *next - start < self.most && Some(self.tasks[*next].part) == part {
            *next += 1;
        }
        start..*next
    }

    /// Takes the results of other processes as they come, and the trials of those that have ended without one.
    fn work_with_others(&self, sender: &Sender) {
        while self.goes_on() {
            let mut idle = true;
            let round = locked(&self.elsewhere).len();
            for _ in 0..round {
                let Some(at) = locked(&self.elsewhere).pop_front() else {
                    break;
                };
                match self.claim(&self.tasks[at], sender) {
                    Some(missing) => {
                        idle = false;
                        self.compute(missing.into_iter().collect(), sender);
                    }
                    None => locked(&self.elsewhere).push_back(at),
                }
                if !self.goes_on() {
                    return;
                }
            }
            if locked(&self.elsewhere).is_empty() {
                return;
            }
            if idle {
                std::thread::sleep(LOOK);
            }
        }
    }

    fn goes_on(&self) -> bool {
        !self.is_broken() && !interrupt::requested()
    }

    /// The right to compute a trial; nothing to compute when another process has done it meanwhile, which is then
    /// handed on. None while another process computes it.
    fn claim<'t>(&self, task: &'t Task, sender: &Sender) -> Option<Option<Claimed<'t>>> {
        let Some(store) = &self.plan.store else {
            return Some(Some(Claimed { task, claim: None }));
        };
        let claim = Some(store.claim(&task.key)?);
        // What failed there in the meantime would fail here, too.
        let since = |trial: &TrialResult| trial.finished_at > self.began;
        let failed = || store.find_failed(&task.key).filter(since);
        match store.find(&task.key).or_else(failed) {
            None => Some(Some(Claimed { task, claim })),
            Some(found) => {
                _ = sender.send(Done {
                    place: task.place,
                    result: of_plan(self.plan, self.engine, task, found),
                    fresh: false,
                    _claim: claim,
                });
                Some(None)
            }
        }
    }

    /// Computes the trials of a round and hands each on when it is finished.
    fn compute(&self, round: Vec<Claimed<'_>>, sender: &Sender) {
        match self.engine {
            Engine::Closure(closure) => {
                for Claimed { task, claim } in round {
                    let start = Instant::now();
                    let trial = self.trial(task);
                    let measured = catch_unwind(AssertUnwindSafe(|| show::quiet(|| closure(&trial))))
                        .unwrap_or_else(|panic| Err(panicked("the trial", panic.as_ref())))
                        .map(|measured| self.placed(measured, &trial));
                    let result = self.result(task, measured, start.elapsed(), None);
                    self.send(sender, task, claim, result);
                }
            }
            Engine::Backend(backend) => self.compute_on(*backend, round, sender),
        }
    }

    /// What a closure has measured, with the part that it took from the study.
    fn placed(&self, mut measured: Measured, trial: &Trial) -> Measured {
        if let Some(part) = self.plan.measured_on {
            if trial.took_data() {
                measured.measured_on = Some(part.to_owned());
            } else if measured.measured_on.as_deref() == Some("validation") {
                measured.measured_on = Some(OWN_VALIDATION.to_owned());
            }
        }
        measured
    }

    fn compute_on(&self, backend: &dyn Backend, round: Vec<Claimed<'_>>, sender: &Sender) {
        let (mut jobs, mut waiting) = (Vec::new(), Vec::new());
        let device = backend.device();
        for Claimed { task, claim } in round {
            match self.job(task) {
                Ok(job) => {
                    jobs.push(job);
                    waiting.push((task, Cell::new(Some(claim))));
                }
                Err(error) => {
                    let result = self.result(task, Err(error), Duration::ZERO, device.clone());
                    self.send(sender, task, claim, result);
                }
            }
        }
        let Some(data) = waiting.first().and_then(|(task, _)| self.data(task)) else {
            return;
        };
        let start = Instant::now();
        let alone = jobs.len() == 1;
        let hand_on = |at: usize, measured: Result<Measured>, seconds: Duration, device: Option<String>| {
            // A job that is handed over twice, or was never there, says nothing new.
            if let Some((task, claim)) = waiting.get(at)
                && let Some(claim) = claim.take()
            {
                let result = self.result(task, measured, seconds, device);
                self.send(sender, task, claim, result);
            }
        };
        let mut finished = |at: usize, run: Result<Run>| {
            let ran_on = run
                .as_ref()
                .ok()
                .map(|run| run.device.clone())
                .filter(|on| on != DEVICE);
            let own = run.as_ref().map_or(0.0, |run| run.seconds.max(0.0));
            let seconds = match alone {
                true => start.elapsed(),
                false => Duration::try_from_secs_f64(own).unwrap_or_default(),
            };
            hand_on(
                at,
                run.and_then(|run| run.measured()),
                seconds,
                ran_on.or(device.clone()),
            );
        };
        let ran = catch_unwind(AssertUnwindSafe(|| {
            show::quiet(|| backend.fit(data, &jobs, &mut finished));
        }));
        let lost = match ran {
            Ok(()) => Error::spec("the backend did not hand this job over"),
            Err(panic) => panicked("the backend", panic.as_ref()),
        };
        for at in 0..waiting.len() {
            hand_on(at, Err(lost.clone()), start.elapsed(), device.clone());
        }
    }

    fn send(&self, sender: &Sender, task: &Task, claim: Option<Claim>, result: TrialResult) {
        _ = sender.send(Done {
            place: task.place,
            result,
            fresh: true,
            _claim: claim,
        });
    }

    fn settings(&self, task: &Task) -> &Settings {
        &self.plan.described.combinations[task.combination]
    }

    fn data(&self, task: &Task) -> Option<&Split> {
        self.plan.parts[task.part].data.as_ref()
    }

    fn trial(&self, task: &Task) -> Trial {
        let part = &self.plan.parts[task.part];
        Trial::new(self.settings(task).clone(), task.seed, self.plan.base.clone())
            .on(part.data.clone(), part.fold)
    }

    fn job(&self, task: &Task) -> Result<Job> {
        let trial = self.trial(task);
        Ok(Job {
            net: trial.net()?,
            recipe: trial.recipe()?,
            seed: task.seed,
        })
    }

    /// The record of a trial that took so long.
    fn result(
        &self,
        task: &Task,
        measured: Result<Measured>,
        took: Duration,
        on_device: Option<String>,
    ) -> TrialResult {
        let settings = self.settings(task).clone();
        let measured = measured.and_then(|measured| checked(measured, &settings));
        let requested = interrupt::requested();
        let (measured, error) = match measured {
            Ok(measured) => (measured, None),
            Err(error) => (Measured::new().ending("failed"), Some(error.to_string())),
        };
        let complete = measured.complete.unwrap_or(!requested);
        let ending = measured.ending.filter(|_| complete || error.is_none());
        TrialResult {
            key: task.key.clone(),
            study: self.plan.described.name.clone(),
            version: self.plan.version.clone(),
            settings,
            seed: task.seed,
            fold: self.plan.parts[task.part].fold,
            measured_on: match self.engine {
                Engine::Closure(_) => measured.measured_on,
                Engine::Backend(_) => self.plan.measured_on.map(str::to_owned),
            },
            metrics: measured.metrics,
            seconds: took.as_secs_f64(),
            ending: ending.unwrap_or_else(|| if complete { "completed" } else { "interrupted" }.to_owned()),
            error,
            spec: measured.spec,
            recipe: measured.recipe,
            jook: env!("CARGO_PKG_VERSION").to_owned(),
            device: on_device.unwrap_or_else(|| device().to_owned()),
            finished_at: now(),
            history: measured.history.as_ref().map(history_columns).unwrap_or_default(),
            complete,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
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

/// A stored trial as one of this plan: folds are numbered by the study, and what the data are for is the study's say,
/// except to a closure, which may measure on others.
pub(super) fn of_plan(plan: &Plan, engine: &Engine<'_>, task: &Task, mut found: TrialResult) -> TrialResult {
    found.fold = plan.parts[task.part].fold;
    if let (Engine::Backend(_), Some(part)) = (engine, plan.measured_on) {
        found.measured_on = Some(part.to_owned());
    }
    found
}
