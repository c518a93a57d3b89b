//! [`run`]: the jobs of a plan on a card, segment after segment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cudarc::driver::sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES as MAX_SHARED;
use cudarc::driver::{CudaFunction, DeviceRepr, LaunchConfig, PushKernelArg};

use super::job::{Check, Data, Done, Ending, Job, Loss, Standing};
use super::plan::Plan;
use super::supply::{NOWHERE, Supply, settings};
use crate::compile::kernel;
use crate::memory::Array;
use crate::{Card, Error, Result};

/// How long a launch should take: short enough to be stopped, and for a card that drives a display.
const LAUNCH: Duration = Duration::from_millis(100);

/// Steps of the first launch, from which the length of the others is reckoned.
const FIRST: u32 = 8;

/// The most rows, words and numbers that a segment brings along.
const MOST: usize = 1 << 27;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// With the next segment.
    On,
    /// Everything stays as it is then.
    Stop,
}

/// Where the jobs stand, between two segments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Jobs whose training has ended.
    pub ended: usize,
    /// Updates made by all.
    pub steps: u64,
    /// Updates that all jobs could make.
    pub total: u64,
    /// How long the card was at work.
    pub busy: Duration,
}

/// The argument of the kernel: addresses on the card, in the order of `sweep.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Segment {
    addresses: [u64; 16],
    next: u64,
    count: u32,
    steps: u32,
}

// SAFETY: the fields of the struct that the kernel takes by value.
unsafe impl DeviceRepr for Segment {}

/// Trains all jobs by `plan`, and calls `look` between two segments. What was computed when it says stop is given.
///
/// # Errors
/// When a job does not fit the plan, or the card fails: see [`Error::lasting`](crate::Error).
pub fn run(
    card: &Card,
    plan: &Plan,
    jobs: &[Job],
    mut look: impl FnMut(Progress) -> Flow,
) -> Result<Vec<Done>> {
    for job in jobs {
        fits(plan, job)?;
    }
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let sweep = kernel(card, "sweep", &plan.source())?;
    let shared = i32::try_from(plan.shared_bytes).unwrap_or(i32::MAX);
    sweep
        .set_attribute(MAX_SHARED, shared)
        .map_err(|error| Error::of_driver(error, "asking for shared memory"))?;
    let blocks = sweep
        .occupancy_max_active_blocks_per_multiprocessor(plan.threads as u32, plan.shared_bytes, None)
        .map_err(|error| Error::of_driver(error, "asking how many blocks fit"))?;
    let blocks = (blocks.max(1) as usize * card.multiprocessors).min(jobs.len());
    let mut work = Work::new(card, plan, jobs, sweep, blocks)?;
    let total = jobs.iter().map(|job| u64::from(job.total)).sum();
    let (mut steps, mut busy) = (FIRST, Duration::ZERO);
    let mut supply = work.supply(steps);
    while !supply.live.is_empty() {
        let losses = work.launch(&supply)?;
        let began = Instant::now();
        // While the card computes: what the next segment needs, if nothing ends.
        let (launched, ready) = (supply.steps, work.ahead(&supply, steps));
        work.standing = work.progress.read()?;
        let took = began.elapsed();
        busy += took;
        work.keep_losses(&supply, &losses.read()?);
        let progress = Progress {
            ended: work.standing.iter().filter(|one| one.ending != 0).count(),
            steps: work.standing.iter().map(|one| u64::from(one.step)).sum(),
            total,
            busy,
        };
        let stop = look(progress) == Flow::Stop;
        if stop {
            break;
        }
        let fitting = LAUNCH.as_secs_f64() / took.as_secs_f64().max(1e-6) * f64::from(launched);
        let next = (fitting as u32).clamp(1, launched.saturating_mul(8));
        supply = match ready {
            // What was prepared is of the length before; near enough, it is used.
            Some(ready) if work.still(&ready) && (next / 2..=next * 2).contains(&steps) => ready,
            _ => {
                steps = next;
                work.supply(steps)
            }
        };
    }
    work.done()
}

