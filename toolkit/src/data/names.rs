//! Classes and features by their names: what makes a label, or a column, of one dataset that of another.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::Dataset;
use crate::{Error, Result};

/// The names of classes and features, in the order in which a model or a dataset counts them; none where nobody gave
/// any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Names {
    pub classes: Vec<String>,
    pub features: Vec<String>,
}

impl Dataset {
    pub(crate) fn names(&self) -> Names {
        Names {
            classes: self.class_names().to_vec(),
            features: self.feature_names().to_vec(),
        }
    }

    /// The same examples with labels that count in the order of `class_names`, matched by name: for a
    /// test part loaded from its own file, in which a class may be missing or come in another order.
    ///
    /// # Errors
    /// Without labels, when an example's class is not among `class_names`, and when a name is there twice.
    pub fn with_classes_of(&self, class_names: &[String]) -> Result<Self> {
        let labels = self.require_labels()?;
        let places = places(class_names);
        let moved: Vec<Option<u32>> = self
            .class_names()
            .iter()
            .map(|name| places.get(name.as_str()).copied())
            .collect();
        let place = |label: u32| moved[label as usize];
        if let Some(row) = labels.iter().position(|&label| place(label).is_none()) {
            let counts = self.class_counts();
            let unknown: Vec<&String> = self
                .class_names()
                .iter()
                .enumerate()
                .filter(|&(class, _)| moved[class].is_none() && counts[class] > 0)
                .map(|(_, name)| name)
                .collect();
            return Err(Error::data(format!(
                "expected one of the classes {}, found {}",
                listed(class_names),
                listed(&unknown)
            ))
            .at(format!("dataset {}, row {}", self.name(), row + 1))
            .fix(
                "classes are matched by name: leave out the examples of others with Dataset::of_classes; where \
                 only the names differ, give the same ones with Dataset::with_labels",
            ));
        }
        let relabelled = labels.iter().filter_map(|&label| place(label)).collect();
        self.clone().with_labels(relabelled, class_names.to_vec())
    }

    /// The same examples with labels and features in the order of `names`. What has no names on either side stays
    /// as it is.
    pub(crate) fn matched_to(&self, names: &Names) -> Result<Self> {
        let data = self.with_features_of(&names.features)?;
        if data.labels().is_none() || names.classes.is_empty() || data.class_names() == names.classes {
            return Ok(data);
        }
        data.with_classes_of(&names.classes)
    }

    /// The same examples with the features in the order of `names`; as they are, when either has no names.
    pub(super) fn with_features_of(&self, names: &[String]) -> Result<Self> {
        let own = self.feature_names();
        if own.is_empty() || names.is_empty() || own == names {
            return Ok(self.clone());
        }
        let place = || format!("dataset {}", self.name());
        let differ = |what: String| {
            Error::data(what).at(place()).fix(
                "features are matched by name: load the same columns; where only the names differ, give the same \
                 ones with Dataset::with_feature_names",
            )
        };
        if let Some(name) = repeated(own).or(repeated(names)) {
            return Err(differ(format!(
                "expected features with different names, found {name} twice"
            )));
        }
        let places = places(own);
        let lacking: Vec<&String> = names
            .iter()
            .filter(|name| !places.contains_key(name.as_str()))
            .collect();
        let known: HashSet<&String> = names.iter().collect();
        let others: Vec<&String> = own.iter().filter(|name| !known.contains(name)).collect();
        if !lacking.is_empty() || !others.is_empty() {
            let part = |words: &str, names: &[&String]| match names {
                [] => String::new(),
                names => format!("{words}{}", listed(names)),
            };
            return Err(differ(format!(
                "expected the features {}, found others{}{}",
                listed(names),
                part("; lacking: ", &lacking),
                part("; unknown: ", &others)
            )));
        }
        let order: Vec<usize> = names.iter().map(|name| places[name.as_str()] as usize).collect();
        let moved = self.rows().flat_map(|row| order.iter().map(|&from| row[from]));
        self.with_features(moved.collect())?
            .with_feature_names(names.to_vec())
    }
}

/// The place of each name; of equal names, the first.
pub(super) fn places(names: &[String]) -> HashMap<&str, u32> {
    let mut places = HashMap::with_capacity(names.len());
    for (i, name) in (0u32..).zip(names) {
        places.entry(name.as_str()).or_insert(i);
    }
    places
}

/// The first name that was there before.
pub(super) fn repeated(names: &[String]) -> Option<&str> {
    let mut seen = HashSet::with_capacity(names.len());
    names.iter().map(String::as_str).find(|&name| !seen.insert(name))
}

/// A few names for a message, with dots for the rest.
pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const MOST: usize = 12;
    let mut text = names
        .iter()
        .take(MOST)
        .map(AsRef::as_ref)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > MOST {
        text += &format!(", ... ({} in all)", names.len());
    }
    text
}

#[cfg(test)]
mod tests;
