//! How many examples, and which groups, make up a share of a dataset: said once for splits and for early stopping.

use std::collections::{BTreeMap, HashSet};

/// How many of each class make up `share` of the whole: floors, and one more for the largest remainders
/// until the total is the nearest whole number. No class of several gives its last.
pub(crate) fn share_of_classes(sizes: &[usize], share: f64) -> Vec<usize> {
    let total = (sizes.iter().sum::<usize>() as f64 * share).round() as usize;
    let single = sizes.len() == 1;
    let most = |n: usize| if single { n } else { n.saturating_sub(1) };
    let exact: Vec<f64> = sizes.iter().map(|&n| n as f64 * share).collect();
    let mut taken: Vec<usize> = sizes
        .iter()
        .zip(&exact)
        .map(|(&n, e)| (e.floor() as usize).min(most(n)))
        .collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let mut missing = total.saturating_sub(taken.iter().sum());
    for class in order {
        if missing > 0 && exact[class].fract() > 0.0 && taken[class] < most(sizes[class]) {
            taken[class] += 1;
            missing -= 1;
        }
    }
    taken
}

/// The groups that make up `share` of the examples: in `order`, each that brings the count nearer to it. `groups` has the
/// group of each example.
pub(crate) fn share_of_groups(order: &[u32], groups: &[u32], share: f64) -> HashSet<u32> {
    let sizes = group_sizes(groups);
    let wanted = share * groups.len() as f64;
    let mut taken = 0.0;
    let mut chosen = HashSet::new();
    for &group in order {
        let size = sizes.get(&group).copied().unwrap_or(0) as f64;
        if (taken + size - wanted).abs() < (taken - wanted).abs() {
            chosen.insert(group);
            taken += size;
        }
    }
    chosen
}

/// Examples in each group, by its number.
pub(crate) fn group_sizes(groups: &[u32]) -> BTreeMap<u32, usize> {
    let mut sizes = BTreeMap::new();
    for &group in groups {
        *sizes.entry(group).or_insert(0) += 1;
    }
    sizes
}
