//! The features: their scales, those that say nothing, and one that says all.

use super::case::{Case, Report, columns, drawn};
use super::chance::mcnemar;
use super::fit::P;
use super::reader::{Reading, cross_read, readable};
use super::{Finding, Illness, Sureness};
use crate::Result;
use crate::data::{Dataset, Shape};
use crate::show::readable_number;

/// Size from which features are too large, as in a training that breaks.
const LARGE: f64 = 50.0;
/// How many times the smallest deviation of a feature the largest may be.
const UNLIKE: f64 = 100.0;
/// How many deviations a feature may be from 0.
const FAR: f64 = 30.0;
/// How well one feature has to tell a class to be suspect.
const TELLS: f64 = 0.98;
/// Examples of a class, at the least.
const LEAST: usize = 10;
/// Neighbours that a single feature is read by.
const NEIGHBOURS: usize = 5;
/// Numbers that single features are looked at for.
const NUMBERS: usize = 4_000_000;

fn name_of(data: &Dataset, feature: usize) -> String {
    match (data.feature_names().get(feature), data.shape()) {
        (Some(name), _) => format!("feature {name}"),
        (None, Shape::Image { width, channels, .. }) => {
            let pixel = feature / channels.max(1);
            format!("pixel (row {}, column {})", pixel / width + 1, pixel % width + 1)
        }
        _ => format!("feature {}", feature + 1),
    }
}

pub(super) fn scales(case: &Case<'_>, report: &mut Report) {
    let Some(train) = case.train.as_ref().filter(|train| train.len() > 1) else {
        return;
    };
    let found = columns(train.features(), train.width());
    let ranges = train.feature_ranges();
    let varies = |&j: &usize| ranges[j].0 < ranges[j].1;
    let image = matches!(train.shape(), Shape::Image { .. });
    let constant: Vec<usize> = (0..train.width()).filter(|j| !varies(j)).collect();
    // The border of images is often empty.
    if !constant.is_empty() && (!image || constant.len() == train.width()) {
        let seen = match constant[..] {
            [one] => format!(
                "{} is the same for all {} examples",
                name_of(train, one),
                train.len()
            ),
            _ => format!(
                "{} of {} features are the same for all examples",
                constant.len(),
                train.width()
            ),
        };
        report.add(
            Finding::new(Illness::ConstantFeatures, seen, Sureness::Counted)
                .answer(
                    "they say nothing, and take time alone: leave them out when loading",
                    "split.train.feature_ranges()",
                )
                .remark_if(constant.len() < train.width()),
        );
    }
    let varying: Vec<usize> = (0..train.width()).filter(varies).collect();
    let sd = |&j: &usize| found[j].1;
    let by_sd = |a: &&usize, b: &&usize| sd(a).total_cmp(&sd(b));
    let (Some(&least), Some(&most)) = (varying.iter().min_by(by_sd), varying.iter().max_by(by_sd)) else {
        return;
    };
    let far = varying
        .iter()
        .copied()
        .max_by(|a, b| (found[*a].0.abs() / sd(a)).total_cmp(&(found[*b].0.abs() / sd(b))));
    let top = train
        .range()
        .map_or(0.0, |(low, high)| f64::from(low.abs().max(high.abs())));
    let words = |x: f64| readable_number(x);
    let seen = if top > LARGE {
        format!(
            "the numbers go up to {}; networks expect a size near 1",
            words(top)
        )
    } else if !image && sd(&most) > UNLIKE * sd(&least) {
        format!(
            "the deviation of {} is {}, and that of {} {}",
            name_of(train, most),
            words(sd(&most)),
            name_of(train, least),
            words(sd(&least))
        )
    } else if let Some(far) = far.filter(|far| !image && found[*far].0.abs() > FAR * sd(far)) {
        format!(
            "{} has a mean of {} and a deviation of {}",
            name_of(train, far),
            words(found[far].0),
            words(sd(&far))
        )
    } else {
        return;
    };
    report.add(
        Finding::new(Illness::UnscaledFeatures, seen, Sureness::Counted).answer(
            "bring each feature to mean 0 and deviation 1, by the training part",
            "let split = split.standardized()?;",
        ),
    );
}

