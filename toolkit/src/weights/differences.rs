//! What a network expects against what a file holds, in one readable message.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{Weights, shape_words};
use crate::{Error, Result};

/// Names that are listed of each kind; the rest is counted.
const LISTED: usize = 40;
/// The same of tensors of whole numbers.
const FEW_WHOLE: usize = 6;

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
    /// The layers that have some.
    fitting_layers: Vec<String>,
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
                Some(_) => {
                    differences.fitting += 1;
                    differences.fitting_layers.push(layer(name).to_owned());
                }
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

    /// An error that lists the differences of `weights` and says what to do, if there are any.
    pub(crate) fn none(&self, weights: &Weights) -> Result<()> {
        match self.is_empty() {
            true => Ok(()),
            false if !self.whole(weights).is_empty() => {
                let names = self.whole(weights);
                let more = names.len().saturating_sub(FEW_WHOLE);
                let more = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                let first = names[..names.len().min(FEW_WHOLE)].join(", ");
                Err(Error::data(format!(
                    "{self}\nwhole numbers where floating-point ones are expected: {first}{more}"
                ))
                .at(weights.origin())
                .fix("save them as floating-point numbers where the file is made: in PyTorch by `tensor.float()`"))
            }
            false => Err(Error::data(self.to_string())
                .at(weights.origin())
                .fix(self.remedy())),
        }
    }

    /// Those that are missing because the file has whole numbers under their names.
    fn whole<'n>(&'n self, weights: &Weights) -> Vec<&'n str> {
        let names = self.missing.iter().map(|(name, _)| name.as_str());
        names.filter(|name| weights.integers(name).is_some()).collect()
    }

    fn remedy(&self) -> String {
        if let Some(prefix) = prefix(&self.missing, &self.unexpected) {
            let then = self
                .renamed(|name| name.strip_prefix(prefix).map(str::to_owned))
                .then();
            return format!(
                "the file has `{prefix}` before each name: take it off with \
                 `weights.rename(|name| name.strip_prefix({prefix:?}).unwrap_or(name).to_owned())?`{then}"
            );
        }
        // What fits already would not with something before it.
        if let Some(prefix) = prefix(&self.unexpected, &self.missing).filter(|_| self.fitting == 0) {
            let then = self.renamed(|name| Some(format!("{prefix}{name}"))).then();
            return format!(
                "the network has `{prefix}` before each name: put it there with \
                 `weights.rename(|name| format!(\"{{}}{{name}}\", {prefix:?}))?`{then}"
            );
        }
        if self.is_turned() {
            return "the tensors have the right lengths in another order, as Keras and JAX write them (inputs x outputs): \
                    write the file in PyTorch's order, dense layers as outputs x inputs, convolutions as output channels x \
                    input channels x height x width"
                .to_owned();
        }
        let layers = self.few_layers();
        if !layers.is_empty() {
            let Some(weights) = self.without_unexpected() else {
                return format!(
                    "leave the unexpected tensors out with `Weights::filter`; then take over all layers but {}, which \
                     keep fresh numbers, with `Network::load_weights_except`",
                    layers.join(" and ")
                );
            };
            let (have, names) = match layers.len() {
                1 => ("has its", layers[0].to_owned()),
                _ => ("have their", layers.join(" and ")),
            };
            return format!(
                "build the network with the sizes of the file, such as its number of classes; or take over all \
                 layers but {names}, which then {have} fresh numbers to be trained: \
                 `network.load_weights_except({weights}, {layers:?})?`"
            );
        }
        match (self.fitting, self.missing.len(), self.unexpected.len()) {
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
        }
        .to_owned()
    }

    /// The differences once the unexpected tensors that `to` gives a name have it.
    fn renamed(&self, to: impl Fn(&str) -> Option<String>) -> Self {
        let mut renamed = Self {
            unexpected: Vec::new(),
            ..self.clone()
        };
        for (name, found) in &self.unexpected {
            let name = to(name).unwrap_or_else(|| name.clone());
            match renamed.missing.iter().position(|(missing, _)| *missing == name) {
                None => renamed.unexpected.push((name, found.clone())),
                Some(at) => match renamed.missing.remove(at) {
                    (_, expected) if expected == *found => renamed.fitting += 1,
                    (name, expected) => renamed.reshaped.push((name, expected, found.clone())),
                },
            }
        }
        renamed
    }

    /// What else is to be done, behind a first step.
    fn then(&self) -> String {
        match self.is_empty() {
            true => String::new(),
            false => format!("; then {}", self.remedy()),
        }
    }

    /// Whether all that has another shape has the same lengths in another order.
    fn is_turned(&self) -> bool {
        let sorted = |shape: &[usize]| {
            let mut lengths = shape.to_vec();
            lengths.sort_unstable();
            lengths
        };
        let turned =
            |(_, expected, found): &(String, Vec<usize>, Vec<usize>)| sorted(expected) == sorted(found);
        !self.reshaped.is_empty() && self.reshaped.iter().all(turned)
    }

    /// The few layers that are missing or of another shape, when the others fit: most often a head for other classes.
    /// None when there is no such head.
    fn few_layers(&self) -> Vec<&str> {
        const FEW: usize = 3;
        let reshaped = self.reshaped.iter().map(|(name, ..)| name);
        let lacking = self.missing.iter().map(|(name, _)| name).chain(reshaped);
        let mut layers: Vec<&str> = Vec::new();
        let mut tensors = 0;
        for name in lacking {
            tensors += 1;
            if !layers.contains(&layer(name)) {
                layers.push(layer(name));
            }
        }
        // What fits of such a layer would be left out with it.
        let lacks = |layer: &str| self.missing.iter().any(|(name, _)| self::layer(name) == layer);
        let in_part = |own: &&str| lacks(own) && self.fitting_layers.iter().any(|other| other == own);
        let is_head = match layers.len() {
            0 | 1 => self.fitting > 0,
            n => n <= FEW && self.fitting >= tensors,
        };
        match is_head && !layers.iter().any(in_part) {
            true => layers,
            false => Vec::new(),
        }
    }

    /// The code for the weights that a network expects and no others; none where it is long.
    fn without_unexpected(&self) -> Option<String> {
        if self.unexpected.is_empty() {
            return Some("&weights".to_owned());
        }
        // One layer, or one module of several such as an auxiliary head.
        let names = || self.unexpected.iter().map(|(name, _)| name.as_str());
        let module = |name| str::split(name, '.').next().unwrap_or_default();
        let start = only(names().map(layer)).or_else(|| only(names().map(module)));
        let start = format!("{}.", start?);
        Some(format!("&weights.filter(|name| !name.starts_with({start:?}))"))
    }
}

/// What stands before each name of `found` that, without it, would be a name of `expected`: a wrapper's, such as
/// `module.` of PyTorch's data parallelism and `_orig_mod.` of its compiler. None unless it stands before all of
/// `found`, or explains most of `expected`, as of one network out of several.
fn prefix<'n>(expected: &[(String, Vec<usize>)], found: &'n [(String, Vec<usize>)]) -> Option<&'n str> {
    let names: HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (name, _) in found {
        for (at, _) in name.match_indices('.') {
            if names.contains(&name[at + 1..]) {
                *counts.entry(&name[..=at]).or_default() += 1;
            }
        }
    }
    let (prefix, explained) = counts.into_iter().max_by_key(|&(prefix, n)| (n, prefix))?;
    let is_before_all = explained > 1 && found.iter().all(|(name, _)| name.starts_with(prefix));
    (is_before_all || 2 * explained > expected.len()).then_some(prefix)
}

/// The layer whose tensor this is.
fn layer(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(layer, _)| layer)
}

/// The word that all of `words` are.
fn only<'w>(mut words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let first = words.next()?;
    words.all(|word| word == first).then_some(first)
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
