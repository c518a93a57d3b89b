//! Whether a schedule can be followed.

use super::super::Budget;
use super::{RateSchedule, Stage};
use crate::{Error, Result};

impl RateSchedule {
    /// Whether its numbers are in their ranges, in a training of this length.
    ///
    /// # Errors
    /// When one is not, or a stage would never begin.
    pub(in crate::train) fn validate(&self, length: Budget) -> Result<()> {
        match *self {
            Self::Constant => Ok(()),
            Self::Stepped { factor, every } | Self::Exponential { factor, every } => {
                stretch(every)?;
                is(factor > 0.0, "a factor above 0", factor, "0.5 halves the rate")
            }
            Self::InverseTime { decay, every } => {
                stretch(every)?;
                is(
                    decay >= 0.0,
                    "a decay of 0 or more",
                    decay,
                    "1 halves the rate after the first stretch",
                )
            }
            Self::Linear { from, to } => {
                let ends = [from, to];
                ends.into_iter().try_for_each(|end| {
                    is(
                        end >= 0.0,
                        "factors of 0 or more",
                        end,
                        "0.1 is a tenth of the rate",
                    )
                })?;
                is(
                    from + to > 0.0,
                    "a factor above 0 at one end",
                    to,
                    "let it end at 1, the recipe's rate",
                )
            }
            Self::Polynomial { end, power } => {
                low(end)?;
                is(power > 0.0, "a power above 0", power, "1 is a straight line")
            }
            Self::Cosine { end } => low(end),
            Self::Restarts { end, first, growth } => {
                low(end)?;
                stretch(first)?;
                is(
                    growth > 0,
                    "a growth of 1 or more",
                    growth as f64,
                    "1 keeps the periods alike, 2 doubles each",
                )
            }
            Self::OneCycle {
                rise,
                div_factor,
                final_div_factor,
                momentum,
                ..
            } => {
                is(
                    (0.0..=1.0).contains(&rise),
                    "a share of 0 to 1 in which the rate rises",
                    rise,
                    "0.3 is usual",
                )?;
                for (factor, usual) in [(div_factor, "25 is usual"), (final_div_factor, "1e4 is usual")] {
                    is(factor > 0.0, "a factor above 0 to divide by", factor, usual)?;
                }
                let Some((low, high)) = momentum else {
                    return Ok(());
                };
                let usual = "0.85 to 0.95 is usual";
                is(
                    (0.0..1.0).contains(&low),
                    "a momentum of 0 to below 1",
                    low,
                    usual,
                )?;
                is(
                    low <= high && high < 1.0,
                    "a larger momentum below 1, after the smaller one",
                    high,
                    usual,
                )
            }
            Self::Sequence(ref stages) => sequence(stages, length),
        }
    }
}

/// Refuses what does not hold, or is not finite.
fn is(holds: bool, expected: &str, found: f64, remedy: &str) -> Result<()> {
    match holds && found.is_finite() {
        true => Ok(()),
        false => Err(Error::spec(format!("expected {expected}, found {found}"))
            .at("recipe, schedule")
            .fix(remedy)),
    }
}

fn low(end: f64) -> Result<()> {
    is(
        end >= 0.0,
        "an end of 0 or more, as a factor of the rate",
        end,
        "0.01 ends at a hundredth of the rate",
    )
}

fn stretch(budget: Budget) -> Result<()> {
    let (Budget::Epochs(n) | Budget::Steps(n)) = budget;
    is(
        n > 0,
        "a stretch of 1 epoch or step, or more",
        n as f64,
        "say Budget::Epochs(1) or more",
    )
}

/// Updates of a stretch, as far as two of one unit can be compared.
fn sum(stages: &[Stage], length: Budget) -> Option<usize> {
    stages
        .iter()
        .try_fold(0usize, |sum, stage| match (stage.over?, length) {
            (Budget::Epochs(n), Budget::Epochs(_)) | (Budget::Steps(n), Budget::Steps(_)) => {
                Some(sum.saturating_add(n))
            }
            _ => None,
        })
}

fn sequence(stages: &[Stage], length: Budget) -> Result<()> {
    let place = "recipe, schedule";
    let Some((last, before)) = stages.split_last() else {
        return Err(Error::spec("a sequence of schedules has none in it")
            .at(place)
            .fix("use RateSchedule::Constant"));
    };
    if before.iter().any(|stage| stage.over.is_none()) {
        return Err(Error::spec("only the last schedule of a sequence may go on to the end")
            .at(place)
            .fix("give the others a length, as in RateSchedule::Constant.during(Budget::Epochs(5)).then(..)"));
    }
    for stage in stages {
        stage.over.map_or(Ok(()), stretch)?;
        stage.schedule.validate(stage.over.unwrap_or(length))?;
    }
    let (Budget::Epochs(n) | Budget::Steps(n)) = length;
    match sum(before, length) {
        Some(begins) if begins >= n => Err(Error::spec(format!(
            "the schedule's last stage, {}, would begin after {}, and there are {length}",
            last.schedule,
            match length {
                Budget::Epochs(_) => Budget::Epochs(begins),
                Budget::Steps(_) => Budget::Steps(begins),
            }
        ))
        .at(place)
        .fix("train for longer, or make the stages before it shorter")),
        _ => Ok(()),
    }
}
