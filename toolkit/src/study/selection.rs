//! [`Study::fit`]: chooses by validation, and looks at the test part once.

use std::sync::Arc;

use super::groups::{Folds, Groups};
use super::job::{Backend, Threads};
use super::plan::{Part, Plan};
use super::record::TrialResult;
use super::result::{Chosen, StudyResult};
use super::runner::{Finished, run};
use super::study::Study;
use super::work::Engine;
use crate::data::Split;
use crate::{Error, Result, interrupt};

/// The share of the training part that is split off for validation, where the data have no such part, and its seed.
const VALIDATION: (f64, u64) = (0.2, 0);

impl Study {
    /// Runs the study as described by [`Study::base`] and [`Study::data`]. Each trial puts its settings in at their
    /// paths, trains on the training part and is judged on the validation part; the best mean of the study's metric
    /// chooses ([`StudyResult::best`]). The chosen setting alone is then trained again with each seed, on the whole
    /// training part, and evaluated on the test part: [`StudyResult::chosen`] has both numbers. (A study that is run
    /// again with more values may choose another setting; looking at the test part anew is a second look.)
    ///
    /// What judges is, in this order: the folds of [`Study::folds`], each by its test part; the split's own validation
    /// part ([`Dataset::split_three`](crate::data::Dataset::split_three)); else a fifth of the training part, split off
    /// with seed 0, the same for all trials, stratified and in whole groups as a test part is. Held-out examples of
    /// early stopping do not judge: they have already chosen when to stop, and differ from seed to seed. A validation
    /// part of few examples tells few settings apart; folds judge by all of them.
    ///
    /// # Errors
    /// As [`Study::run`]; when base or data are missing, a path leads nowhere, or the training part is too small to
    /// split.
    pub fn fit(self) -> Result<StudyResult> {
        let (plan, tested, backend) = self.prepared()?;
        choose(&plan, tested, &Engine::Backend(backend.as_ref()))
    }

    /// The plan of a study by base and data, what its choice is tested on, and what trains.
    pub(super) fn prepared(self) -> Result<(Plan, Option<Part>, Arc<dyn Backend>)> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let (parts, judged_on) = self.judges()?;
        let backend = self.backend.clone();
        let Some(base) = self.base.clone() else {
            return Err(Error::spec("the study has no base network and recipe").fix("add .base(net, recipe)"));
        };
        let tested = self.tested();
        let mut plan = self.plan(parts, Some("validation"))?;
        plan.described.judged_on = Some(judged_on);
        for settings in &plan.described.combinations {
            base.check(settings)?;
        }
        let backend = backend.unwrap_or_else(|| Arc::new(Threads::new(plan.threads)));
        Ok((plan, tested, backend))
    }

    /// The data that the chosen combination is tested on: the training and the test part alone.
    pub(super) fn tested(&self) -> Option<Part> {
        let split = Split {
            validation: None,
            ..self.data.clone()?
        };
        Some(self.part(Some(split), None))
    }

    /// The data that each combination is judged on, and what they are in words.
    pub(super) fn judges(&self) -> Result<(Vec<Part>, String)> {
        match (&self.folds, &self.data) {
            (Some(_), Some(data)) if data.validation.is_some() => Err(Error::spec(
                "the study has folds and a validation part, and one of them has to choose",
            )
            .at(self.place())
            .fix("leave .folds(..) out, or split in two parts with Dataset::split")),
            (Some(folds), data) => {
                let whole = |split: &Split| split.train.len() + split.test.len();
                let most = data.as_ref().map_or(usize::MAX, |data| data.train.len());
                if let Some(fold) = folds.iter().find(|&fold| whole(fold) > most) {
                    return Err(Error::spec(format!(
                        "expected folds of the {most} examples of the training part, found folds of {}: the test part \
                         would choose",
                        whole(fold)
                    ))
                    .at(self.place())
                    .fix("make them of the training part: .folds(&split.train.folds(5, 0)?)"));
                }
                Ok((self.parts_of(folds), words(folds.len(), "fold")))
            }
            (None, Some(data)) => {
                let (train, validation, words) = match &data.validation {
                    Some(validation) => (
                        data.train.clone(),
                        validation.clone(),
                        words(validation.len(), "example"),
                    ),
                    None => {
                        let (share, seed) = VALIDATION;
                        let (train, validation) = data
                            .train
                            .without_validation(share, seed)
                            .map_err(|e| e.at(self.place()))?;
                        let words = words(validation.len(), "example");
                        (train, validation, format!("{words} split off the training part"))
                    }
                };
                let split = Split::new(train, validation)?;
                Ok((
                    vec![self.part(Some(split), None)],
                    format!("validation ({words})"),
                ))
            }
            (None, None) => {
                Err(Error::spec("the study has no data to train on")
                    .fix("add .data(&split), or .folds(&folds)"))
            }
        }
    }
}

