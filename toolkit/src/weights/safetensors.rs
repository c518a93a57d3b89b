//! Safetensors, read strictly: a length, a JSON header with the place of every tensor, the numbers.
//!
//! Layout: <https://github.com/huggingface/safetensors#format>. The tensors must lie one after another and
//! fill the file: what overlaps or leaves holes was not written by a sound writer.

use std::fmt;

use safetensors::tensor::{Dtype, TensorInfo, TensorView};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::number::NumberType;
use super::{Entry, Numbers, Trouble, check_memory, count, quoted};
use crate::{Error, Result};

/// The longest header that is read, in bytes: as in the reference reader.
const LONGEST_HEADER: u64 = 100_000_000;
/// What is no tensor's name: remarks on the file stand under it.
pub(super) const REMARKS: &str = "__metadata__";
/// Where the header begins.
const START: usize = 8;

pub(super) fn read(content: &[u8]) -> Result<Vec<Entry>, Trouble> {
    let Some((length, rest)) = content.split_first_chunk::<START>() else {
        return Err(Trouble::new(format!(
            "expected {START} bytes with the length of the header, found a file of {}",
            content.len()
        )));
    };
    let length = u64::from_le_bytes(*length);
    if length > LONGEST_HEADER {
        return Err(Trouble::new(format!(
            "expected a header of at most {LONGEST_HEADER} bytes, found a declared length of {length}"
        ))
        .inside("byte 0"));
    }
    let Some((header, data)) = rest.split_at_checked(length as usize) else {
        return Err(Trouble::new(format!(
            "expected a header of {length} bytes, found {} in the file",
            rest.len()
        ))
        .inside("byte 0"));
    };
    let header: Header = serde_json::from_slice(header).map_err(|e| {
        Trouble::new(format!("expected a header of safetensors, found: {e}")).inside("the header")
    })?;
    let mut tensors = header.0;
    tensors.sort_by(|(a, x), (b, y)| (x.data_offsets, a).cmp(&(y.data_offsets, b)));
    let mut end = 0;
    let mut numbers = 0usize;
    for (name, info) in &tensors {
        let ranged = check(info, end, data.len())
            .map_err(|trouble| trouble.inside(format!("tensor {}", quoted(name))))?;
        end = info.data_offsets.1;
        numbers = numbers.saturating_add(ranged);
    }
    if end != data.len() {
        return Err(Trouble::new(format!(
            "expected the tensors to fill the file, found {} bytes after them",
            data.len() - end
        ))
        .inside(format!("byte {}", START as u64 + length + end as u64)));
    }
    // A number becomes 4 bytes, or 8 as an integer.
    check_memory(numbers, 8)?;
    tensors
        .into_iter()
        .map(|(name, info)| {
            let (kind, (from, to)) = (number_type(info.dtype)?, info.data_offsets);
            let numbers = kind
                .decode(data[from..to].chunks_exact(kind.size()))
                .map_err(|trouble| trouble.inside(format!("tensor {}", quoted(&name))))?;
            Ok(Entry {
                name,
                shape: info.shape,
                numbers,
            })
        })
        .collect()
}

/// Holds a tensor's place against the end of the one before it, its shape, and the file; gives its numbers.
fn check(info: &TensorInfo, before: usize, bytes: usize) -> Result<usize, Trouble> {
    let (from, to) = info.data_offsets;
    let kind = number_type(info.dtype)?;
    if from > to {
        return Err(Trouble::new(format!(
            "expected a place in the file, found {from} to {to}"
        )));
    }
    if to > bytes {
        return Err(Trouble::new(format!(
            "expected a tensor inside the {bytes} bytes of numbers, found one that ends at {to}"
        )));
    }
    if from < before {
        return Err(Trouble::new(format!(
            "expected tensors beside each other, found one that begins at {from}, {} bytes inside another",
            before - from
        )));
    }
    if from > before {
        return Err(Trouble::new(format!(
            "expected tensors beside each other, found a hole of {} bytes before it",
            from - before
        )));
    }
    let numbers = count(&info.shape);
    if numbers.and_then(|n| n.checked_mul(kind.size())) != Some(to - from) {
        return Err(Trouble::new(format!(
            "expected as many bytes as the shape {:?} of {kind:?} has, found {}",
            info.shape,
            to - from
        )));
    }
    Ok(numbers.unwrap_or_default())
}

fn number_type(dtype: Dtype) -> Result<NumberType, Trouble> {
    Ok(match dtype {
        Dtype::F16 => NumberType::F16,
        Dtype::BF16 => NumberType::BF16,
        Dtype::F32 => NumberType::F32,
        Dtype::F64 => NumberType::F64,
        Dtype::I8 => NumberType::I8,
        Dtype::I16 => NumberType::I16,
        Dtype::I32 => NumberType::I32,
        Dtype::I64 => NumberType::I64,
        Dtype::U8 => NumberType::U8,
        Dtype::U16 => NumberType::U16,
        Dtype::U32 => NumberType::U32,
        Dtype::U64 => NumberType::U64,
        Dtype::BOOL => NumberType::Bool,
        other => {
            return Err(Trouble::new(format!(
                "expected 16 to 64-bit floating-point numbers or integers, found {other:?}"
            ))
            .fix("convert the weights to F32 where they were made"));
        }
    })
}

/// Writes the tensors; the same tensors give the same bytes.
pub(super) fn write(tensors: &[Entry]) -> Result<Vec<u8>> {
    let parts: Vec<(&Entry, Dtype, Vec<u8>)> = tensors
        .iter()
        .map(|entry| match &entry.numbers {
            Numbers::Floats(values) => {
                let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
                (entry, Dtype::F32, bytes)
            }
            Numbers::Integers(values) => {
                let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
                (entry, Dtype::I64, bytes)
            }
        })
        .collect();
    let broken =
        |e: safetensors::SafeTensorError| Error::data(format!("the weights could not be written: {e}"));
    let views = parts
        .iter()
        .map(|(entry, dtype, bytes)| {
            let view = TensorView::new(*dtype, entry.shape.clone(), bytes).map_err(broken)?;
            Ok((entry.name.as_str(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    safetensors::serialize(views, None).map_err(broken)
}

/// The header's tensors. Read by hand for the sake of one rule: no name comes twice.
struct Header(Vec<(String, TensorInfo)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a tensor under each name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut tensors = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        let twice = format!("the name {} twice", quoted(&name));
                        return Err(serde::de::Error::custom(twice));
                    }
                    if name == REMARKS {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        tensors.push((name, map.next_value::<TensorInfo>()?));
                    }
                }
                Ok(Header(tensors))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
