//! What a network expects against what a file holds, in one readable message.

use std::collections::HashSet;
use std::fmt;

use super::{Weights, shape_words};
use crate::Error;

/// Names that are listed of each kind; the rest is counted.
const LISTED: usize = 40;

/// How weights differ from what a network expects; integer counters in a file are no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Expected, not there: name and expected shape.
    pub missing: Vec<(String, Vec<usize>)>,
    /// There in another shape: name, expected shape, shape found.
    pub reshaped: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// There, not expected: name and shape.
    pub unexpected: Vec<(String, Vec<usize>)>,
    /// Number of tensors that fit.
    pub fitting: usize,
}

impl Differences {
    pub(super) fn between<'a>(
        expected: impl IntoIterator<Item = (&'a str, &'a [usize])>,
        found: &Weights,
    ) -> Self {
        let mut differences = Self::default();
        let mut names = HashSet::new();
        for (name, shape) in expected {
            names.insert(name);
            match found.get(name) {
                None => differences.missing.push((name.to_owned(), shape.to_vec())),
                Some(tensor) if tensor.shape != shape => {
                    let (name, found) = (name.to_owned(), tensor.shape.to_vec());
                    differences.reshaped.push((name, shape.to_vec(), found));
                }
                Some(_) => differences.fitting += 1,
            }
        }
        let unexpected = found.iter().filter(|(name, _)| !names.contains(name));
        differences.unexpected = unexpected
            .map(|(name, tensor)| (name.to_owned(), tensor.shape.to_vec()))
            .collect();
        differences
    }

    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.reshaped.is_empty() && self.unexpected.is_empty()
    }

    pub(super) fn error(&self) -> Error {
        let remedy = match (self.fitting, self.missing.len(), self.unexpected.len()) {
            (0, 1.., 1..) => {
                "the file is of another network, or of another library's naming: compare the names above and bring \
                 them to the expected ones with `Weights::rename`"
            }
            (_, 0, 1..) if self.reshaped.is_empty() => {
                "leave the unexpected tensors out with `Weights::filter`"
            }
            (_, 0, 0) => "build the network with the sizes of the file, such as its number of classes",
            _ => {
                "use the file of this very network; names can be changed with `Weights::rename`, tensors left out \
                 with `Weights::filter`"
            }
        };
        Error::data(self.to_string()).fix(remedy)
    }
}

/// Counts, then the first names of each kind.
impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return write!(f, "all {} tensors fit", self.fitting);
        }
        let (missing, reshaped, unexpected) = (&self.missing, &self.reshaped, &self.unexpected);
        write!(
            f,
            "the weights do not fit the network: {} fit, {} missing, {} of another shape, {} unexpected",
            self.fitting,
            missing.len(),
            reshaped.len(),
            unexpected.len()
        )?;
        let named = |(name, shape): &(String, Vec<usize>)| format!("{name} ({})", shape_words(shape));
        list(f, "missing", missing.iter().map(named))?;
        let both = reshaped.iter().map(|(name, expected, found)| {
            format!(
                "{name}: expected {}, found {}",
                shape_words(expected),
                shape_words(found)
            )
        });
        list(f, "another shape", both)?;
        list(f, "unexpected", unexpected.iter().map(named))
    }
}

fn list(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    lines: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    let all = lines.len();
    if all == 0 {
        return Ok(());
    }
    write!(f, "\n  {title}:")?;
    for line in lines.take(LISTED) {
        write!(f, "\n    {line}")?;
    }
    match all.saturating_sub(LISTED) {
        0 => Ok(()),
        more => write!(f, "\n    and {more} more, which `Weights::differences` lists"),
    }
}
