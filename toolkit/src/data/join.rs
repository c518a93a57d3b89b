//! Two datasets as one.

use super::targets::Kept;
use super::{Dataset, Targets};
use crate::{Error, Result};

/// The examples of `one`, then those of `other`.
pub(super) fn join(one: &Dataset, other: &Dataset) -> Result<Dataset> {
    let place = || format!("datasets {} and {}", one.name(), other.name());
    let differ = |what: String, remedy: &str| Err(Error::data(what).at(place()).fix(remedy));
    if one.shape() != other.shape() {
        return differ(
            format!("expected examples of {}, found {}", one.shape(), other.shape()),
            "bring both to one shape first",
        );
    }
    if one.groups().is_some() != other.groups().is_some() {
        return differ(
            "expected groups in both or in neither, found them in one".into(),
            "give both their groups with Dataset::with_groups",
        );
    }
    let (one, other) = &one.with_words_of_both(other)?;
    let other = &other.with_features_of(one.feature_names())?;
    let mut class_names = one.class_names().to_vec();
    let targets = match (one.targets(), other.targets()) {
        (Targets::None, Targets::None) => Kept::None,
        (Targets::Classes(labels), Targets::Classes(_)) => {
            let new = other
                .class_names()
                .iter()
                .filter(|name| !one.class_names().contains(name));
            class_names.extend(new.cloned());
            let other = other.with_classes_of(&class_names)?;
            Kept::Classes([labels, other.require_labels()?].concat().into())
        }
        (Targets::Shares { shares: a, .. }, Targets::Shares { .. }) => {
            let other = other.with_classes_of(&class_names)?;
            let b = match other.targets() {
                Targets::Shares { shares, .. } => shares,
                _ => &[],
            };
            Kept::Shares([a, b].concat().into())
        }
        (Targets::Values(a), Targets::Values(_)) => {
            let other = other.with_values_of(one.value_names())?;
            Kept::Values([a, other.values().unwrap_or_default()].concat().into())
        }
        (a, b) => {
            return differ(
                format!("expected {}, as the first has, found {}", a.words(), b.words()),
                "give both the same kind of targets first",
            );
        }
    };
    let weights = match (one.weights(), other.weights()) {
        (None, None) => None,
        // An example without a word counts once.
        (a, b) => {
            let of = |weights: Option<&[f32]>, n| weights.map_or_else(|| vec![1.0; n], <[f32]>::to_vec);
            Some([of(a, one.len()), of(b, other.len())].concat())
        }
    };
    let groups = one.groups().zip(other.groups()).map(|(a, b)| [a, b].concat());
    let content = one.content().joined(other.content());
    let joined = one
        .with_examples([one.features(), other.features()].concat())?
        .with_content(content);
    Ok(joined.with_rest(targets, class_names, weights, groups))
}
