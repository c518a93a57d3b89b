//! [`OnCard`]: the trainings of a study on a GPU, as many at once as there are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use jook_cuda::sweep::{self, Flow, Plan, Shape};
use jook_cuda::{Card, Error as Failure};

use super::job::{Backend, Job, Threads};
use crate::data::{Dataset, Split};
use crate::device;
use crate::net::Network;
use crate::train::Run;
use crate::train::sweep::{Planned, Refused, Shared, plan};
use crate::{Result, interrupt};

/// A GPU that trains a study's perceptrons all at once, with the processor's numbers; what is none of its kind is trained
/// on the threads of this machine, and named with the reason.
pub(super) struct OnCard {
    card: Arc<Card>,
    threads: Threads,
}

/// Trainings of one shape, with their places among the jobs.
type Group = (Plan, Vec<Placed>);

/// A training, where it stands among the jobs, and the test part as its network takes it.
struct Placed {
    at: usize,
    planned: Planned,
    test: Dataset,
}

impl OnCard {
    pub fn new(card: Arc<Card>, threads: usize) -> Self {
        Self {
            card,
            threads: Threads::new(threads),
        }
    }

    /// Sorts jobs by the shape of their networks; those that are not for the card, by the reason.
    fn sorted(
        &self,
        data: &Split,
        jobs: &[Job],
        finished: &mut dyn FnMut(usize, Result<Run>),
    ) -> (Vec<Group>, BTreeMap<String, Vec<usize>>) {
        let mut shared = Shared::default();
        let mut by_shape: HashMap<Shape, Vec<Placed>> = HashMap::new();
        let mut others: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, job) in jobs.iter().enumerate() {
            let recipe = job.recipe.clone().seed(job.seed);
            let planned = Network::new(&job.net, job.seed)
                .map_err(Refused::from)
                .and_then(|network| {
                    let recipe = recipe.matched_to(&data.train)?;
                    // Before the work, so that a wrong test part costs none of it.
                    let test = network.test_part(data, &recipe)?;
                    let planned = plan(network, &data.train, recipe, &mut shared)?;
                    Ok(Placed { at, planned, test })
                });
            match planned {
                Ok(one) => by_shape.entry(one.planned.shape.clone()).or_default().push(one),
                Err(Refused::Cpu(why)) => others.entry(why).or_default().push(at),
                Err(Refused::Wrong(error)) => finished(at, Err(error)),
            }
        }
        let mut groups = Vec::new();
        for (shape, group) in by_shape {
            match Plan::new(shape, self.card.shared_bytes) {
                Ok(plan) => groups.push((plan, group)),
                Err(why) => others
                    .entry(why)
                    .or_default()
                    .extend(group.iter().map(|one| one.at)),
            }
        }
        // The same order in every run.
        groups.sort_by_key(|(_, group)| group[0].at);
        (groups, others)
    }

    /// Trains a group; what the card has no memory for at once, one half after the other.
    fn train(
        &self,
        plan: &Plan,
        group: Vec<Placed>,
        done: &mut dyn FnMut(usize, Run),
    ) -> std::result::Result<(), (Failure, Vec<usize>)> {
        let jobs: Vec<sweep::Job> = group.iter().map(|one| one.planned.job.clone()).collect();
        let began = Instant::now();
        let look = |_| match interrupt::requested() {
            true => Flow::Stop,
            false => Flow::On,
        };
        match sweep::run(&self.card, plan, &jobs, look) {
            Ok(all) => {
                // All at once: each took its share.
                let seconds = began.elapsed().as_secs_f64() / jobs.len() as f64;
                for (one, result) in group.into_iter().zip(all) {
                    let mut run = one.planned.finish(result, &self.card.name, seconds);
                    run.judge_on(&one.test);
                    done(one.at, run);
                }
                Ok(())
            }
            Err(error) if error.full && group.len() > 1 => {
                let mut first = group;
                let second = first.split_off(first.len() / 2);
                let left: Vec<usize> = second.iter().map(|one| one.at).collect();
                self.train(plan, first, done).map_err(|(error, mut places)| {
                    places.extend(left);
                    (error, places)
                })?;
                self.train(plan, second, done)
            }
            Err(error) => Err((error, group.iter().map(|one| one.at).collect())),
        }
    }
}

