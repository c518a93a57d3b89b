//! Classes, values and features by their names: what makes a label, or a column, of one dataset that of another.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::{Dataset, Targets};
use crate::{Error, Result};

/// The names of classes, features and values, in the order in which a model or a dataset counts them; none where nobody gave
/// any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Names {
    pub classes: Vec<String>,
    pub features: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Of a vocabulary, where the examples are texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
}

impl Dataset {
    pub(crate) fn names(&self) -> Names {
        Names {
            classes: self.class_names().to_vec(),
            features: self.feature_names().to_vec(),
            values: self.value_names().to_vec(),
            words: self
                .vocabulary()
                .map_or_else(Vec::new, |all| all.words().to_vec()),
        }
    }

    /// The same examples with labels, or shares, that count in the order of `class_names`, matched by name: for a
    /// test part loaded from its own file, in which a class may be missing or come in another order.
    ///
    /// # Errors
    /// Without labels or shares, when an example's class, or one that it has a share of, is not among `class_names`, and
    /// when a name is there twice.
    pub fn with_classes_of(&self, class_names: &[String]) -> Result<Self> {
        if let Targets::Shares { classes, shares } = self.targets() {
            return self.with_shares_of(class_names, classes, shares);
        }
        let labels = self.require_labels()?;
        if self.class_names() == class_names {
            return Ok(self.clone());
        }
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

    fn with_shares_of(&self, class_names: &[String], classes: usize, shares: &[f32]) -> Result<Self> {
        let places = places(class_names);
        let own = self.class_names().iter();
        let to: Vec<Option<u32>> = own.map(|name| places.get(name.as_str()).copied()).collect();
        let mut moved = vec![0.0; self.len() * class_names.len()];
        for (row, shares) in shares.chunks_exact(classes).enumerate() {
            for (class, &share) in shares.iter().enumerate() {
                match to[class] {
                    Some(to) => moved[row * class_names.len() + to as usize] = share,
                    // What nobody has a share of need not be known.
                    None if share == 0.0 => {}
                    None => {
                        return Err(Error::data(format!(
                            "expected shares of the classes {}, found one of {}",
                            listed(class_names),
                            self.class_name(class)
                        ))
                        .at(format!("dataset {}, row {}", self.name(), row + 1))
                        .fix("classes are matched by name: give the same ones with Dataset::with_shares"));
                    }
                }
            }
        }
        self.clone().with_shares(moved, class_names.to_vec())
    }

    /// The same examples with labels, shares, values and features in the order of `names`. What has no names on either
    /// side stays as it is.
    pub(crate) fn matched_to(&self, names: &Names) -> Result<Self> {
        let data = self
            .with_features_of(&names.features)?
            .with_words_of(&names.words)?;
        match data.targets() {
            Targets::Classes(_) | Targets::Shares { .. } if !names.classes.is_empty() => {
                data.with_classes_of(&names.classes)
            }
            Targets::Values(_) => data.with_values_of(&names.values),
            _ => Ok(data),
        }
    }

    /// As [`matched_to`](Self::matched_to), for examples that stand beside those of `names`: what they are labelled with may
    /// be something else altogether (the domain, say), and stays as it is where no name is the same.
    pub(crate) fn matched_beside(&self, names: &Names) -> Result<Self> {
        let shares = |own: &[String], known: &[String]| own.iter().any(|name| known.contains(name));
        let same = match self.targets() {
            Targets::Values(_) => shares(self.value_names(), &names.values),
            _ => shares(self.class_names(), &names.classes),
        };
        match same {
            true => self.matched_to(names),
            false => self
                .with_features_of(&names.features)?
                .with_words_of(&names.words),
        }
    }

    /// The same examples with the values in the order of `names`; as they are, when `names` has none.
    pub(super) fn with_values_of(&self, names: &[String]) -> Result<Self> {
        let (own, Some(values)) = (self.value_names(), self.values()) else {
            return Ok(self.clone());
        };
        if names.is_empty() || own == names {
            return Ok(self.clone());
        }
        let remedy = "values are matched by name: load the same columns; where only the names differ, give the same \
                      ones with Dataset::with_values";
        let order = self.order_of("values", own, names, remedy)?;
        let rows = values.chunks_exact(own.len());
        let moved = rows.flat_map(|row| order.iter().map(|&from| row[from]));
        self.clone().with_values(moved.collect(), names.iter().cloned())
    }

    /// The same examples with the features in the order of `names`; as they are, when either has no names.
    pub(super) fn with_features_of(&self, names: &[String]) -> Result<Self> {
        let own = self.feature_names();
        if own.is_empty() || names.is_empty() || own == names {
            return Ok(self.clone());
        }
        let remedy = "features are matched by name: load the same columns; where only the names differ, give the same \
                      ones with Dataset::with_feature_names";
        let order = self.order_of("features", own, names, remedy)?;
        let moved = self.rows().flat_map(|row| order.iter().map(|&from| row[from]));
        self.with_features(moved.collect())?
            .with_feature_names(names.to_vec())
    }

    /// For each of `names` its place among `own`, which are the same in another order; `what` and `remedy` are for the
    /// error where they are not.
    fn order_of(&self, what: &str, own: &[String], names: &[String], remedy: &str) -> Result<Vec<usize>> {
        let differ = |words: String| {
            Error::data(words)
                .at(format!("dataset {}", self.name()))
                .fix(remedy)
        };
        if let Some(name) = repeated(own).or(repeated(names)) {
            return Err(differ(format!(
                "expected {what} with different names, found {name} twice"
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
                "expected the {what} {}, found others{}{}",
                listed(names),
                part("; lacking: ", &lacking),
                part("; unknown: ", &others)
            )));
        }
        Ok(names.iter().map(|name| places[name.as_str()] as usize).collect())
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

/// What to say of two names that a reader takes for one: they differ in the case of their letters, or in what no eye sees.
pub(super) fn alike(names: &[String]) -> Option<String> {
    let mut first: HashMap<String, &String> = HashMap::with_capacity(names.len());
    names.iter().find_map(|name| {
        let blank = |letter: char| if letter.is_whitespace() { ' ' } else { letter };
        let letters = name.trim().nfc().filter(|letter| !is_unseen(*letter)).map(blank);
        let composed: String = letters.collect();
        let other = *first.entry(composed.to_lowercase()).or_insert(name);
        let seen: String = other.trim().nfc().filter(|letter| !is_unseen(*letter)).collect();
        let by = match seen == composed {
            true => "in how their letters are written, or by blanks around them",
            false => "in the case of their letters",
        };
        (other != name).then(|| format!("{other:?} and {name:?} differ only {by}: taken as two classes"))
    })
}

/// Marks without width, which come along with text from elsewhere.
fn is_unseen(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
    )
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
