//! The parts beside one another: classes that are missing, parts that a classifier tells apart.

use rand::Rng as _;

use super::case::{Case, Report, count, drawn, percent};
use super::chance::at_least;
use super::fit::P;
use super::reader::{ROWS, cross_read, readable};
use super::{Finding, Illness, Sureness};
use crate::Result;
use crate::data::Dataset;
use crate::seed::stream;
use crate::show::readable_number;

/// How many times the smallest class the largest may have.
const UNLIKE: usize = 10;
/// Share of examples whose part is told rightly from which parts differ.
const TOLD: f64 = 0.55;
/// Permutations of the labels.
const TIMES: usize = 1999;

pub(super) fn classes(case: &Case<'_>, report: &mut Report) {
    let Some(train) = case.train.as_ref().filter(|train| train.labels().is_some()) else {
        return;
    };
    let counts = train.class_counts();
    let test = case
        .test
        .as_ref()
        .filter(|test| test.labels().is_some() && !test.is_empty());
    let in_test = test.map(Dataset::class_counts);
    let there = |class: usize| {
        in_test
            .as_ref()
            .map(|counts| counts.get(class).copied().unwrap_or(0))
    };
    let of = |fits: &dyn Fn(usize, Option<usize>) -> bool| -> Vec<usize> {
        (0..counts.len())
            .filter(|&class| fits(counts[class], there(class)))
            .collect()
    };
    let unlearned = of(&|here, there| here == 0 && there.is_some_and(|n| n > 0));
    let untested = of(&|here, there| here > 0 && there == Some(0));
    let nowhere = of(&|here, there| here == 0 && there.unwrap_or(0) == 0);
    for (classes, what) in [
        (&unlearned, "no example to learn from, and some to test on"),
        (&untested, "examples to learn from, and none to test on"),
        (&nowhere, "no example at all"),
    ] {
        if classes.is_empty() {
            continue;
        }
        let names: Vec<String> = classes
            .iter()
            .take(5)
            .map(|&class| train.class_name(class))
            .collect();
        let more = if classes.len() > 5 { ", ..." } else { "" };
        let has = if classes.len() == 1 { "has" } else { "have" };
        let seen = format!(
            "{} of {} classes {has} {what}: {}{more}",
            classes.len(),
            counts.len(),
            names.join(", ")
        );
        report.add(
            Finding::new(Illness::MissingClass, seen, Sureness::Counted)
                .answer(
                    "split anew: by class, each gives its share",
                    "let split = split.train.join(&split.test)?.split(0.25, 0)?;",
                )
                .remark_if(std::ptr::eq(classes, &nowhere)),
        );
    }
    let sizes = || counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let (Some(least), Some(most)) = (sizes().min_by_key(|c| c.1), sizes().max_by_key(|c| c.1)) else {
        return;
    };
    if *most.1 < UNLIKE * *least.1 {
        return;
    }
    let seen = format!(
        "{} has {} examples to learn from, and {} has {}",
        train.class_name(least.0),
        least.1,
        train.class_name(most.0),
        most.1
    );
    report.add(
        Finding::new(Illness::ClassImbalance, seen, Sureness::Counted).answer(
            "batches with as many of each class; and look at the macro F1, not at the accuracy",
            "let recipe = recipe.sampler(Sampler::Balanced);",
        ),
    );
}

/// Whether a classifier tells the examples of the parts apart (Lopez-Paz and Oquab 2017), and whether their classes differ.
pub(super) fn differ(case: &Case<'_>, report: &mut Report) -> Result<()> {
    let (Some(train), Some(test)) = (&case.train, &case.test) else {
        report.not_seen("parts", "there is one part alone");
        return Ok(());
    };
    let each = train.len().min(test.len()).min(ROWS / 2);
    if each < 10 {
        report.not_seen("whether the parts differ", "a part has fewer than ten examples");
        return Ok(());
    }
    let both = {
        let [a, b] = [train, test].map(|part| drawn(part.len(), each, case.seed));
        let (a, b) = (train.subset(&a)?, test.subset(&b)?);
        let plain = |part: &Dataset| Dataset::new("part", part.shape(), part.features().to_vec());
        plain(&a)?.join(&plain(&b)?)?
    };
    let rows: Vec<usize> = (0..both.len()).collect();
    let part: Vec<u32> = rows.iter().map(|&row| u32::from(row >= each)).collect();
    let features = readable(&both, &rows, case.seed)?;
    if let Some(reading) = cross_read(&features, rows, part, 2, case.seed)? {
        let (hits, n) = (count(&reading.right()), reading.rows.len());
        let p = at_least(hits as u64, n as u64, 0.5);
        let told = hits as f64 / n as f64;
        if p < P && told >= TOLD {
            let seen = format!(
                "a small network tells of {} of {n} examples rightly which part they are from; of alike parts it would of half",
                percent(told)
            );
            let test = "that the parts are alike (classifier two-sample test, binomial)".into();
            report.add(split_anew(seen, Sureness::PValue { test, p }));
        }
    }
    if let (Some(a), Some(b)) = (train.labels(), test.labels()) {
        let (p, furthest) = classes_differ(a, b, train.classes().max(test.classes()), case.seed);
        if p < P {
            let share = |data: &Dataset| {
                let count = data.class_counts().get(furthest).copied().unwrap_or(0);
                percent(count as f64 / data.len() as f64)
            };
            let seen = format!(
                "{} is {} of the examples to learn from, and {} of those to test on",
                train.class_name(furthest),
                share(train),
                share(test)
            );
            let test = "that classes are as frequent in both (chi-squared, by permutation)".into();
            report.add(split_anew(seen, Sureness::PValue { test, p }));
        }
    }
    Ok(())
}

