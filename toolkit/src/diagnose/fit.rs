//! How well the examples to learn from and those to test on are known: underfit, overfit, too few to tell.

use super::case::{Case, Report, Trained, count, percent, right};
use super::chance::{at_least, difference, interval, mcnemar};
use super::reader::Reading;
use super::{Finding, Illness, Sureness};
use crate::Result;
use crate::data::Shape;
use crate::show::readable_number;
use crate::study::Paired;
use crate::train::Budget;

/// How sure a test has to be.
pub(super) const P: f64 = 0.001;
/// Share by which a run has to be behind the reader.
const BEHIND: f64 = 0.03;
/// How far the training part has to be ahead of the test part, at the least.
const AHEAD: f64 = 0.05;
/// The same of R squared.
const AHEAD_R2: f64 = 0.1;
/// Width of the accuracy's interval from which it is remarked on, and from which too little is known.
const WIDE: (f64, f64) = (0.1, 0.25);

pub(super) fn look(case: &Case<'_>, reading: Option<&Reading>, report: &mut Report) -> Result<()> {
    let Some(trained) = &case.trained else {
        return Ok(());
    };
    let learned = trained.learned.as_ref().and_then(right);
    let tested = trained.tested.as_ref().and_then(right);
    match (&learned, reading) {
        (Some((right, labels)), Some(reading)) => underfit(case, trained, (right, labels), reading, report),
        (Some(_), None) => report.not_seen(
            "underfit",
            "too few examples or classes for a simple network to compare with",
        ),
        (None, _)
            if trained
                .learned
                .as_ref()
                .is_some_and(|said| said.data().values().is_some()) =>
        {
            values(trained, report);
        }
        _ => report.not_seen(
            "underfit and overfit",
            "no labelled training part that the model was asked about, or its outputs are no numbers",
        ),
    }
    if let (Some((learned, _)), Some((tested, _))) = (&learned, &tested) {
        overfit(case, trained, learned, tested, report);
    }
    if let Some((tested, _)) = &tested {
        few(tested, report);
    }
    Ok(())
}

fn underfit(
    case: &Case<'_>,
    trained: &Trained<'_>,
    (own, labels): (&[bool], &[u32]),
    reading: &Reading,
    report: &mut Report,
) {
    let n = own.len();
    let most = (0..reading.classes as u32)
        .map(|class| labels.iter().filter(|label| **label == class).count())
        .max();
    let most = most.unwrap_or(0);
    let share = count(own) as f64 / n as f64;
    let read = reading.right();
    let simple = count(&read) as f64 / read.len() as f64;
    // Where both looked at the same rows they are paired; else by the difference of shares.
    let p = if reading.rows.len() == n {
        let pairs = || own.iter().zip(&read);
        let (ahead, behind) = (
            pairs().filter(|(own, read)| !**own && **read).count(),
            pairs().filter(|(own, read)| **own && !**read).count(),
        );
        mcnemar(ahead, behind)
    } else {
        at_least(count(&read) as u64, read.len() as u64, share)
    };
    if p >= P || simple - share < BEHIND {
        return;
    }
    let seen = format!(
        "{} of the examples to learn from are right ({} by the most frequent class alone); a small network has {} of those \
         that it has not seen",
        percent(share),
        percent(most as f64 / n as f64),
        percent(simple)
    );
    let sure = Sureness::PValue {
        test: "that the run knows as many (McNemar)".into(),
        p,
    };
    let (trick, line) = longer_or_larger(case, trained, report);
    report.add(Finding::new(Illness::Underfit, seen, sure).answer(trick, line));
}

/// What helps a run that has learned too little, by what else was found and by its history.
fn longer_or_larger(case: &Case<'_>, trained: &Trained<'_>, report: &Report) -> (String, String) {
    let cause = |illness: Illness| report.findings.iter().find(|found| found.illness == illness);
    let causes = [
        Illness::Diverged,
        Illness::UnscaledFeatures,
        Illness::UnscaledValues,
        Illness::VanishingGradients,
        Illness::DeadUnits,
        Illness::SaturatedUnits,
        Illness::RateTooHigh,
        Illness::RateTooLow,
    ];
    if let Some(found) = causes.into_iter().find_map(cause) {
        return (
            format!("first what answers: {}", found.illness),
            found.line.clone(),
        );
    }
    let recipe = trained.recipe;
    if recipe.l1 > 0.0 || recipe.l2 > 0.0 || recipe.decay > 0.0 {
        let line = "let recipe = recipe.l1(0).l2(0).decay(0);";
        return (
            "without the penalties, which hold the weights down".into(),
            line.into(),
        );
    }
    if super::rates::still_falling(trained.history) {
        return match recipe.length {
            Budget::Epochs(n) => (
                "train longer: the loss still falls".into(),
                format!("let recipe = recipe.epochs({});", n.saturating_mul(3)),
            ),
            Budget::Steps(n) => (
                "train longer: the loss still falls".into(),
                format!("let recipe = recipe.steps({});", n.saturating_mul(3)),
            ),
        };
    }
    let classes = case.train.as_ref().map_or(0, |train| train.target_width());
    let inputs = case.train.as_ref().map_or(0, |train| train.width());
    (
        "a larger network".into(),
        format!("let net = Mlp::new([{inputs}, 128, {classes}]);"),
    )
}

