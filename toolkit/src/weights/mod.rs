//! Weights of networks from files: safetensors, and PyTorch's `.pth`/`.pt` without Python.
//!
//! [`Weights::read`] looks at a file's content, not its name. Nothing in a file is believed before it is held
//! against the bytes that are there, and nothing in it is ever run: of a PyTorch file only tensors and the plain
//! containers around them are read, and whatever else its pickle asks for is refused by name.
//! [`download`] fetches a file when asked to, [`KNOWN`] says where some are.

mod catalog;
mod differences;
mod download;
mod format;
mod number;
mod pickle;
mod pin;
mod pytorch;
mod safetensors;
mod trouble;
mod zip;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use sha2::{Digest, Sha256};

pub use catalog::{KNOWN, KnownWeights};
pub use differences::Differences;
pub use download::download;

use format::{BARE_PICKLE, Format};
use trouble::{Trouble, check_memory, quoted};

use crate::hex::hex;
use crate::show::{Align, Bundle, Show, Table};
use crate::{Error, Result, cells, memory, replace};

/// Tensors that are shown, at the most.
const SHOWN: usize = 20;

/// Named tensors, as a file of weights holds them, in the order of the file.
///
/// Floating-point tensors of any width are here as `f32` (a wider number is rounded to the nearest, and one beyond
/// `f32` is infinite, as PyTorch's `.float()` has it; a network takes only finite ones). Integer and boolean tensors, such as batch norm's `num_batches_tracked`, are counters, no
/// weights: they are kept as `i64` under [`integers`](Self::integers) and never count as missing or unexpected.
///
/// ```
/// use jook::prelude::*;
/// # fn main() -> Result<()> {
/// let path = std::env::temp_dir().join(format!("jook-doc-{}.safetensors", std::process::id()));
/// let made = Weights::new([
///     ("fc.weight", vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
///     ("fc.bias", vec![2], vec![0.5, -0.5]),
/// ])?;
/// made.write(&path)?;
///
/// let weights = Weights::read(&path)?.rename(|name| name.replace("fc.", "head."))?;
/// weights.require([("head.weight", [2, 3].as_slice()), ("head.bias", &[2])])?;
/// let bias = weights.get("head.bias").expect("it was just required");
/// assert_eq!((bias.shape, bias.values), ([2].as_slice(), [0.5, -0.5].as_slice()));
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct Weights {
    tensors: Vec<Entry>,
    places: HashMap<String, usize>,
    origin: String,
    sha256: String,
}

/// A tensor of floating-point numbers in [`Weights`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightsTensor<'a> {
    /// The length of each dimension; empty for a single number.
    pub shape: &'a [usize],
    /// The numbers, row-major: the last dimension moves fastest.
    pub values: &'a [f32],
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    numbers: Numbers,
}

#[derive(Clone, Debug, PartialEq)]
enum Numbers {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

impl Weights {
    /// Weights made in the program: name, shape and numbers (row-major) of each tensor.
    ///
    /// # Errors
    /// When a name is there twice, or the numbers of a tensor are not as many as its shape says.
    pub fn new<N: Into<String>>(
        tensors: impl IntoIterator<Item = (N, Vec<usize>, Vec<f32>)>,
    ) -> Result<Self> {
        let mut entries = Vec::new();
        for (name, shape, values) in tensors {
            let name = name.into();
            if name == safetensors::REMARKS {
                return Err(Error::data(format!(
                    "expected the name of a tensor, found {name}, under which safetensors files keep remarks"
                ))
                .fix("choose another name"));
            }
            if count(&shape) != Some(values.len()) {
                return Err(Error::data(format!(
                    "expected as many numbers as the shape {shape:?} has, found {}",
                    values.len()
                ))
                .at(format!("tensor {name}")));
            }
            entries.push(Entry {
                name,
                shape,
                numbers: Numbers::Floats(values),
            });
        }
        let mut weights = Self::gather("made in the program", entries)?;
        weights.sha256 = sha256(&safetensors::write(&weights.tensors)?);
        Ok(weights)
    }