fn split_anew(seen: String, sure: Sureness) -> Finding {
    Finding::new(Illness::PartsDiffer, seen, sure).answer(
        "parts drawn at random from all examples; where the difference is meant, the test part is another domain",
        "let split = split.train.join(&split.test)?.split(0.25, 0)?;",
    )
}

/// Pearson's chi-squared of the classes in two parts against parts drawn at random: the p-value, and the class whose
/// shares are furthest apart.
fn classes_differ(a: &[u32], b: &[u32], classes: usize, seed: u64) -> (f64, usize) {
    let mut all: Vec<u32> = a.iter().chain(b).copied().collect();
    let counts = |labels: &[u32]| {
        let mut counts = vec![0.0f64; classes];
        labels.iter().for_each(|&label| counts[label as usize] += 1.0);
        counts
    };
    let total = counts(&all);
    let share = b.len() as f64 / all.len() as f64;
    // Given the sizes, the sum over the second part alone orders the tables as the whole sum does.
    let distance = |second: &[f64]| -> f64 {
        let pairs = second.iter().zip(&total).filter(|(_, total)| **total > 0.0);
        pairs
            .map(|(own, total)| (own - share * total).powi(2) / total)
            .sum()
    };
    let second = counts(b);
    let own = distance(&second);
    let first = counts(a);
    let apart = |class: &usize| {
        (first[*class] / (a.len() as f64).max(1.0) - second[*class] / (b.len() as f64).max(1.0)).abs()
    };
    let furthest = (0..classes)
        .max_by(|x, y| apart(x).total_cmp(&apart(y)))
        .unwrap_or(0);
    let mut draw = stream(seed, "permutations");
    let mut as_far = 0;
    for _ in 0..TIMES {
        // The first of a shuffle, as many as the second part has.
        for i in 0..b.len() {
            let j = draw.random_range(i as u64..all.len() as u64) as usize;
            all.swap(i, j);
        }
        as_far += usize::from(distance(&counts(&all[..b.len()])) >= own - 1e-12);
    }
    ((1 + as_far) as f64 / (1 + TIMES) as f64, furthest)
}

/// A group in two parts.
pub(super) fn groups(case: &Case<'_>, report: &mut Report) {
    let (Some(train), Some(test)) = (&case.train, &case.test) else {
        return;
    };
    let (Some(a), Some(b)) = (train.groups(), test.groups()) else {
        return;
    };
    let here: std::collections::HashSet<u32> = a.iter().copied().collect();
    let rows: Vec<usize> = (0..b.len()).filter(|&row| here.contains(&b[row])).collect();
    if rows.is_empty() {
        return;
    }
    let seen = format!(
        "{} of {} test examples are of a group that is learned from, too: the accuracy is too good by what groups have in common",
        readable_number(rows.len() as f64),
        b.len()
    );
    report.add(
        Finding::new(Illness::SharedGroups, seen, Sureness::Counted)
            .answer(
                "split anew: groups stay together",
                "let split = split.train.join(&split.test)?.split(0.25, 0)?;",
            )
            .rows(rows),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The permutation test of two classes beside the sum of the hypergeometric law.
    #[test]
    fn classes_are_compared_as_by_all_permutations() {
        let labels = |ones: usize, n: usize| -> Vec<u32> { (0..n).map(|i| u32::from(i < ones)).collect() };
        let (p, furthest) = classes_differ(&labels(2, 10), &labels(8, 10), 2, 0);
        // Fisher's exact test of (2, 8; 8, 2), two-sided.
        assert!((p - 0.023_0).abs() < 0.01, "{p}");
        assert!(furthest < 2);
        let (p, _) = classes_differ(&labels(5, 10), &labels(5, 10), 2, 0);
        assert_eq!(p, 1.0);
    }
}
