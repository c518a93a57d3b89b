//! What is wrong with a training, a network or its data: [`Run::diagnose`] reads the history, probes the network and looks
//! at the parts, and says in plain words what it sees, how sure that is, and what answers it.
//!
//! Each finding rests on a number that is compared with a threshold, stated below, and its sureness is that of a test, an
//! interval or of repeated tries. Several things go by what a *reader* says: a small network (one hidden layer of 32 units,
//! 300 updates) that is asked, by cross-validation, about examples that it has not learned from.
//!
//! | finding | what is looked at | when it is one |
//! |---|---|---|
//! | diverged | the ending; the last loss beside that of guessing | broke off, or above 3 times |
//! | rate too high, too low | where the loss is above half of guessing's, or rises by 1% of it from check to check: short trainings anew at rates 100 and 10 times lower and higher | lower by a tenth of guessing's loss under each of three seeds |
//! | underfit | right of the examples to learn from, beside the reader's of unseen ones; of values R² beside that of straight lines | 3 points (0.1) behind, p < 0.001 |
//! | overfit | right of the examples to learn from, less those of the test part (Newcombe's interval); R² | above 5 points (0.1) |
//! | dead units | ReLUs at 0 for every example, the worst layer | 60% |
//! | saturated units | outputs of tanh and the like within 0.01 of a bound, the worst layer | 60% |
//! | vanishing gradients | their deviation at the first layer, beside that at the last hidden one | below a hundredth |
//! | labels that look wrong | contradicted with confidence (Northcutt et al. 2021), in the half that the reader is surest of | the lower end of the interval above 2.5% |
//! | nothing to learn | the reader beside the most frequent class | not better, p > 0.05 |
//! | a class is missing | its examples in each part | none |
//! | classes of unlike size | the largest beside the smallest | 10 times |
//! | a leak | mistakes of one feature about a class, beside those of the reader with all other features (McNemar) | recall and precision of 98%, p < 0.001 |
//! | duplicates, near duplicates | test examples among those to learn from; nearer to one than a tenth of the usual distance to the nearest | lower end above 1%; p < 0.001 |
//! | parts that differ | the reader, asked which part an example is from (Lopez-Paz and Oquab 2017); classes by permutation | 55%, p < 0.001 |
//! | unscaled features, values | sizes, deviations, means | above 50; 100 times another's; 30 deviations from 0 |
//! | few test examples | Wilson's interval of the accuracy | 25 points wide |
//!
//! The thresholds are set so that sound trainings are left in peace; what lies a little below is a *remark*. Nothing is found
//! for certain by it: an illness that it does not know, or a small one, stays unseen, and what it could not look at it says.
//!
//! ```
//! use jook::prelude::*;
//! let split = datasets::wine()?.split(0.3, 0)?;
//! let run = Mlp::new([13, 16, 3]).train(&split.train, Recipe::new().epochs(30))?;
//! let diagnosis = run.diagnose(&split)?;
//! assert!(diagnosis.has(Illness::UnscaledFeatures));
//! let split = split.standardized()?;   // the line that it says
//! let run = Mlp::new([13, 16, 3]).train(&split.train, Recipe::new().epochs(30))?;
//! assert!(!run.diagnose(&split)?.has(Illness::UnscaledFeatures));
//! # Ok::<(), jook::Error>(())
//! ```

mod case;
mod chance;
mod duplicates;
mod features;
mod finding;
mod fit;
mod labels;
mod line;
mod parts;
mod rates;
mod reader;
mod show;
#[cfg(test)]
mod tests;
mod units;

use std::any::Any;

pub use finding::{Finding, Illness, Level, Sureness, Unseen};

use case::{Case, Report, Trained, asked_about};
use reader::read;

use crate::data::{Dataset, Split};
use crate::net::Network;
use crate::train::{Ending, Run};
use crate::{Error, Result, interrupt};

/// What a diagnosis looks at: a split, examples to learn from alone, or nothing but the training.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    train: Option<Dataset>,
    validation: Option<Dataset>,
    test: Option<Dataset>,
}

impl From<&Split> for Parts {
    fn from(split: &Split) -> Self {
        Self {
            train: Some(split.train.clone()),
            validation: split.validation.clone(),
            test: Some(split.test.clone()),
        }
    }
}

impl From<&Dataset> for Parts {
    fn from(train: &Dataset) -> Self {
        Self {
            train: Some(train.clone()),
            ..Self::default()
        }
    }
}

impl From<()> for Parts {
    fn from((): ()) -> Self {
        Self::default()
    }
}

/// What was found of a training and its data: [`Run::diagnose`], [`Split::diagnose`]. Ends a cell as a table of findings,
/// remarks and what could not be looked at.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Diagnosis {
    found: Vec<Finding>,
    unseen: Vec<Unseen>,
}