/// Values to predict that are far from 1 in size.
pub(super) fn values(case: &Case<'_>, report: &mut Report) {
    let Some(train) = case.train.as_ref().filter(|train| train.len() > 1) else {
        return;
    };
    let Some(values) = train.values() else { return };
    let found = columns(values, train.target_width());
    let off =
        |(mean, sd): &(f64, f64)| *sd > 0.0 && (*sd > LARGE || *sd < 1.0 / LARGE || mean.abs() > FAR * sd);
    let Some(at) = found.iter().position(off) else {
        return;
    };
    let seen = format!(
        "{} has a mean of {} and a deviation of {}",
        train.value_names()[at],
        readable_number(found[at].0),
        readable_number(found[at].1)
    );
    report.add(
        Finding::new(Illness::UnscaledValues, seen, Sureness::Counted).answer(
            "learn values of mean 0 and deviation 1; restore_values brings predictions back",
            "let train = Standardizer::fit_values(&split.train)?.apply_values(&split.train)?;",
        ),
    );
}

/// A feature that tells all classes, or one from the rest, and what it says of each example.
struct Suspect {
    feature: usize,
    class: Option<u32>,
    said: Vec<u32>,
}

/// One feature that tells a class, beside what all the others tell together.
pub(super) fn leak(case: &Case<'_>, reading: Option<&Reading>, report: &mut Report) -> Result<()> {
    let Some(train) = case.train.as_ref().filter(|train| train.labels().is_some()) else {
        return Ok(());
    };
    let Some(reading) = reading.filter(|_| train.width() > 1) else {
        return Ok(());
    };
    let most = (NUMBERS / train.width()).max(200);
    let keep = drawn(reading.rows.len(), most, case.seed);
    let rows: Vec<usize> = keep.iter().map(|&i| reading.rows[i]).collect();
    let labels: Vec<u32> = keep.iter().map(|&i| reading.labels[i]).collect();
    // What a feature tells: all classes, or one from the rest.
    let mut suspects: Vec<Suspect> = Vec::new();
    for feature in 0..train.width() {
        let numbers: Vec<f32> = rows.iter().map(|&row| train.row(row)[feature]).collect();
        let said = read_alone(&numbers, &labels, reading.classes);
        let classes = (0..reading.classes as u32).filter(|&class| told(&said, &labels, class) >= TELLS);
        let all = said
            .iter()
            .zip(&labels)
            .filter(|(said, label)| said == label)
            .count();
        let all = all as f64 >= TELLS * labels.len() as f64;
        for class in all.then_some(None).into_iter().chain(classes.map(Some)) {
            let said = said.clone();
            suspects.push(Suspect { feature, class, said });
        }
    }
    if suspects.is_empty() {
        return Ok(());
    }
    let mut features: Vec<usize> = suspects.iter().map(|suspect| suspect.feature).collect();
    features.dedup();
    if features.len() == train.width() {
        return Ok(());
    }
    let rest = without(train, &features, &rows)?;
    let all: Vec<usize> = (0..rows.len()).collect();
    let readable = readable(&rest, &all, case.seed)?;
    let Some(rest) = cross_read(&readable, all, labels.clone(), reading.classes, case.seed)? else {
        return Ok(());
    };
    let others = rest.said();
    for Suspect { feature, class, said } in suspects {
        let right = |said: u32, label: u32| match class {
            None => said == label,
            Some(class) => (said == class) == (label == class),
        };
        let pairs = || said.iter().zip(&others).zip(&labels);
        let ahead = pairs()
            .filter(|((a, b), l)| right(**a, **l) && !right(**b, **l))
            .count();
        let behind = pairs()
            .filter(|((a, b), l)| !right(**a, **l) && right(**b, **l))
            .count();
        let p = mcnemar(ahead, behind);
        if p >= P {
            continue;
        }
        let wrong = |said: &[u32]| said.iter().zip(&labels).filter(|(s, l)| !right(**s, **l)).count();
        let seen = format!(
            "{} alone tells {} with {} mistakes in {} examples; all others together make {}",
            name_of(train, feature),
            match class {
                None => "the class".to_owned(),
                Some(class) => format!("{} from the rest", train.class_name(class as usize)),
            },
            wrong(&said),
            labels.len(),
            wrong(&others)
        );
        let test = "that the others tell it as well (McNemar)".into();
        report.add(
            Finding::new(Illness::Leak, seen, Sureness::PValue { test, p }).answer(
                "ask where the feature comes from: what is known only with the label has to go",
                format!("let split = split.blank(&[{feature}])?;"),
            ),
        );
        return Ok(());
    }
    Ok(())
}