/// Refuses a job that is not of the plan's shape.
fn fits(plan: &Plan, job: &Job) -> Result<()> {
    let shape = &plan.shape;
    let outputs = shape.units(shape.layers.len());
    let of_classes = matches!(job.loss, Loss::Classes | Loss::ValuesOfClasses);
    let known = |data: &Data| {
        let rows = data.features.len() / shape.inputs;
        rows * shape.inputs == data.features.len()
            && match of_classes {
                true => {
                    data.labels.len() == rows && data.labels.iter().all(|&label| (label as usize) < outputs)
                }
                false => data.targets.len() == rows * outputs,
            }
    };
    let watched = |watch: &super::Watch| {
        let rows = watch.data.features.len() / shape.inputs;
        known(&watch.data)
            && !watch.rows.is_empty()
            && watch.rows.iter().all(|&row| (row as usize) < rows)
            && watch
                .weights
                .as_ref()
                .is_none_or(|weights| weights.len() == watch.rows.len())
    };
    let fine = job.parameters.len() == shape.parameters()
        && job.buffers.len() == shape.buffers()
        && job.layers.len() == shape.layers.len()
        && job.check_every > 0
        && job.total > 0
        && known(&job.data)
        && job
            .weights
            .as_ref()
            .is_none_or(|weights| weights.len() * shape.inputs == job.data.features.len())
        && job.watch.as_ref().is_none_or(watched);
    match fine {
        true => Ok(()),
        false => Err(Error::new(
            "a training does not fit the networks it is launched with",
            "report this",
        )),
    }
}

/// The jobs at work.
struct Work<'c, 'j> {
    card: &'c Card,
    plan: &'j Plan,
    jobs: &'j [Job],
    sweep: CudaFunction,
    blocks: usize,
    /// Where each job's data, weights and watched rows begin.
    places: Vec<Place>,
    standing: Vec<Standing>,
    losses: Vec<Vec<f32>>,
    numbers: Array<'c, f32>,
    states: Array<'c, f32>,
    kept: Array<'c, f32>,
    saved: Array<'c, f32>,
    checks: Array<'c, Check>,
    progress: Array<'c, Standing>,
    data: Array<'c, u64>,
    weights: Array<'c, f32>,
    watch_order: Array<'c, u32>,
    watch_weights: Array<'c, f32>,
    /// What the addresses in `data` are of.
    _sets: Vec<Sets<'c>>,
}

/// Features, labels and targets.
type Sets<'c> = (Array<'c, f32>, Array<'c, u32>, Array<'c, f32>);

/// Where what is a job's own begins in the arrays of all.
struct Place {
    data: u32,
    checks: u32,
    weights: u32,
    watch_order: u32,
    watch_weights: u32,
    watch_rows: u32,
}

impl<'c, 'j> Work<'c, 'j> {
    fn new(
        card: &'c Card,
        plan: &'j Plan,
        jobs: &'j [Job],
        sweep: CudaFunction,
        blocks: usize,
    ) -> Result<Self> {
        let size = plan.numbers;
        let mut numbers = vec![0.0; size * jobs.len()];
        in_parallel(numbers.chunks_exact_mut(size).zip(jobs).collect(), |(to, job)| {
            plan.spread(&job.parameters, &job.buffers, to);
        });
        let mut sets: Known<*const Data> = Known::default();
        let mut all = Vec::new();
        let (mut pairs, mut weights, mut watch_order, mut watch_weights) =
            (Known::default(), vec![], vec![], vec![]);
        let (mut orders, mut weighted) = (Known::default(), Known::default());
        let (mut addresses, mut places, mut checks) = (Vec::new(), Vec::new(), 0usize);
        for job in jobs {
            let watched = job.watch.as_ref().map_or(&job.data, |watch| &watch.data);
            let mut set = |data: &Arc<Data>| -> Result<usize> {
                let (at, new) = sets.place(Arc::as_ptr(data), all.len());
                if new {
                    all.push((
                        Array::of(card, "examples", &data.features)?,
                        Array::of(card, "examples", &data.labels)?,
                        Array::of(card, "examples", &data.targets)?,
                    ));
                }
                Ok(at)
            };
            let pair = (set(&job.data)?, set(watched)?);
            let (data, new) = pairs.place(pair, addresses.len() / 6);
            if new {
                for at in [pair.0, pair.1] {
                    let (features, labels, targets): &Sets<'_> = &all[at];
                    addresses.extend([features.address(), labels.address(), targets.address()]);
                }
            }
            let mut place = Place {
                data: data as u32,
                checks: checks as u32,
                weights: NOWHERE,
                watch_order: 0,
                watch_weights: NOWHERE,
                watch_rows: 0,
            };
            checks += (job.total / job.check_every) as usize + 1;
            if let Some(own) = &job.weights {
                let (at, new) = weighted.place(Arc::as_ptr(own), weights.len());
                if new {
                    weights.extend_from_slice(own);
                }
                place.weights = at as u32;
            }
            if let Some(watch) = &job.watch {
                let (at, new) = orders.place(Arc::as_ptr(&watch.rows), watch_order.len());
                if new {
                    watch_order.extend_from_slice(&watch.rows);
                }
                (place.watch_order, place.watch_rows) = (at as u32, watch.rows.len() as u32);
                if let Some(own) = &watch.weights {
                    place.watch_weights = watch_weights.len() as u32;
                    watch_weights.extend_from_slice(own);
                }
            }
            places.push(place);
        }
        let standing = vec![Standing::START; jobs.len()];
        let states = plan.shape.rule.states() * size * jobs.len();
        Ok(Self {
            kept: Array::zeros(card, "networks", numbers.len())?,
            numbers: Array::of(card, "networks", &numbers)?,
            states: Array::zeros(card, "optimizer states", states)?,
            saved: Array::zeros(card, "activations", plan.saved * blocks)?,
            checks: Array::zeros(card, "checks", checks)?,
            progress: Array::of(card, "checks", &standing)?,
            data: Array::of(card, "examples", &addresses)?,
            weights: Array::of(card, "examples", &weights)?,
            watch_order: Array::of(card, "examples", &watch_order)?,
            watch_weights: Array::of(card, "examples", &watch_weights)?,
            _sets: all,
            losses: vec![Vec::new(); jobs.len()],
            card,
            plan,
            jobs,
            sweep,
            blocks,
            places,
            standing,
        })
    }

