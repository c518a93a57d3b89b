//! The rate: trainings that broke, and short trainings anew at other rates where something speaks for one.

use super::case::{Case, Report, Trained, guessing};
use super::chance::falls;
use super::fit::P;
use super::{Finding, Illness, Sureness};
use crate::data::{Dataset, Targets};
use crate::loss::Loss;
use crate::net::Network;
use crate::show::{quiet, readable_number};
use crate::train::{Budget, Cause, Ending, History};
use crate::{Result, interrupt};

/// A loss so many times that of guessing has exploded.
const EXPLODED: f64 = 3.0;
/// Rises of the loss from check to check, in the second half of a training, that make its rate suspect: as a share of
/// guessing's loss, on average.
const ROUGH: f64 = 0.01;
/// A loss so high beside guessing's makes the rate suspect too.
const HIGH: f64 = 0.5;
/// By how much of guessing's loss another rate has to be better.
const BETTER: f64 = 0.1;
/// Trainings anew: at the rate times these, from as many seeds.
const FACTORS: [f64; 5] = [1.0, 0.1, 0.01, 10.0, 100.0];
const SEEDS: u64 = 3;
/// Updates of each, as far as [`WORK`] allows; where it does not, all together are as many as the training had.
const UPDATES: (u64, u64) = (40, 400);
/// Products of numbers of all trainings anew together: a few seconds.
const WORK: f64 = 3e10;
/// Examples whose loss is compared.
const COMPARED: usize = 1000;

/// Whether the last third of the training losses falls more steadily than chance would.
pub(super) fn still_falling(history: &History) -> bool {
    let losses: Vec<f64> = history.records().iter().map(|row| row.loss).collect();
    falls(&losses[losses.len() - losses.len() / 3..]) < P
}

pub(super) fn look(case: &Case<'_>, report: &mut Report) -> Result<()> {
    let Some(trained) = &case.trained else {
        return Ok(());
    };
    if report.has(Illness::NoSignal) {
        // Another rate would only learn noise by heart sooner.
        return Ok(());
    }
    let base = case.train.as_ref().and_then(guessing);
    let standard = trained.plain
        && match case.train.as_ref().map(Dataset::targets) {
            Some(Targets::Classes(_)) => trained.recipe.loss == Loss::SoftmaxCrossEntropy,
            Some(Targets::Values(_)) => trained.recipe.loss == Loss::MeanSquaredError,
            _ => false,
        };
    let losses: Vec<f64> = trained.history.records().iter().map(|row| row.loss).collect();
    let last = losses.last().copied();
    let broke = match (last, base.filter(|_| standard)) {
        (Some(last), Some(base)) => (!last.is_finite() || last > EXPLODED * base).then_some(last / base),
        _ => None,
    };
    let suspect = trained.ending.is_diverged()
        || broke.is_some()
        || base.is_some_and(|base| {
            roughness(&losses) > ROUGH * base || last.is_some_and(|last| last > HIGH * base)
        });
    let tries = match (&case.train, trained.network, base) {
        (Some(train), Some(network), Some(base)) if suspect && standard => {
            anew(trained, train, network, base)?
        }
        _ if suspect => {
            report.not_seen(
                "other rates",
                "only a network trained by its recipe alone, by the standard loss, is trained anew at other rates",
            );
            None
        }
        _ => None,
    };
    let best = tries.as_ref().and_then(|tries| tries.best());
    if trained.ending.is_diverged() || broke.is_some() {
        report.add(diverged(trained, broke, best.as_ref()));
    } else if let (Some(best), Some(tries)) = (best, &tries) {
        let illness = match best.rate < trained.recipe.rule.rate() {
            true => Illness::RateTooHigh,
            false => Illness::RateTooLow,
        };
        let seen = format!(
            "{} updates anew at {} end at a loss of {}, at the run's rate of {} at {}; guessing has {}",
            tries.updates,
            readable_number(best.rate),
            readable_number(best.loss),
            readable_number(trained.recipe.rule.rate()),
            readable_number(tries.own),
            readable_number(tries.guessing),
        );
        let sure = Sureness::Tries {
            what: "seeds learn more at the other rate".into(),
            agree: best.agree,
            of: SEEDS as usize,
        };
        report.add(Finding::new(illness, seen, sure).answer("another rate", line(best.rate)));
    }
    Ok(())
}

fn line(rate: f64) -> String {
    // Ten times a rate need not be a number that reads well.
    format!("let recipe = recipe.rate({});", readable_number(rate))
}

/// The mean rise of the loss from check to check in the second half.
fn roughness(losses: &[f64]) -> f64 {
    let half = &losses[losses.len() / 2..];
    if half.len() < 4 {
        return 0.0;
    }
    let rises = half.windows(2).map(|pair| (pair[1] - pair[0]).max(0.0));
    rises.sum::<f64>() / (half.len() - 1) as f64
}

