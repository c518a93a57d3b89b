//! Which examples are learned from and which are held out to watch.

use rand::Rng as _;

use crate::data::Dataset;
use crate::seed::{Rng, stream};
use crate::{Error, Result};

/// Rows of a dataset: those to learn from, and those to watch.
#[derive(Debug, PartialEq)]
pub(super) struct Parts {
    pub training: Vec<u32>,
    pub held_out: Vec<u32>,
}

/// Holds out `share` of each class, drawn by `seed`; all is for training when there is no share. A class of
/// one example stays in training.
pub(super) fn parts(data: &Dataset, labels: &[u32], share: Option<f64>, seed: u64) -> Result<Parts> {
    let Some(share) = share else {
        return Ok(Parts {
            training: (0..labels.len() as u32).collect(),
            held_out: Vec::new(),
        });
    };
    let mut rng = stream(seed, "held out");
    let mut held = vec![false; labels.len()];
    let (mut owed, mut taken) = (0.0, 0);
    let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); data.class_names().len()];
    for (row, &label) in (0u32..).zip(labels) {
        by_class[label as usize].push(row);
    }
    for mut rows in by_class {
        shuffle(&mut rows, &mut rng);
        // What rounding gave to one class is taken from the next, so that the whole share comes out right.
        owed += share * rows.len() as f64;
        let due = (owed.round() as usize).saturating_sub(taken);
        let count = due.min(rows.len().saturating_sub(1));
        taken += count;
        for &row in &rows[..count] {
            held[row as usize] = true;
        }
    }
    let pick = |wanted: bool| -> Vec<u32> {
        (0..labels.len() as u32)
            .filter(|&row| held[row as usize] == wanted)
            .collect()
    };
    if taken == 0 {
        return Err(Error::data(format!(
            "{} examples are too few to hold out {share} of them",
            labels.len()
        ))
        .at(format!("dataset {}", data.name()))
        .fix("train without early_stopping, for a fixed number of steps"));
    }
    Ok(Parts {
        training: pick(false),
        held_out: pick(true),
    })
}

/// The order of epoch `epoch`: `rows` shuffled by a stream of its own, so that any epoch can be entered
/// without going through those before it.
pub(super) fn epoch_order(rows: &[u32], order: &mut Vec<u32>, seed: u64, epoch: u64) {
    order.clear();
    order.extend_from_slice(rows);
    shuffle(order, &mut stream(seed, &format!("batch order {epoch}")));
}

/// Fisher and Yates' shuffle.
fn shuffle(rows: &mut [u32], rng: &mut Rng) {
    for i in (1..rows.len()).rev() {
        rows.swap(i, rng.random_range(0..=i as u32) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Shape;

    fn dataset(counts: &[usize]) -> Dataset {
        let labels: Vec<u32> = counts
            .iter()
            .enumerate()
            .flat_map(|(class, &n)| vec![class as u32; n])
            .collect();
        let names = (0..counts.len()).map(|c| c.to_string()).collect();
        Dataset::new("d", Shape::Flat(1), vec![0.0; labels.len()])
            .and_then(|d| d.with_labels(labels, names))
            .expect("a dataset")
    }

    #[test]
    fn every_class_gives_its_share_and_no_row_is_lost() {
        let data = dataset(&[50, 100, 10]);
        let labels = data.labels().expect("labels").to_vec();
        let made = parts(&data, &labels, Some(0.2), 7).expect("parts");
        let held = |class| {
            made.held_out
                .iter()
                .filter(|&&r| labels[r as usize] == class)
                .count()
        };
        assert_eq!([held(0), held(1), held(2)], [10, 20, 2]);
        let mut all = [made.training.clone(), made.held_out.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..160).collect::<Vec<u32>>());
        assert_ne!(made, parts(&data, &labels, Some(0.2), 8).expect("parts"));
    }

    #[test]
    fn a_class_of_one_stays_and_nothing_to_hold_out_is_an_error() {
        let data = dataset(&[1, 1, 1]);
        let labels = data.labels().expect("labels").to_vec();
        assert!(parts(&data, &labels, Some(0.3), 0).is_err());
        let data = dataset(&[2, 2, 2, 2, 2, 2]);
        let labels = data.labels().expect("labels").to_vec();
        let made = parts(&data, &labels, Some(0.25), 0).expect("parts");
        assert_eq!(made.held_out.len(), 3);
    }

    #[test]
    fn epochs_differ_and_repeat() {
        let rows: Vec<u32> = (0..100).collect();
        let order = |epoch| {
            let mut order = Vec::new();
            epoch_order(&rows, &mut order, 3, epoch);
            order
        };
        assert_eq!(order(0), order(0));
        assert_ne!(order(0), order(1));
        let mut sorted = order(5);
        sorted.sort_unstable();
        assert_eq!(sorted, rows);
    }
    #[test]
    fn whatever_the_classes_the_share_comes_out_and_each_keeps_one() {
        let mut rng = stream(1, "sizes");
        for round in 0..300 {
            let classes = rng.random_range(1..=12);
            // In two rounds of three each class is large enough to give its share exactly.
            let least = if round % 3 == 0 { 0 } else { 4 };
            let mut counts: Vec<usize> = (0..classes).map(|_| rng.random_range(least..=40)).collect();
            counts[0] = counts[0].max(4);
            let share = rng.random_range(0.05..=0.5);
            let n: usize = counts.iter().sum();
            let data = dataset(&counts);
            let labels = data.labels().expect("labels").to_vec();
            let case = format!("share {share} of {counts:?}");
            let Ok(made) = parts(&data, &labels, Some(share), round) else {
                assert!(share * n as f64 <= 1.5, "nothing held out of a {case}");
                continue;
            };
            let mut all = [made.training.clone(), made.held_out.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..n as u32).collect::<Vec<u32>>(), "{case}");
            assert!(made.training.is_sorted() && made.held_out.is_sorted(), "{case}");
            for (class, &count) in counts.iter().enumerate() {
                let held = made
                    .held_out
                    .iter()
                    .filter(|&&row| labels[row as usize] == class as u32)
                    .count();
                assert!(count == 0 || held < count, "class {class} gives all: {case}");
                // The whole share comes out right by giving a class one more or less.
                let off = (held as f64 - share * count as f64).abs();
                assert!(
                    least == 0 || off <= 1.0 + 1e-9,
                    "class {class} gives {held}: {case}"
                );
            }
            let off = (made.held_out.len() as f64 - share * n as f64).abs();
            assert!(
                least == 0 || off <= 0.5 + 1e-9,
                "{} held out: {case}",
                made.held_out.len()
            );
            assert_eq!(
                made,
                parts(&data, &labels, Some(share), round).expect("again"),
                "{case}"
            );
        }
    }
}