    /// Reads a safetensors file or a PyTorch `state_dict` (`.pth`, `.pt`), whichever the content is.
    ///
    /// A PyTorch file is one that `torch.save` of PyTorch 1.6 or newer wrote: a zip archive with a pickle in it. A
    /// `state_dict` inside a checkpoint is found under the key `state_dict`, `model_state_dict` or `model`.
    ///
    /// # Errors
    /// Naming the file, the place in it and what to do: a part of a file, damage, another format, a type of number
    /// that is not read (quantized, complex, 8-bit floats), sizes that are not those of the file or of the free
    /// memory, a pickle with anything but tensors.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let io = |e: &std::io::Error| {
            Error::io(path, e).fix("check the path; `weights::download` fetches a file, and only when called")
        };
        let meta = std::fs::metadata(path).map_err(|e| io(&e))?;
        if meta.is_dir() {
            return Err(
                Error::data("expected a file of weights, found a folder").at(path.display().to_string())
            );
        }
        if let Some(lack) = memory::lacking(meta.len()) {
            return Err(
                Error::data(format!("expected a file that fits the memory: {lack}"))
                    .at(path.display().to_string()),
            );
        }
        let content = std::fs::read(path).map_err(|e| io(&e))?;
        cells::reads(|| &content);
        Self::from_bytes(path.display().to_string(), &content)
    }

    /// Reads the content of a file, as [`read`](Self::read) does; `origin` names it in errors.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_bytes(origin: impl Into<String>, content: &[u8]) -> Result<Self> {
        let origin = origin.into();
        let entries = match Format::of(content) {
            Format::Safetensors => safetensors::read(content),
            Format::Zip => pytorch::read(content),
            Format::Other(found) => Err(Trouble::new(format!(
                "expected a safetensors file or a PyTorch zip archive, found {found}"
            ))
            .fix(match found {
                BARE_PICKLE => pytorch::SAVE_AGAIN,
                _ => "give a .safetensors, .pth or .pt file, whole and unpacked",
            })),
        };
        let entries = entries.map_err(|trouble| trouble.at(&origin))?;
        let mut weights = Self::gather(&origin, entries)?;
        weights.sha256 = sha256(content);
        Ok(weights)
    }

    /// Writes the weights to `path` as a safetensors file, in one move: a reader finds the old file or the whole
    /// new one. Numbers are written as `f32`, counters as 64-bit integers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        replace::file(path.as_ref(), &safetensors::write(&self.tensors)?)
    }

    /// The names of all tensors, counters too, in the order of the file.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tensors.iter().map(|entry| entry.name.as_str())
    }

    /// Number of tensors, counters too.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The floating-point tensor `name`; none when there is none of that name, or it holds integers.
    pub fn get(&self, name: &str) -> Option<WeightsTensor<'_>> {
        let entry = &self.tensors[*self.places.get(name)?];
        match &entry.numbers {
            Numbers::Floats(values) => Some(WeightsTensor {
                shape: &entry.shape,
                values,
            }),
            Numbers::Integers(_) => None,
        }
    }

    /// The floating-point tensors with their names, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, WeightsTensor<'_>)> {
        self.names().filter_map(|name| Some((name, self.get(name)?)))
    }

    /// Shape and numbers of the integer tensor `name`, such as `bn1.num_batches_tracked`; booleans are 0 and 1.
    pub fn integers(&self, name: &str) -> Option<(&[usize], &[i64])> {
        let entry = &self.tensors[*self.places.get(name)?];
        match &entry.numbers {
            Numbers::Integers(values) => Some((&entry.shape, values)),
            Numbers::Floats(_) => None,
        }
    }

    /// The file they were read from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// SHA-256 (hexadecimal) of the file they were read from; of weights made in the program, that of the file
    /// that [`write`](Self::write) makes of them. Renaming leaves it.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The same tensors with the names that `to` makes of theirs, for instance to bring one library's naming to
    /// another's.
    ///
    /// # Errors
    /// When two tensors get the same name.
    pub fn rename<N: Into<String>>(mut self, mut to: impl FnMut(&str) -> N) -> Result<Self> {
        let mut before: HashMap<String, String> = HashMap::new();
        for entry in &mut self.tensors {
            let name: String = to(&entry.name).into();
            let old = std::mem::replace(&mut entry.name, name.clone());
            if let Some(first) = before.insert(name.clone(), old.clone()) {
                return Err(Error::spec(format!(
                    "expected a name of its own for every tensor, found {name} for both {first} and {old}"
                ))
                .at(self.origin));
            }
        }
        let sha256 = std::mem::take(&mut self.sha256);
        let mut renamed = Self::gather(&self.origin, self.tensors)?;
        renamed.sha256 = sha256;
        Ok(renamed)
    }

    /// The tensors whose names `keep` says yes to, for instance all but the last layer's.
    pub fn filter(mut self, mut keep: impl FnMut(&str) -> bool) -> Self {
        self.tensors.retain(|entry| keep(&entry.name));
        self.places = (0..)
            .zip(&self.tensors)
            .map(|(i, entry)| (entry.name.clone(), i))
            .collect();
        self
    }

    /// How these weights differ from the tensors that a network expects, each a name and a shape.
    pub fn differences<'a>(&self, expected: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Differences {
        Differences::between(expected, self)
    }

    /// Makes sure that these are exactly the tensors that a network expects, each a name and a shape.
    ///
    /// # Errors
    /// One error that lists what is missing, what has another shape and what is not expected.
    pub fn require<'a>(&self, expected: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Result<()> {
        self.differences(expected).none(self)
    }

    fn gather(origin: &str, tensors: Vec<Entry>) -> Result<Self> {
        let mut places = HashMap::with_capacity(tensors.len());
        for (i, entry) in tensors.iter().enumerate() {
            if places.insert(entry.name.clone(), i).is_some() {
                let what = format!(
                    "expected tensors with different names, found {} twice",
                    entry.name
                );
                return Err(Error::data(what).at(origin));
            }
        }
        Ok(Self {
            tensors,
            places,
            origin: origin.to_owned(),
            sha256: String::new(),
        })
    }

    fn numbers(&self) -> usize {
        self.iter().map(|(_, tensor)| tensor.values.len()).sum()
    }
}