    /// What a segment of so many steps needs, for the jobs that have not ended.
    fn supply(&self, steps: u32) -> Supply {
        self.supply_from(steps, |at| self.standing[at].step)
    }

    /// What the segment behind `now` needs if nothing ends in it; none where there is nothing left then.
    fn ahead(&self, now: &Supply, steps: u32) -> Option<Supply> {
        let next = self.supply_from(steps, |at| self.standing[at].step + now.steps);
        (!next.live.is_empty()).then_some(next)
    }

    /// Whether what was prepared is of the jobs that live now.
    fn still(&self, ready: &Supply) -> bool {
        let live = |&at: &usize| self.standing[at].ending == 0;
        ready.live.iter().all(live) && ready.live.len() == (0..self.jobs.len()).filter(live).count()
    }

    fn supply_from(&self, steps: u32, begins: impl Fn(usize) -> u32) -> Supply {
        let longest = self.plan.shape.batch.max(4) * self.jobs.len();
        let steps = steps.min((MOST / longest).max(1) as u32);
        let mut supply = Supply {
            steps,
            ..Supply::default()
        };
        let live = |&at: &usize| self.standing[at].ending == 0 && begins(at) < self.jobs[at].total;
        supply.live = (0..self.jobs.len()).filter(live).collect();
        // Jobs that draw alike share what is drawn: the key is what draws, and where it begins.
        let mut drawn: HashMap<(*const (), u32, u32), (u32, u32, u32)> = HashMap::new();
        for (number, &at) in supply.live.clone().iter().enumerate() {
            let job = &self.jobs[at];
            let begin = begins(at);
            let end = job.total.min(begin.saturating_add(steps));
            let who = Arc::as_ptr(&job.batches).cast::<()>();
            let (order, batches, keys) = match drawn.get(&(who, begin, end)) {
                Some(&places) => places,
                None => {
                    let places = supply.draw(job, begin..end);
                    drawn.insert((who, begin, end), places);
                    places
                }
            };
            let paces = supply.paces.len() as u32;
            supply.paces.extend((begin..end).map(|step| (job.pace)(step)));
            let place = &self.places[at];
            let losses = number as u32 * steps;
            let begins = [
                at as u32,
                place.data,
                order,
                batches,
                keys,
                paces,
                losses,
                place.checks,
                place.weights,
                place.watch_order,
                place.watch_weights,
                place.watch_rows,
            ];
            settings(job, &self.plan.shape, begins, &mut supply.settings);
        }
        supply
    }

