//! Which examples are learned from and which are held out to watch.

use crate::data::{Dataset, share_of_classes, share_of_groups};
use crate::seed::{Rng, shuffle, stream};
use crate::{Error, Result};

/// Rows of a dataset: those to learn from, and those to watch.
#[derive(Debug, PartialEq)]
pub(super) struct Parts {
    pub training: Vec<u32>,
    pub held_out: Vec<u32>,
}

/// Holds out `share` of each class, drawn by `seed`; all is for training when there is no share. A class of
/// one example stays in training. Without labels the share is of all examples; with groups it is of whole groups.
pub(super) fn parts(data: &Dataset, share: Option<f64>, seed: u64) -> Result<Parts> {
    let examples = data.len() as u32;
    let Some(share) = share else {
        return Ok(Parts {
            training: (0..examples).collect(),
            held_out: Vec::new(),
        });
    };
    let mut rng = stream(seed, "held out");
    let held = match (data.groups(), data.labels()) {
        (Some(groups), _) => of_groups(groups, share, &mut rng),
        (None, Some(labels)) => {
            let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); data.classes()];
            for (row, &label) in (0u32..).zip(labels) {
                by_class[label as usize].push(row);
            }
            of_each(by_class, data.len(), share, &mut rng)
        }
        (None, None) => of_each(vec![(0..examples).collect()], data.len(), share, &mut rng),
    };
    let pick = |wanted: bool| -> Vec<u32> {
        (0..examples)
            .filter(|&row| held[row as usize] == wanted)
            .collect()
    };
    let (training, held_out) = (pick(false), pick(true));
    if held_out.is_empty() || training.is_empty() {
        let what = match data.groups() {
            Some(_) => "examples in so few groups",
            None => "examples",
        };
        return Err(Error::data(format!(
            "{} {what} are too few to hold out {share} of them",
            data.len()
        ))
        .at(format!("dataset {}", data.name()))
        .fix("train without early_stopping, for a fixed number of steps"));
    }
    Ok(Parts { training, held_out })
}

/// A mark for each row that is held out: `share` of the rows of each class.
fn of_each(classes: Vec<Vec<u32>>, examples: usize, share: f64, rng: &mut Rng) -> Vec<bool> {
    let mut held = vec![false; examples];
    let sizes: Vec<usize> = classes.iter().map(Vec::len).collect();
    for (mut rows, count) in classes.into_iter().zip(share_of_classes(&sizes, share)) {
        shuffle(&mut rows, rng);
        for &row in &rows[..count] {
            held[row as usize] = true;
        }
    }
    held
}

/// A mark for each row that is held out: whole groups, in a drawn order.
fn of_groups(groups: &[u32], share: f64, rng: &mut Rng) -> Vec<bool> {
    let mut different: Vec<u32> = groups.to_vec();
    different.sort_unstable();
    different.dedup();
    shuffle(&mut different, rng);
    let chosen = share_of_groups(&different, groups, share);
    groups.iter().map(|group| chosen.contains(group)).collect()
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

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
        let made = parts(&data, Some(0.2), 7).expect("parts");
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
        assert_ne!(made, parts(&data, Some(0.2), 8).expect("parts"));
    }

    #[test]
    fn a_class_of_one_stays_and_nothing_to_hold_out_is_an_error() {
        let data = dataset(&[1, 1, 1]);
        assert!(parts(&data, Some(0.3), 0).is_err());
        let data = dataset(&[2, 2, 2, 2, 2, 2]);
        let made = parts(&data, Some(0.25), 0).expect("parts");
        assert_eq!(made.held_out.len(), 3);
    }

    #[test]
    fn groups_stay_together_and_without_labels_it_is_a_share_of_all() {
        let groups: Vec<u32> = (0..160).map(|row| row / 8).collect();
        let data = dataset(&[50, 100, 10])
            .with_groups(groups.clone())
            .expect("groups");
        let made = parts(&data, Some(0.25), 7).expect("parts");
        assert_eq!(made.held_out.len(), 40);
        for held in made.held_out.chunks(8) {
            assert!(
                held.iter()
                    .all(|&row| groups[row as usize] == groups[held[0] as usize])
            );
        }
        assert!(parts(&data.with_groups(vec![3; 160]).expect("a group"), Some(0.25), 7).is_err());
        let plain = Dataset::new("d", Shape::Flat(1), vec![0.0; 30]).expect("a dataset");
        assert_eq!(parts(&plain, Some(0.5), 0).expect("parts").held_out.len(), 15);
    }

    #[test]
    fn as_many_of_each_class_are_held_out_as_a_split_would_take() {
        let data = dataset(&[13, 7, 29, 2, 1, 48]);
        for share in [0.1, 0.2, 0.37, 0.5] {
            let made = parts(&data, Some(share), 3).expect("parts");
            let held: Vec<usize> = made.held_out.iter().map(|&row| row as usize).collect();
            let held = data.subset(&held).expect("a part");
            let split = data.split(share, 3).expect("a split");
            assert_eq!(held.class_counts(), split.test.class_counts(), "{share}");
        }
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
            let Ok(made) = parts(&data, Some(share), round) else {
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
            assert_eq!(made, parts(&data, Some(share), round).expect("again"), "{case}");
        }
    }
}