fn diverged(trained: &Trained<'_>, broke: Option<f64>, best: Option<&Best>) -> Finding {
    let rate = trained.recipe.rule.rate();
    let lower = line(best.map_or(rate / 10.0, |best| best.rate));
    let (seen, trick, line) = match trained.ending {
        Ending::Diverged { step, cause } => {
            let (trick, line) = match cause {
                Cause::UnscaledFeatures { .. } => (
                    "bring the features to mean 0 and deviation 1",
                    "let split = split.standardized()?;".to_owned(),
                ),
                Cause::InitialWeights => (
                    "initial weights of the right size",
                    "let net = net.init(HeUniform);".into(),
                ),
                Cause::UndefinedLoss => (
                    "a loss that is finite for all outputs, and a bound for the gradient",
                    "let recipe = recipe.clip_norm(1.0);".into(),
                ),
                Cause::RateTooHigh { .. } => ("a lower rate", lower),
            };
            (format!("no longer finite at step {step}: {cause}"), trick, line)
        }
        _ => (
            format!(
                "the training ended at a loss {} times that of guessing",
                readable_number(broke.unwrap_or(f64::INFINITY))
            ),
            "a lower rate",
            lower,
        ),
    };
    Finding::new(Illness::Diverged, seen, Sureness::Counted).answer(trick, line)
}

/// What short trainings anew came to.
struct Tries {
    updates: u64,
    guessing: f64,
    /// The mean loss at the run's own rate.
    own: f64,
    /// For each other rate the losses by seed, beside those at the run's own.
    others: Vec<(f64, Vec<(f64, f64)>)>,
}

/// The best other rate.
struct Best {
    rate: f64,
    loss: f64,
    agree: usize,
}

impl Tries {
    /// The rate with the lowest mean loss, if it is clearly better under every seed.
    fn best(&self) -> Option<Best> {
        let mean = |pairs: &[(f64, f64)]| pairs.iter().map(|pair| pair.1).sum::<f64>() / pairs.len() as f64;
        let (rate, pairs) = self
            .others
            .iter()
            .filter(|(_, pairs)| !pairs.is_empty())
            .min_by(|a, b| mean(&a.1).total_cmp(&mean(&b.1)))?;
        let least = BETTER * self.guessing;
        let agree = pairs.iter().filter(|(own, other)| own - other > least).count();
        (agree == SEEDS as usize).then(|| Best {
            rate: *rate,
            loss: mean(pairs),
            agree,
        })
    }
}

/// Short trainings of the network from new weights, at the run's rate and at others. None when asked to stop.
fn anew(trained: &Trained<'_>, train: &Dataset, network: &Network, guessing: f64) -> Result<Option<Tries>> {
    let trainings = (FACTORS.len() as u64) * SEEDS;
    // By what is to be counted, not by the clock: the same run gets the same diagnosis.
    let numbers = network.parameters().len() + 32 * network.spec().widths().iter().sum::<usize>();
    let update = 6.0 * numbers as f64 * trained.recipe.batch.min(train.len()) as f64;
    let cheap = (WORK / update / trainings as f64) as u64;
    let updates = cheap.max(trained.steps / trainings).clamp(UPDATES.0, UPDATES.1);
    let compared = train.subset(&super::case::drawn(train.len(), COMPARED, 0))?;
    let loss = |factor: f64, seed: u64| -> Result<f64> {
        let mut recipe = trained.recipe.unwatched();
        recipe.length = Budget::Steps(updates as usize);
        recipe.rule = recipe.rule.at_rate(factor * recipe.rule.rate());
        recipe.seed = recipe.seed.wrapping_add(1 + seed);
        let net = Network::new(network.spec(), recipe.seed)?;
        let run = quiet(|| net.train(train, recipe))?;
        if run.ending.is_diverged() {
            return Ok(f64::INFINITY);
        }
        let said = run.predict(&compared)?;
        Ok(match said.evaluation() {
            Ok(found) => found.log_loss,
            Err(_) => said
                .regression()
                .map_or(f64::INFINITY, |found| found.rmse * found.rmse),
        })
    };
    let mut own = Vec::new();
    let mut others = Vec::new();
    for (i, factor) in FACTORS.into_iter().enumerate() {
        let mut pairs = Vec::new();
        for seed in 0..SEEDS {
            if interrupt::requested() {
                return Ok(None);
            }
            let found = loss(factor, seed)?;
            match i {
                0 => own.push(found.min(EXPLODED * guessing)),
                _ => pairs.push((own[seed as usize], found)),
            }
        }
        if i > 0 {
            others.push((factor * trained.recipe.rule.rate(), pairs));
        }
    }
    Ok(Some(Tries {
        updates,
        guessing,
        own: own.iter().sum::<f64>() / own.len() as f64,
        others,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_count_and_falls_do_not() {
        assert_eq!(roughness(&[]), 0.0);
        let falling: Vec<f64> = (0..20).map(|i| 1.0 / f64::from(1 + i)).collect();
        assert_eq!(roughness(&falling), 0.0);
        // In the second half 1, 3, 1, 3: two rises of 2 in three steps.
        let found = roughness(&[9.0, 9.0, 9.0, 9.0, 1.0, 3.0, 1.0, 3.0]);
        assert!((found - 4.0 / 3.0).abs() < 1e-12, "{found}");
    }

    #[test]
    fn another_rate_is_better_under_every_seed_or_not_at_all() {
        let tries = |pairs: Vec<(f64, f64)>| Tries {
            updates: 100,
            guessing: 2.0,
            own: 1.5,
            others: vec![(0.1, pairs), (10.0, vec![(1.5, f64::INFINITY); 3])],
        };
        let best = tries(vec![(1.5, 0.5), (1.4, 0.4), (1.6, 0.6)]).best().unwrap();
        assert!(best.rate == 0.1 && best.agree == 3 && (best.loss - 0.5).abs() < 1e-12);
        assert!(tries(vec![(1.5, 0.5), (1.4, 1.3), (1.6, 0.6)]).best().is_none());
    }
}
