//! Examples that are in both parts, or nearly.

use std::collections::HashSet;

use super::case::{Case, Report, drawn, percent};
use super::chance::{at_least, interval};
use super::fit::P;
use super::reader::narrowed;
use super::{Finding, Illness, Sureness};
use crate::Result;
use crate::data::{Dataset, Shape, Standardizer};
use crate::interrupt;

/// Share of the test part from which duplicates are found, by the lower end of its interval.
const SHARE: f64 = 0.01;
/// How near is near, as a share of the usual distance to the nearest.
const NEAR: f64 = 0.1;
/// Products of numbers for all distances.
const WORK: usize = 300_000_000;

fn bits(row: &[f32]) -> Vec<u32> {
    // 0 and -0 are the same number.
    row.iter().map(|x| (x + 0.0).to_bits()).collect()
}

pub(super) fn look(case: &Case<'_>, report: &mut Report) -> Result<()> {
    let (Some(train), Some(test)) = (&case.train, &case.test) else {
        return Ok(());
    };
    if train.is_empty() || test.is_empty() || train.shape() != test.shape() {
        return Ok(());
    }
    let rows = equal(train, test);
    if !rows.is_empty() {
        let line = "let test = split.test.without_rows(&diagnosis.rows(Illness::Duplicates))?;";
        report.add(the_same("test", rows.len(), test.len(), line).rows(rows.clone()));
    }
    if let Some(validation) = case
        .validation
        .as_ref()
        .filter(|part| part.shape() == train.shape())
    {
        let found = equal(train, validation).len();
        if found > 0 {
            let line = "let split = split.train.join(&split.test)?.split_three(0.2, 0.2, 0)?;";
            report.add(the_same("validation", found, validation.len(), line));
        }
    }
    near(case, train, test, &rows, report)
}

/// So many of the examples of a part are those to learn from.
fn the_same(part: &str, found: usize, of: usize, line: &str) -> Finding {
    let (low, _) = interval(found, of);
    let seen = format!("{found} of {of} {part} examples are among those to learn from, number for number");
    Finding::new(Illness::Duplicates, seen, Sureness::Counted)
        .answer(format!("leave them out of the {part} part"), line)
        .remark_if(low <= SHARE)
}

/// The rows of the test part that the training part has too.
fn equal(train: &Dataset, test: &Dataset) -> Vec<usize> {
    let known: HashSet<Vec<u32>> = train.rows().map(bits).collect();
    let found = test
        .rows()
        .enumerate()
        .filter(|(_, row)| known.contains(&bits(row)));
    found.map(|(row, _)| row).collect()
}

fn near(
    case: &Case<'_>,
    train: &Dataset,
    test: &Dataset,
    equal: &[usize],
    report: &mut Report,
) -> Result<()> {
    const WHAT: &str = "near duplicates";
    if train.len() < 10 {
        report.not_seen(WHAT, "fewer than ten examples to learn from");
        return Ok(());
    }
    let [train, test] = {
        let [a, b] = [narrowed(train, case.seed)?, narrowed(test, case.seed)?];
        // Images have one scale; other numbers get one.
        match (train.shape(), Standardizer::fit(&a)) {
            (Shape::Flat(_), Ok(scale)) => match (scale.apply(&a), scale.apply(&b)) {
                (Ok(a), Ok(b)) => [a, b],
                _ => return Ok(()),
            },
            _ => [a, b],
        }
    };
    let asked = (WORK / (train.width() * train.len())).clamp(50, 500) / 2;
    let among = drawn(
        train.len(),
        (WORK / (train.width() * 2 * asked)).max(100),
        case.seed,
    );
    if among.len() < train.len() {
        report.not_seen(
            WHAT,
            format!(
                "among {} of the {} examples to learn from alone",
                among.len(),
                train.len()
            ),
        );
    }
    let rows: Vec<usize> = drawn(test.len(), asked, case.seed);
    if rows.len() < test.len() {
        report.not_seen(
            WHAT,
            format!("of {} of the {} test examples alone", rows.len(), test.len()),
        );
    }
    let mut usual = Vec::new();
    for &row in &drawn(train.len(), asked, case.seed) {
        if interrupt::requested() {
            return Ok(());
        }
        usual.push(nearest(train.row(row), &train, &among, Some(row)));
    }
    let mut sorted: Vec<f64> = usual
        .iter()
        .copied()
        .filter(|d| *d > 0.0 && d.is_finite())
        .collect();
    if sorted.len() < 5 {
        report.not_seen(WHAT, "hardly any two examples differ");
        return Ok(());
    }
    sorted.sort_by(f64::total_cmp);
    let middle = sorted[sorted.len() / 2];
    let limit = NEAR * middle;
    // Within the training part, where nobody split anything.
    let natural = usual.iter().filter(|d| **d > 0.0 && **d < limit).count() as f64 / usual.len() as f64;
    let mut found = Vec::new();
    for &row in &rows {
        if interrupt::requested() {
            return Ok(());
        }
        let distance = nearest(test.row(row), &train, &among, None);
        if distance < limit && equal.binary_search(&row).is_err() {
            found.push(row);
        }
    }
    let p = at_least(found.len() as u64, rows.len() as u64, natural.max(SHARE));
    if found.is_empty() || p >= P {
        return Ok(());
    }
    let seen = format!(
        "{} of {} test examples lie nearer than {} of the usual distance to one that is learned from; within the training part {}",
        found.len(),
        rows.len(),
        percent(NEAR),
        percent(natural)
    );
    let sure = Sureness::PValue {
        test: "that as many are so near by chance (binomial)".into(),
        p,
    };
    report.add(
        Finding::new(Illness::NearDuplicates, seen, sure)
            .answer(
                "leave them out of the test part; better, give what belongs together a group before splitting",
                "let test = split.test.without_rows(&diagnosis.rows(Illness::NearDuplicates))?;",
            )
            .rows(found),
    );
    Ok(())
}

/// The distance to the nearest of these rows, but for one.
fn nearest(from: &[f32], data: &Dataset, among: &[usize], but: Option<usize>) -> f64 {
    let others = among.iter().filter(|&&row| Some(row) != but);
    let distance = |&row: &usize| -> f32 {
        let pairs = from.iter().zip(data.row(row));
        pairs.map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let least = others.map(distance).fold(f32::INFINITY, f32::min);
    f64::from(least).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_are_found_as_by_looking_at_all_pairs() {
        let data = |numbers: &[f32]| Dataset::new("d", 2, numbers.to_vec()).unwrap();
        let train = data(&[1.0, 2.0, 0.0, -0.0, 3.0, 4.0]);
        let test = data(&[2.0, 1.0, -0.0, 0.0, 1.0, 2.0, 3.0, 4.5]);
        assert_eq!(equal(&train, &test), [1, 2]);
        assert_eq!(nearest(&[1.0, 2.0], &train, &[0, 1, 2], None), 0.0);
        assert!((nearest(&[1.0, 2.0], &train, &[0, 1, 2], Some(0)) - 5f64.sqrt()).abs() < 1e-6);
    }
}
