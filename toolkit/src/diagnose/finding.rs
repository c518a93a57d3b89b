//! [`Finding`]: one thing that is wrong, how sure that is, and what answers it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::show::readable_number;

/// What can be wrong with a training, a network, its data or their parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Illness {
    /// The loss or the parameters grew without bound.
    Diverged,
    /// A lower rate learns more in as many updates.
    RateTooHigh,
    /// A higher rate learns more in as many updates.
    RateTooLow,
    /// The examples to learn from are classified worse than a simple network classifies examples that it has not seen.
    Underfit,
    /// The examples to learn from are classified far better than the test part.
    Overfit,
    /// ReLUs that are 0 for every example.
    DeadUnits,
    /// Outputs of tanh or the sigmoid at their bounds, where they hardly have a slope.
    SaturatedUnits,
    /// Gradients that lose their size on the way to the first layers.
    VanishingGradients,
    /// Labels that contradict what the other examples say.
    WrongLabels,
    /// Features that say nothing about the labels.
    NoSignal,
    /// A class without examples to learn from, or to test on.
    MissingClass,
    /// A class with a tenth or less of the examples of another.
    ClassImbalance,
    /// One feature that tells the class better than all others together.
    Leak,
    /// The same examples to learn from and to test on.
    Duplicates,
    /// Nearly the same examples to learn from and to test on.
    NearDuplicates,
    /// The same group (a patient, a writer) to learn from and to test on.
    SharedGroups,
    /// A training and a test part that a classifier tells apart.
    PartsDiffer,
    /// Features far from 1 in size, or of very unlike sizes.
    UnscaledFeatures,
    /// Features that are the same for every example.
    ConstantFeatures,
    /// Values to predict that are far from 1 in size.
    UnscaledValues,
    /// Too few test examples to know how good the model is.
    FewTestExamples,
}

impl fmt::Display for Illness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Illness::Diverged => "diverged",
            Illness::RateTooHigh => "rate too high",
            Illness::RateTooLow => "rate too low",
            Illness::Underfit => "underfit",
            Illness::Overfit => "overfit",
            Illness::DeadUnits => "dead units",
            Illness::SaturatedUnits => "saturated units",
            Illness::VanishingGradients => "vanishing gradients",
            Illness::WrongLabels => "labels that look wrong",
            Illness::NoSignal => "nothing to learn",
            Illness::MissingClass => "a class is missing",
            Illness::ClassImbalance => "classes of unlike size",
            Illness::Leak => "a leak",
            Illness::Duplicates => "duplicates across parts",
            Illness::NearDuplicates => "near duplicates across parts",
            Illness::SharedGroups => "groups across parts",
            Illness::PartsDiffer => "parts that differ",
            Illness::UnscaledFeatures => "unscaled features",
            Illness::ConstantFeatures => "constant features",
            Illness::UnscaledValues => "unscaled values",
            Illness::FewTestExamples => "few test examples",
        })
    }
}

/// How much a [`Finding`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Something is wrong.
    Finding,
    /// Worth a look; sound trainings have such too.
    Remark,
}

/// How sure a [`Finding`] is, by what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Sureness {
    /// It was counted or measured, on all that was looked at: there is nothing to be unsure of.
    Counted,
    /// How often chance alone would show as much.
    PValue {
        /// The test.
        test: String,
        /// Its p-value.
        p: f64,
    },
    /// Where a number lies, by its 95% interval.
    Interval {
        /// The number.
        of: String,
        /// Its lower end.
        low: f64,
        /// Its upper end.
        high: f64,
    },
    /// How many of several tries said the same.
    Tries {
        /// What was tried.
        what: String,
        /// Those that agree.
        agree: usize,
        /// All.
        of: usize,
    },
}

impl fmt::Display for Sureness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sureness::Counted => f.write_str("counted"),
            Sureness::PValue { test, p } if *p < 1e-12 => write!(f, "p below 1e-12, {test}"),
            Sureness::PValue { test, p } => write!(f, "p {}, {test}", readable_number(*p)),
            Sureness::Interval { of, low, high } => {
                // What is 0 but for rounding.
                let end = |x: f64| readable_number(if x.abs() < 1e-12 { 0.0 } else { x });
                let [low, high] = [*low, *high].map(end);
                write!(f, "95% interval of {of}: {low} to {high}")
            }
            Sureness::Tries { what, agree, of } => write!(f, "{agree} of {of} {what}"),
        }
    }
}

/// One thing that is wrong, how sure that is, and what answers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What is wrong.
    pub illness: Illness,
    /// Whether it is a finding or a remark.
    pub level: Level,
    /// What was seen, in numbers.
    pub seen: String,
    /// How sure it is.
    pub sure: Sureness,
    /// The trick that answers it.
    pub trick: String,
    /// The line of code: `net`, `recipe`, `split`, `run` and `diagnosis` stand for yours.
    pub line: String,
    /// The rows that it is about, most striking first: of the training part for labels, of the test part for duplicates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<usize>,
}

impl Finding {
    pub(super) fn new(illness: Illness, seen: impl Into<String>, sure: Sureness) -> Self {
        Self {
            illness,
            level: Level::Finding,
            seen: seen.into(),
            sure,
            trick: String::new(),
            line: String::new(),
            rows: Vec::new(),
        }
    }

    /// The answer to it.
    pub(super) fn answer(self, trick: impl Into<String>, line: impl Into<String>) -> Self {
        let (trick, line) = (trick.into(), line.into());
        Self { trick, line, ..self }
    }

    pub(super) fn rows(self, rows: Vec<usize>) -> Self {
        Self { rows, ..self }
    }

    /// The same as a remark, if `only`.
    pub(super) fn remark_if(self, only: bool) -> Self {
        let level = if only { Level::Remark } else { Level::Finding };
        Self { level, ..self }
    }
}

/// Something that was not looked at, and why; or how it was, where not at all examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// What would have been looked at.
    pub what: String,
    /// Why it was not.
    pub why: String,
}
