//! A `state_dict` in the zip archive that `torch.save` writes.
//!
//! `archive/data.pkl` describes the tensors, `archive/data/<key>` holds the numbers of each storage,
//! `archive/byteorder` says in which order their bytes are; `archive` is any name.

use std::borrow::Cow;
use std::collections::HashMap;

use super::pickle::{Pickle, TensorRef, Value};
use super::zip::Archive;
use super::{Entry, Trouble, check_memory, count, quoted};

/// The way out of every format of PyTorch that is not read.
pub(super) const SAVE_AGAIN: &str = "load it in Python and write it anew with PyTorch 1.6 or later: torch.save(model.state_dict(), \"weights.pth\")";

/// Where checkpoints keep a `state_dict`, in the order in which they are looked for.
const NESTED: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Tensors may share storages, but a few bytes that claim to be thousands of large tensors are no weights.
const MOST_SHARING: usize = 4;

pub(super) fn read(content: &[u8]) -> Result<Vec<Entry>, Trouble> {
    let archive = Archive::open(content)?;
    let folder = folder(&archive)?;
    if let Some(order) = read_entry(&archive, &format!("{folder}byteorder"))?
        && *order != *b"little"
    {
        let order = quoted(&String::from_utf8_lossy(&order));
        return Err(Trouble::new(format!("expected little-endian numbers, found {order}")).fix(
            "write it anew on a little-endian machine (most are): torch.save(model.state_dict(), \"weights.pth\")",
        ));
    }
    let name = format!("{folder}data.pkl");
    let bytes = read_entry(&archive, &name)?.unwrap_or_default();
    let pickle = Pickle::read(&bytes).map_err(|trouble| trouble.inside(&name))?;
    let tensors = state_dict(&pickle)?;
    let storages = storages(&archive, &folder, &pickle, &tensors)?;
    tensors
        .into_iter()
        .map(|(name, tensor)| {
            let storage = &pickle.storages[tensor.storage];
            let numbers = storage.kind.decode(pieces(
                &storages[storage.key.as_str()],
                storage.kind.size(),
                tensor,
            ));
            Ok(Entry {
                name: name.to_owned(),
                shape: tensor.shape.clone(),
                numbers: numbers.map_err(|trouble| trouble.inside(format!("tensor {}", quoted(name))))?,
            })
        })
        .collect()
}

/// The folder of everything in the archive, with its slash.
fn folder(archive: &Archive<'_>) -> Result<String, Trouble> {
    let mut folders = archive
        .names()
        .filter_map(|name| name.strip_suffix("data.pkl"))
        .filter(|folder| folder.is_empty() || folder.ends_with('/'));
    let Some(folder) = folders.next() else {
        return Err(Trouble::new(
            "expected an archive of PyTorch with a data.pkl, found another zip archive",
        )
        .fix("give a .pth or .pt file as torch.save writes it, not packed into another archive"));
    };
    if folders.next().is_some() {
        return Err(Trouble::new(
            "expected one data.pkl in the archive, found several",
        ));
    }
    let [constants, code] = ["constants.pkl", "code/"].map(|part| format!("{folder}{part}"));
    if archive
        .names()
        .any(|name| name == constants || name.starts_with(&code))
    {
        return Err(
            Trouble::new("expected a state_dict, found a TorchScript program").fix(
                "load it in Python and write its tensors: \
             torch.save(torch.jit.load(\"file.pt\").state_dict(), \"weights.pth\")",
            ),
        );
    }
    Ok(folder.to_owned())
}

/// An entry's content, memory for it made sure of.
fn read_entry<'a>(archive: &Archive<'a>, name: &str) -> Result<Option<Cow<'a, [u8]>>, Trouble> {
    let size = archive.size(name).unwrap_or(0);
    check_memory(usize::try_from(size).unwrap_or(usize::MAX), 1)?;
    archive.read(name)
}

