//! [`Job`]: a training as data; [`Backend`]: what trains many of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use serde::{Deserialize, Serialize};

use crate::data::Split;
use crate::net::{NetSpec, Network};
use crate::train::{Recipe, Run};
use crate::{Error, Result, show};

/// A training as data: what is trained, how, and from which seed. [`Study::fit`](super::Study::fit) hands its trials
/// over as such.
///
/// ```
/// use jook::prelude::*;
/// use jook::study::Job;
/// let moons = datasets::two_moons(200, 0.1, 0)?.split(0.2, 0)?;
/// let job = Job { net: Mlp::new([2, 8, 2]).spec()?, recipe: Recipe::new().epochs(5), seed: 3 };
/// let run = job.fit(&moons)?;
/// # assert_eq!(run.recipe.seed, 3);
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The network.
    pub net: NetSpec,
    /// How it is trained. Examples of its own that it watches ([`Recipe::validation`]) are not written down with it.
    pub recipe: Recipe,
    /// The seed of the weights and of everything random, in place of the recipe's.
    pub seed: u64,
}

impl Job {
    /// Draws the weights, trains on the training part and evaluates on the test part: what every backend has to do.
    ///
    /// # Errors
    /// As [`Network::fit`].
    pub fn fit(&self, data: &Split) -> Result<Run> {
        Network::new(&self.net, self.seed)?.fit(data, self.recipe.clone().seed(self.seed))
    }
}

/// Where the trainings of a study run: the threads of this machine ([`Threads`]), or something that trains many at once.
///
/// A study hands over rounds of jobs that share their data, and takes each run as soon as it is finished.
pub trait Backend: Send + Sync {
    /// Does [`Job::fit`] for each job, in any order or at once, and calls `finished` with the job's place in `jobs`
    /// and its run, as soon as that is there. A stop request ([`interrupt`](crate::interrupt)) ends the trainings on
    /// their way; jobs that are not handed over count as failed.
    fn fit(&self, data: &Split, jobs: &[Job], finished: &mut dyn FnMut(usize, Result<Run>));

    /// The most jobs of one round; by default as many as there are, up to 256.
    fn jobs(&self) -> usize {
        usize::MAX
    }

    /// How many rounds it takes at a time, each on a thread of its own. Rounds of one job keep to their thread.
    fn rounds(&self) -> usize {
        1
    }

    /// What the trainings run on, when it is not this machine's processor: part of every trial's key, as other
    /// devices may give other bits.
    fn device(&self) -> Option<String> {
        None
    }
}

/// The threads of this machine, one a training.
#[derive(Clone, Copy, Debug)]
pub struct Threads(usize);

impl Threads {
    /// So many trainings at a time (1 or more; 0 counts as 1).
    pub fn new(threads: usize) -> Self {
        Self(threads.max(1))
    }
}

impl Backend for Threads {
    fn fit(&self, data: &Split, jobs: &[Job], finished: &mut dyn FnMut(usize, Result<Run>)) {
        let one = |job: &Job| {
            catch_unwind(AssertUnwindSafe(|| show::quiet(|| job.fit(data))))
                .unwrap_or_else(|panic| Err(panicked("the training", panic.as_ref())))
        };
        // In a study there is one job a round, and the study has the threads.
        if jobs.len() < 2 || self.0 == 1 {
            for (at, job) in jobs.iter().enumerate() {
                finished(at, one(job));
            }
            return;
        }
        let next = AtomicUsize::new(0);
        let take = || {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, jobs.get(at)?))
        };
        let (sender, runs) = mpsc::channel();
        let work = |sender: mpsc::Sender<(usize, Result<Run>)>| {
            while let Some((at, job)) = take() {
                _ = sender.send((at, one(job)));
            }
        };
        std::thread::scope(|threads| {
            for _ in 0..self.0.min(jobs.len()) {
                let sender = sender.clone();
                // A system that refuses another thread has given some, or none: then this one does the work below.
                let spawned =
                    std::thread::Builder::new().spawn_scoped(threads, || on_this_thread(|| work(sender)));
                if spawned.is_err() {
                    break;
                }
            }
            drop(sender);
            for (at, run) in runs {
                finished(at, run);
            }
        });
        while let Some((at, job)) = take() {
            finished(at, one(job));
        }
    }

    fn jobs(&self) -> usize {
        1
    }

    fn rounds(&self) -> usize {
        self.0
    }
}

/// Keeps parallel loops inside a training on its thread: the cores are full of trainings already.
pub(super) fn on_this_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}

/// What a panic said, as an error.
pub(super) fn panicked(who: &str, panic: &(dyn std::any::Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned());
    Error::spec(format!("{who} panicked: {said}"))
}
