//! Checkpoints: safetensors files with the spec, the recipe and the state in the metadata.
//!
//! The tensors carry their names in the network (`dense1.weight`), so that any safetensors reader can use
//! them; what only resuming needs is under `state.`. A sha256 over metadata and numbers finds what the
//! format itself does not: flipped bits.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::state::{Counters, Kept, State};
use super::{History, Recipe, Record};
use crate::data::Names;
use crate::hex::hex;
use crate::net::{NetSpec, Role, TensorInfo};
use crate::{Error, Result, cells, replace};

/// The version of the layout of files.
const FORMAT: u32 = 2;

/// What a file says about its training besides numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Label {
    pub format: u32,
    /// The version of this crate that wrote it.
    pub version: String,
    pub device: String,
    /// None for a typed dfdx model.
    pub spec: Option<NetSpec>,
    /// What was trained, in words: the spec's line, or the type of the dfdx model.
    pub model: String,
    pub recipe: Recipe,
    /// Digest of the dataset.
    pub dataset: String,
    /// Of its classes and features. Files of earlier versions have none.
    #[serde(default)]
    pub names: Names,
    /// Whether the loss was written by the user; then the file cannot hold it.
    pub own_loss: bool,
    /// What else the user gave that the file cannot hold: watchers by name, a rule, more streams by their digests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub besides: Vec<String>,
    /// How often checkpoints were written, in steps.
    pub every: Option<usize>,
}

impl Label {
    /// Whether the softmax of what the model puts out was trained to be probabilities.
    pub fn gives_log_probabilities(&self) -> bool {
        self.recipe.loss.gives_log_probabilities() && !self.own_loss
    }
}

/// A file, read and checked.
pub(super) struct File {
    pub label: Label,
    /// In the order of the flat vectors.
    pub tensors: Vec<Named>,
    pub state: State,
    /// The numbers to use: parameters and buffers, flat.
    pub parameters: Vec<f32>,
    pub buffers: Vec<f32>,
}

/// A tensor of the model in a file.
pub(super) struct Named {
    pub name: String,
    pub shape: Vec<usize>,
    /// Whether it lies in the buffers.
    pub running: bool,
}

#[derive(Serialize, Deserialize)]
struct Scalars {
    counters: Counters,
    kept_step: u64,
    kept_loss: u64,
    moments: usize,
    #[serde(default)]
    learned: usize,
    #[serde(default)]
    kept_learned: usize,
    #[serde(default)]
    watchers: usize,
    rows: usize,
    /// Name of each tensor and whether it lies in the buffers, in the order of the flat vectors.
    tensors: Vec<(String, bool)>,
}

fn bytes<const N: usize, T: Copy>(values: &[T], to: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| to(value)).collect()
}

