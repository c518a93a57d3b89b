//! The classes and functions that a pickle may name, and what is said of others.

use super::super::number::NumberType;
use super::super::{Trouble, quoted};

/// What refuses anything but tensors advises.
pub const ONLY_TENSORS: &str = "if you trust its makers, load it in Python and write only the tensors: \
     torch.save(model.state_dict(), \"weights.pth\"); if not, get the weights elsewhere";

/// The classes and functions that are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(NumberType),
}

/// How PyTorch writes tensors whose numbers are not read, and what to do with them.
const OTHER_TENSORS: [(&str, &str, &str); 5] = [
    (
        "_rebuild_tensor_v3",
        "a tensor of a type that is not read (8-bit floats, unsigned 16 to 64 bits)",
        "convert such tensors before saving: `{k: v.float() for k, v in model.state_dict().items()}`",
    ),
    (
        "_rebuild_qtensor",
        "a quantized tensor",
        "convert such tensors before saving: `tensor.dequantize()`",
    ),
    (
        "_rebuild_sparse_tensor",
        "a sparse tensor",
        "convert such tensors before saving: `tensor.to_dense()`",
    ),
    (
        "_rebuild_meta_tensor_no_storage",
        "a tensor without numbers (of the device \"meta\")",
        "give the model its weights before saving it",
    ),
    (
        "_rebuild_nested_tensor",
        "a nested tensor",
        "convert such tensors before saving: `tensor.to_padded_tensor(0.0)`",
    ),
];

impl Global {
    pub(super) fn find(module: &str, name: &str) -> Result<Self, Trouble> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "FloatStorage") => Self::Storage(NumberType::F32),
            ("torch", "DoubleStorage") => Self::Storage(NumberType::F64),
            ("torch", "HalfStorage") => Self::Storage(NumberType::F16),
            ("torch", "BFloat16Storage") => Self::Storage(NumberType::BF16),
            ("torch", "LongStorage") => Self::Storage(NumberType::I64),
            ("torch", "IntStorage") => Self::Storage(NumberType::I32),
            ("torch", "ShortStorage") => Self::Storage(NumberType::I16),
            ("torch", "CharStorage") => Self::Storage(NumberType::I8),
            ("torch", "ByteStorage") => Self::Storage(NumberType::U8),
            ("torch", "BoolStorage") => Self::Storage(NumberType::Bool),
            ("torch", "ComplexFloatStorage" | "ComplexDoubleStorage" | "ComplexHalfStorage") => {
                return Err(Trouble::new("expected real numbers, found a complex tensor")
                    .fix("save its parts as two tensors: `tensor.real.clone()` and `tensor.imag.clone()`"));
            }
            ("torch._utils", other) if let Some((_, found, fix)) = other_tensor(other) => {
                return Err(
                    Trouble::new(format!("expected tensors of plain numbers, found {found}")).fix(fix),
                );
            }
            _ => {
                let found = quoted(&format!("{module}.{name}"));
                return Err(
                    Trouble::new(format!("expected nothing but tensors, found the global {found}"))
                        .fix(ONLY_TENSORS),
                );
            }
        })
    }
}

fn other_tensor(name: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    OTHER_TENSORS.iter().find(|(known, ..)| *known == name)
}
