//! Labels that look wrong: confident learning (Northcutt, Jiang and Chuang 2021) on what the reader says.

use super::case::{Case, Report, count, percent};
use super::chance::{at_least, interval};
use super::reader::Reading;
use super::{Finding, Illness, Sureness};
use crate::Result;

/// Contradicted labels among the surest half of what the reader says from which they are found.
const CONTRADICTED: f64 = 0.025;
/// Contradicted rows in that half, at the least.
const LEAST: usize = 4;
/// Rows from which it is said that there is nothing to learn.
const ENOUGH: usize = 50;

/// Rows of the reading whose labels are contradicted with confidence, most confident first: those that the reader gives
/// another class with at least the mean probability that the examples of that class have for it.
pub(super) fn contradicted(reading: &Reading) -> Vec<usize> {
    let k = reading.classes;
    let (mut sums, mut counts) = (vec![0.0f64; k], vec![0usize; k]);
    let rows = || reading.probabilities.chunks_exact(k).zip(&reading.labels);
    for (said, &label) in rows() {
        sums[label as usize] += f64::from(said[label as usize]);
        counts[label as usize] += 1;
    }
    let mut found: Vec<(f32, usize)> = rows()
        .enumerate()
        .filter_map(|(i, (said, &label))| {
            let class = crate::evaluate::largest(said);
            let usual = sums[class] / counts[class].max(1) as f64;
            let sure = counts[class] > 0 && class != label as usize && f64::from(said[class]) >= usual;
            sure.then(|| (said[label as usize] - said[class], i))
        })
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    found.into_iter().map(|(_, i)| i).collect()
}

/// Of the half of the rows that the reader is surest of: how many are contradicted, of how many.
fn in_the_surer_half(reading: &Reading, contradicted: &[usize]) -> (usize, usize) {
    let sureness: Vec<f32> = reading
        .probabilities
        .chunks_exact(reading.classes)
        .map(|said| said.iter().copied().fold(0.0, f32::max))
        .collect();
    let mut order: Vec<usize> = (0..sureness.len()).collect();
    order.sort_by(|&a, &b| sureness[b].total_cmp(&sureness[a]).then(a.cmp(&b)));
    let half = order.len().div_ceil(2);
    let mut surer = vec![false; order.len()];
    order[..half].iter().for_each(|&i| surer[i] = true);
    (contradicted.iter().filter(|&&i| surer[i]).count(), half)
}

pub(super) fn look(case: &Case<'_>, reading: Option<&Reading>, report: &mut Report) -> Result<()> {
    let Some(train) = &case.train else { return Ok(()) };
    let Some(reading) = reading else {
        if train.labels().is_some() {
            report.not_seen(
                "labels",
                "too few examples or classes to learn one part of them from the others",
            );
        }
        return Ok(());
    };
    let n = reading.rows.len();
    let mut sizes = vec![0usize; reading.classes];
    reading
        .labels
        .iter()
        .for_each(|&label| sizes[label as usize] += 1);
    let most = sizes.iter().copied().max().unwrap_or(0);
    let hits = count(&reading.right());
    let p = at_least(hits as u64, n as u64, most as f64 / n as f64);
    if n >= ENOUGH && p > 0.05 {
        let seen = format!(
            "a small network has {} of {n} examples right that it has not seen, the most frequent class alone {}",
            percent(hits as f64 / n as f64),
            percent(most as f64 / n as f64)
        );
        let test = "that features tell nothing (binomial)".into();
        report.add(
            Finding::new(Illness::NoSignal, seen, Sureness::PValue { test, p }).answer(
                "look at examples and labels side by side: are they in the same order, is the right column the label?",
                "split.train",
            ),
        );
        return Ok(());
    }
    let found = contradicted(reading);
    let (sure, half) = in_the_surer_half(reading, &found);
    let (low, high) = interval(sure, half);
    let rows: Vec<usize> = found.iter().map(|&i| reading.rows[i]).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let seen = format!(
        "{} of {n} labels are contradicted with confidence; of the half that a small network is surest of, {sure} of {half}",
        rows.len()
    );
    let of = "contradicted labels in that half".into();
    report.add(
        Finding::new(Illness::WrongLabels, seen, Sureness::Interval { of, low, high })
            .answer(
                "look at these examples, correct their labels or leave them out",
                "let train = split.train.without_rows(&diagnosis.rows(Illness::WrongLabels))?;",
            )
            .rows(rows)
            .remark_if(low <= CONTRADICTED || sure < LEAST),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The confident joint by hand: class thresholds are 0.7 (of 0.9, 0.8, 0.4) and 0.7 (of 0.9, 0.5, 0.7).
    #[test]
    fn contradicted_rows_are_those_of_the_confident_joint() {
        let first = [0.9, 0.8, 0.4, 0.1, 0.5, 0.3f32];
        let reading = Reading {
            rows: (0..6).collect(),
            labels: vec![0, 0, 0, 1, 1, 1],
            probabilities: first.iter().flat_map(|&p| [p, 1.0 - p]).collect(),
            classes: 2,
        };
        // 0.6 for the other class is below its 0.7: not with confidence.
        assert_eq!(contradicted(&reading), Vec::<usize>::new());
        let first = [0.9, 0.8, 0.1, 0.1, 0.5, 0.3f32];
        let reading = Reading {
            probabilities: first.iter().flat_map(|&p| [p, 1.0 - p]).collect(),
            ..reading
        };
        assert_eq!(contradicted(&reading), [2]);
        assert_eq!(in_the_surer_half(&reading, &[2]), (1, 3));
    }
}