fn overfit(case: &Case<'_>, trained: &Trained<'_>, learned: &[bool], tested: &[bool], report: &mut Report) {
    let (a, b) = ((count(learned), learned.len()), (count(tested), tested.len()));
    let (low, high) = difference(a, b);
    if low <= AHEAD {
        return;
    }
    let share = |(hits, n): (usize, usize)| percent(hits as f64 / n as f64);
    let seen = format!(
        "{} of the examples to learn from are right, and {} of the test part",
        share(a),
        share(b)
    );
    let sure = Sureness::Interval {
        of: "the gap".into(),
        low,
        high,
    };
    let (trick, line) = more_from_the_same(case, trained);
    report.add(Finding::new(Illness::Overfit, seen, sure).answer(trick, line));
}

/// What helps a run that has learned its examples by heart.
fn more_from_the_same(case: &Case<'_>, trained: &Trained<'_>) -> (String, String) {
    let image = case
        .train
        .as_ref()
        .is_some_and(|train| matches!(train.shape(), Shape::Image { .. }));
    if image && trained.recipe.augmentations.is_empty() {
        return (
            "random changes of the images that leave their labels as they are, and averaged weights".into(),
            "let recipe = recipe.augment(Augmentation::Crop(1).sometimes(0.5)).average(0.99);".into(),
        );
    }
    if trained.recipe.early_stopping.is_none() && trained.recipe.validation.is_none() {
        return (
            "stop where held-out examples get worse".into(),
            "let recipe = recipe.early_stopping(0.2);".into(),
        );
    }
    (
        "more examples; else units left out at random".into(),
        "let net = net.dropout(0.5);".into(),
    )
}

/// Underfit and overfit of a model that predicts values.
fn values(trained: &Trained<'_>, report: &mut Report) {
    let of = |predictions: &crate::evaluate::Predictions| predictions.regression().ok();
    let learned = trained.learned.as_ref().and_then(of);
    let tested = trained.tested.as_ref().and_then(of);
    let Some(learned) = learned.filter(|found| found.r2.is_finite()) else {
        report.not_seen(
            "underfit and overfit",
            "the predicted numbers have no R² on the training part",
        );
        return;
    };
    if let Some((p, linear)) = trained.learned.as_ref().and_then(super::line::behind_a_line)
        && p < P
        && linear - learned.r2 > AHEAD_R2
    {
        let seen = format!(
            "R² {} on the examples to learn from; straight lines have {} on those that they have not seen",
            readable_number(learned.r2),
            readable_number(linear)
        );
        let test = "that its squared errors are as small (paired t)".into();
        let line = match report
            .findings
            .iter()
            .find(|found| found.illness == Illness::UnscaledValues)
        {
            Some(found) => (found.trick.clone(), found.line.clone()),
            None => (
                "train longer, or at a higher rate".into(),
                format!("let recipe = recipe.rate({});", 10.0 * trained.recipe.rule.rate()),
            ),
        };
        let finding = Finding::new(Illness::Underfit, seen, Sureness::PValue { test, p });
        report.add(finding.answer(line.0, line.1));
    }
    if let Some(tested) = tested.filter(|found| found.r2.is_finite())
        && learned.r2 - tested.r2_interval.1 > AHEAD_R2
    {
        let seen = format!(
            "R² {} on the examples to learn from, and {} on the test part",
            readable_number(learned.r2),
            readable_number(tested.r2)
        );
        let (low, high) = tested.r2_interval;
        let of = "R² on the test part".into();
        report.add(
            Finding::new(Illness::Overfit, seen, Sureness::Interval { of, low, high }).answer(
                "stop where held-out examples get worse",
                "let recipe = recipe.early_stopping(0.2);",
            ),
        );
    }
}

fn few(tested: &[bool], report: &mut Report) {
    let (hits, n) = (count(tested), tested.len());
    let (low, high) = interval(hits, n);
    if high - low < WIDE.0 {
        return;
    }
    let seen = format!(
        "{hits} of {n} test examples are right: that may be anything from {} to {}",
        percent(low),
        percent(high)
    );
    let sure = Sureness::Interval {
        of: "the accuracy".into(),
        low,
        high,
    };
    report.add(
        Finding::new(Illness::FewTestExamples, seen, sure)
            .answer(
                "cross-validate: each example is tested once",
                "let folds = split.train.join(&split.test)?.folds(5, 0)?;",
            )
            .remark_if(high - low < WIDE.1),
    );
}

/// How sure it is that the first of paired numbers is larger.
pub(super) fn larger(pairs: &[(f64, f64)]) -> f64 {
    match Paired::of(pairs) {
        Some(paired) if paired.difference > 0.0 => paired.p_value.unwrap_or(1.0) / 2.0,
        _ => 1.0,
    }
}