impl<M: 'static> Run<M> {
    /// What is wrong with the training, the model and the parts: see the [module](crate::diagnose) for what is looked at and
    /// when it is a finding. `on` is the split whose training part the run has learned from, or that part alone, or `()`
    /// for what the history alone says. The run stays as it is; of many examples some are drawn.
    ///
    /// # Errors
    /// When the parts do not fit the model.
    #[doc(alias = "debug")]
    #[doc(alias = "check")]
    pub fn diagnose(&self, on: impl Into<Parts>) -> Result<Diagnosis> {
        let Parts {
            train,
            validation,
            test,
        } = on.into();
        let mut report = Report::default();
        let seed = self.recipe.seed;
        let train = train.filter(|part| !part.is_empty());
        let said = |part: &Dataset| self.predict(&asked_about(part, seed)?);
        let learned = match &train {
            Some(train) if train.digest() == self.dataset => Some(said(&self.learned_from(train)?)?),
            Some(train) => {
                report.not_seen(
                    "how well the examples to learn from are known",
                    "the training part is not that of the run; what it is said of goes by the part given",
                );
                Some(said(train)?)
            }
            None => {
                report.not_seen(
                    "data",
                    "no examples to learn from were given: run.diagnose(&split)",
                );
                None
            }
        };
        let tested = test
            .as_ref()
            .filter(|part| !part.is_empty())
            .map(said)
            .transpose()?;
        let trained = Trained {
            history: &self.history,
            ending: &self.ending,
            recipe: &self.recipe,
            network: (&self.model as &dyn Any).downcast_ref::<Network>(),
            plain: self.is_plain(),
            steps: self.steps,
            learned,
            tested,
        };
        if let Ending::Interrupted { step } = self.ending {
            report.not_seen("the whole training", format!("it was stopped after step {step}"));
        }
        let case = Case {
            train,
            validation,
            test,
            trained: Some(trained),
            seed,
        };
        Ok(diagnose(case, report))
    }
}

impl Split {
    /// What is wrong with the parts, before anything is trained: as [`Run::diagnose`], of the data alone.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?.split(0.25, 0)?;
    /// assert!(digits.diagnose()?.findings().is_empty());
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the parts do not fit one another by the names of classes and features.
    pub fn diagnose(&self) -> Result<Diagnosis> {
        let Parts {
            train,
            validation,
            test,
        } = (&self.matched()?).into();
        let case = Case {
            train: train.filter(|part| !part.is_empty()),
            validation,
            test,
            trained: None,
            seed: 0,
        };
        Ok(diagnose(case, Report::default()))
    }
}

/// Looks at one thing after another; causes come before what they cause.
fn diagnose(mut case: Case<'_>, mut report: Report) -> Diagnosis {
    let scope = interrupt::scope();
    case.test = case.test.filter(|part| !part.is_empty());
    let reading = match &case.train {
        Some(train) => read(train, case.seed).unwrap_or_else(|error| {
            report.not_seen("labels and fit", first_line(&error));
            None
        }),
        None => None,
    };
    let reading = reading.as_ref();
    features::scales(&case, &mut report);
    features::values(&case, &mut report);
    parts::classes(&case, &mut report);
    parts::groups(&case, &mut report);
    type Look<'l> = Box<dyn Fn(&mut Report) -> Result<()> + 'l>;
    let looks: [(&str, Look<'_>); 7] = [
        ("duplicates", Box::new(|r| duplicates::look(&case, r))),
        ("whether the parts differ", Box::new(|r| parts::differ(&case, r))),
        ("leaks", Box::new(|r| features::leak(&case, reading, r))),
        ("labels", Box::new(|r| labels::look(&case, reading, r))),
        ("rates", Box::new(|r| rates::look(&case, r))),
        ("units", Box::new(|r| units::look(&case, r))),
        ("fit", Box::new(|r| fit::look(&case, reading, r))),
    ];
    for (what, look) in looks {
        if scope.requested() {
            report.not_seen(what, "asked to stop");
        } else if let Err(error) = look(&mut report) {
            // Numbers that leave the range when they are standardized, say: the other things can still be looked at.
            report.not_seen(what, first_line(&error));
        }
    }
    if let Some(read) = reading
        && let Some(train) = &case.train
        && read.rows.len() < train.len()
    {
        report.not_seen(
            "labels",
            format!("of {} of {} examples alone", read.rows.len(), train.len()),
        );
    }
    let Report { mut findings, unseen } = report;
    findings.sort_by_key(|found| (found.level, found.illness));
    Diagnosis {
        found: findings,
        unseen,
    }
}

fn first_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

impl Diagnosis {
    /// What is wrong, causes before what they cause.
    pub fn findings(&self) -> Vec<&Finding> {
        self.at(Level::Finding)
    }

    /// What is worth a look; sound trainings have such too.
    pub fn remarks(&self) -> Vec<&Finding> {
        self.at(Level::Remark)
    }

    /// What could not be looked at, or not all of it, and why.
    pub fn unseen(&self) -> &[Unseen] {
        &self.unseen
    }

    /// Whether this was found.
    pub fn has(&self, illness: Illness) -> bool {
        self.findings().iter().any(|found| found.illness == illness)
    }

    /// The rows that a finding or remark is about, most striking first: of the training part for labels, of the test part
    /// for duplicates. Empty where it was not found.
    pub fn rows(&self, illness: Illness) -> Vec<usize> {
        let of = self.found.iter().filter(|found| found.illness == illness);
        of.flat_map(|found| found.rows.clone()).collect()
    }

    fn at(&self, level: Level) -> Vec<&Finding> {
        self.found.iter().filter(|found| found.level == level).collect()
    }
}