/// Writes `state` and the numbers to use to `path`, in one move.
pub(super) fn write(
    path: &Path,
    label: &Label,
    tensors: &[TensorInfo],
    state: &State,
    (parameters, buffers): (&[f32], &[f32]),
) -> Result<()> {
    let broken = |e: &dyn std::fmt::Display| {
        Error::data(format!("the checkpoint could not be written: {e}")).at(path.display().to_string())
    };
    let mut parts: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for tensor in tensors {
        let store = if tensor.role == Role::Running {
            buffers
        } else {
            parameters
        };
        let values = bytes(&store[tensor.range.clone()], f32::to_le_bytes);
        parts.push((tensor.name.clone(), Dtype::F32, tensor.shape.clone(), values));
    }
    let mut flat = |name: &str, values: &[f32]| {
        let values_bytes = bytes(values, f32::to_le_bytes);
        parts.push((
            format!("state.{name}"),
            Dtype::F32,
            vec![values.len()],
            values_bytes,
        ));
    };
    // What is the same as the numbers to use is not written again.
    for (name, values, used) in [
        ("parameters", &state.parameters, parameters),
        ("buffers", &state.buffers, buffers),
        ("kept.parameters", &state.kept.parameters, parameters),
        ("kept.buffers", &state.kept.buffers, buffers),
    ] {
        if values != used {
            flat(name, values);
        }
    }
    for (name, several) in [
        ("moment", &state.moments),
        ("learned", &state.learned),
        ("kept.learned", &state.kept.learned),
        ("watcher", &state.watchers),
    ] {
        for (i, values) in several.iter().enumerate() {
            flat(&format!("{name}{i}"), values);
        }
    }
    if !state.stand_in.is_empty() {
        flat("stand_in", &state.stand_in);
    }
    let rows: Vec<f64> = state.history.records.iter().flat_map(Record::numbers).collect();
    let shape = vec![state.history.len(), Record::COLUMNS];
    parts.push((
        "state.history".into(),
        Dtype::F64,
        shape,
        bytes(&rows, f64::to_le_bytes),
    ));
    let scalars = Scalars {
        counters: state.counters.clone(),
        kept_step: state.kept.step,
        kept_loss: state.kept.loss.to_bits(),
        moments: state.moments.len(),
        learned: state.learned.len(),
        kept_learned: state.kept.learned.len(),
        watchers: state.watchers.len(),
        rows: state.history.len(),
        tensors: tensors
            .iter()
            .map(|t| (t.name.clone(), t.role == Role::Running))
            .collect(),
    };
    let json = |value: Result<String, serde_json::Error>| value.map_err(|e| broken(&e));
    let mut metadata = BTreeMap::from([
        ("format".to_owned(), "jook".to_owned()),
        ("label".to_owned(), json(serde_json::to_string(label))?),
        ("spec".to_owned(), json(serde_json::to_string(&label.spec))?),
        ("recipe".to_owned(), json(serde_json::to_string(&label.recipe))?),
        ("seed".to_owned(), label.recipe.seed.to_string()),
        ("version".to_owned(), label.version.clone()),
        ("step".to_owned(), state.counters.step.to_string()),
        ("state".to_owned(), json(serde_json::to_string(&scalars))?),
    ]);
    let sum = digest(
        &metadata,
        parts
            .iter()
            .map(|(name, _, _, data)| (name.as_str(), data.as_slice()))
            .collect(),
    );
    metadata.insert("sha256".into(), sum);
    let views = parts
        .iter()
        .map(|(name, dtype, shape, data)| {
            Ok((
                name.as_str(),
                TensorView::new(*dtype, shape.clone(), data).map_err(|e| broken(&e))?,
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    let metadata: HashMap<String, String> = metadata.into_iter().collect();
    let content = safetensors::serialize(views, Some(metadata)).map_err(|e| broken(&e))?;
    replace::file(path, &content)
}

/// Reads the file at `path`, to work with the model in it; nothing in it is believed before it is checked.
pub(super) fn read(path: &Path) -> Result<File> {
    let file = read_to_resume(path)?;
    cells::reads(|| (bits(&file.parameters), bits(&file.buffers)));
    Ok(file)
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

/// As [`read`], to go on with its training: how far that is makes no difference to what comes of it.
pub(super) fn read_to_resume(path: &Path) -> Result<File> {
    let broken = |what: String| {
        Error::data(what)
            .at(path.display().to_string())
            .fix("use an undamaged file written by a checkpoint or by Run::save")
    };
    let content = fs::read(path).map_err(|e| Error::io(path, &e))?;
    let tensors = SafeTensors::deserialize(&content).map_err(|e| {
        broken(format!(
            "expected a safetensors file, found something else or a part: {e}"
        ))
    })?;
    let (_, header) = SafeTensors::read_metadata(&content).map_err(|e| broken(e.to_string()))?;
    let mut metadata: BTreeMap<String, String> = header
        .metadata()
        .clone()
        .unwrap_or_default()
        .into_iter()
        .collect();
    if metadata.get("format").map(String::as_str) != Some("jook") {
        return Err(broken(
            "expected a file written by Jook, found another program's".into(),
        ));
    }
    let stated = metadata.remove("sha256").unwrap_or_default();
    let found = digest(
        &metadata,
        tensors.iter().map(|(name, view)| (name, view.data())).collect(),
    );
    if stated != found {
        return Err(broken(format!(
            "expected the checksum {stated}, found {found}: the file is damaged"
        )));
    }
    let part = |name: &str| metadata.get(name).map(String::as_str).unwrap_or_default();
    let unread = |name: &str, e: serde_json::Error| {
        broken(format!(
            "the {name} in the file is of another version of Jook or damaged: {e}"
        ))
    };
    let label: Label = serde_json::from_str(part("label")).map_err(|e| unread("label", e))?;
    if label.format != FORMAT {
        return Err(broken(format!(
            "expected a file of layout {FORMAT}, found one of layout {}, written by Jook {} before recipes and networks got \
             the names that they keep",
            label.format, label.version
        ))
        .fix("train anew; the tensors alone can still be read as safetensors"));
    }
    let scalars: Scalars = serde_json::from_str(part("state")).map_err(|e| unread("state", e))?;
    let floats = |name: &str| -> Result<Vec<f32>> {
        let view = tensors
            .tensor(name)
            .map_err(|e| broken(format!("tensor {name}: {e}")))?;
        if view.dtype() != Dtype::F32 {
            return Err(broken(format!(
                "tensor {name}: expected f32, found {:?}",
                view.dtype()
            )));
        }
        let (chunks, _) = view.data().as_chunks::<4>();
        Ok(chunks.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect())
    };
    let (mut parameters, mut buffers, mut named) = (Vec::new(), Vec::new(), Vec::new());
    for (name, running) in scalars.tensors {
        if running { &mut buffers } else { &mut parameters }.extend(floats(&name)?);
        let shape = tensors
            .tensor(&name)
            .map(|view| view.shape().to_vec())
            .unwrap_or_default();
        named.push(Named { name, shape, running });
    }
    let rows = tensors
        .tensor("state.history")
        .map_err(|e| broken(e.to_string()))?;
    let (rows, _) = rows.data().as_chunks::<8>();
    let rows: Vec<f64> = rows.iter().map(|&chunk| f64::from_le_bytes(chunk)).collect();
    let (rows, _) = rows.as_chunks::<{ Record::COLUMNS }>();
    let or_used = |name: &str, used: &[f32]| match tensors.tensor(name) {
        Ok(_) => floats(name),
        Err(_) => Ok(used.to_vec()),
    };
    let several = |name: &str, count: usize| -> Result<Vec<Vec<f32>>> {
        (0..count).map(|i| floats(&format!("state.{name}{i}"))).collect()
    };
    let state = State {
        parameters: or_used("state.parameters", &parameters)?,
        buffers: or_used("state.buffers", &buffers)?,
        moments: several("moment", scalars.moments)?,
        learned: several("learned", scalars.learned)?,
        watchers: several("watcher", scalars.watchers)?,
        stand_in: or_used("state.stand_in", &[])?,
        kept: Kept {
            step: scalars.kept_step,
            loss: f64::from_bits(scalars.kept_loss),
            parameters: or_used("state.kept.parameters", &parameters)?,
            buffers: or_used("state.kept.buffers", &buffers)?,
            learned: several("kept.learned", scalars.kept_learned)?,
        },
        history: History {
            records: rows.iter().map(|&row| Record::from_numbers(row)).collect(),
        },
        counters: scalars.counters,
    };
    let (p, b) = (parameters.len(), buffers.len());
    let fits = state.parameters.len() == p
        && state.kept.parameters.len() == p
        && state.moments.iter().all(|moment| moment.len() == p)
        && (state.stand_in.is_empty() || state.stand_in.len() == p)
        && state.buffers.len() == b
        && state.kept.buffers.len() == b
        && state.history.len() == scalars.rows;
    if !fits {
        return Err(broken("the tensors of the file do not fit together".into()));
    }
    Ok(File {
        label,
        tensors: named,
        state,
        parameters,
        buffers,
    })
}

/// The recipe of the checkpoint at `path`, to go on with as before; refused where the file cannot hold all of it.
pub(super) fn recipe_to_resume(path: &Path) -> Result<Recipe> {
    let label = read(path)?.label;
    if label.own_loss || !label.besides.is_empty() {
        let what = match label.own_loss {
            true => "a loss written in dfdx".to_owned(),
            false => label.besides.join(", "),
        };
        return Err(Error::spec(format!("the file cannot hold {what}"))
            .at(path.display().to_string())
            .fix("call train or train_with again, with the same recipe and .resume(path)"));
    }
    let mut recipe = label.recipe.resume(path);
    recipe.checkpoint = label.every.map(|every| (path.to_owned(), every));
    Ok(recipe)
}

impl Label {
    pub fn new(
        spec: Option<NetSpec>,
        model: String,
        recipe: &Recipe,
        dataset: String,
        names: Names,
        own_loss: bool,
        besides: Vec<String>,
    ) -> Self {
        Self {
            format: FORMAT,
            version: super::VERSION.to_owned(),
            device: super::DEVICE.to_owned(),
            spec,
            model,
            recipe: recipe.clone(),
            dataset,
            names,
            own_loss,
            besides,
            every: recipe.checkpoint.as_ref().map(|(_, every)| *every),
        }
    }

    /// Refuses to resume `asked` from a file labelled `self`, saying what differs.
    pub fn check(&self, asked: &Label, path: &Path) -> Result<()> {
        let differs = |what: &str, file: &str, asked: &str, remedy: &str| {
            Err(Error::spec(format!(
                "cannot resume: {what} differs\n  in the file: {file}\n  asked for:   {asked}"
            ))
            .at(path.display().to_string())
            .fix(remedy))
        };
        let anew = "resume with what the file was made with, or train anew without resume";
        let same_model = match &self.spec {
            Some(_) => self.model == asked.model,
            None => without_paths(&self.model) == without_paths(&asked.model),
        };
        if self.spec != asked.spec || !same_model {
            return differs("the network", &self.model, &asked.model, anew);
        }
        if self.own_loss != asked.own_loss {
            let name = |own| {
                if own {
                    "one written in dfdx"
                } else {
                    "the recipe's"
                }
            };
            return differs(
                "the loss",
                name(self.own_loss),
                name(asked.own_loss),
                "give the same loss",
            );
        }
        if self.besides != asked.besides {
            return differs(
                "what was given beside recipe and data",
                &self.besides.join(", "),
                &asked.besides.join(", "),
                "give the same watchers, rule and streams",
            );
        }
        if self.recipe.digest() != asked.recipe.digest() {
            return differs(
                "the recipe",
                &self.recipe.to_string(),
                &asked.recipe.to_string(),
                anew,
            );
        }
        if self.dataset != asked.dataset {
            return differs("the data", &self.dataset, &asked.dataset, anew);
        }
        // The digest does not tell the same labels under other names.
        for (what, own, asked) in [
            ("the classes", &self.names.classes, &asked.names.classes),
            ("the values", &self.names.values, &asked.names.values),
        ] {
            if !own.is_empty() && own != asked {
                return differs(what, &own.join(", "), &asked.join(", "), anew);
            }
        }
        Ok(())
    }
}

/// The type of a dfdx model by its plain names: a type of a notebook lies in another module each time it is defined.
fn without_paths(name: &str) -> String {
    let mut plain = String::new();
    let mut word = String::new();
    for letter in name.chars() {
        match letter {
            ':' => word.clear(),
            _ if letter.is_alphanumeric() || letter == '_' => word.push(letter),
            _ => {
                plain.push_str(&word);
                word.clear();
                plain.push(letter);
            }
        }
    }
    plain + &word
}

/// sha256 over metadata and numbers, by name.
fn digest(metadata: &BTreeMap<String, String>, mut tensors: Vec<(&str, &[u8])>) -> String {
    tensors.sort_unstable_by_key(|&(name, _)| name);
    let mut hash = Sha256::new();
    let texts = metadata
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()));
    for (name, data) in texts.chain(tensors) {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((data.len() as u64).to_le_bytes());
        hash.update(data);
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::without_paths;

    #[test]
    fn a_type_of_a_notebook_is_the_same_wherever_it_was_defined() {
        let (one, other) = (
            "(cell_3::Conv<8>, dfdx::nn::activations::ReLU)",
            "(cell_12::inner::Conv<8>, dfdx::nn::activations::ReLU)",
        );
        assert_eq!(without_paths(one), "(Conv<8>, ReLU)");
        assert_eq!(without_paths(one), without_paths(other));
        assert_ne!(
            without_paths(one),
            without_paths("(cell_3::Conv<9>, dfdx::nn::activations::ReLU)")
        );
        assert_eq!(without_paths("a::Model"), "Model");
    }
}