/// The tensors by name, wherever in the pickle the `state_dict` is.
fn state_dict(pickle: &Pickle) -> Result<Vec<(&str, &TensorRef)>, Trouble> {
    let Value::Dict(mut dict) = pickle.value else {
        return Err(
            Trouble::new(format!("expected a state_dict, found {}", pickle.value.kind())).fix(SAVE_AGAIN),
        );
    };
    let nested = |&name: &&str| {
        let mut items = pickle.dicts[dict].iter();
        items.find_map(|&(key, value)| match value {
            Value::Dict(inner) if pickle.text(key) == Some(name) => Some(inner),
            _ => None,
        })
    };
    if let Some(inner) = NESTED.iter().find_map(nested) {
        dict = inner;
    }
    let mut tensors = Vec::new();
    for &(key, value) in &pickle.dicts[dict] {
        let Some(name) = pickle.text(key) else {
            return Err(Trouble::new(format!(
                "expected names as the keys of a state_dict, found {}",
                key.kind()
            ))
            .fix(SAVE_AGAIN));
        };
        let Value::Tensor(tensor) = value else {
            return Err(Trouble::new(format!(
                "expected a tensor under every name of a state_dict, found {}",
                value.kind()
            ))
            .inside(format!("entry {}", quoted(name)))
            .fix(SAVE_AGAIN));
        };
        tensors.push((name, &pickle.tensors[tensor]));
    }
    Ok(tensors)
}

/// The storages that the tensors need, after every tensor was found to lie inside its own.
fn storages<'p, 'a>(
    archive: &Archive<'a>,
    folder: &str,
    pickle: &'p Pickle,
    tensors: &[(&str, &TensorRef)],
) -> Result<HashMap<&'p str, Cow<'a, [u8]>>, Trouble> {
    let (mut asked, mut held, mut packed) = (0usize, 0usize, 0usize);
    let mut seen = HashMap::new();
    for &(name, tensor) in tensors {
        let storage = &pickle.storages[tensor.storage];
        let entry = format!("{folder}data/{}", storage.key);
        let inside = |trouble: Trouble| trouble.inside(format!("tensor {}", quoted(name)));
        let Some(bytes) = archive.size(&entry) else {
            let entry = quoted(&entry);
            return Err(inside(Trouble::new(format!(
                "expected the entry {entry}, found none"
            ))));
        };
        if storage.length.checked_mul(storage.kind.size()).map(|n| n as u64) != Some(bytes) {
            return Err(inside(Trouble::new(format!(
                "expected a storage of {} numbers of {:?}, found one of {bytes} bytes",
                storage.length, storage.kind
            ))));
        }
        let numbers = check_bounds(tensor, storage.length).map_err(inside)?;
        asked = asked.saturating_add(numbers);
        if seen.insert(storage.key.as_str(), entry).is_none() {
            held = held.saturating_add(storage.length);
            packed = packed.saturating_add(bytes as usize);
        }
    }
    if asked > held.saturating_mul(MOST_SHARING) {
        return Err(Trouble::new(format!(
            "expected tensors that share numbers at most {MOST_SHARING} times, found {asked} numbers from {held}"
        ))
        .fix("write expanded tensors with .contiguous(), or give each its own numbers with .clone()"));
    }
    // A number becomes 4 bytes, or 8 as an integer, while the unpacked storages are still there.
    check_memory(asked.saturating_add(packed / 8), 8)?;
    seen.into_iter()
        .map(|(key, entry)| Ok((key, archive.read(&entry)?.unwrap_or_default())))
        .collect()
}

/// Makes sure that a view stays inside its storage of `length` numbers; gives its own number of them.
fn check_bounds(tensor: &TensorRef, length: usize) -> Result<usize, Trouble> {
    let numbers = count(&tensor.shape);
    // The furthest number: the last index of every dimension.
    let mut steps = tensor.shape.iter().zip(&tensor.strides);
    let last = steps.try_fold(tensor.offset, |at, (&side, &stride)| {
        at.checked_add(side.saturating_sub(1).checked_mul(stride)?)
    });
    let inside = match numbers {
        Some(0) => tensor.offset <= length,
        _ => last.is_some_and(|last| last < length),
    };
    match numbers {
        Some(numbers) if inside => Ok(numbers),
        _ => Err(Trouble::new(format!(
            "expected a view inside its storage of {length} numbers, found shape {:?}, strides {:?}, offset {}",
            tensor.shape, tensor.strides, tensor.offset
        ))),
    }
}

/// The bytes of each number of a view that was found to lie inside its storage, in row-major order.
fn pieces<'a>(storage: &'a [u8], size: usize, tensor: &'a TensorRef) -> impl Iterator<Item = &'a [u8]> {
    let mut left = count(&tensor.shape).unwrap_or(0);
    let mut index = vec![0; tensor.shape.len()];
    let mut at = tensor.offset;
    std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let piece = &storage[at * size..][..size];
        // Like an odometer, the last dimension first; after the last number nothing is left to move to.
        for d in (0..index.len()).rev() {
            index[d] += 1;
            if index[d] < tensor.shape[d] {
                at += tensor.strides[d];
                break;
            }
            at -= (index[d] - 1) * tensor.strides[d];
            index[d] = 0;
        }
        Some(piece)
    })
}