    fn launch(&mut self, supply: &Supply) -> Result<Array<'c, f32>> {
        let card = self.card;
        let losses = Array::zeros(card, "checks", supply.live.len() * supply.steps as usize)?;
        let settings = Array::of(card, "batches", &supply.settings)?;
        let order = Array::of(card, "batches", &supply.order)?;
        let batches = Array::of(card, "batches", &supply.batches)?;
        let keys = Array::of(card, "batches", &supply.keys)?;
        let paces = Array::of(card, "batches", &supply.paces)?;
        let next = Array::<u32>::zeros(card, "batches", 1)?;
        let segment = Segment {
            addresses: [
                settings.address(),
                self.data.address(),
                order.address(),
                batches.address(),
                keys.address(),
                paces.address(),
                self.weights.address(),
                self.watch_order.address(),
                self.watch_weights.address(),
                self.numbers.address(),
                self.states.address(),
                self.kept.address(),
                self.saved.address(),
                losses.address(),
                self.checks.address(),
                self.progress.address(),
            ],
            next: next.address(),
            count: supply.live.len() as u32,
            steps: supply.steps,
        };
        let shape = LaunchConfig {
            grid_dim: (self.blocks.min(supply.live.len()) as u32, 1, 1),
            block_dim: (self.plan.threads as u32, 1, 1),
            shared_mem_bytes: self.plan.shared_bytes as u32,
        };
        // SAFETY: the kernel takes one such struct; the arrays behind its addresses live until it is done, for freeing
        // one waits its turn in the same stream.
        unsafe {
            card.stream
                .launch_builder(&self.sweep)
                .arg(&segment)
                .launch(shape)
        }
        .map_err(|error| Error::of_driver(error, "training on the GPU"))?;
        Ok(losses)
    }

    /// Sorts a segment's losses by job; those of steps that were not made stay out.
    fn keep_losses(&mut self, supply: &Supply, losses: &[f32]) {
        let steps = supply.steps as usize;
        for (&at, own) in supply.live.iter().zip(losses.chunks_exact(steps.max(1))) {
            let standing = &self.standing[at];
            // The loss that broke a training is of a step that was not made.
            let made = standing.step as usize + usize::from(standing.ending() == Ending::LossDiverged);
            let new = made - self.losses[at].len();
            self.losses[at].extend_from_slice(&own[..new]);
        }
    }

    fn done(mut self) -> Result<Vec<Done>> {
        let plan = self.plan;
        let (numbers, states, checks) = (self.numbers.read()?, self.states.read()?, self.checks.read()?);
        // What is kept is mostly the last or the first there was. A loss that breaks comes behind a pass that moved the
        // running statistics.
        let is_last = |one: &Standing| one.kept_step == one.step && one.ending() != Ending::LossDiverged;
        let elsewhere = |one: &Standing| one.kept_step != 0 && !is_last(one);
        let kept = match self.standing.iter().any(elsewhere) {
            true => self.kept.read()?,
            false => Vec::new(),
        };
        let (size, rule) = (plan.numbers, plan.shape.rule.states());
        let losses = std::mem::take(&mut self.losses);
        let one = |at: usize| {
            let (standing, job) = (self.standing[at], &self.jobs[at]);
            let (parameters, buffers) = plan.collect(&numbers[at * size..][..size]);
            let checks_at = self.places[at].checks as usize;
            let state = |state| plan.collect(&states[(at * rule + state) * size..][..size]).0;
            Done {
                kept: match standing.kept_step {
                    0 => (job.parameters.clone(), job.buffers.clone()),
                    _ if is_last(&standing) => (parameters.clone(), buffers.clone()),
                    _ => plan.collect(&kept[at * size..][..size]),
                },
                states: (0..rule).map(state).collect(),
                parameters,
                buffers,
                losses: losses[at].clone(),
                checks: checks[checks_at..][..standing.checks as usize].to_vec(),
                ending: standing.ending(),
                steps: standing.step,
                kept_at: (standing.kept_step, standing.kept_loss),
                stale: standing.stale,
                outputs_finite: standing.outputs_finite != 0,
            }
        };
        let mut done: Vec<Option<Done>> = vec![None; self.jobs.len()];
        in_parallel(done.iter_mut().enumerate().collect(), |(at, done)| {
            *done = Some(one(at))
        });
        Ok(done.into_iter().flatten().collect())
    }
}

/// Does a piece of work for each, on several threads: copies of many megabytes, whose memory is new.
fn in_parallel<T: Send>(all: Vec<T>, work: impl Fn(T) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let share = all.len().div_ceil(threads).max(1);
    let mut rest = all.into_iter();
    std::thread::scope(|scope| {
        loop {
            let part: Vec<T> = rest.by_ref().take(share).collect();
            if part.is_empty() {
                break;
            }
            let work = &work;
            scope.spawn(move || part.into_iter().for_each(work));
        }
    });
}

/// Things that are told apart, each with its place.
struct Known<K>(HashMap<K, usize>);

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: std::hash::Hash + Eq> Known<K> {
    /// The place of `key`, which is `next` if it is new; and whether it is.
    fn place(&mut self, key: K, next: usize) -> (usize, bool) {
        let before = self.0.len();
        let place = *self.0.entry(key).or_insert(next);
        (place, self.0.len() > before)
    }
}