/// One line: where they are from, how many tensors and numbers, and how many of these are NaN or infinite.
impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tensors, numbers) = (self.iter().count(), self.numbers());
        write!(f, "weights: {tensors} tensors, {numbers} numbers")?;
        match self.len() - tensors {
            0 => {}
            counters => write!(f, ", {counters} counters")?,
        }
        let values = self.iter().flat_map(|(_, tensor)| tensor.values);
        match values.filter(|value| !value.is_finite()).count() {
            0 => {}
            odd => write!(f, ", {odd} not finite")?,
        }
        write!(f, " ({})", self.origin)
    }
}

/// The same line as `Display`: a panic message or `{:?}` in a cell must not print every number.
impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Weights({self})")
    }
}

impl Show for Weights {
    /// The first tensors, with their shapes.
    fn bundle(&self) -> Bundle {
        let mut table = Table::new(["tensor", "shape", "numbers"])
            .align(0, Align::Left)
            .align(1, Align::Left)
            .note(self.to_string());
        for entry in self.tensors.iter().take(SHOWN) {
            let numbers = match &entry.numbers {
                Numbers::Floats(values) => values.len().to_string(),
                Numbers::Integers(values) => format!("{} (integer)", values.len()),
            };
            table = table.row([entry.name.clone(), shape_words(&entry.shape), numbers]);
        }
        if self.len() > SHOWN {
            table = table.row(["...", "", ""]);
        }
        table.bundle()
    }
}

/// Numbers that a shape has; none when they are too many to count.
fn count(shape: &[usize]) -> Option<usize> {
    // A zero makes all of it empty, however large the rest.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1usize, |n, &side| n.checked_mul(side))
}

/// `64 x 3 x 7 x 7`, or that it is a single number.
fn shape_words(shape: &[usize]) -> String {
    match shape {
        [] => "a single number".to_owned(),
        _ => shape
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" x "),
    }
}

fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}