/// Recall and precision of a class, the lower of the two; 0 for few examples or a class that nearly all have.
fn told(said: &[u32], labels: &[u32], class: u32) -> f64 {
    let own = labels.iter().filter(|label| **label == class).count();
    if own < LEAST || labels.len() - own < LEAST {
        return 0.0;
    }
    let hits = said
        .iter()
        .zip(labels)
        .filter(|(s, l)| **s == class && **l == class)
        .count() as f64;
    let named = said.iter().filter(|said| **said == class).count().max(1) as f64;
    (hits / own as f64).min(hits / named)
}

/// What one feature says of each example by the others: the most frequent class of those with the same number and, where
/// they are fewer than five, of the next on both sides.
fn read_alone(numbers: &[f32], labels: &[u32], classes: usize) -> Vec<u32> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    // Examples with one number count together: their order says nothing.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in order {
        match groups.last_mut() {
            Some(group) if numbers[group[0]] == numbers[row] => group.push(row),
            _ => groups.push(vec![row]),
        }
    }
    let counts: Vec<Vec<u32>> = groups
        .iter()
        .map(|group| {
            let mut counts = vec![0; classes];
            group.iter().for_each(|&row| counts[labels[row] as usize] += 1);
            counts
        })
        .collect();
    let mut said = vec![0; numbers.len()];
    for (at, group) in groups.iter().enumerate() {
        let mut near = counts[at].clone();
        let (mut low, mut high) = (at, at);
        let total = |near: &[u32]| near.iter().sum::<u32>() as usize;
        while total(&near) <= NEIGHBOURS && (low > 0 || high + 1 < groups.len()) {
            if low > 0 {
                low -= 1;
                near.iter_mut().zip(&counts[low]).for_each(|(a, b)| *a += b);
            }
            if high + 1 < groups.len() {
                high += 1;
                near.iter_mut().zip(&counts[high]).for_each(|(a, b)| *a += b);
            }
        }
        for &row in group {
            let own = labels[row] as usize;
            near[own] -= 1;
            // Of equally frequent ones not that of the example itself.
            let best = (0..classes).max_by_key(|&class| (near[class], class != own));
            said[row] = best.unwrap_or(0) as u32;
            near[own] += 1;
        }
    }
    said
}

/// These rows without some features.
fn without(data: &Dataset, features: &[usize], rows: &[usize]) -> Result<Dataset> {
    let kept: Vec<usize> = (0..data.width())
        .filter(|j| features.binary_search(j).is_err())
        .collect();
    let mut numbers = Vec::with_capacity(rows.len() * kept.len());
    for &row in rows {
        let row = data.row(row);
        numbers.extend(kept.iter().map(|&j| row[j]));
    }
    Dataset::new("rest", Shape::Flat(kept.len()), numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside a plain search through all others.
    #[test]
    fn one_feature_is_read_by_its_neighbours_and_ties_say_nothing() {
        let labels: Vec<u32> = (0..60).map(|i| u32::from(i >= 30)).collect();
        // Sorted by class, and the feature constant: nothing can be said.
        let said = read_alone(&[1.0; 60], &labels, 2);
        assert!(said.iter().zip(&labels).all(|(said, label)| said != label));
        // A feature that is the class.
        let numbers: Vec<f32> = labels.iter().map(|&label| label as f32).collect();
        assert_eq!(read_alone(&numbers, &labels, 2), labels);
        assert_eq!(told(&labels, &labels, 1), 1.0);
        // Each its own number: three before and three behind.
        let numbers: Vec<f32> = (0..60).map(|i| i as f32).collect();
        let said = read_alone(&numbers, &labels, 2);
        let wrong: Vec<usize> = (0..60).filter(|&i| said[i] != labels[i]).collect();
        assert!(wrong.iter().all(|i| (29..31).contains(i)), "{wrong:?}");
        assert_eq!(told(&labels, &labels, 2), 0.0);
    }
}