/// Runs a plan, and the combination that is best in it on the test part.
pub(super) fn choose(plan: &Plan, tested: Option<Part>, engine: &Engine<'_>) -> Result<StudyResult> {
    // One scope over both rounds: a stop between them is a stop, too.
    let _stoppable = interrupt::scope();
    let finished = run(plan, engine)?;
    Ok(settle(plan, tested, finished, engine))
}

/// Runs the combination that is best among those that are finished on the test part.
pub(super) fn settle(
    plan: &Plan,
    tested: Option<Part>,
    mut finished: Finished,
    engine: &Engine<'_>,
) -> StudyResult {
    let chosen = tested.and_then(|part| test_best(plan, part, &mut finished, engine));
    if let Some(chosen) = &chosen
        && !plan.quiet
        && crate::cells::kernel().is_some()
    {
        crate::show::show(chosen);
    }
    StudyResult::new(plan.clone(), finished, chosen)
}

/// Runs the best combination of a finished round on the test part.
fn test_best(plan: &Plan, part: Part, finished: &mut Finished, engine: &Engine<'_>) -> Option<Chosen> {
    if finished.counts.stopped || finished.trouble.is_some() {
        return None;
    }
    let described = &plan.described;
    let groups = Groups::new(&described.combinations, &finished.results, described.folds);
    let metric = groups.main_metric(described.metric.as_deref());
    // Epochs, say, of trainings that all broke choose nothing.
    let judged = match engine {
        Engine::Backend(_) if described.metric.is_some() => true,
        _ => groups.measured_on(&metric) == Some("validation"),
    };
    let (settings, on_validation) = groups.best(&metric, &described.goals).filter(|_| judged)?;
    let mut plan = plan.clone();
    plan.described.combinations = vec![settings.clone()];
    plan.described.folds = Folds::default();
    (plan.parts, plan.measured_on) = (vec![part], Some("test"));
    let on_test = match run(&plan, engine) {
        Ok(on_test) => on_test,
        Err(error) => {
            // What has judged is there and stays.
            finished.trouble = Some(error);
            return None;
        }
    };
    // A closure that took the study's data to be judged, and now leaves them alone, was not tested.
    let trials: Vec<TrialResult> = on_test.results.into_iter().flatten().collect();
    let elsewhere = |trial: &TrialResult| trial.error().is_none() && trial.measured_on() != Some("test");
    if trials.iter().any(elsewhere) {
        return None;
    }
    let counts = &mut finished.counts;
    counts.planned += on_test.counts.planned;
    counts.computed += on_test.counts.computed;
    counts.reused += on_test.counts.reused;
    counts.stopped |= on_test.counts.stopped;
    finished.elapsed += on_test.elapsed;
    finished.trouble = on_test.trouble;
    let judged_on = plan.described.judged_on.clone().unwrap_or_default();
    let all = trials.len() == plan.trials() && trials.iter().all(TrialResult::is_complete);
    all.then(|| Chosen::new(settings, metric, on_validation, judged_on, trials))
}

fn words(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        _ => format!("{n} {what}s"),
    }
}
