//! [`Study::grow`]: goes through a list, such as one of ever deeper networks, until the results stop getting better.

use std::fmt;
use std::time::Instant;

use super::goal::Goals;
use super::groups::Groups;
use super::plan::Plan;
use super::result::StudyResult;
use super::runner::{Finished, run};
use super::selection::settle;
use super::statistics::Mean;
use super::study::Study;
use super::work::Engine;
use crate::show::{Bundle, Progress, Show, readable_number, readable_time};
use crate::{Error, Number, Result, interrupt};

/// When [`Study::grow`] stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// By how much the mean of the metric must be better than the best before, to count as a gain.
    pub least_gain: f64,
    /// Values in a row without a gain before it stops; 1 or more.
    pub patience: usize,
    /// The seconds after which no further value is begun; none: no such limit.
    pub seconds: Option<f64>,
}

impl Default for Growth {
    /// Half a point of accuracy, two values without it, no limit of time.
    fn default() -> Self {
        Self {
            least_gain: 0.005,
            patience: 2,
            seconds: None,
        }
    }
}

impl Growth {
    /// Another least gain, in the metric's own unit.
    pub fn least_gain(mut self, gain: impl Number) -> Self {
        self.least_gain = gain.number().unwrap_or(f64::NAN);
        self
    }

    /// Another patience.
    pub fn patience(mut self, values: impl Number) -> Self {
        self.patience = values.whole(0).map_or(0, |values| values as usize);
        self
    }

    /// Begins no further value after this many seconds.
    pub fn seconds(mut self, seconds: impl Number) -> Self {
        self.seconds = Some(seconds.number().unwrap_or(f64::NAN));
        self
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(Error::spec(format!("expected {what}")).at(format!("{self:?}")));
        if !(self.least_gain >= 0.0 && self.least_gain.is_finite()) {
            return wrong("a least gain of 0 or more");
        }
        if self.patience == 0 {
            return wrong("a patience of 1 or more");
        }
        match self.seconds {
            Some(seconds) if seconds.is_nan() || seconds <= 0.0 => wrong("seconds above 0"),
            _ => Ok(()),
        }
    }
}

/// What came of [`Study::grow`].
#[derive(Clone)]
pub struct Grown {
    /// The values that were tried, as a study: its table, its charts, and the value that was chosen, with its number on the
    /// test part.
    pub study: StudyResult,
    /// Why it went no further.
    pub why: String,
}

impl Study {
    /// Goes through the varied values in their order, each with all seeds, until the mean of the metric on validation
    /// stops getting better: adds layers until the error stops moving. The best value alone is then tested, as by
    /// [`fit`](Self::fit). Finished trials are kept, so that a longer list, more patience or a second run go on from there.
    ///
    /// ```
    /// use jook::prelude::*;
    /// use jook::study::Growth;
    /// let moons = datasets::two_moons(200, 0.2, 0)?.split(0.3, 0)?;
    /// let deeper = (0..6).map(|layers| {
    ///     let mut widths = vec![2];
    ///     widths.extend(vec![8; layers]);
    ///     widths.push(2);
    ///     Mlp::new(widths).spec()
    /// });
    /// let deeper = deeper.collect::<Result<Vec<NetSpec>>>()?;
    /// let grown = Study::new("depth")
    ///     .base(deeper[0].clone(), Recipe::new().epochs(20).adam(0.02))
    ///     .vary("net", deeper)
    ///     .data(&moons)
    ///     .in_memory()
    ///     .grow(Growth::default())?;
    /// assert!(grown.study.table().height() < 6);
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit); when the growth's numbers are out of their ranges.
    #[doc(alias = "add layers")]
    pub fn grow(self, growth: Growth) -> Result<Grown> {
        growth.check().map_err(|e| e.within(&self.place()))?;
        let (plan, tested, backend) = self.prepared()?;
        let engine = Engine::Backend(backend.as_ref());
        // One scope over all values: a stop between two is a stop, too.
        let _stoppable = interrupt::scope();
        let (tried, finished, why) = tried(&plan, growth, &engine)?;
        let mut plan = plan;
        plan.described.combinations.truncate(tried);
        let study = settle(&plan, tested, finished, &engine);
        Ok(Grown { study, why })
    }
}

