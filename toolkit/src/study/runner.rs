//! Running the trials of a study: what is missing, each result on disk before it is said.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::job::panicked;
use super::live::Live;
use super::plan::{Plan, Task};
use super::record::TrialResult;
use super::work::{Done, Engine, Work, of_plan};
use crate::{Error, Result, interrupt};

/// How a run of a study went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Combinations times seeds, times folds where there are any; with the trials on the test part.
    pub planned: usize,
    /// Trials finished by this run, failed ones included.
    pub computed: usize,
    /// Trials found in the store, or computed by another process meanwhile.
    pub reused: usize,
    /// Whether the user stopped it.
    pub stopped: bool,
}

/// What came of a plan.
#[derive(Clone)]
pub(super) struct Finished {
    /// By combination, fold and seed; none for what was not begun.
    pub results: Vec<Option<TrialResult>>,
    pub counts: Counts,
    pub elapsed: Duration,
    /// What went wrong beside the trials.
    pub trouble: Option<Error>,
}

/// Computes what the store does not have.
///
/// # Errors
/// When no thread can be started, or no result at all can be put on disk.
pub(super) fn run(plan: &Plan, engine: &Engine<'_>) -> Result<Finished> {
    let start = Instant::now();
    let stop_request = interrupt::scope();
    let mut results: Vec<Option<TrialResult>> = Vec::new();
    results.resize_with(plan.trials(), || None);
    let mut tasks = Vec::new();
    for task in plan.tasks() {
        match found(plan, engine, &task) {
            Some(result) => results[task.place] = Some(result),
            None => tasks.push(task),
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
    let mut live = Live::new(plan, results, tasks.len());
    let (threads, most) = engine.threads(plan);
    let work = Work::new(plan, engine, &tasks, most);
    let (sender, finished) = mpsc::channel();
    let (mut spawned_threads, mut refused) = (0, None);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(tasks.len()) {
            let sender = sender.clone();
            // A system that refuses another thread has given some: they do the work.
            let spawned = std::thread::Builder::new().spawn_scoped(scope, || work.on_one_thread(sender));
            if let Err(error) = spawned {
                refused = Some(error);
                break;
            }
            spawned_threads += 1;
        }
        drop(sender);
        // This thread waits for the disk, so that the others need not.
        while let Ok(first) = finished.recv() {
            let batch: Vec<Done> = std::iter::once(first)
                .chain(finished.try_iter().take(31))
                .collect();
            let fresh = batch.iter().filter(|one| one.fresh && one.result.complete);
            let fresh: Vec<&TrialResult> = fresh.map(|one| &one.result).collect();
            if !work.is_broken()
                && let Some(Err(error)) = plan.store.as_ref().map(|store| store.save(&fresh))
            {
                work.stop();
                trouble = Some(error);
            }
            for Done {
                place, result, fresh, ..
            } in batch
            {
                reused += usize::from(!fresh);
                // Only what is on disk is announced.
                if result.complete
                    && !work.is_broken()
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
    if let Some(error) = refused.filter(|_| spawned_threads == 0 && !tasks.is_empty()) {
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
    Ok(Finished {
        results,
        counts,
        elapsed: start.elapsed(),
        trouble,
    })
}

/// The trial in the store; what a failed one left only where those are kept.
fn found(plan: &Plan, engine: &Engine<'_>, task: &Task) -> Option<TrialResult> {
    let store = plan.store.as_ref()?;
    let found = store.find(&task.key).or_else(|| match plan.retry {
        true => None,
        false => store.find_failed(&task.key),
    })?;
    Some(of_plan(plan, engine, task, found))
}