impl Backend for OnCard {
    fn fit(&self, data: &Split, jobs: &[Job], finished: &mut dyn FnMut(usize, Result<Run>)) {
        let (groups, mut others) = self.sorted(data, jobs, finished);
        for (plan, group) in groups {
            println!(
                "{} trainings at once on {}, with the numbers of the CPU",
                group.len(),
                self.card.name
            );
            let mut done = |at: usize, run: Run| finished(at, Ok(run));
            if let Err((error, places)) = self.train(&plan, group, &mut done) {
                if error.lasting {
                    device::lose(&self.card, &error);
                }
                others.entry(error.to_string()).or_default().extend(places);
            }
        }
        for (why, places) in others {
            println!("{} trainings on the CPU: {why}", places.len());
            let here: Vec<Job> = places.iter().map(|&at| jobs[at].clone()).collect();
            self.threads
                .fit(data, &here, &mut |place, run| finished(places[place], run));
        }
    }

    fn device(&self) -> Option<String> {
        // With a fused multiply-add the processor's bits are the card's, and so are the trials in a store.
        let same = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
        (!same).then(|| self.card.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use crate::data::datasets::two_moons;
    use crate::net::{Activation, Mlp};
    use crate::study::{Study, StudyResult};
    use crate::testing;
    use crate::train::Recipe;

    /// All that a trial says, but how long it took, when, and where.
    fn told(result: &StudyResult) -> Vec<String> {
        let trials = result.trials();
        trials
            .iter()
            .map(|trial| {
                let metrics: Vec<String> = trial
                    .metrics
                    .iter()
                    .filter(|(name, _)| name != "seconds")
                    .map(|(name, value)| format!("{name} {:x}", value.to_bits()))
                    .collect();
                let key = (
                    &trial.key,
                    &trial.settings,
                    trial.seed,
                    &trial.ending,
                    &trial.error,
                );
                format!("{key:?} {metrics:?} {:?} {:?}", trial.spec, trial.recipe)
            })
            .collect()
    }

    #[test]
    fn a_study_on_a_gpu_is_the_study_on_the_processor() {
        let Some(device) = testing::device() else {
            return;
        };
        let moons = two_moons(120, 0.2, 0)
            .and_then(|moons| moons.split(0.25, 0))
            .expect("data");
        let swept = || {
            Study::new("on a card")
                .base(
                    Mlp::new([2, 8, 2]),
                    Recipe::new().epochs(6).batch(16).early_stopping(0.2),
                )
                .vary("recipe.rule.Adam.rate", [0.001, 0.01, 0.1])
                .vary(
                    "net.layers.activation1.kind.Activation",
                    [Activation::Relu, Activation::Tanh],
                )
                .seeds(4)
                .in_memory()
                .data(&moons)
        };
        let study = || swept().vary("recipe.clip_norm", [0.5]);
        let there = swept().on(device.clone()).fit().expect("a study");
        let here = swept().fit().expect("a study");
        assert_eq!(told(&there), told(&here));
        let on = |result: &StudyResult| -> Vec<String> {
            result.trials().iter().map(|trial| trial.device.clone()).collect()
        };
        assert_eq!(there.trials().len(), 24);
        assert!(
            on(&there).iter().all(|on| *on == device.to_string()),
            "{:?}",
            on(&there)
        );
        assert!(on(&here).iter().all(|on| on.starts_with("cpu")));
        // One store holds both.
        let scratch = testing::Scratch::new();
        let stored = || swept().store(scratch.path());
        stored().on(device.clone()).fit().expect("a study");
        let again = stored().fit().expect("a study");
        assert_eq!((again.counts().computed, told(&again)), (0, told(&here)));
        // What the card does not do is done here.
        let there = study().on(device).fit().expect("a study");
        assert_eq!(told(&there), told(&study().fit().expect("a study")));
        assert!(on(&there).iter().all(|on| on.starts_with("cpu")));
    }
}