/// Runs one combination after another; gives how many, what came of them, and why no more.
fn tried(plan: &Plan, growth: Growth, engine: &Engine<'_>) -> Result<(usize, Finished, String)> {
    let began = Instant::now();
    let mut all: Option<Finished> = None;
    let (mut best, mut stale): (Option<Mean>, usize) = (None, 0);
    let count = plan.described.combinations.len();
    let progress = (!plan.quiet).then(|| Progress::new(format!("growing {}", plan.described.name), count));
    for (at, settings) in plan.described.combinations.iter().enumerate() {
        let mut one = plan.clone();
        one.described.combinations = vec![settings.clone()];
        // What is on its way shows as one bar, not as a study each.
        one.quiet = true;
        let finished = run(&one, engine)?;
        let groups = Groups::new(
            &one.described.combinations,
            &finished.results,
            one.described.folds,
        );
        let metric = groups.main_metric(plan.described.metric.as_deref());
        let mean = groups
            .all
            .first()
            .and_then(|(_, trials)| groups.mean(trials, &metric));
        let broke = finished.counts.stopped || finished.trouble.is_some();
        let tried = at + 1;
        if let Some(progress) = &progress {
            let mean = mean.map_or_else(String::new, |mean| format!("{metric} {:.4}", mean.mean));
            progress.step(tried, mean);
        }
        let gained = gains(mean, best, &metric, (&plan.described.goals, growth.least_gain));
        let so_far = match all.take() {
            None => finished,
            Some(before) => joined(before, finished),
        };
        let why = if broke {
            Some("it was stopped".to_owned())
        } else if gained {
            (best, stale) = (mean, 0);
            None
        } else {
            stale += 1;
            (stale >= growth.patience).then(|| {
                format!(
                    "{stale} in a row without {} more {metric}",
                    readable_number(growth.least_gain)
                )
            })
        };
        let late = growth
            .seconds
            .is_some_and(|most| began.elapsed().as_secs_f64() > most);
        let late = (late && tried < count).then(|| format!("after {}", readable_time(began.elapsed())));
        let over = (tried == count).then(|| "the list is at its end".to_owned());
        if let Some(why) = why.or(late).or(over) {
            if let Some(progress) = progress {
                progress.finish(&why);
            }
            return Ok((tried, so_far, why));
        }
        all = Some(so_far);
    }
    Err(Error::spec(
        "expected one value or more to go through, found none",
    ))
}

/// Whether a mean is better than the best one by enough.
fn gains(mean: Option<Mean>, best: Option<Mean>, metric: &str, (goals, least): (&Goals, f64)) -> bool {
    let sign = if goals.less_is_better(metric) { -1.0 } else { 1.0 };
    match (mean, best) {
        (Some(mean), Some(best)) => sign * (mean.mean - best.mean) > least,
        (mean, _) => mean.is_some(),
    }
}

fn joined(mut before: Finished, next: Finished) -> Finished {
    before.results.extend(next.results);
    before.counts.planned += next.counts.planned;
    before.counts.computed += next.counts.computed;
    before.counts.reused += next.counts.reused;
    before.counts.stopped |= next.counts.stopped;
    before.elapsed += next.elapsed;
    before.trouble = before.trouble.or(next.trouble);
    before
}

impl fmt::Display for Grown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "went no further: {}\n{}", self.why, self.study)
    }
}

impl fmt::Debug for Grown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Show for Grown {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::datasets;
    use crate::net::{Mlp, NetSpec};
    use crate::study::Value;
    use crate::train::Recipe;

    fn study(widths: &[usize]) -> Study {
        let moons = datasets::two_moons(200, 0.2, 0).expect("data");
        let nets = widths
            .iter()
            .map(|&width| Mlp::new([2, width, 2]).spec().expect("a net"));
        let nets: Vec<NetSpec> = nets.collect();
        Study::new("growth")
            .base(nets[0].clone(), Recipe::new().epochs(30).batch(20).adam(0.02))
            .vary("net", nets)
            .data(&moons.split(0.3, 0).expect("parts"))
            .seeds(3)
            .in_memory()
            .quiet()
    }

    #[test]
    fn it_goes_on_while_there_is_a_gain_and_keeps_all_that_was_tried() {
        let widths = [4, 5, 6, 7, 8];
        let grown = study(&widths)
            .grow(Growth::default().least_gain(0.5))
            .expect("growth");
        let tried = grown.study.table().height();
        assert_eq!(tried, 3, "{grown}");
        assert!(grown.why.contains("2 in a row without 0.5"), "{}", grown.why);
        assert_eq!(grown.study.trials().len(), 3 * tried);
        assert_eq!(grown.study.counts().computed, 3 * tried + 3);
        // The same numbers and the same choice as those of a study of as many.
        let fitted = study(&widths[..tried]).fit().expect("a study");
        assert_eq!(fitted.table(), without_seconds(&grown, &fitted));
        let chosen = |result: &StudyResult| result.chosen().expect("a choice").settings.clone();
        assert_eq!(chosen(&fitted), chosen(&grown.study));
    }

    /// The table of what was grown, with the other's times.
    fn without_seconds(grown: &Grown, fitted: &StudyResult) -> polars::prelude::DataFrame {
        let mut table = grown.study.table();
        let seconds = fitted.table().column("seconds").expect("times").clone();
        table.with_column(seconds).expect("a column");
        table
    }

    #[test]
    fn a_list_that_ends_and_time_that_is_over_end_it() {
        let grown = study(&[4]).grow(Growth::default()).expect("growth");
        assert_eq!(grown.why, "the list is at its end");
        let grown = study(&[4, 5, 6])
            .grow(Growth::default().seconds(1e-9))
            .expect("growth");
        assert!(
            grown.why.starts_with("after ") && grown.study.table().height() == 1,
            "{grown}"
        );
        for wrong in [
            Growth::default().patience(0),
            Growth::default().least_gain(-1),
            Growth::default().seconds(0),
        ] {
            assert!(study(&[4]).grow(wrong).is_err(), "{wrong:?}");
        }
        let none = study(&[4])
            .vary("recipe.batch", Vec::<Value>::new())
            .grow(Growth::default());
        assert!(none.is_err());
    }
}
